//! `cargo xtask wasi`: WebAssembly, in two engines: a guest as a peer of native ones, and the core's own tests.
//!
//! There they run with 32-bit sizes and pointers, without threads and without unwinding.

use crate::{
    root,
    steps::{Steps, cargo},
    tally::Tally,
    targets::{self, Compiler, WASI},
    test,
};
use std::{
    ffi::OsString,
    fs,
    path::PathBuf,
    process::{Command, ExitCode},
};

/// Everything in the core's tests; `--tests` includes those within the library.
const TESTS: &str = "test --package ipcm-core --tests --no-fail-fast --target";

/// The long tests in a size that interpreted or newly compiled code can take.
const SIZES: [&str; 2] = ["IPCM_SIM_SEEDS=400", "PROPTEST_CASES=64"];

/// The tests and the line that counts them. None may be skipped.
pub(crate) fn run() -> ExitCode {
    let (mut steps, mut tally) = (Steps::default(), Tally::default());
    if let Some(guest) = guest(&mut steps, &mut tally) {
        steps.run("programs", &mut cargo("build --package ipcm-tests --bins"));
        let mut command = cargo("test --package ipcm-tests --test wasi -- --nocapture --test-threads 1");
        test::run_tests(&mut steps, &mut tally, "guests in WebAssembly", guest.tell(&mut command));
    }
    tests(&mut steps, &mut tally);
    test::conclude("wasi", steps, &tally, true)
}

/// A guest that was built, and the engines that run it, as the tests are told of them.
pub(crate) struct Guest(Vec<(&'static str, OsString)>);

impl Guest {
    /// Tells the tests that this command runs.
    pub(crate) fn tell<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.envs(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// Builds the guest, prints its size and finds the engines; what is missing is got or skipped.
pub(crate) fn guest(steps: &mut Steps, tally: &mut Tally) -> Option<Guest> {
    let ready = targets::compiler(steps, &[WASI])
        .and_then(|compiler| targets::wasmtime(steps).map(|wasmtime| (compiler, wasmtime)));
    let (compiler, wasmtime) = match ready {
        Ok(ready) => ready,
        Err(why) => {
            tally.skip("guests in WebAssembly", &why);
            return None;
        }
    };
    let mut build = cargo(&format!("build --package ipcm-wasi-demo --profile guest --target {WASI}"));
    if !steps.run("guest", compiler.choose(&mut build)) {
        return None;
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let program = target.join(WASI).join("guest/ipcm-guest.wasm");
    let what = "bytes of the module";
    let is_measured = steps.check("size of the guest", what, || {
        let size = fs::metadata(&program).map_err(|error| format!("{}: {error}", program.display()))?.len();
        println!("ipcm-guest.wasm: {size} bytes");
        Ok(())
    });
    let mut told = vec![("IPCM_GUEST", program.into()), ("IPCM_WASMTIME", wasmtime.words().join(" ").into())];
    if let Ok(node) = targets::node(steps) {
        told.push(("IPCM_NODE", node.words().join(" ").into()));
    }
    is_measured.then_some(Guest(told))
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
