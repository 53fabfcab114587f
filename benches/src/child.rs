//! Child processes: this same program, started again with hidden arguments.
//!
//! A child dies with its parent (PR_SET_PDEATHSIG), but for a [watchdog](crate::watchdog), and is killed and reaped when
//! its [`Server`] is dropped. Children have one thread, unless the contender starts more: a second thread would make
//! every system call on a descriptor a little dearer.

use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio, exit};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, getppid, kill_process, set_parent_process_death_signal};

use crate::agent::{self, AGENT};
use crate::allocations;
use crate::contender::{Client, Contender, find};
use crate::directory::Directory;
use crate::placement::{Placement, pin};
use crate::watchdog::{WATCHDOG, watch};

const SERVE: &str = "--hidden-serve";
const CLIENT: &str = "--hidden-client";
const READY_WITHIN: Duration = Duration::from_secs(5);

/// A contender's server in a child process, with the directory that it binds in.
#[derive(Debug)]
pub struct Server {
    child: Child,
    allocations: allocations::Remote,
    directory: Directory,
}

impl Server {
    /// Starts the server for so many clients and waits, for some seconds at most, until they can connect.
    ///
    /// # Errors
    /// If it cannot be started, fails before it is ready, or is not ready in time.
    pub fn start(contender: &dyn Contender, clients: usize, placement: Placement) -> io::Result<Self> {
        let directory = Directory::new()?;
        let mut child = serve_command(contender, clients, directory.path(), placement)?.spawn()?;
        let stdout = child.stdout.take().expect("stdout is piped");
        let address = match wait_readable(&stdout, READY_WITHIN).and_then(|()| read_ready(stdout)) {
            Ok(address) => address,
            Err(error) => {
                end(&mut child);
                return Err(io::Error::new(error.kind(), format!("server of {}: {error}", contender.name())));
            }
        };
        let allocations = allocations::Remote::open(child.id(), address)?;
        Ok(Self { child, allocations, directory })
    }

    /// The server's process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where a client finds the server.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The server's allocations so far.
    ///
    /// # Errors
    /// If it has ended.
    pub fn allocations(&self) -> io::Result<u64> {
        self.allocations.count()
    }

    /// Sends SIGKILL without waiting for what follows.
    ///
    /// # Errors
    /// None that a living child can cause.
    pub fn kill(&self) -> io::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), Signal::KILL)?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Call this first in `main`: runs the part of a child and exits, if this process was started as one.
pub fn run_if_child(contenders: &[&'static dyn Contender]) {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        [SERVE, parent, cpu, name, dir, clients] => {
            enter(parent, cpu).and_then(|()| serve(contenders, name, dir, clients))
        }
        [CLIENT, parent, cpu, name, dir, len, trips] => {
            enter(parent, cpu).and_then(|()| run_client(contenders, name, dir, len, trips))
        }
        [AGENT, parent, cpu, server_cpu, name] => enter(parent, cpu)
            .and_then(|()| agent::run(find(contenders, name)?, number(cpu)?, number(server_cpu)?)),
        [WATCHDOG, parent, seconds] => watch(parent, seconds),
        _ => return,
    };
    match result {
        Ok(()) => exit(0),
        Err(error) => {
            eprintln!("{}: {error}", arguments.join(" "));
            exit(1)
        }
    }
}

/// The command that becomes the server of a contender. Its stdout tells [`read_ready`] when it is ready.
pub(crate) fn serve_command(
    contender: &dyn Contender,
    clients: usize,
    dir: &Path,
    at: Placement,
) -> io::Result<Command> {
    let mut command = again(SERVE)?;
    command.arg(at.server.to_string()).arg(contender.name()).arg(dir).arg(clients.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    Ok(command)
}

/// The command that becomes a client, makes a number of round trips and exits.
pub(crate) fn client_command(
    contender: &dyn Contender,
    dir: &Path,
    at: Placement,
    len: usize,
    trips: u32,
) -> io::Result<Command> {
    let mut command = again(CLIENT)?;
    command.arg(at.client.to_string()).arg(contender.name()).arg(dir);
    command.arg(len.to_string()).arg(trips.to_string()).stdin(Stdio::null());
    Ok(command)
}

/// Reads the line that a server writes when it is ready: the address of its allocation count.
pub(crate) fn read_ready(stdout: ChildStdout) -> io::Result<u64> {
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let address = line.trim().strip_prefix("ready ").and_then(|word| word.parse().ok());
    address.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "ended before it was ready"))
}

/// Waits until there is something to read, or the end.
pub(crate) fn wait_readable(stdout: &ChildStdout, limit: Duration) -> io::Result<()> {
    let timeout = Timespec { tv_sec: limit.as_secs() as i64, tv_nsec: limit.subsec_nanos().into() };
    match poll(&mut [PollFd::new(stdout, PollFlags::IN)], Some(&timeout))? {
        0 => Err(io::Error::new(io::ErrorKind::TimedOut, "nothing to read in time")),
        _ => Ok(()),
    }
}

/// The command that becomes this program in another part. Its arguments begin with that and this process's id.
pub(crate) fn again(part: &str) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(part).arg(std::process::id().to_string());
    Ok(command)
}

/// Kills and reaps a child.
pub(crate) fn end(child: &mut Child) {
    let _ = child.kill(); // it may have ended by itself
    let _ = child.wait();
}

fn enter(parent: &str, cpu: &str) -> io::Result<()> {
    die_with(parent)?;
    pin(number(cpu)?)
}

/// Dies when the parent does, even if that was before this call.
fn die_with(parent: &str) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let parent_now = getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
    if parent_now != number::<i32>(parent)? {
        exit(1);
    }
    Ok(())
}

fn serve(contenders: &[&'static dyn Contender], name: &str, dir: &str, clients: &str) -> io::Result<()> {
    let mut ready = || {
        let mut stdout = io::stdout();
        let told = writeln!(stdout, "ready {}", allocations::address()).and_then(|()| stdout.flush());
        told.expect("the parent reads stdout");
    };
    find(contenders, name)?.serve_many(Path::new(dir), number(clients)?, &mut ready)
}

fn run_client(
    contenders: &[&'static dyn Contender],
    name: &str,
    dir: &str,
    len: &str,
    trips: &str,
) -> io::Result<()> {
    let mut client: Box<dyn Client> = find(contenders, name)?.connect(Path::new(dir))?;
    let len = number(len)?;
    for _ in 0..number(trips)? {
        client.round_trip(len)?;
    }
    Ok(())
}

/// What a hidden argument says.
pub(crate) fn number<T: std::str::FromStr>(text: &str) -> io::Result<T> {
    text.parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, format!("not a number: {text:?}")))
}
