//! Processes whose system calls are counted one by one, and for which time can be made to stand still.
//!
//! What the library does by time (a service looks out for new peers every millisecond, a plain receive gives up after
//! four) would come at random under a tracer, which makes everything slow. So the processes are
//!
//! 1. started without the kernel's code for reading clocks (see [`no_vdso`]): a reading is a system call;
//! 2. from [`stop_time`](Traced::stop_time) on, told the same moment at each reading, and the receive timeouts of
//!    their sockets are taken away.
//!
//! Then the calls between two moments at which nothing happens are the same in every run, and are compared exactly.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use ipcm_benches::allocations::Remote;
use ipcm_benches::tracer::{Call, Stop, Tracer};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use rustix::time::{ClockId, clock_gettime};

use crate::no_vdso;

/// More stops than any process makes before it sleeps.
const RESTLESS: u32 = 200;

/// How often each system call was made, by name; a reading of the clock, in real life none, is `(clock)`.
pub type Calls = BTreeMap<String, u64>;

/// One of the processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process(usize);

/// What a process did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// The calls that it made, without those for the lines that it says and hears.
    pub calls: Calls,
    /// How often it took memory.
    pub allocations: u64,
}

/// Some processes, killed and reaped when dropped.
#[derive(Default)]
pub struct Traced {
    tracer: Tracer,
    processes: Vec<Observed>,
    /// Their counts of allocations, in the same order.
    allocations: Vec<Remote>,
    /// The calls that threads are in.
    inside: HashMap<i32, Call>,
    /// All that were made.
    calls: Vec<Call>,
    /// The only moments of the wall clock and the monotonic clock, if time stands still.
    moments: Option<[Timespec; 2]>,
}

struct Observed {
    id: i32,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Traced {
    /// Starts a process and waits until it says `ready` and where it counts its allocations.
    ///
    /// # Errors
    ///
    /// If it may not be traced.
    pub fn start(&mut self, mut command: Command) -> io::Result<Process> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let id = self.tracer.spawn(command)?;
        no_vdso::strike_out(id.cast_unsigned());
        let child = self.tracer.child(id);
        let input = child.stdin.take().expect("its input is a pipe");
        let output = BufReader::new(child.stdout.take().expect("its output is a pipe"));
        let process = Process(self.processes.len());
        self.processes.push(Observed { id, input, output });
        let line = self.hear(process);
        let address = line.strip_prefix("ready ").and_then(|word| word.parse().ok());
        self.allocations.push(Remote::open(id.cast_unsigned(), address.expect("ready ADDRESS"))?);
        Ok(process)
    }

    /// Lets time stand still from now on for all that have been started.
    pub fn stop_time(&mut self) {
        self.moments = Some([ClockId::Realtime, ClockId::Monotonic].map(clock_gettime));
        for process in &self.processes {
            take_receive_timeouts_away(process.id);
        }
    }

    /// Has a process do what a line says, until it says `done` and everyone sleeps; what each did meanwhile.
    pub fn run(&mut self, process: Process, line: &str) -> Vec<Work> {
        self.settle();
        let (calls_before, before) = (self.calls.len(), self.count_allocations());
        self.tell(process, line);
        assert_eq!(self.hear(process), "done");
        self.settle();
        let after = self.count_allocations();
        let calls = |process: &Observed| {
            let mut counts = Calls::new();
            let mine = |call: &&Call| call.process == process.id && !is_conversation(call);
            for call in self.calls[calls_before..].iter().filter(mine) {
                *counts.entry(name(call.number)).or_default() += 1;
            }
            counts
        };
        let work = |(i, process)| Work { calls: calls(process), allocations: after[i] - before[i] };
        self.processes.iter().enumerate().map(work).collect()
    }

    /// Says a line to a process.
    pub fn tell(&mut self, process: Process, line: &str) {
        writeln!(self.processes[process.0].input, "{line}").expect("it listens");
    }

    /// Waits until everyone is in a system call that nothing but an event ends, and no time.
    ///
    /// Such a process costs nothing for as long as nothing happens.
    pub fn sleep_for_ever(&mut self) {
        self.step_until(waits_without_limit);
    }

    /// Waits until everyone sleeps in a system call.
    fn settle(&mut self) {
        self.step_until(|_| true);
    }

    fn step_until(&mut self, enough: impl Fn(&Call) -> bool) {
        let mut stops = 0;
        loop {
            match self.tracer.try_step().expect("the processes live") {
                Some(stop) => {
                    self.take(stop);
                    stops += 1;
                    let last = self.calls.last().map(|call| name(call.number));
                    assert!(stops < RESTLESS, "no rest; the last call is {last:?}");
                }
                None if self.processes.iter().all(|process| self.sleeps(process.id, &enough)) => return,
                // One runs, or is about to stop.
                None => std::thread::yield_now(),
            }
        }
    }

