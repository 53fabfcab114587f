//! Rounds of round trips, all contenders interleaved.
//!
//! In a round every contender gets a fresh client and server, processes both; then, size by size, each makes its round trips, in an order
//! that rotates from round to round. A figure is the median over the rounds, and a ratio is the median of the
//! ratios to the floor's p50 of the *same* round, so that a disturbance that lasts longer than a round cancels.
//!
//! At 32 bytes on one CPU the blocking stream has two modes some 8 % apart, and changes between them now and
//! then by itself, whatever the warm-up. Ratios to it therefore have a wide lower quartile; compare their medians,
//! from 30 rounds or more.

use std::io;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::agent::{Agent, Task};
use crate::allocations;
use crate::child::Server;
use crate::contender::{Client, Contender};
use crate::failures::{Failures, Field};
use crate::placement::Placement;
use crate::statistics::{median, quantile, quartiles};
use crate::usage::{Meter, Usage, resident_mib};

/// Body sizes in bytes.
pub const SIZES: [usize; 4] = [32, 1024, 64 << 10, 1 << 20];

/// No contender is timed for longer than this in a round.
const LONGEST: Duration = Duration::from_millis(100);
/// But for so many round trips in any case.
const FEWEST: usize = 20;

/// What to measure and for how long.
#[derive(Clone)]
pub struct Plan<'a> {
    /// The first is the floor.
    pub contenders: &'a [&'static dyn Contender],
    /// Body sizes in bytes; a contender skips those above its largest.
    pub sizes: &'a [usize],
    /// Requests of one round trip, all sent before the first answer is awaited.
    pub together: usize,
    /// Where client and server run.
    pub placement: Placement,
    /// No round begins after this time, but three do in any case.
    pub time: Duration,
    /// No more rounds than this.
    pub rounds: usize,
}

/// The figures of one contender at one size, medians over the rounds.
#[derive(Clone, Debug)]
pub struct Row {
    /// The contender.
    pub name: &'static str,
    /// The body's length in bytes.
    pub len: usize,
    /// Rounds measured.
    pub rounds: usize,
    /// Median time of a round trip, in microseconds.
    pub p50_us: f64,
    /// p50 relative to the floor: lower quartile, median, upper quartile over the rounds.
    pub ratio: [f64; 3],
    /// p99 relative to p50.
    pub tail: f64,
    /// CPU time of both sides per round trip, in microseconds.
    pub cpu_us: f64,
    /// Voluntary context switches of both sides per round trip.
    pub voluntary: f64,
    /// Involuntary context switches of both sides per round trip.
    pub involuntary: f64,
    /// Allocations of the client per round trip.
    pub client_allocations: f64,
    /// Allocations of the server per round trip.
    pub server_allocations: f64,
    /// What the server has resident in memory afterwards, in MiB, pages shared with others included.
    pub resident_mib: f64,
}

impl Row {
    /// The figures for a program to read.
    pub fn to_json(&self) -> Value {
        let [q1, median, q3] = self.ratio;
        json!({
            "name": self.name, "bytes": self.len, "rounds": self.rounds,
            "p50_us": self.p50_us, "ratio": median, "ratio_quartiles": [q1, q3],
            "p99_over_p50": self.tail, "cpu_us": self.cpu_us,
            "voluntary_switches": self.voluntary, "involuntary_switches": self.involuntary,
            "client_allocations": self.client_allocations, "server_allocations": self.server_allocations,
            "server_resident_mib": self.resident_mib,
        })
    }
}

/// Measures.
///
/// # Errors
/// The first failure of a server or client that may not fail.
pub fn run(plan: &Plan<'_>, failures: &mut Failures) -> io::Result<Vec<Row>> {
    let begin = Instant::now();
    let mut rounds = Vec::new();
    let mut field = Field::new(plan.contenders, failures);
    while rounds.len() < plan.rounds && (rounds.len() < 3 || begin.elapsed() < plan.time) {
        rounds.push(round(plan, rounds.len(), &mut field)?);
    }
    let cells = plan.sizes.len() * plan.contenders.len();
    let whole = (0..cells).filter(|cell| field.has(cell % plan.contenders.len()));
    Ok(whole.filter_map(|cell| summarize(plan, &rounds, cell)).collect())
}

/// What one contender did at one size in one round.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    p50_us: f64,
    p99_us: f64,
    trips: f64,
    usage: Usage,
    client_allocations: u64,
    server_allocations: u64,
    resident_mib: f64,
    /// Round trips that the allocations were counted over.
    counted: f64,
}

/// A server of a round and a connection to it.
pub(crate) struct Pair {
    client: Box<dyn Client>,
    server: Server,
}

