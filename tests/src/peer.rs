//! Another process: the program `peer`, killed and reaped when dropped.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use ipcm::Info;
use rustix::process::{Signal, WaitId, WaitIdOptions, waitid};

use crate::proc;
use crate::watchdog;

/// Another process that plays a part, killed and reaped when dropped.
///
/// It speaks by lines on its standard output, and is spoken to by lines on its standard input, whose end is
/// its own end.
pub struct Peer {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts a process that plays `part` under `name`, and returns when it is ready.
    pub fn start(part: &str, info: &Info, name: &str) -> Self {
        let mut peer = Self::begin(part, info, name);
        peer.expect("ready");
        peer
    }

    /// An obedient service in a process of its own.
    pub fn obedient(info: &Info, name: &str) -> Self {
        Self::start("obey", info, name)
    }

    /// Starts a process that plays `part` under `name`, without waiting for what it says.
    pub fn begin(part: &str, info: &Info, name: &str) -> Self {
        Self::launch(Self::command(part, info, name))
    }

    /// The command that starts a process for `part`.
    pub fn command(part: &str, info: &Info, name: &str) -> Command {
        let mut command = Command::new(program("peer"));
        command.arg(part).arg(info.to_string()).arg(name);
        command
    }

    /// Starts this command as a peer.
    pub fn launch(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        watchdog::register(child.id());
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("its output is a pipe"));
        Self { child, input, output }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line it says; `None` when it has ended.
    pub fn hear(&mut self) -> Option<String> {
        let mut line = String::new();
        let n = self.output.read_line(&mut line).expect("what a peer says is text");
        (n > 0).then(|| line.trim_end().to_owned())
    }

    /// Waits for the next line, which must be this one.
    pub fn expect(&mut self, line: &str) {
        assert_eq!(self.hear().as_deref(), Some(line));
    }

    /// Says a line to it.
    pub fn tell(&mut self, line: &str) {
        let input = self.input.as_mut().expect("its input was not closed");
        writeln!(input, "{line}").expect("it listens");
    }

    /// Ends its input, which asks it to end.
    pub fn hang_up(&mut self) {
        self.input = None;
    }

    /// Sends SIGKILL and returns once it is dead: a zombie that nobody has reaped.
    pub fn kill(&mut self) {
        proc::signal(self.pid(), Signal::KILL);
        self.await_zombie();
    }

    /// Waits for its end and does not reap it.
    pub fn await_zombie(&mut self) {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        self.await_state(options);
    }

    /// Sends SIGSTOP and returns once it stands still.
    pub fn pause(&mut self) {
        proc::signal(self.pid(), Signal::STOP);
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT;
        self.await_state(options);
    }

    fn await_state(&self, options: WaitIdOptions) {
        let waited = rustix::io::retry_on_intr(|| waitid(WaitId::Pid(proc::pid(self.pid())), options));
        waited.expect("it is a child that nobody has reaped");
    }

    /// Sends SIGCONT.
    pub fn resume(&self) {
        proc::signal(self.pid(), Signal::CONT);
    }

    /// Waits for its end and reaps it.
    pub fn wait(&mut self) -> ExitStatus {
        self.input = None;
        let status = self.child.wait().expect("it is a child");
        watchdog::forget(self.pid());
        status
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        watchdog::forget(self.child.id());
    }
}

/// A process that is not a child of this one, killed when dropped.
pub struct Orphan(u32);

impl Orphan {
    /// Takes charge of this process.
    pub fn new(pid: u32) -> Self {
        watchdog::register(pid);
        Self(pid)
    }

    /// Kills it and waits for its end.
    pub fn kill(self) {}
}

impl Drop for Orphan {
    fn drop(&mut self) {
        proc::signal(self.0, Signal::KILL);
        proc::await_end(self.0);
        watchdog::forget(self.0);
    }
}

/// Where a program of the workspace is: beside the directory of the test programs.
///
/// # Panics
///
/// If it was not built: `cargo test` builds those of this package alone.
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("this program has a path");
    let beside = test.ancestors().skip(1).take(2).map(|directory| directory.join(name));
    let found = beside.into_iter().find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("the program `{name}` is not built; `cargo xtask test` does that"))
}
