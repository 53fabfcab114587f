//! `cargo xtask lint`: formatting, clippy (also for WebAssembly and the firmware), rustdoc and the minimum Rust version.

use crate::{
    firmware, fuzz, msrv, no_std,
    steps::{Steps, cargo, cargo_aside},
    targets::{self, CORTEX_M3, WASI},
    wasi,
};
use std::process::Command;

/// Checks the workspace with all features, the library without its command, and the crates outside the
/// workspace.
///
/// # Errors
///
/// Names the checks that failed.
pub(crate) fn run() -> Result<(), String> {
    let mut steps = Steps::default();
    let aside = [fuzz::MANIFEST, no_std::MANIFEST, firmware::MANIFEST, wasi::SMALL];

    steps.run("format", &mut cargo("fmt --all --check"));
    for manifest in aside {
        steps.run("format", &mut cargo(&format!("fmt --manifest-path {manifest} --check")));
    }

    for what in
        ["--workspace --all-targets --all-features", "--package ipcm --no-default-features --all-targets"]
    {
        steps.run("clippy", &mut cargo(&format!("clippy {what} -- -D warnings")));
    }
    steps.run("clippy", &mut fuzz::cargo_stable("clippy", "--features targets --all-targets -- -D warnings"));
    for program in no_std::PROGRAMS {
        let arguments = format!("{program} -- -D warnings");
        steps.run("clippy", &mut cargo_aside("clippy", no_std::MANIFEST, &arguments));
    }
    steps.run("clippy", &mut cargo("clippy --package ipcm-core --lib -- -D warnings"));
    other_targets(&mut steps);

    for what in ["--workspace --all-features", "--package ipcm --no-default-features"] {
        steps.run("documentation", deny_doc_warnings(&mut cargo(&format!("doc --no-deps {what}"))));
    }

    steps.check("minimum Rust version", "cargo metadata --format-version 1", msrv::check);
    steps.finish()
}

/// Code that no other target compiles. In CI the targets must be there.
fn other_targets(steps: &mut Steps) {
    let compiler = match targets::compiler(steps, &[WASI, CORTEX_M3]) {
        Ok(compiler) => compiler,
        Err(why) => {
            println!("### NOT RUN: clippy for {WASI} and {CORTEX_M3}. {why} ###\n");
            if targets::in_ci() {
                steps.check("clippy for other targets", "needs the targets", || Err(why));
            }
            return;
        }
    };
    let guest = "clippy --package ipcm --lib --package ipcm-wasi-demo --bins --no-default-features";
    let mut commands = vec![cargo(&format!("{guest} --target {WASI} -- -D warnings"))];
    for (manifest, programs, target) in [
        (wasi::SMALL, "--release", WASI),
        (firmware::MANIFEST, "--release", CORTEX_M3),
        (firmware::MANIFEST, firmware::CHECKS, CORTEX_M3),
    ] {
        let what = format!("{programs} --target {target} -- -D warnings");
        commands.push(cargo_aside("clippy", manifest, &what));
    }
    for command in &mut commands {
        steps.run("clippy for other targets", compiler.choose(command));
    }
}

fn deny_doc_warnings(command: &mut Command) -> &mut Command {
    let flags = std::env::var("RUSTDOCFLAGS").unwrap_or_default();
    command.env("RUSTDOCFLAGS", format!("{flags} -Dwarnings").trim())
}
