//! What the demo prints: what happened, and how long it took, in columns.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::failure::{Failure, Kind};
use crate::output;

/// Prints each step when it is done, and fails once the demo is interrupted.
#[derive(Debug)]
pub(super) struct Report {
    last: Instant,
    is_interrupted: Arc<AtomicBool>,
}

impl Report {
    pub(super) fn new(is_interrupted: Arc<AtomicBool>) -> Self {
        Self { last: Instant::now(), is_interrupted }
    }

    /// A step and the time since the one before.
    pub(super) fn step(&mut self, title: &str, text: impl AsRef<str>) -> Result<(), Failure> {
        let time = self.last.elapsed();
        self.timed(title, text, time)
    }

    /// A step and its time.
    pub(super) fn timed(
        &mut self,
        title: &str,
        text: impl AsRef<str>,
        time: Duration,
    ) -> Result<(), Failure> {
        self.line(format!("{title:<12}{:<66}{:>9}", text.as_ref(), span(time)))
    }

    /// A step whose time is of no interest.
    pub(super) fn note(&mut self, title: &str, text: impl AsRef<str>) -> Result<(), Failure> {
        self.line(format!("{title:<12}{}", text.as_ref()))
    }

    /// A step with a table for a result.
    pub(super) fn table(&mut self, title: &str, rows: Vec<[String; 4]>) -> Result<(), Failure> {
        for (number, [a, b, c, d]) in rows.iter().enumerate() {
            let title = if number == 0 { title } else { "" };
            self.line(format!("{title:<12}{a:>7}{b:>9}{c:>12}{d:>12}"))?;
        }
        Ok(())
    }

    fn line(&mut self, text: String) -> Result<(), Failure> {
        if self.is_interrupted.load(Ordering::Acquire) {
            return Err(interrupted());
        }
        self.last = Instant::now();
        output::line(text)
    }
}

/// The demo was told to end.
pub(super) fn interrupted() -> Failure {
    Failure::new(Kind::Other, "the demo was interrupted, and has cleared away what it made")
}

/// A time for a person: three digits or so, and the unit.
pub(super) fn span(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        ..0.001 => format!("{:.1} us", seconds * 1e6),
        ..1.0 => format!("{:.1} ms", seconds * 1e3),
        _ => format!("{seconds:.2} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_the_unit_that_suits_it() {
        let told =
            [1_500u64, 123_456, 1_000_000, 99_960_000, 1_250_000_000].map(Duration::from_nanos).map(span);
        assert_eq!(told, ["1.5 us", "123.5 us", "1.0 ms", "100.0 ms", "1.25 s"]);
    }
}
