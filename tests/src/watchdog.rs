//! A bound on the time of a test, which fails loudly.

use std::collections::BTreeSet;
use std::io::Write;
use std::process;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The processes to be killed when a watchdog bites.
static CHILDREN: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// Ends the whole test program if it is not dropped in time.
#[must_use = "it watches until it is dropped"]
pub struct Watchdog {
    _done: Sender<()>,
}

/// Fails this test, and with it the program and its children, unless the guard is dropped in time.
pub fn within(seconds: u64) -> Watchdog {
    let (done, wait) = channel();
    let test = thread::current().name().unwrap_or("a test").to_owned();
    thread::spawn(move || {
        if wait.recv_timeout(Duration::from_secs(seconds)) == Err(RecvTimeoutError::Timeout) {
            let _ = writeln!(std::io::stderr(), "WATCHDOG: {test} is not done after {seconds} s");
            for pid in children().iter() {
                crate::proc::signal(*pid, rustix::process::Signal::KILL);
            }
            process::abort();
        }
    });
    Watchdog { _done: done }
}

/// A process that must not outlive the test.
pub(crate) fn register(pid: u32) {
    children().insert(pid);
}

/// The process was reaped: its id may be another's soon.
pub(crate) fn forget(pid: u32) {
    children().remove(&pid);
}

fn children() -> MutexGuard<'static, BTreeSet<u32>> {
    CHILDREN.lock().unwrap_or_else(PoisonError::into_inner)
}
