//! Traced processes: they stop at every system call, and go on at the next step. ptrace of children of one's own needs
//! no tool and no privilege, unless a container forbids it.
//!
//! Tracing makes every call a hundred times slower, so a program that chooses by time may choose differently here.

use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::ptr;

/// The traced children of one thread. Dropping it kills and reaps them.
///
/// That thread must have no other children while it steps, but those that outlive the tracer.
#[derive(Debug, Default)]
pub struct Tracer {
    children: HashMap<i32, Child>,
    /// Which process a thread belongs to.
    process_of: HashMap<i32, i32>,
    ended: HashMap<i32, i32>,
    /// The thread that has stopped, and the signal that it gets when it goes on; 0 is none.
    stopped: Option<(i32, i32)>,
}

/// Why a traced thread has stopped. It goes on at the next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It is about to make a system call.
    Enter(Call),
    /// It has made one.
    Leave {
        /// The thread.
        thread: i32,
    },
    /// It has ended.
    Ended,
    /// Something else, as a signal or its beginning.
    Other,
}

/// A system call that is about to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The process.
    pub process: i32,
    /// Its thread.
    pub thread: i32,
    /// Which call: one of libc's `SYS_` numbers.
    pub number: i64,
    /// What is passed to it.
    pub arguments: [u64; 6],
}

impl Tracer {
    /// Starts a process; it stands before its first instruction until the next step.
    ///
    /// # Errors
    /// If it cannot be started, or tracing is not permitted: see [`is_forbidden`].
    pub fn spawn(&mut self, mut command: Command) -> io::Result<i32> {
        self.go_on()?;
        // SAFETY: between fork and exec the closure makes one system call, and neither allocates nor locks.
        unsafe { command.pre_exec(trace_me) };
        let child = command.spawn()?;
        let pid = child.id() as i32;
        self.children.insert(pid, child);
        self.process_of.insert(pid, pid);
        let (_, status) = wait(pid, 0)?;
        if !libc::WIFSTOPPED(status) {
            return Err(io::Error::other("a traced process ended before it began"));
        }
        self.stopped = Some((pid, 0));
        set_options(pid)?;
        Ok(pid)
    }

    /// The process that [`spawn`](Self::spawn) started.
    ///
    /// # Panics
    /// If it did not.
    pub fn child(&mut self, process: i32) -> &mut Child {
        self.children.get_mut(&process).expect("a process that was spawned here")
    }

    /// The wait status of a process that has ended.
    pub fn status(&self, process: i32) -> Option<i32> {
        self.ended.get(&process).copied()
    }

    /// Lets the thread that has stopped go on, and waits for the next stop of any.
    ///
    /// # Errors
    /// If there is no traced process left.
    pub fn step(&mut self) -> io::Result<Stop> {
        self.go_on()?;
        let (thread, status) = self.wait_any(0)?;
        self.stop(thread, status)
    }

    /// The same without waiting; `None` if nothing has stopped.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn try_step(&mut self) -> io::Result<Option<Stop>> {
        self.go_on()?;
        let (thread, status) = self.wait_any(libc::WNOHANG)?;
        if thread == 0 { Ok(None) } else { self.stop(thread, status).map(Some) }
    }

    fn go_on(&mut self) -> io::Result<()> {
        let Some((thread, signal)) = self.stopped.take() else { return Ok(()) };
        match resume(thread, signal) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()), // killed meanwhile
            other => other,
        }
    }

    fn wait_any(&self, flags: i32) -> io::Result<(i32, i32)> {
        wait(-1, flags | libc::__WALL | libc::__WNOTHREAD)
    }

    fn stop(&mut self, thread: i32, status: i32) -> io::Result<Stop> {
        if !libc::WIFSTOPPED(status) {
            self.ended.insert(thread, status);
            return Ok(Stop::Ended);
        }
        // A new thread may stop before its parent's stop tells of it.
        let process = *self.process_of.entry(thread).or_insert_with(|| process_of(thread));
        let (stop, signal) = match libc::WSTOPSIG(status) {
            stop if stop == libc::SIGTRAP | 0x80 => (call(process, thread)?, 0),
            // A clone event, or the first stop of a new thread: not the program's business.
            libc::SIGTRAP | libc::SIGSTOP => (Stop::Other, 0),
            other => (Stop::Other, other),
        };
        self.stopped = Some((thread, signal));
        Ok(stop)
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        for (pid, child) in &mut self.children {
            if !self.ended.contains_key(pid) {
                let _ = child.kill(); // a reaped one's number may be another's by now
            }
        }
        // A process ends only once all its traced threads are reaped, so wait for any.
        while self.children.keys().any(|pid| !self.ended.contains_key(pid)) {
            match self.wait_any(0) {
                Ok((thread, status)) if !libc::WIFSTOPPED(status) => {
                    self.ended.insert(thread, status);
                }
                Ok(_) => {} // a last stop of one that is being killed
                Err(_) => break,
            }
        }
    }
}

