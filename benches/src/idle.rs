//! How often a handle and a service wake up while nothing happens.

use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::gettid;
use serde::{Deserialize, Serialize};

use crate::agent::{Agent, Task};
use crate::child::Server;
use crate::contender::Contender;
use crate::failures::Failures;
use crate::placement::Placement;
use crate::usage::Usage;

/// Long enough for both to have settled into their longest wait.
const SETTLE: Duration = Duration::from_millis(300);

/// Wake-ups per second: voluntary context switches, each of which was followed by one.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct WakeUps {
    /// Of the thread that awaits a response that never comes, without a timeout.
    pub handle: f64,
    /// Of all threads of the service.
    pub service: f64,
}

/// Counts for `time`; `None` if the contender failed and may.
///
/// # Errors
/// The first failure of a server or client that may not fail.
pub fn run(
    contender: &dyn Contender,
    placement: Placement,
    time: Duration,
    failures: &mut Failures,
) -> io::Result<Option<WakeUps>> {
    let mut agent = Agent::start(contender, placement)?;
    failures.ask(contender, "wake-ups", &mut agent, &Task::Idle { time })
}

/// Counts in this process.
///
/// # Errors
/// The first failure of the server or client.
pub(crate) fn wake_ups(
    contender: &dyn Contender,
    placement: Placement,
    time: Duration,
) -> io::Result<WakeUps> {
    let server = Server::start(contender, 1, placement)?;
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let mut client = contender.connect(server.directory())?;
            client.round_trip(32)?;
            let _ = tell.send(gettid().as_raw_nonzero().get().cast_unsigned());
            drop(tell);
            client.await_end()
        });
        let counted = told.recv().map_err(io::Error::other).and_then(|thread| {
            thread::sleep(SETTLE);
            count(thread, server.id(), time)
        });
        server.kill()?; // which ends the wait
        waiting.join().expect("the client does not panic")?;
        counted
    })
}

fn count(thread: u32, server: u32, time: Duration) -> io::Result<WakeUps> {
    let begin = Instant::now();
    let before = [Usage::switches_of_thread(thread)?, Usage::switches_of(server)?];
    thread::sleep(time);
    let after = [Usage::switches_of_thread(thread)?, Usage::switches_of(server)?];
    let seconds = begin.elapsed().as_secs_f64();
    let rate = |at: usize| (after[at] - before[at]).voluntary as f64 / seconds;
    Ok(WakeUps { handle: rate(0), service: rate(1) })
}
