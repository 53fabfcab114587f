//! Every performance goal that can be measured today, in one table.
//!
//! ```text
//! main --> p1 ... p8, one function a group --> goal (the table), plot (two charts)
//! ```
//!
//! Ratios are to the floor of the same interleaved round, and medians. Both sides run on one CPU.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ipcm_benches::allocations::Counting;
use ipcm_benches::child::{Server, Watchdog, run_if_child};
use ipcm_benches::contender::Contender;
use ipcm_benches::crowd::{self, Accompanied};
use ipcm_benches::goal::{Goal, Table, Target, Unit};
use ipcm_benches::growth::{self, Load, Roomy};
use ipcm_benches::in_place::InPlace;
use ipcm_benches::ipcm::Ipcm;
use ipcm_benches::notice::Notice;
use ipcm_benches::placement::{Placement, pin};
use ipcm_benches::plot::{Chart, Line};
use ipcm_benches::statistics::median;
use ipcm_benches::{death, idle, latency, pipeline, raw, size, syscalls};
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Whatever is started as a child.
static CONTENDERS: &[&dyn Contender] = &[
    &raw::STREAM,
    &raw::SEQPACKET,
    &raw::STREAM_EPOLL,
    &pipeline::COALESCED,
    &pipeline::PIPELINED,
    &pipeline::FLOOD,
    &Accompanied,
    &Notice,
    &Roomy,
    &InPlace,
    &Ipcm,
];

/// The first is the floor of all ratios.
static LATENCY: &[&dyn Contender] = &[&raw::STREAM, &raw::SEQPACKET, &InPlace, &Ipcm];
static CROWD: &[&dyn Contender] = &[&raw::STREAM_EPOLL, &Ipcm];

const CLIENTS: [usize; 4] = [1, 8, 64, 512];
/// Body sizes of the chart, which include those of the goals.
const CHART_SIZES: [usize; 8] = [32, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20];
const SMALL: usize = 32;

const USAGE: &str = "\
usage: goals [P1 | P3 | P4 | P5 | P6 | P7 | P8]... [options]     (all if none is named)

  --quick       less than two minutes; a minute more if P8 has to be built
  --smoke       some seconds; the figures mean nothing
  --json        machine-readable
  --plot DIR    writes latency.svg (with P1) and throughput.svg (with P4) there
";

