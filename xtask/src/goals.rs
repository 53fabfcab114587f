//! `cargo xtask goals`: what was to be reached, and what is, measured on this machine.

use crate::{
    steps::{Steps, cargo, cargo_aside},
    wasi,
};

/// The group of goals that guests in WebAssembly are measured for, by a program of its own.
const GUESTS: &str = "P10";

/// The workspace of the other libraries, which takes minutes to build.
const PEERS: &str = "benches/peers/Cargo.toml";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// What the program is told, for instance `--quick`, `--plot DIR` or `P3`. With `--peers` it is the program that
    /// measures other libraries as well, which takes minutes to build. `P10` by itself measures guests in WebAssembly.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Builds the benchmark optimized and runs it; its output passes through.
///
/// # Errors
///
/// When it cannot be built, or a measurement fails. A goal that is not met is no error.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    if let Some(at) = options.arguments.iter().position(|word| word == GUESTS) {
        let mut arguments = options.arguments.clone();
        arguments.remove(at);
        return guests(&arguments);
    }
    let (peers, arguments): (Vec<_>, Vec<_>) = options.arguments.iter().partition(|word| *word == "--peers");
    let mut command = if peers.is_empty() {
        cargo("run --quiet --release --package ipcm-benches --bin goals --")
    } else {
        cargo_aside("run", PEERS, "--quiet --release --")
    };
    let status = command.args(arguments).status().map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("goals: {status}")) }
}

/// Builds the guests and measures them.
fn guests(arguments: &[String]) -> Result<(), String> {
    let mut steps = Steps::default();
    let guest = wasi::build(&mut steps).map_err(|why| format!("P10 is NOT MEASURED: {why}"))?;
    let mut command = cargo("run --quiet --release --package ipcm-benches --bin goals_of_guests --");
    let status = guest.tell(command.args(arguments)).status().map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("goals of guests: {status}")) }
}
