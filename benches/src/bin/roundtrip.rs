//! Request/response round trips of all contenders, beside the raw stream floor of the same run.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use ipcm_benches::allocations::Counting;
use ipcm_benches::child::run_if_child;
use ipcm_benches::contender::Contender;
use ipcm_benches::failures::Failures;
use ipcm_benches::in_place::InPlace;
use ipcm_benches::ipcm::Ipcm;
use ipcm_benches::placement::Placement;
use ipcm_benches::watchdog::Watchdog;
use ipcm_benches::{death, latency, raw, syscalls};
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What is measured. The first is the floor of all ratios.
static CONTENDERS: &[&dyn Contender] = &[
    &raw::STREAM,
    &raw::SEQPACKET,
    &raw::STREAM_EPOLL,
    &raw::SEQPACKET_EPOLL,
    &raw::SEQPACKET_TIMEOUT,
    &InPlace,
    &Ipcm,
];

/// Those whose notice of their server's death is measured.
static MORTALS: &[&dyn Contender] = &[&raw::STREAM, &raw::SEQPACKET, &Ipcm];

const USAGE: &str = "\
usage: roundtrip [latency | syscalls | death]... [options]     (all three if none is named)

  --quick          about 15 s instead of 60
  --seconds N      time for the latency rounds
  --rounds N       no more latency rounds than this
  --only WORD      the floor and the contenders with WORD in their names; may be repeated
  --split          client and server on different CPUs
  --json           machine-readable
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
            eprintln!("roundtrip: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The command line.
struct Options {
    latency: bool,
    syscalls: bool,
    death: bool,
    seconds: u64,
    rounds: usize,
    only: Vec<String>,
    split: bool,
    json: bool,
}

impl Options {
    /// Fails with the word that is wrong.
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            latency: false,
            syscalls: false,
            death: false,
            seconds: 55,
            rounds: 1000,
            only: Vec::new(),
            split: false,
            json: false,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| word.clone());
            match word.as_str() {
                "latency" => options.latency = true,
                "syscalls" => options.syscalls = true,
                "death" => options.death = true,
                "--quick" => options.seconds = 10,
                "--seconds" => options.seconds = value().and_then(number)?,
                "--rounds" => options.rounds = value().and_then(number)?,
                "--only" => options.only.push(value()?),
                "--split" => options.split = true,
                "--json" => options.json = true,
                _ => return Err(word),
            }
        }
        if !(options.latency || options.syscalls || options.death) {
            (options.latency, options.syscalls, options.death) = (true, true, true);
        }
        Ok(options)
    }

    /// The floor, and what was asked for.
    fn choose(&self, from: &[&'static dyn Contender]) -> Vec<&'static dyn Contender> {
        let wanted = |name: &str| self.only.is_empty() || self.only.iter().any(|word| name.contains(word));
        let chosen = from.iter().enumerate().filter(|(at, contender)| *at == 0 || wanted(contender.name()));
        chosen.map(|(_, contender)| *contender).collect()
    }
}

fn number<T: std::str::FromStr>(word: String) -> Result<T, String> {
    word.parse().map_err(|_| word)
}

fn run(options: &Options) -> io::Result<()> {
    let placement = if options.split { Placement::split()? } else { Placement::same()? };
    let _watchdog = Watchdog::start(Duration::from_secs(2 * options.seconds + 60))?;
    let contenders = options.choose(CONTENDERS);
    let mut failures = Failures::default();
    let mut report = Report { json: options.json.then(serde_json::Map::new) };
    report.placement(placement);
    if options.syscalls {
        let mut rows = Vec::new();
        for len in latency::SIZES {
            for contender in contenders.iter().filter(|contender| len <= contender.largest()) {
                rows.extend(syscalls::count(*contender, len, placement, &mut failures)?);
            }
        }
        report.syscalls(&rows);
    }
    if options.death {
        report.death(&death::run(&options.choose(MORTALS), placement, 30, &mut failures)?);
    }
    if options.latency {
        let plan = latency::Plan {
            contenders: &contenders,
            sizes: &latency::SIZES,
            placement,
            time: Duration::from_secs(options.seconds),
            together: 1,
            rounds: options.rounds,
        };
        report.latency(&latency::run(&plan, &mut failures)?);
    }
    report.finish();
    Ok(())
}

/// Prints tables as they come, or one JSON object at the end.
struct Report {
    json: Option<serde_json::Map<String, Value>>,
}

impl Report {
    fn placement(&mut self, placement: Placement) {
        let Placement { client, server } = placement;
        match &mut self.json {
            Some(json) => {
                json.insert("placement".into(), json!({ "client_cpu": client, "server_cpu": server }));
            }
            None => println!("client on CPU {client}, server on CPU {server}"),
        }
    }

    fn syscalls(&mut self, rows: &[syscalls::Row]) {
        if let Some(json) = &mut self.json {
            json.insert("syscalls".into(), rows.iter().map(syscalls::Row::to_json).collect());
            return;
        }
        println!(
            "\n{:<30} {:>8} {:>8} {:>8} {:>8}",
            "system calls per round trip", "bytes", "client", "server", "both"
        );
        for row in rows {
            let (client, server) = (row.client, row.server);
            println!("{:<30} {:>8} {client:>8.2} {server:>8.2} {:>8.2}", row.name, row.len, client + server);
        }
    }

    fn death(&mut self, rows: &[death::Row]) {
        if let Some(json) = &mut self.json {
            json.insert("death".into(), rows.iter().map(death::Row::to_json).collect());
            return;
        }
        println!("\n{:<30} {:>8} {:>8} {:>15}", "SIGKILL until noticed", "us", "ratio", "quartiles, us");
        for row in rows {
            let [q1, median, q3] = row.noticed_us;
            println!("{:<30} {median:>8.1} {:>8.2} {:>15}", row.name, row.ratio, format!("{q1:.0}-{q3:.0}"));
        }
    }

    fn latency(&mut self, rows: &[latency::Row]) {
        if let Some(json) = &mut self.json {
            json.insert("latency".into(), rows.iter().map(latency::Row::to_json).collect());
            return;
        }
        let mut size = 0;
        for row in rows {
            if row.len != size {
                size = row.len;
                println!(
                    "\n{:<30} {:>8} {:>7} {:>11} {:>8} {:>7} {:>12} {:>12}",
                    format!("{size} bytes, {} rounds", row.rounds),
                    "p50 us",
                    "ratio",
                    "quartiles",
                    "p99/p50",
                    "CPU us",
                    "switches",
                    "allocations",
                );
            }
            let [q1, median, q3] = row.ratio;
            println!(
                "{:<30} {:>8.2} {median:>7.3} {:>11} {:>8.2} {:>7.2} {:>12} {:>12}",
                row.name,
                row.p50_us,
                format!("{q1:.2}-{q3:.2}"),
                row.tail,
                row.cpu_us,
                format!("{:.2} + {:.2}", row.voluntary, row.involuntary),
                format!("{:.2} + {:.2}", row.client_allocations, row.server_allocations),
            );
        }
    }

    fn finish(self) {
        if let Some(json) = self.json {
            println!("{:#}", Value::Object(json));
        } else {
            println!(
                "\nswitches: voluntary + involuntary, both sides; allocations: client + server; per round trip"
            );
        }
    }
}
