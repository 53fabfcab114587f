//! `cargo xtask goals`: what was to be reached, and what is, measured on this machine.

use crate::steps::cargo;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// What the program is told, for instance `--quick`, `--plot DIR` or `P3`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Builds the benchmark optimized and runs it; its output passes through.
///
/// # Errors
///
/// When it cannot be built, or a measurement fails. A goal that is not met is no error.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let mut command = cargo("run --quiet --release --package ipcm-benches --bin goals --");
    let status = command.args(&options.arguments).status().map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("goals: {status}")) }
}
