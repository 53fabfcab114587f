//! Fuzzing: the targets checked and driven on stable, and libFuzzer where it is installed.
//!
//! `fuzz/` is a workspace of its own. Its feature `libfuzzer`, on by default for `cargo fuzz`, needs nightly
//! and a C++ compiler; everything else here does without.

use crate::steps::{Steps, cargo_aside, succeeds};
use std::{fs, process::Command};

/// The package of the fuzz targets.
pub(crate) const MANIFEST: &str = "fuzz/Cargo.toml";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The target; every target when left out.
    target: Option<String>,
    /// Seconds for each target.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

/// `cargo xtask fuzz`.
///
/// # Errors
///
/// When libFuzzer cannot run, or found something.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    if let Some(why) = missing() {
        return Err(format!("libFuzzer cannot run. {why}"));
    }
    let mut steps = Steps::default();
    libfuzzer(&mut steps, options.target.as_deref(), options.seconds);
    steps.finish()
}

/// `cargo xtask fuzz-build`.
///
/// # Errors
///
/// When a target does not compile.
pub(crate) fn build() -> Result<(), String> {
    let mut steps = Steps::default();
    check_targets(&mut steps);
    steps.finish()
}

/// Type-checks the libFuzzer programs; only linking them takes libFuzzer itself.
pub(crate) fn check_targets(steps: &mut Steps) {
    steps.run("fuzz targets compile", &mut cargo_stable("check", "--features targets --all-targets"));
}

/// Drives every target with `inputs` inputs, the same ones each time.
pub(crate) fn smoke(steps: &mut Steps, inputs: u32) {
    let args = format!("--release --bin smoke -- {inputs}");
    steps.run("fuzz smoke run", &mut cargo_stable("run", &args));
}

/// Runs libFuzzer for `seconds` on one target or on each, starting from the target's own samples.
pub(crate) fn libfuzzer(steps: &mut Steps, only: Option<&str>, seconds: u32) {
    steps.run("fuzz samples", &mut cargo_stable("run", "--release --bin smoke -- --write-corpus"));
    let mut targets = targets();
    targets.retain(|name| only.is_none_or(|only| only == name));
    if targets.is_empty() {
        steps.check("libFuzzer", only.unwrap_or_default(), || Err("no such target".into()));
    }
    for target in targets {
        let mut command = Command::new("cargo");
        command.args(["+nightly", "fuzz", "run", &target, "--", "-verbosity=0", "-print_final_stats=1"]);
        command.arg(format!("-max_total_time={seconds}"));
        // `cargo` here is rustup's, which chooses the toolchain; the one that runs us must not be inherited.
        for chosen in ["CARGO", "RUSTC", "RUSTDOC", "RUSTUP_TOOLCHAIN"] {
            command.env_remove(chosen);
        }
        steps.run("libFuzzer", command.current_dir(crate::root()));
    }
}

/// The names of the targets: one for each program, as a test in `fuzz/` sees to.
fn targets() -> Vec<String> {
    let programs = fs::read_dir(crate::root().join("fuzz/fuzz_targets")).into_iter().flatten().flatten();
    let stem = |program: fs::DirEntry| Some(program.path().file_stem()?.to_str()?.to_owned());
    let mut names: Vec<_> = programs.filter_map(stem).collect();
    names.sort();
    names
}

/// What libFuzzer lacks on this machine, if anything.
pub(crate) fn missing() -> Option<&'static str> {
    if !succeeds(Command::new("cargo").arg("+nightly").arg("--version").env_remove("CARGO")) {
        return Some("There is no nightly toolchain: rustup toolchain install nightly");
    }
    if !succeeds(Command::new("cargo").args(["fuzz", "--version"])) {
        return Some("There is no cargo-fuzz: cargo install cargo-fuzz");
    }
    None
}

/// A cargo command on the fuzz package, without libFuzzer.
pub(crate) fn cargo_stable(command: &str, args: &str) -> Command {
    cargo_aside(command, MANIFEST, &format!("--no-default-features {args}"))
}