/// Whether the error says that this system lets nobody trace children, rather than that something went wrong.
pub fn is_forbidden(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES | libc::ENOSYS))
}

/// The process that a thread belongs to; itself if that cannot be told.
fn process_of(thread: i32) -> i32 {
    let status = std::fs::read_to_string(format!("/proc/{thread}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Tgid:"));
    line.and_then(|word| word.trim().parse().ok()).unwrap_or(thread)
}

/// Makes this process a tracee of its parent.
fn trace_me() -> io::Result<()> {
    let none = ptr::null_mut::<libc::c_void>();
    // SAFETY: this request ignores its other arguments.
    check(unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, none, none) })
}

/// Sets how a stopped tracee is traced: marked system call stops, new threads too, dead when its tracer is.
fn set_options(thread: i32) -> io::Result<()> {
    let options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_TRACECLONE | libc::PTRACE_O_EXITKILL;
    let none = ptr::null_mut::<libc::c_void>();
    // SAFETY: this request takes a number in the place of its last pointer, and touches no memory.
    check(unsafe { libc::ptrace(libc::PTRACE_SETOPTIONS, thread, none, options as libc::c_long) })
}

/// Lets a stopped tracee go on to its next system call stop, with a signal unless that is 0.
fn resume(thread: i32, signal: i32) -> io::Result<()> {
    let none = ptr::null_mut::<libc::c_void>();
    // SAFETY: this request takes a number in the place of its last pointer, and touches no memory of ours.
    check(unsafe { libc::ptrace(libc::PTRACE_SYSCALL, thread, none, libc::c_long::from(signal)) })
}

/// What a thread in a system call stop is about to do or has done.
fn call(process: i32, thread: i32) -> io::Result<Stop> {
    let mut info = MaybeUninit::<libc::ptrace_syscall_info>::zeroed();
    let size = size_of_val(&info);
    // SAFETY: the kernel writes at most `size` bytes to `info`, which lives until the call returns.
    check(unsafe { libc::ptrace(libc::PTRACE_GET_SYSCALL_INFO, thread, size, info.as_mut_ptr()) })?;
    // SAFETY: it is a plain C structure of integers, for which all zeros, and whatever the kernel wrote, is a value.
    let info = unsafe { info.assume_init() };
    if info.op != libc::PTRACE_SYSCALL_INFO_ENTRY {
        return Ok(Stop::Leave { thread });
    }
    // SAFETY: at an entry, this is the field that the kernel has filled in.
    let libc::__c_anonymous_ptrace_syscall_info_entry { nr, args } = unsafe { info.u.entry };
    Ok(Stop::Enter(Call { process, thread, number: nr as i64, arguments: args }))
}

/// `waitpid`: a thread and its status; thread 0 if `flags` say not to wait and nothing has happened.
fn wait(thread: i32, flags: i32) -> io::Result<(i32, i32)> {
    let mut status = 0;
    loop {
        // SAFETY: `status` lives until the call returns.
        let thread = unsafe { libc::waitpid(thread, &raw mut status, flags) };
        match check(thread.into()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result.map(|()| (thread, status)),
        }
    }
}

fn check(result: libc::c_long) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
