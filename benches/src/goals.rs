//! A program that measures every performance goal that can be measured today, and prints one table of them.
//!
//! ```text
//! main --> measure: p1 ... p8, one function a group --> goal (the table)
//!          effort (how much)                        --> figures (all contenders), charts
//! ```
//!
//! Ratios are to the floor of the same interleaved round, and medians. Both sides run on one CPU.
//!
//! The program exists twice: as `bin/goals.rs` without peers, and in `peers/`, which is a workspace of its own.

mod charts;
mod effort;
mod figures;
mod measure;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use serde_json::{Value, json};

use crate::child::run_if_child;
use crate::contender::Contender;
use crate::crowd::{self, Accompanied};
use crate::goal::{Goal, Table};
use crate::growth::Roomy;
use crate::in_place::InPlace;
use crate::ipcm::Ipcm;
use crate::notice::Notice;
use crate::pipeline::{Coalesced, Flooding};
use crate::placement::Placement;
use crate::watchdog::Watchdog;
use crate::{latency, raw};
use effort::Effort;
use measure::Progress;

/// What else there is to compare with.
#[derive(Clone, Copy)]
pub struct Peers {
    /// Other libraries.
    pub contenders: &'static [&'static dyn Contender],
    /// Those that cannot be measured here, and why.
    pub absent: &'static [(&'static str, &'static str)],
}

/// Goals that this program does not measure, and what does.
const ELSEWHERE: [(&str, &str); 3] = [
    ("P2", "there is no transport through shared memory yet"),
    ("P9", "measured by `cargo xtask firmware`"),
    ("P10", "measured by `cargo xtask goals P10`"),
];

/// Whatever is started as a child, but for the peers.
static OWN: &[&dyn Contender] = &[
    &raw::STREAM,
    &raw::SEQPACKET,
    &raw::STREAM_EPOLL,
    &Coalesced,
    &Flooding,
    &Accompanied,
    &Notice,
    &Roomy,
    &InPlace,
    &Ipcm,
];

const USAGE: &str = "\
usage: goals [P1 | P2 | ... | P10]... [options]     (all if none is named)

  --quick       about two minutes, half of it for what P8 builds; with peers three to seven
  --smoke       some seconds; the figures mean nothing
  --only WORD   of the peers those with WORD in their names; may be repeated
  --json        machine-readable
  --plot DIR    writes latency.svg (with P1) and throughput.svg (with P4) there
";

/// The program.
pub fn main(peers: &Peers) -> ExitCode {
    run_if_child(&[OWN, peers.contenders].concat());
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(word) => {
            eprint!("cannot make sense of {word:?}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options, peers) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("goals: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The command line.
struct Options {
    groups: Vec<String>,
    effort: Effort,
    only: Vec<String>,
    json: bool,
    plot: Option<PathBuf>,
}

impl Options {
    /// Fails with the word that is wrong.
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let (groups, only) = (Vec::new(), Vec::new());
        let mut options = Self { groups, effort: Effort::FULL, only, json: false, plot: None };
        while let Some(word) = words.next() {
            match word.as_str() {
                group if is_group(group) => options.groups.push(word),
                "--quick" => options.effort = Effort::QUICK,
                "--smoke" => options.effort = Effort::SMOKE,
                "--only" => options.only.push(words.next().ok_or(word)?),
                "--json" => options.json = true,
                "--plot" => options.plot = Some(words.next().ok_or(word)?.into()),
                _ => return Err(word),
            }
        }
        Ok(options)
    }

    fn wants(&self, group: &str) -> bool {
        self.groups.is_empty() || self.groups.iter().any(|wanted| wanted == group)
    }

    /// Fails if a word is in no name.
    fn choose(&self, peers: &Peers) -> io::Result<Vec<&'static dyn Contender>> {
        let all = peers.contenders;
        if let Some(word) = self.only.iter().find(|word| !all.iter().any(|peer| peer.name().contains(*word)))
        {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("no peer has {word:?} in its name")));
        }
        let wanted = |name: &str| self.only.is_empty() || self.only.iter().any(|word| name.contains(word));
        Ok(all.iter().copied().filter(|peer| wanted(peer.name())).collect())
    }
}

fn is_group(word: &str) -> bool {
    let here = measure::GROUPS.iter().map(|(name, _)| name);
    here.chain(ELSEWHERE.iter().map(|(name, _)| name)).any(|name| *name == word)
}

fn run(options: &Options, peers: &Peers) -> io::Result<()> {
    let chosen = options.choose(peers)?;
    let effort = options.effort.beside(chosen.len());
    let _watchdog = Watchdog::start(effort.limit)?;
    crowd::raise_descriptor_limit()?;
    let placement = Placement::same()?;
    for (name, why) in peers.absent {
        eprintln!("NOT MEASURED: {name}: {why}");
    }

    let begin = Instant::now();
    let (sizes, crowds): (&[usize], &[usize]) = match options.plot {
        Some(_) => (&charts::SIZES, &charts::CROWDS),
        None => (&latency::SIZES, &measure::CROWDS),
    };
    let mut progress = Progress::new(effort, placement, chosen, sizes, crowds);
    let mut taken = Vec::new();
    for (group, measure) in measure::GROUPS {
        if options.wants(group) {
            let begin = Instant::now();
            measure(&mut progress)?;
            taken.push(format!("{group} {:.0}", begin.elapsed().as_secs_f64()));
        }
    }
    if let Some(dir) = &options.plot {
        charts::write(dir, &progress.figures)?;
    }

    let Progress { goals, figures, failures, .. } = progress;
    let failed = failures.seen().iter().map(|failure| (failure.name, failure.why.as_str()));
    let not_measured = peers.absent.iter().copied().chain(failed);
    let elsewhere = ELSEWHERE.iter().filter(|(group, _)| options.wants(group));
    if options.json {
        let elsewhere = elsewhere.map(|(group, how)| json!({ "goal": group, "how": how }));
        let not_measured = not_measured.map(|(name, why)| json!({ "name": name, "why": why }));
        let goals: Vec<Value> = goals.iter().map(Goal::to_json).collect();
        let figures = figures.to_json();
        println!(
            "{:#}",
            json!({
                "goals": goals, "figures": figures, "elsewhere": elsewhere.collect::<Value>(),
                "not_measured": not_measured.collect::<Value>(),
            })
        );
    } else {
        if !goals.is_empty() {
            println!("{}", Table(&goals));
        }
        for (group, how) in elsewhere {
            println!("{group:<5} {how}");
        }
        if !peers.contenders.is_empty() {
            println!("\n{figures}");
        }
        for (name, why) in not_measured {
            println!("NOT MEASURED: {name}: {why}");
        }
        if !taken.is_empty() {
            let seconds = begin.elapsed().as_secs_f64();
            println!("both sides on CPU {}, {seconds:.0} s: {}", placement.client, taken.join(", "));
        }
    }
    Ok(())
}
