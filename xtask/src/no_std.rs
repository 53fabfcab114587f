//! `cargo xtask no-std`: proves that the core needs no std.
//!
//! The proof on any machine is `no-std-check`, a program with its own panic handler. A program has one panic
//! handler, and std brings one: if the core, or anything it depends on, pulled std in, the compiler would
//! refuse the second. The program is then run, and does real work with the core. Where the toolchain has
//! targets without an operating system, the core is built for those as well.

use crate::{
    steps::{Steps, cargo, cargo_aside},
    targets::is_installed,
};

/// The package of the check program, which is a workspace of its own.
pub(crate) const MANIFEST: &str = "xtask/no-std-check/Cargo.toml";

/// The package of the one that has no allocator either.
pub(crate) const WITHOUT_ALLOCATOR: &str = "xtask/no-alloc-check/Cargo.toml";

/// Targets without std that rustup offers and that are worth a try.
const BARE_TARGETS: [&str; 6] = [
    "thumbv6m-none-eabi",
    "thumbv7m-none-eabi",
    "thumbv7em-none-eabihf",
    "riscv32imac-unknown-none-elf",
    "x86_64-unknown-none",
    "wasm32v1-none",
];

/// Links and runs the check program, and builds the core for every bare target that is installed.
///
/// # Errors
///
/// Names the steps that failed.
pub(crate) fn run() -> Result<(), String> {
    let mut steps = Steps::default();
    steps.run("a program without std", &mut cargo_aside("run", MANIFEST, ""));
    steps.run("a program without an allocator", &mut cargo_aside("run", WITHOUT_ALLOCATOR, ""));
    let installed: Vec<_> = BARE_TARGETS.into_iter().filter(|target| is_installed(target)).collect();
    for target in &installed {
        for features in ["", "--features embedded-io,embedded-io-async", "--all-features"] {
            let build = format!("build --package ipcm-core --lib --target {target} {features}");
            steps.run("the core for a bare target", &mut cargo(&build));
        }
    }
    if installed.is_empty() {
        println!(
            "### NOT RUN, optional: no target without std is installed ({}) ###\n",
            BARE_TARGETS.join(", ")
        );
    }
    steps.finish()
}
