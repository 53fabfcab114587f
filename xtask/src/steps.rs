//! Numbered steps: runs a command, says what it runs, how long it took and whether it failed.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};

/// How long the output of a command may stay open after the command has ended.
const STRAGGLER: Duration = Duration::from_secs(3);

/// The steps of one task. A failed step does not stop the others.
#[derive(Default)]
pub(crate) struct Steps {
    count: usize,
    failed: Vec<String>,
}

impl Steps {
    /// Runs a command; its output passes through.
    pub(crate) fn run(&mut self, name: &str, command: &mut Command) -> bool {
        self.run_lines(name, command, |line| println!("{line}"))
    }

    /// Runs a command and hands each line that it prints, on stdout or stderr, to `on_line`.
    pub(crate) fn run_lines(&mut self, name: &str, command: &mut Command, on_line: impl FnMut(&str)) -> bool {
        let shown = show(command);
        self.check(name, &shown, || stream(command, on_line))
    }

    /// Runs a step that is no single command.
    pub(crate) fn check(
        &mut self,
        name: &str,
        what: &str,
        step: impl FnOnce() -> Result<(), String>,
    ) -> bool {
        let outcome = self.attempt(name, what, step);
        if outcome.is_err() {
            self.failed.push(format!("[{}] {name}", self.count));
        }
        outcome.is_ok()
    }

    /// Runs a step that may fail: the caller has another way, or goes without.
    ///
    /// # Errors
    ///
    /// Those of the step.
    pub(crate) fn attempt<T>(
        &mut self,
        name: &str,
        what: &str,
        step: impl FnOnce() -> Result<T, String>,
    ) -> Result<T, String> {
        self.count += 1;
        println!("[{}] {name}: {what}", self.count);
        let start = Instant::now();
        let outcome = step();
        let seconds = start.elapsed().as_secs_f64();
        match &outcome {
            Ok(_) => println!("[{}] ok, {seconds:.1} s\n", self.count),
            Err(why) => println!("[{}] FAILED after {seconds:.1} s: {why}\n", self.count),
        }
        outcome
    }

    /// Runs a command that may fail; its output passes through.
    ///
    /// # Errors
    ///
    /// When it fails.
    pub(crate) fn attempt_command(&mut self, name: &str, command: &mut Command) -> Result<(), String> {
        let shown = show(command);
        self.attempt(name, &shown, || stream(command, |line| println!("{line}")))
    }

    /// What the steps came to.
    ///
    /// # Errors
    ///
    /// Names the steps that failed.
    pub(crate) fn finish(self) -> Result<(), String> {
        if self.failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", self.failed.join(", "))) }
    }
}

/// A `cargo` command at the root of the repository.
pub(crate) fn cargo(args: &str) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args.split_whitespace()).current_dir(crate::root());
    command
}

/// A `cargo` command on a package that is a workspace of its own; it shares the target folder.
pub(crate) fn cargo_aside(command: &str, manifest: &str, args: &str) -> Command {
    let mut command = cargo(&format!("{command} --manifest-path {manifest} {args}"));
    if std::env::var_os("CARGO_TARGET_DIR").is_none() {
        command.env("CARGO_TARGET_DIR", crate::root().join("target"));
    }
    command
}

/// What a command prints on stdout.
///
/// # Errors
///
/// When it cannot be started or fails.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("{}: {error}", show(command)))?;
    if !output.status.success() {
        return Err(format!("{}: {}", show(command), output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a command whose output matters only when it fails.
///
/// # Errors
///
/// When it fails, with what it has printed.
pub(crate) fn quiet(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{}: {error}", show(command)))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!("{}: {}\n{}", show(command), output.status, String::from_utf8_lossy(&said).trim_end()))
}

/// Whether a command can be started and succeeds; its output is dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).output().is_ok_and(|output| output.status.success())
}

/// Runs a command to its end while its lines come in, stdout and stderr in the order they are read.
fn stream(command: &mut Command, mut on_line: impl FnMut(&str)) -> Result<(), String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let (sender, lines) = mpsc::channel();
    read_lines(child.stdout.take().expect("stdout is piped"), sender.clone());
    read_lines(child.stderr.take().expect("stderr is piped"), sender);
    let mut ended = None;
    loop {
        match lines.recv_timeout(Duration::from_millis(100)) {
            Ok(line) => on_line(&line),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                if ended.is_none() && child.try_wait().map_err(|error| error.to_string())?.is_some() {
                    ended = Some(Instant::now());
                }
                if ended.is_some_and(|ended| ended.elapsed() > STRAGGLER) {
                    return Err("a process that it started outlives it and holds its output".into());
                }
            }
        }
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(status.to_string()) }
}

fn read_lines(from: impl Read + Send + 'static, to: Sender<String>) {
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&line);
            if to.send(text.trim_end_matches(['\n', '\r']).to_owned()).is_err() {
                return;
            }
            line.clear();
        }
    });
}

/// A command as one would type it, with the variables that are set for it.
fn show(command: &Command) -> String {
    let program = command.get_program().to_string_lossy();
    let program = program.rsplit('/').next().unwrap_or_default().to_owned();
    let variables = command.get_envs().filter_map(|(name, value)| {
        value.map(|value| format!("{}='{}'", name.to_string_lossy(), value.to_string_lossy()))
    });
    let args = command.get_args().map(|arg| arg.to_string_lossy().into_owned());
    variables.chain([program]).chain(args).collect::<Vec<_>>().join(" ")
}
