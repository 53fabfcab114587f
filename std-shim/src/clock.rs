//! The clocks of Linux.

use ipcm_core::{Clock, Instant};
use rustix::time::{ClockId, Timespec, clock_gettime};

/// `CLOCK_MONOTONIC`: setting the wall clock does not move it, and it stands while the machine sleeps.
#[derive(Clone, Copy, Debug, Default)]
pub struct Monotonic;

impl Clock for Monotonic {
    fn now(&self) -> Instant {
        Instant::from_nanos(nanos(clock_gettime(ClockId::Monotonic)))
    }

    fn unix_micros(&self) -> u64 {
        nanos(clock_gettime(ClockId::Realtime)) / 1000
    }
}

fn nanos(time: Timespec) -> u64 {
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// What is left until `deadline`, for a system call.
pub(crate) fn timespec_until(now: Instant, deadline: Instant) -> Timespec {
    let nanos = (deadline - now).as_nanos();
    Timespec {
        tv_sec: i64::try_from(nanos / 1_000_000_000).unwrap_or(i64::MAX),
        tv_nsec: (nanos % 1_000_000_000) as _,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Clause D4.
    #[test]
    fn the_clock_of_waits_is_not_the_wall_clock() {
        let wall = Duration::from_micros(Monotonic.unix_micros()).as_nanos();
        assert_ne!(u128::from(Monotonic.now().as_nanos()) / 1_000_000_000, wall / 1_000_000_000);
    }

    #[test]
    fn a_deadline_that_has_passed_leaves_nothing() {
        let left = timespec_until(Instant::from_nanos(2_000_000_000), Instant::from_nanos(1));
        assert_eq!((left.tv_sec, left.tv_nsec), (0, 0));
    }
}
