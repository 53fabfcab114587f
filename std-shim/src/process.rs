//! A service in a child process made from this executable.

use std::env;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ipcm_core::Clock;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::FileType;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::bus::news::with_sources;
use crate::clock::{Monotonic, timespec_until};
use crate::handle::Handle;
use crate::info::Info;
use crate::log;
use crate::service::{Service, ServiceError, Stopper};

const ENTRY: &str = "IPCM_CHILD_ENTRY";
const INFO: &str = "IPCM_CHILD_INFO";
const NAME: &str = "IPCM_CHILD_NAME";
/// What a child says when it serves.
const READY: &[u8] = b"ready";
/// How long a child is given to be ready, and then to end.
const READY_TIMEOUT: Duration = Duration::from_secs(10);
const END_TIMEOUT: Duration = Duration::from_secs(5);

/// A service in a child process of this one, made from this executable.
///
/// The child ends when this value is dropped, and when this process ends, whatever ended it: the two hold
/// the ends of a socket, and the child's watches for the other to close.
///
/// ```no_run
/// use ipcm::{Bus, ServiceProcess};
/// use std::time::Duration;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     // First of all: in the child this serves and does not return.
///     ServiceProcess::entry("adder", |service| service.on_request(|(a, b): (i64, i64)| Ok(a + b)));
///
///     let bus = Bus::spawn()?;
///     let adder = ServiceProcess::spawn(bus.info(), "adder-1", "adder")?;
///     let sum: i64 = adder.handle().sync_request("adder-1", &(2i64, 3i64), Duration::from_secs(1))?;
///     assert_eq!(sum, 5);
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct ServiceProcess {
    info: Info,
    name: String,
    child: Child,
    /// The child ends when this closes.
    lifeline: Option<OwnedFd>,
}

impl ServiceProcess {
    /// Serves, if this process was started by [`spawn`](Self::spawn) for this entry, and then exits; else
    /// returns at once. To be called at the beginning of `main`, once for each entry.
    ///
    /// `make` adds to the service what it does; its bus and name are set.
    pub fn entry(entry: &str, make: impl FnOnce(Service) -> Service) {
        if env::var_os(ENTRY).is_none_or(|started_for| started_for != entry) || !has_lifeline() {
            return;
        }
        let ended = serve(make);
        if let Err(error) = &ended {
            log::error!(%error, "the service did not run");
        }
        std::process::exit(i32::from(ended.is_err()));
    }

    /// Starts this executable again to serve `entry` under `name`, and returns when it is ready: within
    /// 10 s, else it is ended.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Process`] if the child ends or fails before it is ready, with its reason;
    /// [`ServiceError::NotReady`] if it takes too long; [`ServiceError::System`] if it cannot be started.
    /// No process is left behind.
    pub fn spawn(info: &Info, name: &str, entry: &str) -> Result<Self, ServiceError> {
        if let Some(started_for) = env::var_os(ENTRY).filter(|_| has_lifeline()) {
            // This is a child that never came to its entry, and would start another one of its kind.
            let what = format!("was to serve {started_for:?}, of which its program has no entry before this");
            return Err(ServiceError::Process { name: name.to_owned(), what });
        }
        let failed = |doing, source| ServiceError::System { name: name.to_owned(), doing, source };
        let flags = SocketFlags::CLOEXEC;
        let (lifeline, child_end) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)
            .map_err(|error| failed("make a socket pair", error.into()))?;
        let executable = env::current_exe().map_err(|error| failed("find its executable", error))?;
        let child = Command::new(executable)
            .env(ENTRY, entry)
            .env(INFO, info.to_string())
            .env(NAME, name)
            .stdin(Stdio::from(child_end))
            .spawn()
            .map_err(|error| failed("start a process", error))?;
        let mut process = Self { info: info.clone(), name: name.to_owned(), child, lifeline: Some(lifeline) };
        process.await_ready()?;
        Ok(process)
    }

    /// A handle of the service.
    pub fn handle(&self) -> Handle {
        Handle::builder(&self.info, &self.name).child_pid(self.pid()).build()
    }

    /// The child's process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends the child at once, by SIGKILL, and reaps it.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn kill(mut self) -> std::io::Result<ExitStatus> {
        self.child.kill()?;
        self.child.wait()
    }

    /// Asks the child to end, waits at most 5 s, ends it by SIGKILL if need be, and reaps it.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn stop(mut self) -> std::io::Result<ExitStatus> {
        self.end()
    }

    fn end(&mut self) -> std::io::Result<ExitStatus> {
        self.lifeline = None;
        if self.child.try_wait()?.is_none() && !self.has_ended_in(END_TIMEOUT) {
            self.child.kill()?;
        }
        self.child.wait()
    }

    /// Waits for the child's end.
    fn has_ended_in(&self, timeout: Duration) -> bool {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let Some(Ok(pidfd)) = pid.map(|pid| pidfd_open(pid, PidfdFlags::empty())) else { return false };
        wait_readable(&pidfd, timeout)
    }

    /// Reads the child's word that it is ready.
    fn await_ready(&mut self) -> Result<(), ServiceError> {
        let name = self.name.clone();
        let Some(lifeline) = &self.lifeline else { return Ok(()) };
        if !wait_readable(lifeline, READY_TIMEOUT) {
            return Err(ServiceError::NotReady { name, timeout: READY_TIMEOUT });
        }
        let mut word = [0; 1024];
        let n = rustix::io::retry_on_intr(|| rustix::io::read(lifeline, &mut word)).unwrap_or(0);
        let what = match &word[..n] {
            READY => return Ok(()),
            [] => match self.child.wait() {
                Ok(status) => format!("ended before it was ready ({status})"),
                Err(error) => format!("ended before it was ready ({error})"),
            },
            reason => format!("could not serve: {}", String::from_utf8_lossy(reason)),
        };
        Err(ServiceError::Process { name, what })
    }
}

