//! What the system tells of a process, and what it can be told.

use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::PathBuf;

use ipcm::PeerRecord;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{SocketAddrUnix, getsockname, sockopt};
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, getrlimit, kill_process, pidfd_open, setrlimit,
};

/// The id as the system calls take it.
pub fn pid(pid: u32) -> Pid {
    Pid::from_raw(pid.cast_signed()).expect("a process id is not zero")
}

/// Sends a signal to a process that may be gone.
pub fn signal(process: u32, signal: Signal) {
    let _ = kill_process(pid(process), signal);
}

/// Waits for the end of any process, not only of a child.
pub fn await_end(process: u32) {
    let Ok(pidfd) = pidfd_open(pid(process), PidfdFlags::empty()) else { return };
    while poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], None) != Ok(1) {}
}

/// Whether there is such a process; a zombie is one.
pub fn exists(process: u32) -> bool {
    fs::exists(format!("/proc/{process}")).unwrap_or(false)
}

/// Bytes of memory that the process has in use.
pub fn resident(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("the process lives");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has a memory size");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("the memory size is a number");
    kib * 1024
}

/// The descriptors above standard error that a program executed by this process would inherit.
pub fn inheritable(process: u32) -> Vec<String> {
    let descriptors = fs::read_dir(format!("/proc/{process}/fdinfo")).expect("the process lives");
    let inherits = |fd: &String| {
        let info = fs::read_to_string(format!("/proc/{process}/fdinfo/{fd}")).unwrap_or_default();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).map(str::trim).unwrap_or("0");
        i32::from_str_radix(flags, 8).unwrap_or(0) & libc::O_CLOEXEC == 0
    };
    let names = descriptors.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let above = names.filter(|fd| fd.parse().is_ok_and(|fd: i32| fd > 2));
    above.filter(inherits).map(|fd| describe(process, &fd)).collect()
}

fn describe(process: u32, fd: &str) -> String {
    let target = fs::read_link(format!("/proc/{process}/fd/{fd}")).unwrap_or_default();
    format!("{fd}: {}", target.display())
}

/// Lets this process have as many descriptors as it may.
pub fn raise_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// The file name of the socket on which a peer listens.
pub fn socket_file(peer: &PeerRecord) -> PathBuf {
    format!("{:032x}.sock", peer.incarnation().as_bits()).into()
}

/// A copy of the socket on which a peer of this very process listens, to take connections away from it.
pub fn listener_of(peer: &PeerRecord) -> OwnedFd {
    let file = socket_file(peer);
    for entry in fs::read_dir("/proc/self/fd").expect("/proc is there").flatten() {
        let Ok(number) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
        // SAFETY: `dup` of any number is sound; the result is owned by no one else.
        let copy = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) };
        if copy < 0 {
            continue;
        }
        // SAFETY: as above.
        let copy = unsafe { OwnedFd::from_raw_fd(copy) };
        let listens = sockopt::socket_acceptconn(&copy).unwrap_or(false);
        let address = getsockname(&copy).ok().and_then(|address| SocketAddrUnix::try_from(address).ok());
        let path = address.as_ref().and_then(|address| address.path_bytes()).unwrap_or_default();
        if listens && path.ends_with(file.as_os_str().as_encoded_bytes()) {
            return copy;
        }
    }
    panic!("no socket of this process listens as {}", file.display());
}

/// Waits until the main thread of a process waits in a system call.
pub fn await_sleep(process: u32) {
    let stat = || fs::read_to_string(format!("/proc/{process}/stat")).expect("the process lives");
    while !stat().rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S')) {
        std::thread::yield_now();
    }
}

/// How often the calling thread gave up its processor to wait.
pub fn own_waits() -> i64 {
    // SAFETY: all zeros is a `rusage`.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a `rusage` that lives.
    let result = unsafe { libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage) };
    assert_eq!(result, 0);
    usage.ru_nvcsw
}

/// Descriptors that this process has open.
pub fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("/proc is there").count()
}

/// Whether a descriptor can be read from now.
pub fn is_readable(fd: &impl std::os::fd::AsFd) -> bool {
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    let _ = fd.as_fd().as_raw_fd();
    poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&now)) == Ok(1)
}

/// Waits until a descriptor can be read from.
pub fn await_readable(fd: &impl std::os::fd::AsFd) {
    while poll(&mut [PollFd::new(fd, PollFlags::IN)], None) != Ok(1) {}
}