    /// Whether all threads of a process sleep in calls of this kind.
    fn sleeps(&self, process: i32, kind: impl Fn(&Call) -> bool) -> bool {
        let threads = fs::read_dir(format!("/proc/{process}/task")).expect("the process lives");
        threads.flatten().all(|thread| {
            let id = thread.file_name().to_str().and_then(|name| name.parse().ok());
            let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            // The state follows the name, which is in parentheses.
            stat.rsplit_once(") ").is_some_and(|(_, fields)| fields.starts_with('S'))
                && id.and_then(|id: i32| self.inside.get(&id)).is_some_and(&kind)
        })
    }

    /// The next line that a process says, while all go on.
    fn hear(&mut self, process: Process) -> String {
        loop {
            let output = &mut self.processes[process.0].output;
            if is_readable(output) {
                let mut line = String::new();
                output.read_line(&mut line).expect("what it says is text");
                return line.trim_end().to_owned();
            }
            let stop = self.tracer.step().expect("the processes live");
            self.take(stop);
        }
    }

    fn take(&mut self, stop: Stop) {
        match stop {
            Stop::Enter(call) => {
                self.calls.push(call);
                self.inside.insert(call.thread, call);
            }
            Stop::Leave { thread } => {
                let Some(call) = self.inside.remove(&thread) else { return };
                let [clock, address, ..] = call.arguments;
                let moments = self.moments.filter(|_| call.number == libc::SYS_clock_gettime);
                // 0 is the wall clock, 1 the monotonic clock.
                if let Some(moment) = moments.and_then(|moments| moments.get(clock as usize).copied()) {
                    tell_time(call.process, address, moment);
                }
            }
            Stop::Ended | Stop::Other => {}
        }
    }

    fn count_allocations(&self) -> Vec<u64> {
        self.allocations.iter().map(|count| count.count().expect("a tracer may read it")).collect()
    }
}

/// Changes what a process has just read from a clock.
fn tell_time(process: i32, address: u64, moment: Timespec) {
    let words = [moment.tv_sec.to_ne_bytes(), moment.tv_nsec.to_ne_bytes()].concat();
    let memory = OpenOptions::new().write(true).open(format!("/proc/{process}/mem"));
    memory.expect("a tracer may").write_all_at(&words, address).expect("where the clock was read to");
}

/// Has no receive of the process give up any more.
fn take_receive_timeouts_away(process: i32) {
    let pidfd = Pid::from_raw(process).map(|pid| pidfd_open(pid, PidfdFlags::empty()));
    let pidfd = pidfd.and_then(Result::ok).expect("the process lives");
    for entry in fs::read_dir(format!("/proc/{process}/fd")).expect("the process lives").flatten() {
        let is_socket =
            fs::read_link(entry.path()).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"));
        let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some(number) = number.filter(|_| is_socket) {
            let socket = pidfd_getfd(&pidfd, number, PidfdGetfdFlags::empty()).expect("a tracer may");
            set_socket_timeout(&socket, Timeout::Recv, None).expect("a socket has this option");
        }
    }
}

fn is_readable(output: &BufReader<ChildStdout>) -> bool {
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let polled = poll(&mut [PollFd::new(output.get_ref(), PollFlags::IN)], Some(&at_once));
    !output.buffer().is_empty() || polled.expect("a pipe can be polled") > 0
}

/// Whether it is for a line that a process says or hears.
fn is_conversation(call: &Call) -> bool {
    matches!(call.number, libc::SYS_read | libc::SYS_write) && call.arguments[0] <= 2
}

/// Whether nothing but an event ends this call.
fn waits_without_limit(call: &Call) -> bool {
    let [_, _, third, fourth, ..] = call.arguments;
    match call.number {
        libc::SYS_ppoll => third == 0,
        libc::SYS_epoll_pwait2 => fourth == 0,
        libc::SYS_epoll_pwait => fourth as i32 == -1,
        libc::SYS_read => true,
        _ => false,
    }
}

fn name(number: i64) -> String {
    let name = match number {
        libc::SYS_sendto => "sendto",
        libc::SYS_recvfrom => "recvfrom",
        libc::SYS_ppoll => "ppoll",
        libc::SYS_epoll_pwait => "epoll_pwait",
        libc::SYS_epoll_pwait2 => "epoll_pwait2",
        libc::SYS_epoll_ctl => "epoll_ctl",
        libc::SYS_clock_gettime => "(clock)",
        _ => return format!("number {number}"),
    };
    name.to_owned()
}
