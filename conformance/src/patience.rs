//! [`Patience`]: what must come has its time, and no check hangs.

use core::time::Duration;

use ipcm_core::Instant;

/// Longer than anything takes that works, however loaded the machine is.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// The pause between two looks at what has not come.
pub(crate) const PAUSE: Duration = Duration::from_millis(1);
/// Looks at what does not come, where virtual time stands still.
const LOOKS: u32 = 2_000_000;

/// The time that is left for something to come.
pub(crate) struct Patience<'w> {
    what: &'w str,
    until: Instant,
    looks: u32,
}

impl<'w> Patience<'w> {
    pub(crate) fn new(now: Instant, what: &'w str) -> Self {
        Self { what, until: now + PATIENCE, looks: LOOKS }
    }

    /// It has not come yet.
    ///
    /// # Panics
    ///
    /// If its time is over.
    #[track_caller]
    pub(crate) fn spend(&mut self, now: Instant) {
        self.looks -= 1;
        assert!(now < self.until && self.looks > 0, "it does not come about that {}", self.what);
    }
}
