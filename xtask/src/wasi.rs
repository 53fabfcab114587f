//! `cargo xtask wasi`: WebAssembly, in two engines: a guest as a peer of native ones, the core's own tests, and what is
//! promised of every transport.
//!
//! There they run with 32-bit sizes and pointers, without threads and without unwinding.

use crate::{
    root,
    steps::{Steps, cargo, cargo_aside, output},
    tally::Tally,
    targets::{self, Compiler, WASI},
    test,
};
use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

/// Everything in the core's tests; `--tests` includes those within the library.
const TESTS: &str = "test --package ipcm-core --tests --no-fail-fast --target";

/// The checks of the conformance suite, on what does without threads and sockets.
const CONFORMANCE: &str =
    "test --package ipcm-conformance --test memory --test trunk --test files --no-fail-fast --target";

/// The tests of guests, and the measurement of one.
const GUEST_TESTS: &str =
    "test --package ipcm-tests --package ipcm-benches --test wasi --test guests --no-fail-fast";

/// The long tests in a size that interpreted or newly compiled code can take.
const SIZES: [&str; 2] = ["IPCM_SIM_SEEDS=400", "PROPTEST_CASES=64"];

/// The tests and the line that counts them. None may be skipped.
pub(crate) fn run() -> ExitCode {
    let (mut steps, mut tally) = (Steps::default(), Tally::default());
    if let Some(guest) = guest(&mut steps, &mut tally) {
        steps.run("programs", &mut cargo("build --package ipcm-tests --package ipcm --bins"));
        let mut command = cargo(&format!("{GUEST_TESTS} -- --nocapture --test-threads 1"));
        test::run_tests(&mut steps, &mut tally, "guests in WebAssembly", guest.tell(&mut command));
    }
    tests(&mut steps, &mut tally);
    test::conclude("wasi", steps, &tally, true)
}

/// The package of the guest without an allocator, which is a workspace of its own.
pub(crate) const SMALL: &str = "wasi-demo/small/Cargo.toml";

/// The most bytes that the modules of the guests may have: see ARCHITECTURE.md.
const MOST: [(&str, u64); 2] = [("IPCM_GUEST", 360 * 1024), ("IPCM_SMALL_GUEST", 40 * 1024)];

/// Guests that were built, and the engines that run them, as other programs are told of them.
pub(crate) struct Guest(Vec<(&'static str, OsString)>);

impl Guest {
    /// Tells the program that this command runs.
    pub(crate) fn tell<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.envs(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// Builds the guest, prints its size and finds the engines; what is missing is got or skipped.
pub(crate) fn guest(steps: &mut Steps, tally: &mut Tally) -> Option<Guest> {
    let mut guest = match build(steps) {
        Ok(guest) => guest,
        Err(why) => {
            tally.skip("guests in WebAssembly", &why);
            return None;
        }
    };
    let what = "bytes of the modules";
    let is_measured = steps.check("size of the guests", what, || say_sizes(&guest.0));
    if let Ok(node) = targets::node(steps) {
        guest.0.push(("IPCM_NODE", node.words().join(" ").into()));
    }
    is_measured.then_some(guest)
}

fn say_sizes(told: &[(&str, OsString)]) -> Result<(), String> {
    for (name, most) in MOST {
        let (_, program) = told.iter().find(|(told, _)| *told == name).ok_or(name)?;
        let program = Path::new(program);
        let size = fs::metadata(program).map_err(|error| format!("{}: {error}", program.display()))?.len();
        println!("{}: {size} bytes", program.display());
        if size > most {
            return Err("it has grown beyond what is stated".into());
        }
    }
    Ok(())
}

/// Builds the guests and finds the engine that every run needs.
///
/// # Errors
///
/// Says what is missing, or that they cannot be built.
pub(crate) fn build(steps: &mut Steps) -> Result<Guest, String> {
    let compiler = targets::compiler(steps, &[WASI])?;
    let wasmtime = targets::wasmtime(steps)?;
    let mut build = cargo(&format!("build --package ipcm-wasi-demo --profile guest --target {WASI}"));
    let mut small = cargo_aside("build", SMALL, &format!("--release --target {WASI}"));
    if !steps.run("guest", compiler.choose(&mut build)) || !steps.run("guest", compiler.choose(&mut small)) {
        return Err("the guests cannot be built".into());
    }
    let module = |name| target().join(WASI).join(name).into();
    Ok(Guest(vec![
        ("IPCM_GUEST", module("guest/ipcm-guest.wasm")),
        ("IPCM_SMALL_GUEST", module("release/ipcm-small-guest.wasm")),
        ("IPCM_ROUNDTRIP", module("guest/ipcm-roundtrip.wasm")),
        ("IPCM_WASMTIME", wasmtime.words().join(" ").into()),
    ]))
}

/// Runs the tests in each engine; what is missing is got or skipped.
pub(crate) fn tests(steps: &mut Steps, tally: &mut Tally) {
    let compiler = match targets::compiler(steps, &[WASI]) {
        Ok(compiler) => compiler,
        Err(why) => return tally.skip("tests in WebAssembly", &why),
    };
    match targets::wasmtime(steps) {
        Ok(wasmtime) => tests_in(steps, tally, &compiler, "wasmtime", &wasmtime.words()),
        Err(why) => tally.skip("tests in wasmtime", &why),
    }
    match targets::node(steps) {
        Ok(node) => tests_in(steps, tally, &compiler, "node", &node.words()),
        Err(why) if targets::in_ci() => tally.skip("tests in node", &why),
        Err(why) => println!("### NOT RUN, optional: tests in node. {why} ###\n"),
    }
}

fn tests_in(steps: &mut Steps, tally: &mut Tally, compiler: &Compiler, name: &str, engine: &[String]) {
    let sizes: Vec<_> = SIZES.iter().flat_map(|size| ["--env", size]).map(str::to_owned).collect();
    let mut run = |what: &str, tests: &str, options: Vec<String>| {
        let mut command = cargo(&format!("{tests} {WASI} -- --show-output"));
        let runner = [engine, &options].concat().join(" ");
        command.env("CARGO_TARGET_WASM32_WASIP1_RUNNER", runner);
        test::run_tests(steps, tally, &format!("{what} in {name}"), compiler.choose(&mut command));
    };
    run("core tests", TESTS, sizes);
    let folder = target().join(WASI).join("buses");
    match bus_for_guests(&folder) {
        Ok(info) => {
            let folder = folder.display();
            let told =
                ["--dir".into(), format!("{folder}::{folder}"), "--env".into(), format!("IPCM_BUS={info}")];
            run("conformance suite", CONFORMANCE, told.into());
        }
        Err(why) => {
            steps.check("bus for the conformance suite", "ipcm bus new", || Err(why));
        }
    }
}

/// Makes a bus in `folder`, which is emptied, and returns its info.
fn bus_for_guests(folder: &Path) -> Result<String, String> {
    let io = |error: std::io::Error| format!("{}: {error}", folder.display());
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(io)?;
    }
    fs::create_dir_all(folder).map_err(io)?;
    let mut command = cargo("run --quiet --package ipcm --bin ipcm -- bus new --files --guests --path");
    Ok(output(command.arg(folder.join("bus")))?.trim().to_owned())
}

/// The folder that cargo builds in.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}
