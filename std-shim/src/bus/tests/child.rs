//! Another process in a test: this test binary, started again to play a role.

use super::super::crash_point;
use super::super::error::{BusError, JoinError};
use super::super::membership::Membership;
use super::super::record::PeerKind;
use super::{fresh, starve, wait_readable};
use crate::{Bus, Info};
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

const ROLE: &str = "IPCM_TEST_ROLE";
const ROUTE: &str = "IPCM_TEST_ROUTE";
const NAME: &str = "IPCM_TEST_NAME";
/// What a child says begins with this, wherever in a line the test harness has left it.
const SAYS: &str = "@say ";

/// A child that is to be started.
pub(super) struct Plan(Command);

/// A child process; it is killed and reaped when dropped.
pub(super) struct Child {
    process: process::Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Child {
    /// A child that joins under this name.
    pub(super) fn joining(route: &Path, name: &str) -> Plan {
        Self::playing("join", route, name)
    }

    /// A child that plays this role.
    pub(super) fn playing(role: &str, route: &Path, name: &str) -> Plan {
        Plan::of(&env::current_exe().unwrap(), role, route, name)
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The next thing the child says; `None` when it has ended.
    pub(super) fn hear(&mut self) -> Option<String> {
        loop {
            if self.output.buffer().is_empty() {
                wait_readable(self.output.get_ref());
            }
            let mut line = String::new();
            if self.output.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            if let Some((_, said)) = line.split_once(SAYS) {
                return Some(said.trim_end().to_owned());
            }
        }
    }

    pub(super) fn expect(&mut self, text: &str) {
        assert_eq!(self.hear().as_deref(), Some(text));
    }

    pub(super) fn tell(&mut self, text: &str) {
        writeln!(self.input.as_mut().unwrap(), "{text}").unwrap();
    }

    /// Ends the child's input, which lets it and its children end.
    pub(super) fn end_input(&mut self) {
        self.input = None;
    }

    /// Sends SIGKILL and does not reap.
    pub(super) fn kill(&mut self) {
        self.process.kill().unwrap();
    }

    pub(super) fn wait(&mut self) -> ExitStatus {
        self.process.wait().unwrap()
    }

    /// Sends SIGKILL, and returns when the kernel has made it a zombie.
    pub(super) fn kill_to_zombie(&mut self) {
        use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
        self.kill();
        let pid = Pid::from_child(&self.process);
        waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Plan {
    /// The same with another copy of this test binary.
    pub(super) fn of(binary: &Path, role: &str, route: &Path, name: &str) -> Self {
        let mut command = Command::new(binary);
        command
            .args(["bus::tests::child::another_process_plays_its_role", "--exact", "--nocapture"])
            .args(["--test-threads", "1"])
            .env(ROLE, role)
            .env(ROUTE, route)
            .env(NAME, name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        Self(command)
    }

    pub(super) fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// The child kills itself there.
    pub(super) fn crashing(self, point: &str) -> Self {
        self.env(crash_point::VARIABLE, point)
    }

    pub(super) fn uid(mut self, uid: u32) -> Self {
        self.0.uid(uid).gid(uid).current_dir("/");
        self
    }

    pub(super) fn start(mut self) -> Child {
        let mut process = self.0.spawn().unwrap();
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().unwrap());
        Child { process, input, output }
    }
}

/// Not a test of its own: what a child of the other tests does.
#[test]
fn another_process_plays_its_role() {
    let Ok(role) = env::var(ROLE) else {
        return;
    };
    let (route, name) = (env::var(ROUTE).unwrap(), env::var(NAME).unwrap());
    match role.as_str() {
        "join" => join(&route, &name),
        "connect" => connect(&route, &name),
        "own" => own(&route),
        "spawn" => spawn(),
        "starve" => starve::play(&route, &name),
        _ => panic!("no role {role}"),
    }
    process::exit(0);
}

pub(super) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n{SAYS}{text}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// Says that it is ready, waits for a line, joins, and obeys until its input ends.
fn join(route: &str, name: &str) {
    if env::var("IPCM_TEST_WAIT").is_ok() {
        say("ready");
        std::io::stdin().lock().read_line(&mut String::new()).unwrap();
    }
    let bus = match Bus::open(&Info::unix(route).unwrap()) {
        Ok(bus) => bus,
        Err(error) => return say(&format!("not opened: {error}")),
    };
    let mut member = match bus.dir.join(name, PeerKind::Service, fresh()) {
        Ok(member) => {
            say("joined");
            Some(member)
        }
        Err(JoinError::NameTaken { .. }) => return say("taken"),
        Err(error) => return say(&format!("not joined: {error}")),
    };

    for line in std::io::stdin().lines() {
        match line.unwrap().as_str() {
            "leave" => {
                member = None;
                say("left");
            }
            "share" => {
                let heir = share(member.as_ref().unwrap());
                say(&format!("shared {heir}"));
            }
            "fork" => {
                let status = fork_and_drop(&mut member);
                say(&format!("forked {status}"));
            }
            other => panic!("cannot {other}"),
        }
    }
    // As if killed: nothing is dropped.
    std::mem::forget(member);
}

/// Leaves the locked record open in a process that outlives this one, as a forked child has it; its pid.
///
/// It ends when the input that it shares with this process ends.
fn share(member: &Membership) -> u32 {
    let inherited = member.record_file().try_clone_to_owned().unwrap();
    let cat = Command::new("cat").stdout(Stdio::null()).stderr(Stdio::from(inherited)).spawn().unwrap();
    let pid = cat.id();
    std::mem::forget(cat);
    pid
}

/// Drops the membership in a forked child; that child's exit status.
fn fork_and_drop(member: &mut Option<Membership>) -> i32 {
    // SAFETY: the child drops one value, which allocates no more than the C library allows after a fork,
    // and ends without unwinding or running exit handlers.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        drop(member.take());
        // SAFETY: it ends the process.
        unsafe { libc::_exit(7) };
    }
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    let (_, status) =
        rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty()).unwrap().unwrap();
    status.exit_status().unwrap_or(-1)
}

/// Connects to a peer and says how that went.
fn connect(route: &str, name: &str) {
    let bus = Bus::open(&Info::unix(route).unwrap()).unwrap();
    let peer = bus.dir.lookup(name).unwrap().unwrap();
    match bus.dir.connect(&peer) {
        Ok(_) => say("connected"),
        Err(error) => say(&error.to_string()),
    }
}

/// Makes a bus and keeps it until its input ends.
fn own(route: &str) {
    if env::var("IPCM_TEST_WAIT").is_ok() {
        say("ready");
        std::io::stdin().lock().read_line(&mut String::new()).unwrap();
    }
    match Bus::builder().path(route).create() {
        Ok(bus) => {
            say("owner");
            let _ = std::io::stdin().lock().read_line(&mut String::new());
            drop(bus);
            say("ended");
        }
        Err(BusError::Owned { .. }) => say("owned"),
        Err(error) => say(&format!("not made: {error}")),
    }
}

/// Makes a temporary bus and says where.
fn spawn() {
    let bus = Bus::spawn().unwrap();
    say(bus.info().route().to_str().unwrap());
    let _ = std::io::stdin().lock().read_line(&mut String::new());
}
