//! Many clients in a closed loop at one server.
//!
//! Each client is a thread of one process with a connection or a handle of its own, and calls as an ordinary
//! program does: it sends, blocks, and takes the answer. That is the same for floor and contender, so a ratio
//! compares the servers and one client's call, not two event loops. All threads and the server share a CPU.

use std::io;
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

use crate::agent::{Agent, Task};
use crate::child::Server;
use crate::contender::{Client, Contender};
use crate::failures::{Failures, Field};
use crate::ipcm::Ipcm;
use crate::placement::Placement;
use crate::statistics::{median, quantile, quartiles};

/// What every client sends, in bytes.
const LEN: usize = 32;
const STACK: usize = 512 * 1024;

/// A sample takes no longer than this if there are clients that have not been served yet.
const LONGEST: Duration = Duration::from_secs(2);

const WARMING: u8 = 0;
const MEASURING: u8 = 1;
const STOPPED: u8 = 2;

/// What to measure and for how long.
#[derive(Clone)]
pub struct Plan<'a> {
    /// The first is the floor.
    pub contenders: &'a [&'static dyn Contender],
    /// How many clients at once; a contender skips those above its most.
    pub clients: &'a [usize],
    /// Those that are larger are measured with so many clients.
    pub most: usize,
    /// Where clients and server run.
    pub placement: Placement,
    /// How long the clients of one sample are measured, or until each was served; they run half as long before.
    pub time: Duration,
    /// Samples of each contender and number of clients.
    pub rounds: usize,
}

/// The figures of one contender with one number of clients, medians over the rounds.
#[derive(Clone, Debug)]
pub struct Row {
    /// The contender.
    pub name: &'static str,
    /// How many clients.
    pub clients: usize,
    /// Round trips of all clients together, per second.
    pub per_second: f64,
    /// `per_second` relative to the floor of the same round: lower quartile, median, upper quartile.
    pub ratio: [f64; 3],
    /// p99 of a round trip's time relative to its p50.
    pub tail: f64,
}

/// This project with a second client connected, which says nothing.
#[derive(Clone, Copy, Debug)]
pub struct Accompanied;

impl Contender for Accompanied {
    fn name(&self) -> &'static str {
        "ipcm, two clients connected"
    }

    fn serve(&self, dir: &Path, ready: &mut dyn FnMut()) -> io::Result<()> {
        Ipcm.serve(dir, ready)
    }

    fn connect(&self, dir: &Path) -> io::Result<Box<dyn Client>> {
        let mut second = Ipcm.connect(dir)?;
        second.round_trip(LEN)?;
        Ok(Box::new(Pair { first: Ipcm.connect(dir)?, _second: second }))
    }
}

struct Pair {
    first: Box<dyn Client>,
    _second: Box<dyn Client>,
}

impl Client for Pair {
    fn round_trip(&mut self, len: usize) -> io::Result<()> {
        self.first.round_trip(len)
    }

    fn await_end(&mut self) -> io::Result<()> {
        self.first.await_end()
    }
}

/// Allows this process and its children as many descriptors as the system lets them have.
///
/// # Errors
/// What the system says.
pub fn raise_descriptor_limit() -> io::Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}

/// Measures, the contenders interleaved.
///
/// # Errors
/// The first failure of a server or client that may not fail.
pub fn run(plan: &Plan<'_>, failures: &mut Failures) -> io::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for &clients in plan.clients {
        let mut samples = vec![Vec::<Sample>::with_capacity(plan.rounds); plan.contenders.len()];
        let mut field = Field::new(plan.contenders, failures);
        for round in 0..plan.rounds {
            for turn in 0..plan.contenders.len() {
                let at = (turn + round) % plan.contenders.len();
                if clients > plan.contenders[at].most_clients() || !field.has(at) {
                    continue;
                }
                let mut agent = Agent::start(plan.contenders[at], plan.placement)?;
                let task = Task::Crowd { clients: clients.min(plan.most), time: plan.time };
                match field.ask(at, format_args!("{clients} clients"), &mut agent, &task)? {
                    Some(sample) => samples[at].push(sample),
                    None => samples[at].clear(),
                }
            }
        }
        let measured = plan.contenders.iter().zip(&samples).filter(|(_, own)| !own.is_empty());
        rows.extend(measured.map(|(contender, own)| Row {
            name: contender.name(),
            clients,
            per_second: median(own.iter().map(|sample| sample.per_second)),
            ratio: quartiles(
                own.iter().zip(&samples[0]).map(|(own, floor)| own.per_second / floor.per_second),
            ),
            tail: median(own.iter().map(|sample| sample.tail)),
        }));
    }
    Ok(rows)
}

/// What one contender did in one round.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    per_second: f64,
    tail: f64,
}

/// One sample of [`Plan::time`]. This thread must be pinned to the clients' CPU.
///
/// # Errors
/// The first failure of the server or a client.
pub(crate) fn sample(
    contender: &dyn Contender,
    placement: Placement,
    clients: usize,
    time: Duration,
) -> io::Result<Sample> {
    let server = Server::start(contender, clients, placement)?;
    let phase = AtomicU8::new(WARMING);
    let served = AtomicUsize::new(0);
    let connected = Barrier::new(clients + 1);
    thread::scope(|scope| {
        let mut threads = Vec::with_capacity(clients);
        for _ in 0..clients {
            let builder = thread::Builder::new().stack_size(STACK);
            let one = || call(contender, &server, &phase, &served, &connected);
            threads.push(builder.spawn_scoped(scope, one).expect("the system has room for a thread"));
        }
        connected.wait();
        thread::sleep(time / 2);
        let begin = Instant::now();
        phase.store(MEASURING, Ordering::Relaxed);
        thread::sleep(time);
        while served.load(Ordering::Relaxed) < clients && begin.elapsed() < LONGEST {
            thread::sleep(Duration::from_millis(10));
        }
        phase.store(STOPPED, Ordering::Relaxed);
        let elapsed = begin.elapsed().as_secs_f64();

        let mut nanoseconds = Vec::new();
        for thread in threads {
            nanoseconds.extend(thread.join().expect("a client does not panic")?);
        }
        if nanoseconds.is_empty() {
            return Err(io::Error::other("no round trip in the time"));
        }
        nanoseconds.sort_unstable();
        let [p50, p99] = [0.5, 0.99].map(|q| quantile(&nanoseconds, q) as f64);
        Ok(Sample { per_second: nanoseconds.len() as f64 / elapsed, tail: p99 / p50 })
    })
}

/// One client, which counts itself once it is served: the times of the round trips that began and ended while they were
/// measured.
fn call(
    contender: &dyn Contender,
    server: &Server,
    phase: &AtomicU8,
    served: &AtomicUsize,
    connected: &Barrier,
) -> io::Result<Vec<u64>> {
    let client = contender.connect(server.directory()).and_then(|mut client| {
        client.round_trip(LEN)?;
        Ok(client)
    });
    connected.wait(); // also without a connection, or the others would wait for ever
    let mut client = client?;
    let mut nanoseconds = Vec::with_capacity(4096);
    loop {
        let now = phase.load(Ordering::Relaxed);
        if now == STOPPED {
            return Ok(nanoseconds);
        }
        let before = Instant::now();
        client.round_trip(LEN)?;
        // One that outlasts the measurement was held up by clients that were leaving.
        if now == MEASURING && phase.load(Ordering::Relaxed) == MEASURING {
            if nanoseconds.is_empty() {
                served.fetch_add(1, Ordering::Relaxed);
            }
            nanoseconds.push(before.elapsed().as_nanos() as u64);
        }
    }
}
