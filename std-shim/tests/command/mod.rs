//! The `ipcm` command as a child process, on a bus of the test's own. Every wait has a bound.

#![allow(dead_code, reason = "each test file uses a part")]

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tempfile::TempDir;

/// Longer than anything here takes; beyond it a test fails.
pub(crate) const BOUND: Duration = Duration::from_secs(30);

/// A bus in a temporary directory, and the environment of commands on it.
pub(crate) struct Desk {
    directory: TempDir,
    info: String,
}

/// How a command ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Outcome {
    /// The output as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    /// The output as one JSON value.
    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""));
        serde_json::from_slice(&self.stdout).unwrap()
    }

    /// The kind of the failure that is told as JSON.
    pub(crate) fn json_error(&self) -> String {
        let error: serde_json::Value = serde_json::from_str(&self.stderr).unwrap();
        assert!(error["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}");
        error["error"]["kind"].as_str().unwrap().to_owned()
    }

    /// Success, with this output and nothing else.
    pub(crate) fn assert_output(&self, output: impl AsRef<[u8]>) {
        let expected = Outcome { code: Some(0), stdout: output.as_ref().to_vec(), stderr: String::new() };
        assert_eq!(self, &expected);
    }

    /// A failure with this code, whose message has all of these words.
    pub(crate) fn assert_failure(&self, code: i32, words: &[&str]) {
        assert_eq!((self.code, self.text()), (Some(code), ""), "{}", self.stderr);
        assert!(self.stderr.starts_with("ipcm: "), "{}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not in {:?}", self.stderr);
        }
    }
}

impl Desk {
    /// Makes a bus, with `ipcm bus new`.
    pub(crate) fn new() -> Self {
        let mut desk = Self { directory: TempDir::new().unwrap(), info: String::new() };
        std::fs::create_dir(desk.temporary()).unwrap();
        let bus = desk.directory.path().join("bus");
        let made = desk.run([OsStr::new("bus"), "new".as_ref(), "--path".as_ref(), bus.as_ref()]);
        assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""));
        desk.info = made.text().strip_suffix('\n').unwrap().to_owned();
        desk
    }

    pub(crate) fn info(&self) -> &str {
        &self.info
    }

    /// The directory of the bus.
    pub(crate) fn bus(&self) -> PathBuf {
        self.directory.path().join("bus")
    }

    /// Where commands put what is temporary.
    pub(crate) fn temporary(&self) -> PathBuf {
        self.directory.path().join("tmp")
    }

    /// The bus as the library sees it.
    pub(crate) fn parsed_info(&self) -> ipcm::Info {
        self.info.parse().unwrap()
    }

    /// `ipcm` with these arguments, and the bus in `IPCM_BUS`.
    pub(crate) fn command(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ipcm"));
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env("TMPDIR", self.temporary()).env("XDG_RUNTIME_DIR", self.temporary());
        command.env("IPCM_BUS", &self.info);
        command
    }

    /// Runs `ipcm` to its end.
    pub(crate) fn run(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Outcome {
        Running::start(self.command(arguments)).outcome()
    }

    /// Runs `ipcm` to its end, with this for standard input.
    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Outcome {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped());
        let mut running = Running::start(command);
        let mut stdin = running.child.stdin.take().unwrap();
        // The command may end without having read all.
        let _ = stdin.write_all(input);
        drop(stdin);
        running.outcome()
    }

    /// Starts `ipcm`, to run beside the test.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        Running::start(self.command(arguments))
    }

    /// Starts an echo service and waits until it is ready.
    pub(crate) fn start_echo(&self, name: &str) -> Running {
        let echo = self.start(&["echo", "--", name]);
        self.await_ready(name);
        echo
    }

    /// Starts a listener and waits until it is there.
    pub(crate) fn start_listener(&self, options: &[&str], name: &str) -> Running {
        let arguments: Vec<&str> = ["listen"].iter().chain(options).copied().chain(["--", name]).collect();
        let listener = self.start(&arguments);
        self.await_ready(name);
        listener
    }

    pub(crate) fn await_ready(&self, name: &str) {
        self.run(["ready", "--timeout", "30", "--", name]).assert_output("");
    }

    /// The names of those who are there.
    pub(crate) fn peers(&self) -> Vec<String> {
        let peers = self.run(["peers"]);
        assert_eq!(peers.code, Some(0), "{}", peers.stderr);
        peers.text().lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
    }
}

/// A process beside the test; dropping it kills and reaps it.
pub(crate) struct Running {
    child: Child,
    stdout: Receiver<Vec<u8>>,
    stderr: Receiver<Vec<u8>>,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stdout = child.stdout.take().map_or_else(|| channel().1, lines);
        let stderr = child.stderr.take().map_or_else(|| channel().1, lines);
        Self { child, stdout, stderr }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line of its output, without the line break.
    pub(crate) fn line(&self) -> String {
        let line = String::from_utf8(self.stdout.recv_timeout(BOUND).expect("a line in time")).unwrap();
        line.strip_suffix('\n').expect("a whole line").to_owned()
    }

    /// The next line of its standard error, without the line break.
    pub(crate) fn error_line(&self) -> String {
        let line = String::from_utf8(self.stderr.recv_timeout(BOUND).expect("a line in time")).unwrap();
        line.strip_suffix('\n').expect("a whole line").to_owned()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.id(), signal).unwrap();
    }

    /// Stops it, and waits until it has stopped.
    pub(crate) fn suspend(&self) {
        self.signal(Signal::STOP);
        let (_, status) = waitpid(Some(self.id()), WaitOptions::UNTRACED).unwrap().unwrap();
        assert!(status.stopped());
    }

    /// Ends it by SIGKILL and reaps it.
    pub(crate) fn kill(mut self) -> ExitStatus {
        self.child.kill().unwrap();
        self.child.wait().unwrap()
    }

    /// Waits for its end. What it prints is what was not read as a line.
    pub(crate) fn outcome(mut self) -> Outcome {
        // Its output ends when it does.
        let stdout = rest(&self.stdout);
        let stderr = String::from_utf8(rest(&self.stderr)).unwrap();
        let code = self.child.wait().unwrap().code();
        Outcome { code, stdout, stderr }
    }

    fn id(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails where it has ended and was reaped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads lines until the end.
fn lines(from: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        loop {
            let mut line = Vec::new();
            match from.read_until(b'\n', &mut line) {
                Ok(1..) if sender.send(line).is_ok() => {}
                _ => return,
            }
        }
    });
    receiver
}

/// All that is left; fails if the end does not come in time.
fn rest(lines: &Receiver<Vec<u8>>) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        match lines.recv_timeout(BOUND) {
            Ok(line) => all.extend(line),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return all,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("no end came in {BOUND:?}"),
        }
    }
}

/// What is in a directory.
pub(crate) fn entries(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
