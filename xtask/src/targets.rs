//! `cargo xtask targets`: makes WebAssembly and Cortex-M usable, to build for and to run on.
//!
//! ```text
//! what is installed already ----------------------------------> used as it is
//! otherwise: rustup target add (not in CI) | sdk <-- debian --> the Rust target
//!            PyPI                                           --> the `wasmtime` command
//!            apt-get install, as root                       --> qemu, node, Python
//! ```
//!
//! What is made here is kept in the user's cache folder, so that every checkout and `cargo clean` can share it.

mod cache;
mod debian;
mod runners;
mod sdk;
mod toolchain;

pub(crate) use runners::{Node, Wasmtime};
pub(crate) use toolchain::{Compiler, is_installed};

use crate::steps::Steps;
use cache::Cache;
use std::fmt;

/// WebAssembly with the system interface that most engines have.
pub(crate) const WASI: &str = "wasm32-wasip1";
/// Cortex-M3, without an operating system.
pub(crate) const CORTEX_M3: &str = "thumbv7m-none-eabi";
/// Emulates a Cortex-M3 board.
pub(crate) const QEMU: &str = "qemu-system-arm";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Delete what was made, instead.
    #[arg(long)]
    clean: bool,
}

/// Gets everything for both targets, or says what is lacking.
///
/// # Errors
///
/// Names what could not be had.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    if options.clean {
        return Cache::open()?.delete();
    }
    let mut steps = Steps::default();
    let compiler = compiler(&mut steps, &[WASI, CORTEX_M3]);
    let wasmtime = wasmtime(&mut steps);
    let node = node(&mut steps);
    let qemu = qemu(&mut steps);
    println!("compiler: {}", shown(&compiler));
    println!("wasmtime: {}", shown(&wasmtime));
    println!("node: {}", shown(&node));
    println!("qemu: {}", shown(&qemu.as_ref().map(|()| QEMU)));
    if node.is_err() && in_ci() {
        return Err("no second engine, which CI needs".into());
    }
    compiler.and(wasmtime.map(drop)).and(qemu)
}

fn shown<T: fmt::Display>(outcome: &Result<T, impl fmt::Display>) -> String {
    match outcome {
        Ok(found) => found.to_string(),
        Err(why) => format!("NONE: {why}"),
    }
}

/// A compiler for these targets.
///
/// # Errors
///
/// Says why there is none.
pub(crate) fn compiler(steps: &mut Steps, targets: &[&str]) -> Result<Compiler, String> {
    toolchain::prepare(steps, targets)
}

/// The command that runs WebAssembly.
///
/// # Errors
///
/// Says why there is none.
pub(crate) fn wasmtime(steps: &mut Steps) -> Result<Wasmtime, String> {
    runners::wasmtime(steps)
}

/// A second engine. It is asked for in CI; elsewhere it is used if it is there.
///
/// # Errors
///
/// Says why there is none.
pub(crate) fn node(steps: &mut Steps) -> Result<Node, String> {
    runners::node(steps)
}

/// Sees to it that there is an emulator.
///
/// # Errors
///
/// Says why there is none.
pub(crate) fn qemu(steps: &mut Steps) -> Result<(), String> {
    runners::qemu(steps)
}

/// Whether this is an automatic run, from a clean checkout, in which nothing may be left out.
pub(crate) fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false")
}
