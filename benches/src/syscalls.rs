//! System calls per round trip, counted with ptrace: no tool, no privilege, no sampling.
//!
//! Client and server both run in traced child processes, from their first instruction to their last. Each
//! contender is run twice with different numbers of round trips; the difference is free of what starting,
//! connecting and ending cost. Tracing slows every call a hundredfold, so a program that chooses by time
//! (spinning, batching) may choose differently here.

use std::collections::HashMap;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::ptr;
use std::time::{Duration, Instant};

use crate::child::{Directory, client_command, read_ready, serve_command, wait_readable};
use crate::contender::Contender;
use crate::placement::Placement;

const FEW: u32 = 100;
const MANY: u32 = 300;
/// How long a server may take over the end of its client before it is taken to be waiting again.
const QUIET: Duration = Duration::from_millis(20);

/// System calls per round trip.
#[derive(Clone, Debug)]
pub struct Row {
    /// The contender.
    pub name: &'static str,
    /// The body's length in bytes.
    pub len: usize,
    /// Calls of the client.
    pub client: f64,
    /// Calls of the server.
    pub server: f64,
}

/// Counts for one contender and body length.
///
/// This process must have no other children but a watchdog that outlives the call.
///
/// # Errors
/// If a child fails, or tracing is not permitted.
pub fn count(contender: &dyn Contender, len: usize, placement: Placement) -> io::Result<Row> {
    let few = run_traced(contender, len, placement, FEW)?;
    let many = run_traced(contender, len, placement, MANY)?;
    let per_trip = |few: u64, many: u64| (many as f64 - few as f64) / f64::from(MANY - FEW);
    Ok(Row {
        name: contender.name(),
        len,
        client: per_trip(few.client, many.client),
        server: per_trip(few.server, many.server),
    })
}

/// All calls of a run.
struct Totals {
    client: u64,
    server: u64,
}

fn run_traced(contender: &dyn Contender, len: usize, at: Placement, trips: u32) -> io::Result<Totals> {
    let directory = Directory::new()?;
    let mut tracer = Tracer::default();

    let server = tracer.spawn(serve_command(contender, directory.path(), at)?)?;
    let stdout = tracer.children.get_mut(&server).and_then(|child| child.stdout.take());
    let stdout = stdout.expect("stdout is piped");
    while wait_readable(&stdout, Duration::ZERO).is_err() {
        tracer.step()?;
    }
    read_ready(stdout)?;

    let client = tracer.spawn(client_command(contender, directory.path(), at, len, trips)?)?;
    let status = loop {
        tracer.step()?;
        if let Some(&status) = tracer.ended.get(&client) {
            break status;
        }
    };
    if !libc::WIFEXITED(status) || libc::WEXITSTATUS(status) != 0 {
        return Err(io::Error::other(format!("traced client of {} failed", contender.name())));
    }
    let mut last = Instant::now();
    while last.elapsed() < QUIET && !tracer.ended.contains_key(&server) {
        match tracer.try_step()? {
            true => last = Instant::now(),
            false => std::thread::sleep(Duration::from_millis(1)),
        }
    }
    Ok(Totals { client: tracer.calls(client), server: tracer.calls(server) })
}

/// The traced processes. Dropping it kills and reaps them.
#[derive(Default)]
struct Tracer {
    children: HashMap<i32, Child>,
    /// Which process a thread belongs to.
    process_of: HashMap<i32, i32>,
    calls: HashMap<i32, u64>,
    ended: HashMap<i32, i32>,
}

impl Tracer {
    /// Starts a process that is traced from its first instruction.
    fn spawn(&mut self, mut command: Command) -> io::Result<i32> {
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
        set_options(pid)?;
        resume(pid, 0)?;
        Ok(pid)
    }

    /// Waits for the next stop of any thread, accounts for it and lets the thread go on.
    fn step(&mut self) -> io::Result<()> {
        let (thread, status) = self.wait_any(0)?;
        self.handle(thread, status)
    }

    /// The same without waiting; false if nothing has happened.
    fn try_step(&mut self) -> io::Result<bool> {
        let (thread, status) = self.wait_any(libc::WNOHANG)?;
        if thread != 0 {
            self.handle(thread, status)?;
        }
        Ok(thread != 0)
    }

    fn calls(&self, process: i32) -> u64 {
        self.calls.get(&process).copied().unwrap_or(0)
    }

    fn wait_any(&self, flags: i32) -> io::Result<(i32, i32)> {
        wait(-1, flags | libc::__WALL)
    }

    fn handle(&mut self, thread: i32, status: i32) -> io::Result<()> {
        if !libc::WIFSTOPPED(status) {
            self.ended.insert(thread, status);
            return Ok(());
        }
        // A new thread may stop before its parent's stop tells of it.
        let process = *self.process_of.entry(thread).or_insert_with(|| process_of(thread));
        let mut signal = 0;
        match libc::WSTOPSIG(status) {
            stop if stop == libc::SIGTRAP | 0x80 => {
                if enters_call(thread)? {
                    *self.calls.entry(process).or_default() += 1;
                }
            }
            // A clone event, or the first stop of a new thread: not the program's business.
            libc::SIGTRAP | libc::SIGSTOP => {}
            other => signal = other,
        }
        match resume(thread, signal) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()), // killed meanwhile
            other => other,
        }
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

/// Whether a thread in a system call stop is about to enter the call rather than to leave it.
fn enters_call(thread: i32) -> io::Result<bool> {
    // `struct ptrace_syscall_info` begins with a byte that tells the kind of stop.
    let mut info = [0_u8; 128];
    // SAFETY: the kernel writes at most `info.len()` bytes to `info`, which lives until the call returns.
    check(unsafe { libc::ptrace(libc::PTRACE_GET_SYSCALL_INFO, thread, info.len(), info.as_mut_ptr()) })?;
    Ok(info[0] == libc::PTRACE_SYSCALL_INFO_ENTRY)
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
