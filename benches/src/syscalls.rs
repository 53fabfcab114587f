//! System calls per round trip, counted with ptrace: no tool, no privilege, no sampling.
//!
//! Client and server both run in traced child processes, from their first instruction to their last. Each
//! contender is run twice with different numbers of round trips; the difference is free of what starting,
//! connecting and ending cost. Under a [tracer](crate::tracer), a program that chooses by time (spinning, batching)
//! may choose differently.

use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::agent::{Agent, Task};
use crate::child::{client_command, read_ready, serve_command, wait_readable};
use crate::contender::Contender;
use crate::directory::Directory;
use crate::failures::Failures;
use crate::placement::Placement;
use crate::tracer::{Stop, Tracer};

const FEW: u32 = 100;
const MANY: u32 = 300;
/// How long a server may take over the end of its client before it is taken to be waiting again.
const QUIET: Duration = Duration::from_millis(20);

/// System calls per round trip.
#[derive(Clone, Debug)]
pub struct Row {
    /// The contender.
    pub name: &'static str,
    /// The body's length in bytes.
    pub len: usize,
    /// Calls of the client.
    pub client: f64,
    /// Calls of the server.
    pub server: f64,
}

impl Row {
    /// The figures for a program to read.
    pub fn to_json(&self) -> Value {
        json!({ "name": self.name, "bytes": self.len, "client": self.client, "server": self.server })
    }
}

/// Counts for one contender and body length; `None` if the contender failed and may.
///
/// # Errors
/// If a child fails that may not, or tracing is not permitted.
pub fn count(
    contender: &dyn Contender,
    len: usize,
    placement: Placement,
    failures: &mut Failures,
) -> io::Result<Option<Row>> {
    let mut agent = Agent::start(contender, placement)?;
    let calls: Option<[f64; 2]> =
        failures.ask(contender, "system calls", &mut agent, &Task::Calls { len })?;
    Ok(calls.map(|[client, server]| Row { name: contender.name(), len, client, server }))
}

/// Counts the calls of client and server per round trip, in children of this process, which must have no others.
///
/// # Errors
/// If a child fails, or tracing is not permitted.
pub(crate) fn calls(contender: &dyn Contender, len: usize, placement: Placement) -> io::Result<[f64; 2]> {
    let few = run_traced(contender, len, placement, FEW)?;
    let many = run_traced(contender, len, placement, MANY)?;
    let per_trip = |few: u64, many: u64| (many as f64 - few as f64) / f64::from(MANY - FEW);
    Ok([per_trip(few.client, many.client), per_trip(few.server, many.server)])
}

/// All calls of a run.
struct Totals {
    client: u64,
    server: u64,
}

fn run_traced(contender: &dyn Contender, len: usize, at: Placement, trips: u32) -> io::Result<Totals> {
    let directory = Directory::new()?;
    let mut tracer = Tracer::default();
    let mut calls = HashMap::<i32, u64>::new();
    let mut count = |stop| {
        if let Stop::Enter(call) = stop {
            *calls.entry(call.process).or_default() += 1;
        }
    };

    let server = tracer.spawn(serve_command(contender, 1, directory.path(), at)?)?;
    let stdout = tracer.child(server).stdout.take().expect("stdout is piped");
    while wait_readable(&stdout, Duration::ZERO).is_err() {
        count(tracer.step()?);
    }
    read_ready(stdout)?;

    let client = tracer.spawn(client_command(contender, directory.path(), at, len, trips)?)?;
    let status = loop {
        count(tracer.step()?);
        if let Some(status) = tracer.status(client) {
            break status;
        }
    };
    if !libc::WIFEXITED(status) || libc::WEXITSTATUS(status) != 0 {
        return Err(io::Error::other(format!("traced client of {} failed", contender.name())));
    }
    let mut last = Instant::now();
    while last.elapsed() < QUIET && tracer.status(server).is_none() {
        match tracer.try_step()? {
            Some(stop) => {
                count(stop);
                last = Instant::now();
            }
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    }
    let calls = |process| calls.get(&process).copied().unwrap_or(0);
    Ok(Totals { client: calls(client), server: calls(server) })
}