fn main() -> ExitCode {
    run_if_child(CONTENDERS);
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(word) => {
            eprint!("cannot make sense of {word:?}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
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
    json: bool,
    plot: Option<PathBuf>,
}

impl Options {
    /// Fails with the word that is wrong.
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { groups: Vec::new(), effort: Effort::FULL, json: false, plot: None };
        while let Some(word) = words.next() {
            match word.as_str() {
                "P1" | "P3" | "P4" | "P5" | "P6" | "P7" | "P8" => options.groups.push(word),
                "--quick" => options.effort = Effort::QUICK,
                "--smoke" => options.effort = Effort::SMOKE,
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
}

/// How much is measured.
#[derive(Clone, Copy)]
struct Effort {
    /// No more than this in all.
    limit: Duration,
    latency: Duration,
    rounds: usize,
    pipeline: Duration,
    floods: usize,
    crowd_rounds: usize,
    crowd_time: Duration,
    idle: Duration,
    deaths: usize,
    pairs: usize,
    blocks: usize,
    departed: usize,
    /// Builds the example, and asks cargo for the crates.
    builds: bool,
    /// Builds everything anew as well.
    builds_cold: bool,
}

impl Effort {
    const FULL: Self = Self {
        limit: Duration::from_secs(1200),
        latency: Duration::from_secs(60),
        rounds: 1000,
        pipeline: Duration::from_secs(20),
        floods: 5,
        crowd_rounds: 15,
        crowd_time: Duration::from_millis(400),
        idle: Duration::from_secs(5),
        deaths: 60,
        pairs: 7,
        blocks: 30,
        departed: 10_000,
        builds: true,
        builds_cold: true,
    };

    const QUICK: Self = Self {
        limit: Duration::from_secs(300),
        latency: Duration::from_secs(10),
        pipeline: Duration::from_secs(5),
        floods: 3,
        crowd_rounds: 5,
        crowd_time: Duration::from_millis(200),
        idle: Duration::from_secs(2),
        deaths: 30,
        pairs: 3,
        blocks: 20,
        builds_cold: false,
        ..Self::FULL
    };

    const SMOKE: Self = Self {
        latency: Duration::ZERO,
        rounds: 1,
        pipeline: Duration::ZERO,
        floods: 1,
        crowd_rounds: 1,
        crowd_time: Duration::from_millis(20),
        idle: Duration::from_millis(200),
        deaths: 2,
        pairs: 1,
        blocks: 2,
        departed: 100,
        builds: false,
        ..Self::QUICK
    };
}

fn run(options: &Options) -> io::Result<()> {
    let _watchdog = Watchdog::start(options.effort.limit)?;
    crowd::raise_descriptor_limit()?;
    let placement = Placement::same()?;
    pin(placement.client)?;
    let mut progress = Progress { effort: options.effort, placement, goals: Vec::new() };

    let begin = Instant::now();
    let latencies = match &options.plot {
        Some(_) if options.wants("P1") => progress.latency(&CHART_SIZES)?,
        _ if options.wants("P1") => progress.latency(&latency::SIZES)?,
        _ if options.wants("P5") => progress.latency(&[SMALL])?,
        _ => Vec::new(),
    };
    let mut crowds = Vec::new();
    if options.wants("P1") {
        progress.p1(&latencies);
    }
    if options.wants("P3") {
        progress.p3()?;
    }
    if options.wants("P4") {
        crowds = progress.p4()?;
    }
    if options.wants("P5") {
        progress.p5(&latencies)?;
    }
    if options.wants("P6") {
        progress.p6()?;
    }
    if options.wants("P7") {
        progress.p7()?;
    }
    if options.wants("P8") {
        progress.p8()?;
    }
    if let Some(dir) = &options.plot {
        plot(dir, &latencies, &crowds)?;
    }

    if options.json {
        let goals: Vec<Value> = progress.goals.iter().map(Goal::to_json).collect();
        let crowds = crowds.iter().map(|row| {
            json!({ "name": row.name, "clients": row.clients, "per_second": row.per_second, "tail": row.tail })
        });
        println!("{:#}", json!({ "goals": goals, "throughput": crowds.collect::<Value>() }));
    } else {
        println!("{}", Table(&progress.goals));
        println!("both sides on CPU {}, {:.0} s", placement.client, begin.elapsed().as_secs_f64());
    }
    Ok(())
}

/// What has been measured so far.
struct Progress {
    effort: Effort,
    placement: Placement,
    goals: Vec<Goal>,
}

impl Progress {
    fn add(
        &mut self,
        group: &'static str,
        what: impl Into<String>,
        target: Target,
        measured: impl Into<Option<f64>>,
    ) {
        self.goals.push(Goal::new(group, what, target, measured));
    }

    fn latency(&self, sizes: &[usize]) -> io::Result<Vec<latency::Row>> {
        latency::run(&latency::Plan {
            contenders: LATENCY,
            sizes,
            placement: self.placement,
            time: self.effort.latency,
            rounds: self.effort.rounds,
        })
    }

    /// Round trips by size.
    fn p1(&mut self, rows: &[latency::Row]) {
        for (len, name, limit) in [
            (32, "32 B", 0.95),
            (1 << 10, "1 KiB", 0.95),
            (64 << 10, "64 KiB", 0.65),
            (1 << 20, "1 MiB", 0.40),
        ] {
            let what = format!("typed call, {name}, to raw stream");
            self.add("P1", what, Target::at_most(limit, Unit::Times), row_of(rows, len).ratio[1]);
        }
        for (len, name, limit) in [(64 << 10, "64 KiB", 0.45), (1 << 20, "1 MiB", 0.30)] {
            let what = format!("read and written in place, {name}, to raw stream");
            let ours = rows.iter().filter(|row| row.name == InPlace.name());
            for row in ours.filter(|row| row.len == len) {
                self.add("P1", what.clone(), Target::at_most(limit, Unit::Times), row.ratio[1]);
            }
        }
    }

    /// Many requests outstanding.
    fn p3(&mut self) -> io::Result<()> {
        let rows = latency::run(&latency::Plan {
            contenders: &[&pipeline::COALESCED, &pipeline::PIPELINED],
            sizes: &[SMALL],
            placement: self.placement,
            time: self.effort.pipeline,
            rounds: self.effort.rounds,
        })?;
        let ours = row_of(&rows, SMALL);
        let rate = pipeline::WINDOW as f64 / ours.p50_us * 1e3;
        self.add("P3", "32 B, 64 outstanding", Target::at_least(2500.0, Unit::Thousands), rate);
        let what = "32 B, 64 outstanding, rate to raw stream, coalesced";
        self.add("P3", what, Target::at_least(0.45, Unit::Times), 1.0 / ours.ratio[1]);

        let server = Server::start(&pipeline::FLOOD, self.placement)?;
        let mut client = pipeline::FLOOD.connect(server.directory())?;
        for _ in 0..self.effort.floods {
            client.round_trip(SMALL)?; // fails if a single one is not answered
        }
        let window = pipeline::FLOOD_WINDOW as f64;
        self.add("P3", "answered of 10,000 outstanding", Target::at_least(window, Unit::Count), window);
        Ok(())
    }

    /// Many clients.
    fn p4(&mut self) -> io::Result<Vec<crowd::Row>> {
        let rows = crowd::run(&crowd::Plan {
            contenders: CROWD,
            clients: &CLIENTS,
            placement: self.placement,
            time: self.effort.crowd_time,
            rounds: self.effort.crowd_rounds,
        })?;
        let ours: Vec<&crowd::Row> = rows.iter().filter(|row| row.name == Ipcm.name()).collect();
        for row in ours.iter().filter(|row| row.clients >= 64) {
            let what = format!("rate with {} clients to raw stream, epoll server", row.clients);
            self.add("P4", what, Target::at_least(1.0, Unit::Times), row.ratio[1]);
        }
        let tail = ours.last().expect("a row of every number of clients").tail;
        self.add("P4", "p99 to p50 with 512 clients", Target::at_most(2.5, Unit::Times), tail);
        let tax = self.growth(Load::Idle(0), Load::Idle(511))?;
        let what = "latency beside 511 idle clients to that of a single client";
        self.add("P4", what, Target::at_most(1.02, Unit::Times), tax);
        Ok(rows)
    }

    /// What a round trip costs, and what doing nothing costs.
    fn p5(&mut self, rows: &[latency::Row]) -> io::Result<()> {
        for (contender, name, limit) in
            [(&Ipcm as &dyn Contender, "a single client", 4.0), (&Accompanied, "two connected clients", 5.0)]
        {
            let calls = syscalls::count(contender, SMALL, self.placement)?;
            let what = format!("system calls a round trip, {name}");
            // Whole calls: traced, a round trip takes so long that what is done once a millisecond shows.
            self.add("P5", what, Target::at_most(limit, Unit::Count), calls.client + calls.server);
        }
        let ours = row_of(rows, SMALL);
        let switches = ours.voluntary + ours.involuntary;
        self.add("P5", "context switches a round trip", Target::at_most(2.0, Unit::Each), switches);
        let allocations = ours.client_allocations + ours.server_allocations;
        self.add("P5", "allocations a round trip", Target::at_most(0.0, Unit::Each), allocations);

        let wake_ups = idle::run(&Ipcm, self.placement, self.effort.idle)?;
        let none = Target::at_most(0.0, Unit::Each);
        self.add("P5", "wake-ups a second, handle in an await without timeout", none, wake_ups.handle);
        self.add("P5", "wake-ups a second, service with nothing to do", none, wake_ups.service);
        Ok(())
    }

    /// Death of the service.
    fn p6(&mut self) -> io::Result<()> {
        for (floor, name) in [
            (&Notice as &'static dyn Contender, "a bare socket to the same process"),
            (&raw::SEQPACKET, "a raw server, which is smaller"),
        ] {
            let rows = death::run(&[floor, &Ipcm], self.placement, self.effort.deaths)?;
            let what = format!("SIGKILL until noticed, to {name}");
            self.add("P6", what, Target::at_most(1.1, Unit::Times), rows[1].ratio);
        }
        Ok(())
    }

    /// Latency beside much that is kept.
    fn p7(&mut self) -> io::Result<()> {
        let departed = self.effort.departed;
        for (name, base, load) in [
            ("10,000 pending requests to one", Load::Pending(1), Load::Pending(10_000)),
            ("1,000 idle peers to one", Load::Idle(1), Load::Idle(1000)),
            ("10,000 departed peers to one", Load::Departed(1), Load::Departed(departed)),
        ] {
            let ratio = self.growth(base, load)?;
            self.add("P7", format!("latency with {name}"), Target::at_most(1.05, Unit::Times), ratio);
        }
        Ok(())
    }

    fn growth(&self, base: Load, load: Load) -> io::Result<f64> {
        let Effort { mut pairs, mut blocks, .. } = self.effort;
        if let Load::Departed(_) = load {
            (pairs, blocks) = (pairs.div_ceil(3), blocks * 3); // ten thousand take their time to come and go
        }
        growth::ratio(growth::Plan { placement: self.placement, pairs, blocks }, base, load)
    }

    /// Size.
    fn p8(&mut self) -> io::Result<()> {
        let (mut stripped, mut small, mut resident, mut crates, mut cold) = (None, None, None, None, None);
        if self.effort.builds {
            let built = size::Built::new(size::STRIPPED)?;
            stripped = Some(built.kib()?);
            let runs: io::Result<Vec<f64>> = (0..3).map(|_| built.resident_mib(1000)).collect();
            resident = Some(median(runs?));
            small = Some(size::Built::new(size::SMALL)?.kib()?);
            crates = Some(size::crates()? as f64);
        }
        if self.effort.builds_cold {
            cold = Some(size::cold_build_seconds()?);
        }
        self.add("P8", "echo client and service, stripped", Target::at_most(600.0, Unit::Kib), stripped);
        self.add("P8", "the same with a size profile", Target::at_most(400.0, Unit::Kib), small);
        self.add("P8", "resident echo service after 1000 calls", Target::at_most(2.5, Unit::Mib), resident);
        self.add("P8", "crates that a user builds", Target::at_most(20.0, Unit::Count), crates);
        self.add("P8", "CPU time of a cold release build", Target::at_most(20.0, Unit::Seconds), cold);
        Ok(())
    }
}

/// This project's row of a size.
fn row_of(rows: &[latency::Row], len: usize) -> &latency::Row {
    rows.iter().rfind(|row| row.len == len).expect("the last contender takes every size")
}

fn plot(dir: &Path, latencies: &[latency::Row], crowds: &[crowd::Row]) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    if latencies.len() > LATENCY.len() {
        let points = latencies.iter().map(|row| (row.name, row.len as f64, row.p50_us));
        let chart = Chart {
            title: "Round trip, both sides on one CPU".into(),
            across: "bytes of the body".into(),
            up: "microseconds, median".into(),
            lines: lines(LATENCY, points),
        };
        fs::write(dir.join("latency.svg"), chart.to_svg())?;
    }
    if !crowds.is_empty() {
        let points = crowds.iter().map(|row| (row.name, row.clients as f64, row.per_second / 1e3));
        let chart = Chart {
            title: "Round trips of 32 bytes, all on one CPU".into(),
            across: "clients, each with one request at a time".into(),
            up: "thousands a second, all together".into(),
            lines: lines(CROWD, points),
        };
        fs::write(dir.join("throughput.svg"), chart.to_svg())?;
    }
    Ok(())
}

/// A line for each contender through its points.
fn lines<'p>(
    contenders: &[&dyn Contender],
    points: impl Iterator<Item = (&'p str, f64, f64)> + Clone,
) -> Vec<Line> {
    let line = |contender: &&dyn Contender| Line {
        name: contender.name().into(),
        points: points.clone().filter(|point| point.0 == contender.name()).map(|(_, h, v)| (h, v)).collect(),
    };
    contenders.iter().map(line).collect()
}