impl Drop for ServiceProcess {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            log::warn!(service = self.name, %error, "a service's process could not be ended");
        }
    }
}

/// The child's side.
fn serve(make: impl FnOnce(Service) -> Service) -> Result<(), ServiceError> {
    let text = |variable| env::var(variable).unwrap_or_default();
    let name = text(NAME);
    let failed = |what: String| ServiceError::Process { name: name.clone(), what };
    let lifeline = take_lifeline().map_err(|error| failed(format!("has no parent: {error}")))?;
    let mut parent =
        File::from(lifeline.try_clone().map_err(|error| failed(format!("has no parent: {error}")))?);
    let stop = Arc::new(OnceLock::new());
    let watched = watch_parent(lifeline, stop.clone());
    watched.map_err(|error| failed(format!("cannot watch its parent: {error}")))?;
    let ready = |stopper| {
        let _ = stop.set(stopper);
        if parent.write_all(READY).is_err() {
            std::process::exit(1);
        }
    };
    let served = text(INFO)
        .parse::<Info>()
        .map_err(|error| failed(with_sources(&error)))
        .and_then(|info| make(Service::new(&info, &name)).run_with(ready));
    if let Err(error) = &served {
        // A parent that still waits reads the reason; one that does not has its service's end.
        let _ = parent.write_all(with_sources(error).as_bytes());
    }
    served
}

/// Whether the standard input is the socket that [`ServiceProcess::spawn`] gives. That of a process which
/// the child starts in its turn, and which inherits the environment, is not.
fn has_lifeline() -> bool {
    let input = rustix::fs::fstat(rustix::stdio::stdin());
    input.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Socket)
}

/// Takes the socket to the parent from the standard input, which is empty from then on.
fn take_lifeline() -> std::io::Result<OwnedFd> {
    let lifeline = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok(lifeline)
}

/// Ends the service when the parent is gone; at once while it is still starting, which nobody waits for then.
fn watch_parent(lifeline: OwnedFd, stop: Arc<OnceLock<Stopper>>) -> std::io::Result<()> {
    let mut lifeline = File::from(lifeline);
    let watch = move || {
        while matches!(lifeline.read(&mut [0; 16]), Ok(1..)) {}
        if let Some(stop) = stop.get() {
            stop.stop();
            // The process ends with its service; one that is stuck in a handler ends all the same.
            std::thread::park_timeout(END_TIMEOUT);
        }
        std::process::exit(1);
    };
    std::thread::Builder::new().name("parent".into()).spawn(watch).map(|_| ())
}

/// Waits until a descriptor is readable; false when the time is over before.
fn wait_readable(fd: &impl AsFd, timeout: Duration) -> bool {
    let deadline = Monotonic.now() + timeout;
    loop {
        let mut fds = [PollFd::new(fd, PollFlags::IN)];
        match poll(&mut fds, Some(&timespec_until(Monotonic.now(), deadline))) {
            Err(Errno::INTR) => {}
            Err(_) | Ok(0) => return false,
            Ok(_) => return true,
        }
    }
}
