//! A process whose clock readings are system calls, so that a filter can tell which clocks it reads.
//!
//! Normally the kernel maps code into a process (the vDSO) that reads clocks without a system call. The
//! process finds it by an entry in the vector behind its environment; a tracer can strike that entry out
//! before the program begins.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::peer::Peer;

/// The address of the vDSO, and an entry that is to be ignored.
const AT_SYSINFO_EHDR: u64 = 33;
const AT_IGNORE: u64 = 1;

/// Starts this command as a peer that has no vDSO.
pub fn launch(mut command: Command) -> Peer {
    // SAFETY: it calls nothing but a system call between fork and exec.
    unsafe {
        command.pre_exec(|| match libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
    let mut peer = Peer::launch(command);
    let pid = peer.pid();
    let mut status = 0;
    // SAFETY: the pointer is to an integer that lives.
    let waited = unsafe { libc::waitpid(pid.cast_signed(), &raw mut status, 0) };
    assert!(waited == pid.cast_signed() && libc::WIFSTOPPED(status), "it stops where its program begins");
    strike_out(pid);
    // SAFETY: it takes two integers.
    let detached = unsafe { libc::ptrace(libc::PTRACE_DETACH, pid.cast_signed(), 0, 0) };
    assert_eq!(detached, 0, "{}", std::io::Error::last_os_error());
    peer.expect("ready");
    peer
}

/// Strikes the entry out, somewhere on the stack of a traced process that has not begun.
pub(crate) fn strike_out(pid: u32) {
    let vector = words(&fs::read(format!("/proc/{pid}/auxv")).expect("the process lives"));
    let Some(entry) = vector.chunks(2).find(|entry| entry[0] == AT_SYSINFO_EHDR) else { return };
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("the process lives");
    let stack = maps.lines().find(|line| line.ends_with("[stack]")).expect("it has a stack");
    let (start, rest) = stack.split_once('-').expect("a range");
    let end = rest.split(' ').next().unwrap_or_default();
    let address = |text| u64::from_str_radix(text, 16).expect("an address");
    let (start, end) = (address(start), address(end));
    let memory = OpenOptions::new().read(true).write(true).open(format!("/proc/{pid}/mem"));
    let memory = memory.expect("a tracer may");
    let mut bytes = vec![0; usize::try_from(end - start).expect("a stack fits in memory")];
    memory.read_exact_at(&mut bytes, start).expect("the stack is readable");
    let pairs = words(&bytes);
    let at = pairs.windows(2).rposition(|pair| pair == entry).expect("the vector is on the stack");
    let there = start + 8 * at as u64;
    memory.write_all_at(&AT_IGNORE.to_ne_bytes(), there).expect("the stack is writable");
    // Who asks the kernel for the vector still finds the entry, and at its address nothing of use.
    memory.write_all_at(&[0; 4], entry[1]).expect("a tracer may write to its code");
}

fn words(bytes: &[u8]) -> Vec<u64> {
    bytes.chunks_exact(8).map(|word| u64::from_ne_bytes(word.try_into().expect("eight bytes"))).collect()
}

/// From now on this thread and those it starts are killed for reading the wall clock, or waiting by it.
pub fn forbid_the_wall_clock() {
    // A classic BPF program over `struct seccomp_data`: number at 0, architecture at 4, arguments from 16.
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const ANY_BIT: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, k, jt, jf| libc::sock_filter { code, jt, jf, k };
    let number = |call: libc::c_long| u32::try_from(call).expect("numbers of system calls are small");
    let first_argument = 16 + if cfg!(target_endian = "big") { 4 } else { 0 };
    let second_argument = first_argument + 8;
    let mut program = Vec::new();
    // Calls that take a clock as their first argument.
    for call in [libc::SYS_clock_gettime, libc::SYS_clock_nanosleep, libc::SYS_timerfd_create] {
        program.extend([
            step(LOAD, 0, 0, 0),
            step(EQUAL, number(call), 0, 4),
            step(LOAD, first_argument, 0, 0),
            step(EQUAL, libc::CLOCK_REALTIME.cast_unsigned(), 1, 0),
            step(EQUAL, libc::CLOCK_REALTIME_COARSE.cast_unsigned(), 0, 1),
            step(RETURN, libc::SECCOMP_RET_KILL_PROCESS, 0, 0),
        ]);
    }
    program.extend([
        step(LOAD, 0, 0, 0),
        step(EQUAL, number(libc::SYS_futex), 0, 3),
        step(LOAD, second_argument, 0, 0),
        step(ANY_BIT, libc::FUTEX_CLOCK_REALTIME.cast_unsigned(), 0, 1),
        step(RETURN, libc::SECCOMP_RET_KILL_PROCESS, 0, 0),
        step(LOAD, 0, 0, 0),
        step(EQUAL, number(libc::SYS_gettimeofday), 0, 1),
        step(RETURN, libc::SECCOMP_RET_KILL_PROCESS, 0, 0),
        step(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0),
    ]);
    let filter = libc::sock_fprog {
        len: u16::try_from(program.len()).expect("the program is short"),
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the first takes integers; the second reads the program, which lives until it returns.
    let installed = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const filter) == 0
    };
    assert!(installed, "no filter: {}", std::io::Error::last_os_error());
}
