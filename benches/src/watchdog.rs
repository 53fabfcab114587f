//! A process that bounds the time of this one, and removes what it leaves when it is killed.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};

use crate::child::{again, end, number};
use crate::directory::remove_left_by;

/// The hidden argument of such a process.
pub(crate) const WATCHDOG: &str = "--hidden-watchdog";

/// How long what a killed process has started may take to end as well.
const AFTERMATH: Duration = Duration::from_secs(2);

/// Kills this process if it lives too long, whatever it hangs in. If it is killed, by this or by somebody else, the
/// directories and the shared memory of its measurements are removed.
#[derive(Debug)]
pub struct Watchdog {
    child: Child,
    /// Its other end tells of this process's end.
    _until_dropped: Option<ChildStdin>,
}

impl Watchdog {
    /// Allows this process that much time, as long as the result is kept.
    ///
    /// # Errors
    /// If the process cannot be started.
    pub fn start(limit: Duration) -> io::Result<Self> {
        let mut command = again(WATCHDOG)?;
        command.arg(limit.as_secs().to_string()).stdin(Stdio::piped());
        let mut child = command.process_group(0).spawn()?; // so that Ctrl-C does not reach it
        let stdin = child.stdin.take();
        Ok(Self { child, _until_dropped: stdin })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// What the process does: waits for the end of its parent, for some seconds at most.
pub(crate) fn watch(parent: &str, seconds: &str) -> io::Result<()> {
    let parent = number(parent)?;
    let timeout = Timespec { tv_sec: number(seconds)?, tv_nsec: 0 };
    let stdin = io::stdin();
    if poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&timeout))? == 0 {
        eprintln!("still running after {seconds} s: killed");
        if let Some(parent) = Pid::from_raw(parent) {
            kill_process(parent, Signal::KILL)?;
        }
    }
    // Its children are being killed, and one that is still in a system call may make a file in it.
    let begin = Instant::now();
    while begin.elapsed() < AFTERMATH {
        remove_left_by(parent.unsigned_abs());
        thread::sleep(AFTERMATH / 20);
    }
    Ok(())
}
