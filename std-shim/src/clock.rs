//! The clocks of the system.

use ipcm_core::{Clock, Instant};
#[cfg(target_os = "linux")]
use rustix::time::{ClockId, Timespec, clock_gettime};

/// `CLOCK_MONOTONIC`: setting the wall clock does not move it, and it stands while the machine sleeps.
#[derive(Clone, Copy, Debug, Default)]
pub struct Monotonic;

#[cfg(not(target_os = "linux"))]
impl Clock for Monotonic {
    fn now(&self) -> Instant {
        static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        // A clock that begins at one second, so that zero is in the past.
        let since = START.get_or_init(std::time::Instant::now).elapsed() + std::time::Duration::from_secs(1);
        Instant::from_nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }

    fn unix_micros(&self) -> u64 {
        let wall = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        u64::try_from(wall.as_micros()).unwrap_or(u64::MAX)
    }
}

#[cfg(target_os = "linux")]
impl Clock for Monotonic {
    fn now(&self) -> Instant {
        Instant::from_nanos(nanos(clock_gettime(ClockId::Monotonic)))
    }

    fn unix_micros(&self) -> u64 {
        nanos(clock_gettime(ClockId::Realtime)) / 1000
    }
}

#[cfg(target_os = "linux")]
fn nanos(time: Timespec) -> u64 {
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// What is left until `deadline`, for a system call.
#[cfg(target_os = "linux")]
pub(crate) fn timespec_until(now: Instant, deadline: Instant) -> Timespec {
    let nanos = (deadline - now).as_nanos();
    Timespec {
        tv_sec: i64::try_from(nanos / 1_000_000_000).unwrap_or(i64::MAX),
        tv_nsec: (nanos % 1_000_000_000) as _,
    }
}

#[cfg(all(test, target_os = "linux"))]
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
