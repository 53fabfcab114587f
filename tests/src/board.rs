//! A board in QEMU that runs the firmware, and what can happen to it.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::watchdog;

/// The folder with the firmware's programs, if they were built: `cargo xtask firmware` does that, and says where they are.
pub fn firmware() -> Option<PathBuf> {
    let folder = std::env::var_os("IPCM_FIRMWARE").map(PathBuf::from);
    if folder.is_none() {
        println!("SKIPPED: the firmware is not built; `cargo xtask firmware` does that");
    }
    folder
}

/// A board in QEMU. Dropping it is pulling its plug.
pub struct Board {
    qemu: Child,
    /// The person at QEMU's monitor.
    monitor: UnixStream,
}

impl Board {
    /// A board whose serial port is this end of a line.
    pub fn on_line(program: &Path, end: &OwnedFd) -> Self {
        let [input, output] = [(); 2].map(|()| end.try_clone().expect("there are descriptors left"));
        Self::start(program, "stdio", input.into(), output.into())
    }

    /// A board whose serial port is a pseudo-terminal that QEMU makes, and the path of that.
    pub fn on_terminal(program: &Path) -> (Self, PathBuf) {
        let mut board = Self::start(program, "pty", Stdio::null(), Stdio::piped());
        let mut said = BufReader::new(board.qemu.stdout.take().expect("its output is a pipe"));
        let mut line = String::new();
        // "char device redirected to /dev/pts/1 (label serial0)"
        while !line.contains("redirected to ") {
            line.clear();
            let n = said.read_line(&mut line).expect("what QEMU says is text");
            assert!(n > 0, "QEMU has said where its terminal is");
        }
        let path = line.split_whitespace().find(|word| word.starts_with("/dev/")).expect("a path");
        (board, path.into())
    }

    fn start(program: &Path, serial: &str, input: Stdio, output: Stdio) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the monitor");
        let monitor = folder.path().join("monitor");
        let listener = UnixListener::bind(&monitor).expect("a socket for the monitor");
        let qemu = Command::new("qemu-system-arm")
            .args("-cpu cortex-m3 -machine lm3s6965evb -nographic".split(' '))
            .args(["-semihosting-config", "enable=on,target=native", "-serial", serial])
            .arg("-monitor")
            .arg(format!("unix:{}", monitor.display()))
            .arg("-kernel")
            .arg(program)
            .stdin(input)
            .stdout(output)
            .stderr(Stdio::null())
            .spawn()
            .expect("qemu-system-arm is installed");
        watchdog::register(qemu.id());
        let (monitor, _) = listener.accept().expect("QEMU connects to its monitor");
        Self { qemu, monitor }
    }

    /// Presses the button for a reset.
    pub fn reset(&mut self) {
        self.monitor.write_all(b"system_reset\n").expect("QEMU listens");
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
        watchdog::forget(self.qemu.id());
    }
}
