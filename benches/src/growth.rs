//! One client's latency at a server that has much else to keep, beside one that has not.
//!
//! Two servers run at the same time and are called in turn, a block of round trips each, so that both meet the
//! same disturbances. Two runs of one program differ by some percent as well, for instance by where their memory
//! lies: a figure is therefore the median over several pairs of servers.

use std::fmt::{self, Display};
use std::io;
use std::time::Instant;

use ipcm::Config;
use serde::{Deserialize, Serialize};

use crate::agent::{Agent, Task};
use crate::child::Server;
use crate::contender::{Client, Contender};
use crate::failures::{Failures, Field};
use crate::ipcm::{Caller, serve};
use crate::placement::Placement;
use crate::statistics::{median, quantile};

/// What is sent, in bytes.
const LEN: usize = 32;
/// Round trips in a block.
const BLOCK: usize = 300;

/// How much to measure.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Where client and server run.
    pub placement: Placement,
    /// Pairs of servers.
    pub pairs: usize,
    /// Blocks of each server of a pair.
    pub blocks: usize,
}

/// What a server has to keep beside the client that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Load {
    /// So many requests of the client itself, sent and never answered.
    Pending(usize),
    /// So many connected peers that have called once and say nothing.
    Idle(usize),
    /// So many peers that have connected, called once and gone.
    Departed(usize),
}

/// A service whose tables and window hold more requests than anybody has left pending here.
#[derive(Clone, Copy, Debug)]
pub struct Roomy;

impl Contender for Roomy {
    fn name(&self) -> &'static str {
        "ipcm, roomy"
    }

    fn serve(&self, dir: &std::path::Path, ready: &mut dyn FnMut()) -> io::Result<()> {
        serve(dir, roomy(), ready)
    }

    fn connect(&self, dir: &std::path::Path) -> io::Result<Box<dyn Client>> {
        Ok(Box::new(Caller::connect(dir, roomy())?))
    }
}

fn roomy() -> Config {
    let mut config = Config::default();
    config.requests = 16_384;
    config.serving = 16_384;
    config.window = 16 << 20;
    config
}

/// p50 of a contender's round trip under `load`, relative to that under `base`; `None` if the contender failed and may.
/// [`Load::Pending`] is this project's alone.
///
/// # Errors
/// The first failure of a server or client that may not fail.
pub fn ratio(
    contender: &'static dyn Contender,
    plan: Plan,
    [base, load]: [Load; 2],
    failures: &mut Failures,
) -> io::Result<Option<f64>> {
    let contenders = [contender];
    let mut field = Field::new(&contenders, failures);
    let mut ratios = Vec::with_capacity(plan.pairs);
    for _ in 0..plan.pairs {
        let mut agent = Agent::start(contender, plan.placement)?;
        let task = Task::Growth { blocks: plan.blocks, base, load };
        let Some(ratio) = field.ask(0, load, &mut agent, &task)? else { return Ok(None) };
        ratios.push(ratio);
    }
    Ok(Some(median(ratios)))
}

/// The ratio of one pair of servers, the first of which has the first load. This thread must be pinned to the client's
/// CPU.
///
/// # Errors
/// The first failure of a server or client.
pub(crate) fn pair(
    contender: &dyn Contender,
    placement: Placement,
    blocks: usize,
    loads: [Load; 2],
) -> io::Result<f64> {
    let [base, load] = loads;
    let mut sides = [Side::start(contender, placement, base)?, Side::start(contender, placement, load)?];
    let mut ratios = Vec::with_capacity(blocks);
    for number in 0..blocks {
        let mut p50 = [0.0; 2];
        for turn in 0..2 {
            let at = (turn + number) % 2;
            p50[at] = sides[at].block()?;
        }
        ratios.push(p50[1] / p50[0]);
    }
    Ok(median(ratios))
}

impl Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pending(count) => write!(f, "{count} pending requests"),
            Self::Idle(count) => write!(f, "{count} idle clients"),
            Self::Departed(count) => write!(f, "{count} departed clients"),
        }
    }
}

/// A server, its load, and the client that is measured.
struct Side {
    client: Box<dyn Client>,
    _idle: Vec<Box<dyn Client>>,
    _server: Server,
}

impl Side {
    fn start(contender: &dyn Contender, placement: Placement, load: Load) -> io::Result<Self> {
        let contender: &dyn Contender = match load {
            Load::Pending(_) => &Roomy,
            _ => contender,
        };
        let clients = if let Load::Idle(others) = load { others + 1 } else { 1 };
        let server = Server::start(contender, clients, placement)?;
        let other = || {
            let mut client = contender.connect(server.directory())?;
            client.round_trip(LEN)?;
            io::Result::Ok(client)
        };
        let mut idle = Vec::new();
        let client: Box<dyn Client> = match load {
            Load::Pending(count) => {
                let mut caller = Caller::connect(server.directory(), roomy())?;
                for _ in 0..count {
                    caller.leave_pending()?;
                }
                Box::new(caller)
            }
            Load::Idle(count) => {
                idle = (0..count).map(|_| other()).collect::<io::Result<_>>()?;
                other()?
            }
            Load::Departed(count) => {
                (0..count).try_for_each(|_| other().map(drop))?;
                other()?
            }
        };
        let mut side = Self { client, _idle: idle, _server: server };
        side.block()?;
        Ok(side)
    }

    /// p50 of a block of round trips, in nanoseconds.
    fn block(&mut self) -> io::Result<f64> {
        for _ in 0..BLOCK / 10 {
            self.client.round_trip(LEN)?;
        }
        let mut nanoseconds = [0; BLOCK];
        for slot in &mut nanoseconds {
            let before = Instant::now();
            self.client.round_trip(LEN)?;
            *slot = before.elapsed().as_nanos() as u64;
        }
        nanoseconds.sort_unstable();
        Ok(quantile(&nanoseconds, 0.5) as f64)
    }
}
