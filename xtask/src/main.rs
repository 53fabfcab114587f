//! Project tasks: `cargo xtask`.
//!
//! ```text
//! main --> test, lint, no_std, fuzz, goals --> steps (runs a command, says what and how long) --> the commands
//!          test, wasi, firmware --> tally (counts what the test programs print)
//!          wasi, firmware --> targets (gets what they need)
//!          lint --> msrv
//! ```

mod firmware;
mod fuzz;
mod goals;
mod lint;
mod msrv;
mod no_std;
mod steps;
mod tally;
mod targets;
mod test;
mod wasi;

use clap::Parser;
use std::{path::PathBuf, process::ExitCode};

/// Project tasks. Each runs from anywhere in the repository and needs a Rust toolchain and a C linker.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Run every test and a short fuzz run; the last line counts them.
    Test(test::Options),
    /// Check formatting, clippy, the documentation and the minimum Rust version.
    Lint,
    /// Prove that the core builds, links and runs without std.
    NoStd,
    /// Make WebAssembly and Cortex-M usable: targets and runners, kept in the user's cache folder.
    Targets(targets::Options),
    /// Run the tests of WebAssembly alone.
    Wasi,
    /// Build the firmware for a Cortex-M3, say what it takes, and test it in QEMU.
    Firmware,
    /// Check that every fuzz target builds, on stable and without a C++ compiler.
    FuzzBuild,
    /// Fuzz with libFuzzer, which needs `cargo-fuzz` and a nightly toolchain.
    Fuzz(fuzz::Options),
    /// Measure every performance goal on this machine and print a table of them.
    Goals(goals::Options),
}

fn main() -> ExitCode {
    let outcome = match Task::parse() {
        // The count is their last line, so they report failure themselves.
        Task::Test(options) => return test::run(&options),
        Task::Wasi => return wasi::run(),
        Task::Firmware => return firmware::run(),
        Task::Lint => lint::run(),
        Task::NoStd => no_std::run(),
        Task::Targets(options) => targets::run(&options),
        Task::FuzzBuild => fuzz::build(),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::Goals(options) => goals::run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("cargo xtask: {failed}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the repository.
fn root() -> PathBuf {
    let manifest =
        std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    PathBuf::from(manifest).join("..").canonicalize().expect("the folder of this package exists")
}
