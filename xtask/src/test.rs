//! `cargo xtask test`: every test there is, and one line that counts them.

use crate::{
    firmware, fuzz,
    steps::{Steps, cargo},
    tally::Tally,
    wasi,
};
use std::process::{Command, ExitCode};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Fail when a test was skipped.
    #[arg(long)]
    no_skips: bool,
    /// Inputs for each fuzz target in the short run on this toolchain.
    #[arg(long, default_value_t = 20_000)]
    fuzz_inputs: u32,
    /// Seconds of libFuzzer for each target, when it is installed; 0 turns it off.
    #[arg(long, default_value_t = 10)]
    fuzz_seconds: u32,
}

/// Runs the tests; the last line is the count.
///
/// It fails when a step or a test failed, no test ran, or one was skipped that may not be.
pub(crate) fn run(options: &Options) -> ExitCode {
    let mut steps = Steps::default();
    let mut tally = Tally::default();

    // Tests across packages start the programs of others, which `cargo test` alone does not build.
    steps.run("programs", &mut cargo("build --workspace --bins"));
    // The core is tested by itself: next to the others, its dependencies would have their features too.
    let tests = "test --workspace --exclude ipcm-core --all-targets --no-fail-fast -- --show-output";
    let mut host_tests = cargo(tests);
    if let Some(folder) = firmware::build(&mut steps, &mut tally) {
        host_tests.env("IPCM_FIRMWARE", folder);
    }
    if let Some(guest) = wasi::guest(&mut steps, &mut tally) {
        guest.tell(&mut host_tests);
    }
    run_tests(&mut steps, &mut tally, "host tests", &mut host_tests);
    let tests = "test --package ipcm-core --all-targets --no-fail-fast -- --show-output";
    run_tests(&mut steps, &mut tally, "core tests", &mut cargo(tests));
    let tests = "test --workspace --doc --no-fail-fast -- --show-output";
    run_tests(&mut steps, &mut tally, "documentation tests", &mut cargo(tests));

    fuzz::check_targets(&mut steps);
    run_tests(
        &mut steps,
        &mut tally,
        "fuzz target tests",
        &mut fuzz::cargo_stable("test", "--lib -- --show-output"),
    );
    fuzz::smoke(&mut steps, options.fuzz_inputs);
    if options.fuzz_seconds > 0 {
        match fuzz::missing() {
            None => fuzz::libfuzzer(&mut steps, None, options.fuzz_seconds),
            Some(why) => println!("### NOT RUN, optional: libFuzzer. {why} ###\n"),
        }
    }

    wasi::tests(&mut steps, &mut tally);

    conclude("test", steps, &tally, options.no_skips)
}

/// Says how a task of tests went; the last line is the count.
pub(crate) fn conclude(task: &str, steps: Steps, tally: &Tally, no_skips: bool) -> ExitCode {
    let outcome = verdict(steps.finish(), tally, no_skips);
    if let Err(why) = &outcome {
        println!("cargo xtask {task}: {why}");
    }
    println!("{tally}");
    if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A step of tests. One that fails without a failed test, as when it does not compile, counts as one failed.
pub(crate) fn run_tests(steps: &mut Steps, tally: &mut Tally, name: &str, command: &mut Command) {
    let failed_before = tally.failed;
    let ok = steps.run_lines(name, command, |line| {
        if tally.line(line) {
            println!("{line}");
        }
    });
    if !ok && tally.failed == failed_before {
        tally.failed += 1;
    }
}

fn verdict(steps: Result<(), String>, tally: &Tally, no_skips: bool) -> Result<(), String> {
    steps?;
    if tally.failed > 0 {
        return Err("tests failed".into());
    }
    if tally.passed() == 0 {
        return Err("no test ran".into());
    }
    if no_skips && tally.skipped() > 0 {
        return Err("tests were skipped, which --no-skips forbids; look for SKIPPED and ignored above".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(output: &str) -> Tally {
        let mut tally = Tally::default();
        output.lines().for_each(|line| {
            tally.line(line);
        });
        tally
    }

    #[test]
    fn only_tests_that_ran_and_passed_are_a_success() {
        let passed = tally("test result: ok. 2 passed; 0 failed; 0 ignored");
        let skipped = tally("SKIPPED: x\ntest result: ok. 2 passed; 0 failed; 0 ignored");
        let ignored = tally("test result: ok. 2 passed; 0 failed; 1 ignored");
        let failed = tally("test result: FAILED. 2 passed; 1 failed; 0 ignored");
        assert!(verdict(Ok(()), &passed, true).is_ok());
        assert!(verdict(Ok(()), &skipped, false).is_ok());
        assert!(verdict(Ok(()), &skipped, true).is_err());
        assert!(verdict(Ok(()), &ignored, true).is_err());
        assert!(verdict(Ok(()), &failed, false).is_err());
        assert!(verdict(Ok(()), &Tally::default(), false).is_err());
        assert!(verdict(Err("a step".into()), &passed, false).is_err());
    }
}
