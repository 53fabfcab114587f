//! The goals of a guest in WebAssembly: how large it is, and how long its round trips take. `cargo xtask goals P10` builds
//! the guests and says where they and the engine are.

use std::env;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use ipcm_benches::child::run_if_child;
use ipcm_benches::goal::{Goal, Table, Target, Unit};
use ipcm_benches::guest::{self, Program};
use ipcm_benches::placement::{Placement, pin};
use ipcm_benches::watchdog::Watchdog;

/// No more than this in all.
const LIMIT: Duration = Duration::from_secs(300);

fn main() -> ExitCode {
    guest::serve_if_child();
    run_if_child(&[]);
    let (rounds, trips) = match env::args().nth(1).as_deref() {
        None => (9, 5000),
        Some("--quick") => (3, 2000),
        Some("--smoke") => (1, 20),
        Some(word) => {
            eprintln!("cannot make sense of {word:?}\nusage: goals_of_guests [--quick | --smoke]");
            return ExitCode::from(2);
        }
    };
    match run(rounds, trips) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("goals of guests: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(rounds: usize, trips: usize) -> io::Result<()> {
    let _watchdog = Watchdog::start(LIMIT)?;
    let placement = Placement::same()?;
    pin(placement.client)?;
    let kib = |variable| match env::var_os(variable) {
        Some(guest) => std::fs::metadata(guest).map(|file| Some(file.len() as f64 / 1024.0)),
        None => Ok(None),
    };
    let figures = match program() {
        Some(program) => Some(program.measure(rounds, trips)?),
        None => None,
    };
    let (small, times) = (Target::at_most(100.0, Unit::Kib), Target::at_most(3.0, Unit::Times));
    let [gateway, files] = ["by a gateway", "by message files"]
        .map(|way| format!("guest to native service {way}, 32 B, to a bare pipe"));
    let goals = [
        Goal::new("P10", "module of a guest of a fixed size, by a gateway", small, kib("IPCM_SMALL_GUEST")?),
        Goal::new("P10", "module of a guest with std, both ways in", small, kib("IPCM_GUEST")?),
        Goal::new("P10", gateway, times, figures.map(|figures| figures.gateway_ratio)),
        Goal::new("P10", files, times, figures.map(|figures| figures.files_ratio)),
    ];
    println!("{}", Table(&goals));
    match figures {
        Some(figures) => {
            let [pipe, gateway, files] = [figures.pipe, figures.gateway, figures.files];
            println!("medians: bare pipe {pipe:.1} us, gateway {gateway:.1} us, message files {files:.1} us");
            println!(
                "all on CPU {}, under {}",
                placement.client,
                env::var("IPCM_WASMTIME").unwrap_or_default()
            );
        }
        None => println!(
            "NOT MEASURED: guests: IPCM_ROUNDTRIP and IPCM_WASMTIME do not say what to run; \
             `cargo xtask goals P10` does"
        ),
    }
    Ok(())
}

/// The guest that measures, if there is one and an engine.
fn program() -> Option<Program> {
    let engine = env::var("IPCM_WASMTIME").ok()?.split(' ').map(str::to_owned).collect();
    Some(Program { engine, module: env::var_os("IPCM_ROUNDTRIP")? })
}
