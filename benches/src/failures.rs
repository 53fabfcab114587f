//! Contenders that failed while they were measured, and why.
//!
//! A measurement goes on without a peer that fails. Without a floor or this project it would mean nothing, so it ends.

use std::fmt::Display;
use std::io;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use crate::agent::{Agent, Task};
use crate::contender::Contender;

/// The time of those that may not fail: whoever wants less has a [watchdog](crate::watchdog).
const UNLIMITED: Duration = Duration::from_secs(3600);

/// A contender that failed, and what at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The contender.
    pub name: &'static str,
    /// What was measured, and what it reported.
    pub why: String,
}

/// Which contenders may fail, and which did. To take too long is to fail.
#[derive(Debug, Default)]
pub struct Failures {
    may_fail: Vec<&'static str>,
    patience: Duration,
    seen: Vec<Failure>,
}

impl Failures {
    /// Measurements go on without those of `peers` that fail; the default is that none may. Each of them has `patience`
    /// for a sample, and three times that for all its samples in one measurement.
    pub fn allowed_to(peers: &[&'static dyn Contender], patience: Duration) -> Self {
        Self { may_fail: peers.iter().map(|peer| peer.name()).collect(), patience, seen: Vec::new() }
    }

    /// Those that failed, in the order in which they did.
    pub fn seen(&self) -> &[Failure] {
        &self.seen
    }

    /// What a contender came to when `what` was measured; `None`, noted and said at once, if it failed and may.
    ///
    /// # Errors
    /// The failure of one that may not fail.
    pub fn allow<T>(
        &mut self,
        contender: &dyn Contender,
        what: impl Display,
        result: io::Result<T>,
    ) -> io::Result<Option<T>> {
        let (name, error) = match result {
            Ok(value) => return Ok(Some(value)),
            Err(error) => (contender.name(), error),
        };
        let why = format!("{what}: {error}");
        if !self.may_fail(contender) {
            return Err(io::Error::new(error.kind(), format!("{name}: {why}")));
        }
        eprintln!("NOT MEASURED: {name}: {why}");
        self.seen.push(Failure { name, why });
        Ok(None)
    }

    /// As [`allow`](Self::allow), what the contender's agent answers to a task that is a measurement by itself.
    pub(crate) fn ask<T: DeserializeOwned>(
        &mut self,
        contender: &dyn Contender,
        what: impl Display,
        agent: &mut Agent,
        task: &Task,
    ) -> io::Result<Option<T>> {
        let answer = agent.ask(task, self.time_for(contender));
        self.allow(contender, what, answer)
    }

    fn may_fail(&self, contender: &dyn Contender) -> bool {
        self.may_fail.contains(&contender.name())
    }

    /// The time of one sample.
    fn time_for(&self, contender: &dyn Contender) -> Duration {
        if self.may_fail(contender) { self.patience } else { UNLIMITED }
    }
}

/// The contenders of one measurement, which those that fail leave.
pub(crate) struct Field<'f> {
    contenders: &'f [&'static dyn Contender],
    has_left: Vec<bool>,
    /// What each has left of its time.
    time: Vec<Duration>,
    failures: &'f mut Failures,
}

impl<'f> Field<'f> {
    pub(crate) fn new(contenders: &'f [&'static dyn Contender], failures: &'f mut Failures) -> Self {
        let time = contenders.iter().map(|contender| 3 * failures.time_for(*contender)).collect();
        Self { contenders, has_left: vec![false; contenders.len()], time, failures }
    }

    /// Whether a contender has not failed yet.
    pub(crate) fn has(&self, at: usize) -> bool {
        !self.has_left[at]
    }

    /// As [`Failures::allow`], what the agent of the contender at a place in the list answers, in the time that it has
    /// left.
    pub(crate) fn ask<T: DeserializeOwned>(
        &mut self,
        at: usize,
        what: impl Display,
        agent: &mut Agent,
        task: &Task,
    ) -> io::Result<Option<T>> {
        let begin = Instant::now();
        let answer = agent.ask(task, self.time[at].min(self.failures.time_for(self.contenders[at])));
        self.time[at] = self.time[at].saturating_sub(begin.elapsed());
        self.allow(at, what, answer)
    }

    fn allow<T>(&mut self, at: usize, what: impl Display, result: io::Result<T>) -> io::Result<Option<T>> {
        let value = self.failures.allow(self.contenders[at], what, result)?;
        self.has_left[at] |= value.is_none();
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipcm::Ipcm;
    use crate::raw;

    #[test]
    fn a_peer_that_fails_leaves_and_a_floor_ends_the_measurement() {
        let contenders: [&'static dyn Contender; 2] = [&raw::STREAM, &Ipcm];
        let mut failures = Failures::allowed_to(&contenders[1..], Duration::ZERO);
        let mut field = Field::new(&contenders, &mut failures);
        assert_eq!(field.allow(1, "32 bytes", Ok(7)).expect("no failure"), Some(7));
        let outcome = field.allow(1, "32 bytes", io::Result::<()>::Err(io::Error::other("gone")));
        assert_eq!(outcome.expect("it may fail"), None);
        assert_eq!([field.has(0), field.has(1)], [true, false]);
        field.allow(0, "32 bytes", io::Result::<()>::Err(io::Error::other("gone"))).expect_err("the floor");
        let why = "32 bytes: gone".to_owned();
        assert_eq!(failures.seen(), [Failure { name: Ipcm.name(), why }]);
    }
}
