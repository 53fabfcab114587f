//! A process that measures one contender, and is killed if that takes too long.
//!
//! A library that is measured may hang, panic or end its process. Here it harms nobody else:
//!
//! ```text
//! this process <-- Task, a line of JSON --> agent, the client's side <== what is measured ==> server, its child
//!              <-- what it came to --------
//! ```
//!
//! Agent and server are a group of processes. The group ends as a whole, and its files and shared memory with it. While
//! an agent measures, this process waits for its answer and does nothing else.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::panic;
use std::process::{Child, ChildStdin, ChildStdout, Stdio, exit};
use std::time::Duration;

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, getpid, kill_process_group, set_child_subreaper, waitid,
    waitpgid,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, to_value};

use crate::child::{again, end, wait_readable};
use crate::contender::Contender;
use crate::directory::Directory;
use crate::growth::{self, Load};
use crate::latency::Pair;
use crate::placement::Placement;
use crate::{crowd, death, idle, syscalls};

/// The hidden argument of such a process.
pub(crate) const AGENT: &str = "--hidden-agent";

/// The status of a process that has panicked.
const PANICKED: i32 = 101;

/// What an agent can be asked for. The answer's type is that of the function which it names.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Task {
    /// [`Pair::start`], with which the round trips are made.
    Connect,
    /// [`Pair::sample`].
    RoundTrips { len: usize, together: usize },
    /// [`crowd::sample`].
    Crowd { clients: usize, time: Duration },
    /// [`death::once`].
    Death,
    /// [`idle::wake_ups`].
    Idle { time: Duration },
    /// [`growth::pair`].
    Growth { blocks: usize, base: Load, load: Load },
    /// [`syscalls::calls`].
    Calls { len: usize },
}

/// An agent of a contender.
#[derive(Debug)]
pub(crate) struct Agent {
    child: Child,
    tasks: ChildStdin,
    answers: BufReader<ChildStdout>,
    _directory: Directory, // removed after the process has ended
}

impl Agent {
    /// Starts the process, which does nothing until it is asked.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(crate) fn start(contender: &dyn Contender, placement: Placement) -> io::Result<Self> {
        set_child_subreaper(Some(getpid()))?; // so that the server of a killed agent can be waited for
        let directory = Directory::new()?;
        let mut command = again(AGENT)?;
        command.arg(placement.client.to_string()).arg(placement.server.to_string()).arg(contender.name());
        command.env("TMPDIR", directory.path()).process_group(0);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let tasks = child.stdin.take().expect("stdin is piped");
        let answers = BufReader::new(child.stdout.take().expect("stdout is piped"));
        Ok(Self { child, tasks, answers, _directory: directory })
    }

    /// Has the contender measured; it is the last task if that fails by more than an error of the contender's.
    ///
    /// # Errors
    /// What the contender reports; that the process has ended; `TimedOut` if there is no answer within `limit`.
    pub(crate) fn ask<T: DeserializeOwned>(&mut self, task: &Task, limit: Duration) -> io::Result<T> {
        let task = serde_json::to_string(task)?;
        if writeln!(self.tasks, "{task}").is_err() {
            return Err(self.ended());
        }
        wait_readable(self.answers.get_ref(), limit).map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => {
                let why = format!("killed, as it took longer than {:.0} s", limit.as_secs_f64());
                io::Error::new(io::ErrorKind::TimedOut, why)
            }
            _ => error,
        })?;
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err(self.ended());
        }
        serde_json::from_str::<Result<T, String>>(&line)?.map_err(io::Error::other)
    }

    /// How the process has ended. It stays a zombie, so that its group's number is not another's yet.
    fn ended(&self) -> io::Error {
        let pid = Pid::from_child(&self.child);
        let status = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).ok().flatten();
        let exit = status.as_ref().and_then(|status| status.exit_status());
        let signal = status.as_ref().and_then(|status| status.terminating_signal());
        io::Error::other(match (exit, signal) {
            (Some(PANICKED), _) => "it panicked".into(),
            (Some(status), _) => format!("its process ended with status {status}"),
            (_, Some(signal)) => format!("its process was ended by signal {signal}"),
            _ => "its process ended".into(),
        })
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let group = Pid::from_child(&self.child);
        let _ = kill_process_group(group, Signal::KILL);
        end(&mut self.child);
        // The rest of the group is this process's children now.
        while waitpgid(group, WaitOptions::empty()).is_ok() {}
    }
}

/// What the process does: measures as it is asked to, until it is killed. A panic of any thread ends it.
pub(crate) fn run(contender: &'static dyn Contender, client: usize, server: usize) -> io::Result<()> {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        report(panic);
        exit(PANICKED);
    }));
    let mut desk = Desk { contender, placement: Placement { client, server }, pair: None };
    for line in io::stdin().lines() {
        let answer = desk.perform(serde_json::from_str(&line?)?).map_err(|error| error.to_string());
        println!("{}", serde_json::to_string(&answer)?);
    }
    Ok(())
}

/// What an agent works with.
struct Desk {
    contender: &'static dyn Contender,
    placement: Placement,
    pair: Option<Pair>,
}

impl Desk {
    fn perform(&mut self, task: Task) -> io::Result<Value> {
        let Self { contender, placement, .. } = *self;
        let answer = match task {
            Task::Connect => {
                self.pair = Some(Pair::start(contender, placement)?);
                to_value(())
            }
            Task::RoundTrips { len, together } => {
                let pair = self.pair.as_mut().ok_or_else(|| io::Error::other("not connected"))?;
                to_value(pair.sample(len, together)?)
            }
            Task::Crowd { clients, time } => to_value(crowd::sample(contender, placement, clients, time)?),
            Task::Death => to_value(death::once(contender, placement)?),
            Task::Idle { time } => to_value(idle::wake_ups(contender, placement, time)?),
            Task::Growth { blocks, base, load } => {
                to_value(growth::pair(contender, placement, blocks, [base, load])?)
            }
            Task::Calls { len } => to_value(syscalls::calls(contender, len, placement)?),
        };
        Ok(answer?)
    }
}