/// One sample for each size and contender, sizes outside; `None` if that contender cannot carry that size or has failed.
fn round(plan: &Plan<'_>, number: usize, field: &mut Field<'_>) -> io::Result<Vec<Option<Sample>>> {
    let mut agents = Vec::new();
    for (at, contender) in plan.contenders.iter().enumerate() {
        agents.push(None);
        if field.has(at) {
            let mut agent = Agent::start(*contender, plan.placement)?;
            agents[at] = field.ask(at, "start", &mut agent, &Task::Connect)?.map(|()| agent);
        }
    }
    let mut samples = vec![None; plan.sizes.len() * agents.len()];
    for (at_size, &len) in plan.sizes.iter().enumerate() {
        for turn in 0..agents.len() {
            let at = (turn + number) % agents.len();
            let Some(agent) = agents[at].as_mut().filter(|_| len <= plan.contenders[at].largest()) else {
                continue;
            };
            let task = Task::RoundTrips { len, together: plan.together };
            let sample = field.ask(at, format_args!("{} of {len} bytes", plan.together), agent, &task)?;
            if sample.is_none() {
                agents[at] = None;
            }
            samples[at_size * agents.len() + at] = sample;
        }
    }
    Ok(samples)
}

impl Pair {
    /// Starts both.
    ///
    /// # Errors
    /// The first failure of either.
    pub(crate) fn start(contender: &dyn Contender, placement: Placement) -> io::Result<Self> {
        let server = Server::start(contender, 1, placement)?;
        Ok(Self { client: contender.connect(server.directory())?, server })
    }

    /// Makes round trips of `together` requests of `len` bytes. This thread must be pinned to the client's CPU.
    ///
    /// # Errors
    /// The first failure of server or client.
    pub(crate) fn sample(&mut self, len: usize, together: usize) -> io::Result<Sample> {
        let most = trips(len * together);
        let warm_up = most / 10 + 5;
        let begin = Instant::now();
        for _ in 0..warm_up {
            self.round_trip(len, together)?;
        }
        let fit = LONGEST.as_secs_f64() / begin.elapsed().as_secs_f64() * warm_up as f64;
        let trips = most.min((fit as usize).max(FEWEST));
        let mut nanoseconds = vec![0; trips];
        let (client_before, server_before) = (allocations::count(), self.server.allocations()?);
        for _ in 0..warm_up {
            self.round_trip(len, together)?;
        }
        let client_warm = allocations::count() - client_before; // the meter allocates, too

        let meter = Meter::start(self.server.id())?;
        let client_before = allocations::count();
        let mut before = Instant::now();
        for slot in &mut nanoseconds {
            self.round_trip(len, together)?;
            let now = Instant::now();
            *slot = now.duration_since(before).as_nanos() as u64;
            before = now;
        }
        let client_timed = allocations::count() - client_before;
        let usage = meter.stop()?;

        nanoseconds.sort_unstable();
        Ok(Sample {
            p50_us: quantile(&nanoseconds, 0.5) as f64 / 1e3,
            p99_us: quantile(&nanoseconds, 0.99) as f64 / 1e3,
            trips: trips as f64,
            usage,
            client_allocations: client_warm + client_timed,
            server_allocations: self.server.allocations()? - server_before,
            counted: (trips + warm_up) as f64,
            resident_mib: resident_mib(self.server.id())?,
        })
    }

    fn round_trip(&mut self, len: usize, together: usize) -> io::Result<()> {
        match together {
            1 => self.client.round_trip(len),
            _ => self.client.together(len, together),
        }
    }
}

/// Timed round trips per round at most, for a fast contender 10 to 30 ms of them.
fn trips(len: usize) -> usize {
    match len {
        0..=4096 => 1000,
        4097..=262_144 => 400,
        _ => 100,
    }
}

fn summarize(plan: &Plan<'_>, rounds: &[Vec<Option<Sample>>], cell: usize) -> Option<Row> {
    let width = plan.contenders.len();
    let (at_size, at) = (cell / width, cell % width);
    let samples: Vec<&Sample> = rounds.iter().filter_map(|round| round[cell].as_ref()).collect();
    let floors = rounds.iter().filter_map(|round| round[at_size * width].as_ref());
    if samples.is_empty() {
        return None;
    }
    let over = |figure: fn(&Sample) -> f64| median(samples.iter().map(|sample| figure(sample)));
    Some(Row {
        name: plan.contenders[at].name(),
        len: plan.sizes[at_size],
        rounds: samples.len(),
        p50_us: over(|sample| sample.p50_us),
        ratio: quartiles(samples.iter().zip(floors).map(|(sample, floor)| sample.p50_us / floor.p50_us)),
        tail: over(|sample| sample.p99_us / sample.p50_us),
        cpu_us: over(|sample| sample.usage.cpu.as_secs_f64() * 1e6 / sample.trips),
        voluntary: over(|sample| sample.usage.voluntary as f64 / sample.trips),
        involuntary: over(|sample| sample.usage.involuntary as f64 / sample.trips),
        client_allocations: over(|sample| sample.client_allocations as f64 / sample.counted),
        server_allocations: over(|sample| sample.server_allocations as f64 / sample.counted),
        resident_mib: over(|sample| sample.resident_mib),
    })
}
