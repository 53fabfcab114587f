//! Counts tests from what the test programs print.

use std::fmt;

/// Tests that passed, failed and were skipped.
///
/// A test is skipped when it is `#[ignore]`d, or when it prints `SKIPPED: <why>` because it could not run; the
/// harness counts the latter as passed, so it is taken from there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    passed: usize,
    pub(crate) failed: usize,
    ignored: usize,
    said_skipped: usize,
    /// Within the captured output of tests that passed, which is read but not shown.
    in_successes: bool,
}

impl Tally {
    /// Takes one line of the output; says whether it is worth showing.
    pub(crate) fn line(&mut self, line: &str) -> bool {
        if let Some((_, counts)) = line.split_once("test result: ") {
            self.in_successes = false;
            self.passed += count(counts, "passed");
            self.failed += count(counts, "failed");
            self.ignored += count(counts, "ignored");
            return true;
        }
        let skipped = line.contains("SKIPPED: ");
        self.said_skipped += usize::from(skipped);
        match line {
            "successes:" => self.in_successes = true,
            "failures:" => self.in_successes = false,
            _ => {}
        }
        skipped || !self.in_successes
    }

    /// Takes note of tests that did not run at all, and says so.
    pub(crate) fn skip(&mut self, what: &str, why: &str) {
        println!("### NOT RUN, required: {what}. {why} ###\n");
        self.ignored += 1;
    }

    /// Tests that passed and did run.
    pub(crate) fn passed(&self) -> usize {
        self.passed.saturating_sub(self.said_skipped)
    }

    /// Tests that did not run.
    pub(crate) fn skipped(&self) -> usize {
        self.ignored + self.said_skipped
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed(), self.failed, self.skipped())
    }
}

/// The number before `word` in `ok. 3 passed; 0 failed; ...`.
fn count(counts: &str, word: &str) -> usize {
    let mut words = counts.split([' ', ';']).filter(|word| !word.is_empty());
    let mut before = "";
    words
        .find(|&at| {
            at == word || {
                before = at;
                false
            }
        })
        .and_then(|_| before.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(output: &str) -> (Tally, Vec<&str>) {
        let mut tally = Tally::default();
        let shown = output.lines().filter(|line| tally.line(line)).collect();
        (tally, shown)
    }

    #[test]
    fn the_results_of_all_programs_are_summed() {
        let (tally, _) = tally(concat!(
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s\n",
            "test result: FAILED. 10 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out\n",
        ));
        assert_eq!(tally.to_string(), "13 passed, 2 failed, 1 skipped");
    }

    #[test]
    fn a_test_that_says_skipped_has_not_passed() {
        let (tally, shown) = tally(concat!(
            "successes:\n---- a stdout ----\nnoise\nSKIPPED: no runner\nsuccesses:\n    a\n",
            "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\nRunning more",
        ));
        assert_eq!(tally.to_string(), "1 passed, 0 failed, 1 skipped");
        let result = "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(shown, ["SKIPPED: no runner", result, "Running more"]);
    }

    #[test]
    fn tests_that_cannot_run_at_all_are_skipped() {
        let (mut tally, _) = tally("test result: ok. 2 passed; 0 failed; 0 ignored");
        tally.skip("tests elsewhere", "no emulator");
        assert_eq!(tally.to_string(), "2 passed, 0 failed, 1 skipped");
    }

    #[test]
    fn failures_are_shown() {
        let (_, shown) = tally("successes:\nx\nfailures:\n---- b stdout ----\npanicked");
        assert_eq!(shown, ["failures:", "---- b stdout ----", "panicked"]);
    }
}
