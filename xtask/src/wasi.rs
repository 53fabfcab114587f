//! `cargo xtask wasi`: the core's own tests inside WebAssembly, in two engines.
//!
//! There they run with 32-bit sizes and pointers, without threads and without unwinding.

use crate::{
    steps::{Steps, cargo},
    tally::Tally,
    targets::{self, Compiler, WASI},
    test,
};
use std::process::ExitCode;

/// Everything in the core's tests; `--tests` includes those within the library.
const TESTS: &str = "test --package ipcm-core --tests --no-fail-fast --target";

/// The long tests in a size that interpreted or newly compiled code can take.
const SIZES: [&str; 2] = ["IPCM_SIM_SEEDS=400", "PROPTEST_CASES=64"];

/// The tests and the line that counts them. None may be skipped.
pub(crate) fn run() -> ExitCode {
    let (mut steps, mut tally) = (Steps::default(), Tally::default());
    tests(&mut steps, &mut tally);
    test::conclude("wasi", steps, &tally, true)
}

/// Runs the tests in each engine; what is missing is got or skipped.
pub(crate) fn tests(steps: &mut Steps, tally: &mut Tally) {
    let compiler = match targets::compiler(steps, &[WASI]) {
        Ok(compiler) => compiler,
        Err(why) => return tally.skip("tests in WebAssembly", &why),
    };
    match targets::wasmtime(steps) {
        Ok(wasmtime) => core_tests(steps, tally, &compiler, "core tests in wasmtime", wasmtime.words()),
        Err(why) => tally.skip("tests in wasmtime", &why),
    }
    match targets::node(steps) {
        Ok(node) => core_tests(steps, tally, &compiler, "core tests in node", node.words()),
        Err(why) if targets::in_ci() => tally.skip("tests in node", &why),
        Err(why) => println!("### NOT RUN, optional: tests in node. {why} ###\n"),
    }
}

fn core_tests(steps: &mut Steps, tally: &mut Tally, compiler: &Compiler, name: &str, engine: Vec<String>) {
    let mut command = cargo(&format!("{TESTS} {WASI} -- --show-output"));
    let sizes = SIZES.iter().flat_map(|size| ["--env", size]).map(str::to_owned);
    let runner: Vec<_> = engine.into_iter().chain(sizes).collect();
    command.env("CARGO_TARGET_WASM32_WASIP1_RUNNER", runner.join(" "));
    test::run_tests(steps, tally, name, compiler.choose(&mut command));
}
