//! How long after SIGKILL of the server its client knows.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::agent::{Agent, Task};
use crate::child::Server;
use crate::contender::Contender;
use crate::failures::{Failures, Field};
use crate::placement::Placement;
use crate::statistics::{median, quartiles};

/// Long enough for a client to be blocked in its wait.
const SETTLE: Duration = Duration::from_millis(3);

/// The figures of one contender, medians over the repetitions.
#[derive(Clone, Debug)]
pub struct Row {
    /// The contender.
    pub name: &'static str,
    /// Repetitions.
    pub repetitions: usize,
    /// From just before the kill to the return of [`await_end`](crate::contender::Client::await_end), in
    /// microseconds: lower quartile, median, upper quartile.
    pub noticed_us: [f64; 3],
    /// Relative to the first contender of the same repetition.
    pub ratio: f64,
}

impl Row {
    /// The figures for a program to read.
    pub fn to_json(&self) -> Value {
        let [q1, median, q3] = self.noticed_us;
        json!({
            "name": self.name, "repetitions": self.repetitions,
            "noticed_us": median, "noticed_us_quartiles": [q1, q3], "ratio": self.ratio,
        })
    }
}

/// Kills a server of each contender in turn, `repetitions` times. The first contender is the floor.
///
/// # Errors
/// The first failure of a server or client that may not fail.
pub fn run(
    contenders: &[&'static dyn Contender],
    placement: Placement,
    repetitions: usize,
    failures: &mut Failures,
) -> io::Result<Vec<Row>> {
    let mut field = Field::new(contenders, failures);
    let mut agents = Vec::new();
    for contender in contenders {
        agents.push(Agent::start(*contender, placement)?);
    }
    let mut times = vec![Vec::with_capacity(repetitions); contenders.len()];
    for repetition in 0..repetitions {
        for turn in 0..contenders.len() {
            let at = (turn + repetition) % contenders.len();
            if !field.has(at) {
                continue;
            }
            match field.ask::<Duration>(at, "notice of the end", &mut agents[at], &Task::Death)? {
                Some(time) => times[at].push(time.as_secs_f64() * 1e6),
                None => times[at].clear(),
            }
        }
    }
    let measured = contenders.iter().zip(&times).filter(|(_, own)| !own.is_empty());
    let rows = measured.map(|(contender, own)| Row {
        name: contender.name(),
        repetitions,
        noticed_us: quartiles(own.iter().copied()),
        ratio: median(own.iter().zip(&times[0]).map(|(own, floor)| own / floor)),
    });
    Ok(rows.collect())
}

/// Kills one server and returns the time until its client noticed.
///
/// # Errors
/// The first failure of server or client.
pub(crate) fn once(contender: &dyn Contender, placement: Placement) -> io::Result<Duration> {
    let server = Server::start(contender, 1, placement)?;
    let mut client = contender.connect(server.directory())?;
    client.round_trip(32)?;
    let client = &mut client;
    thread::scope(|scope| {
        let killer = scope.spawn(|| {
            thread::sleep(SETTLE);
            let killed = Instant::now();
            let result = server.kill();
            thread::park(); // ending now would compete with the server's end
            result.map(|()| killed)
        });
        let result = client.await_end();
        let noticed = Instant::now();
        killer.thread().unpark();
        let killed = killer.join().expect("the killer does not panic")?;
        result?;
        noticed.checked_duration_since(killed).ok_or_else(|| io::Error::other("the end came before the kill"))
    })
}
