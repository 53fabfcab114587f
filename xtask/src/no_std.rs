//! `cargo xtask no-std`: proves that the core needs no std.
//!
//! The proof on any machine is `no-std-check`, two programs with a panic handler of their own. A program has one panic
//! handler, and std brings one: if the core, or anything it depends on, pulled std in, the compiler would
//! refuse the second. Nor does one of them link if anything wants an allocator. The programs are then run, and do
//! real work with the core. Where the toolchain has targets without an operating system, the core is built for
//! those as well.

use crate::{
    steps::{Steps, cargo, cargo_aside},
    targets::is_installed,
};

/// The package of the check programs, which is a workspace of its own.
pub(crate) const MANIFEST: &str = "xtask/no-std-check/Cargo.toml";

/// Its programs: one without std, and one without an allocator either.
pub(crate) const PROGRAMS: [&str; 2] = ["--bin no-std --features alloc", "--bin no-alloc"];

/// Targets without std that rustup offers and that are worth a try.
const BARE_TARGETS: [&str; 6] = [
    "thumbv6m-none-eabi",
    "thumbv7m-none-eabi",
    "thumbv7em-none-eabihf",
    "riscv32imac-unknown-none-elf",
    "x86_64-unknown-none",
    "wasm32v1-none",
];

/// Links and runs the check programs, and builds the core for every bare target that is installed.
///
/// # Errors
///
/// Names the steps that failed.
pub(crate) fn run() -> Result<(), String> {
    let mut steps = Steps::default();
    for program in PROGRAMS {
        steps.run("a program without std", &mut cargo_aside("run", MANIFEST, program));
    }
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
