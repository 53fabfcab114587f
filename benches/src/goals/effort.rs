//! How much the goals program measures: all that it has time for, a quick look, or hardly anything.

use std::time::Duration;

/// How much is measured.
#[derive(Clone, Copy)]
pub(super) struct Effort {
    /// No more than this in all.
    pub(super) limit: Duration,
    /// What a peer may take for a sample, and a third of what it may for all of them in one measurement.
    pub(super) patience: Duration,
    pub(super) latency: Duration,
    pub(super) rounds: usize,
    pub(super) pipeline: Duration,
    pub(super) floods: usize,
    pub(super) crowd_rounds: usize,
    pub(super) crowd_time: Duration,
    pub(super) idle: Duration,
    pub(super) deaths: usize,
    pub(super) pairs: usize,
    pub(super) blocks: usize,
    pub(super) departed: usize,
    /// No crowd is larger, whatever it is called.
    pub(super) most_clients: usize,
    /// Builds the small program, and asks cargo for the crates.
    pub(super) builds: bool,
    /// Builds everything anew as well.
    pub(super) builds_cold: bool,
}

impl Effort {
    pub(super) const FULL: Self = Self {
        limit: Duration::from_secs(1200),
        patience: Duration::from_secs(60),
        latency: Duration::from_secs(60),
        rounds: 1000,
        pipeline: Duration::from_secs(20),
        floods: 5,
        crowd_rounds: 15,
        crowd_time: Duration::from_millis(400),
        idle: Duration::from_secs(5),
        deaths: 60,
        pairs: 7,
        blocks: 30,
        departed: 10_000,
        most_clients: 1000,
        builds: true,
        builds_cold: true,
    };

    pub(super) const QUICK: Self = Self {
        limit: Duration::from_secs(300),
        patience: Duration::from_secs(20),
        latency: Duration::from_secs(10),
        pipeline: Duration::from_secs(5),
        floods: 3,
        crowd_rounds: 3,
        crowd_time: Duration::from_millis(200),
        idle: Duration::from_secs(2),
        deaths: 30,
        pairs: 3,
        blocks: 20,
        builds_cold: false,
        ..Self::FULL
    };

    pub(super) const SMOKE: Self = Self {
        patience: Duration::from_secs(10),
        latency: Duration::ZERO,
        rounds: 1,
        pipeline: Duration::ZERO,
        floods: 1,
        crowd_rounds: 1,
        crowd_time: Duration::from_millis(20),
        idle: Duration::from_millis(200),
        deaths: 2,
        pairs: 1,
        blocks: 2,
        departed: 100,
        most_clients: 16,
        builds: false,
        ..Self::QUICK
    };

    /// Enough for so many peers as well.
    pub(super) fn beside(self, peers: usize) -> Self {
        if peers == 0 {
            return self;
        }
        let times = 1 + peers.div_ceil(5) as u32;
        let [latency, pipeline] = [self.latency, self.pipeline].map(|time| time * times);
        // Each may run out of time in each of the ten measurements that there are.
        let limit = self.limit * times + 3 * self.patience * 10 * peers as u32;
        Self { limit, latency, pipeline, ..self }
    }
}
