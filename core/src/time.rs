//! Monotonic time without an operating system: the core is told the time, it never reads a clock.

use core::fmt;
use core::ops::{Add, Sub};
use core::time::Duration;

/// A moment on a monotonic clock, in nanoseconds since that clock's own start.
///
/// Moments of different clocks do not compare. The range is 584 years; arithmetic saturates.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The start of the clock.
    pub const ZERO: Self = Self(0);

    /// The moment `nanos` nanoseconds after the clock's start.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the clock's start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The moment so many microseconds later.
    // Out of line on small processors, for the size.
    #[cfg_attr(target_pointer_width = "32", inline(never))]
    pub const fn plus_micros(self, micros: u64) -> Self {
        Self(self.0.saturating_add(micros.saturating_mul(1000)))
    }

    /// What is left until `deadline`, in microseconds rounded up.
    pub const fn micros_until(self, deadline: Self) -> u64 {
        let nanos = deadline.0.saturating_sub(self.0);
        if cfg!(target_pointer_width = "64") { nanos.div_ceil(1000) } else { div_ceil_1000(nanos) }
    }

    /// The time from `earlier` to this moment, zero if `earlier` is the later one.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// A thousandth, rounded up, in steps that 32-bit processors divide by themselves: a division in 64 bits is a
/// kilobyte of code there.
const fn div_ceil_1000(number: u64) -> u64 {
    let (mut quotient, mut rest, mut shift) = (0u64, 0u32, 64);
    while shift > 0 {
        shift -= 16;
        let part = rest << 16 | (number >> shift) as u16 as u32;
        quotient = quotient << 16 | (part / 1000) as u64;
        rest = part % 1000;
    }
    quotient + (rest > 0) as u64
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        // Not `as_nanos`: arithmetic in 128 bits is a kilobyte of code on a microcontroller.
        let nanos = span.as_secs().saturating_mul(1_000_000_000).saturating_add(span.subsec_nanos().into());
        Self(self.0.saturating_add(nanos))
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.saturating_since(earlier)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", Duration::from_nanos(self.0))
    }
}

/// A monotonic clock that the blocking drivers read.
pub trait Clock {
    /// The present moment; never earlier than one that was returned before.
    fn now(&self) -> Instant;

    /// Microseconds of the Unix epoch by the wall clock, for the time stamps of messages and nothing
    /// else; zero where there is no wall clock.
    fn unix_micros(&self) -> u64 {
        0
    }
}

impl<C: Clock + ?Sized> Clock for &C {
    fn now(&self) -> Instant {
        (**self).now()
    }

    fn unix_micros(&self) -> u64 {
        (**self).unix_micros()
    }
}

/// The moment at which a wait of `timeout` that begins at `now` ends; `None` waits for ever.
pub fn deadline_after(now: Instant, timeout: Option<Duration>) -> Option<Instant> {
    timeout.map(|span| now + span)
}

/// The earlier of two deadlines, where `None` is never.
pub fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, None) | (None, one) => one,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adding_the_longest_duration_saturates() {
        assert_eq!(Instant::from_nanos(5) + Duration::MAX, Instant::from_nanos(u64::MAX));
    }

    #[test]
    fn a_budget_is_rounded_up_and_never_wraps() {
        let at = Instant::from_nanos;
        assert_eq!(at(5).micros_until(at(1006)), 2);
        assert_eq!(at(5).micros_until(at(4)), 0);
        for number in [0, 1, 999, 1000, 1001, 65_536_000, u64::MAX / 3, u64::MAX - 615, u64::MAX] {
            assert_eq!(div_ceil_1000(number), number.div_ceil(1000), "{number}");
        }
        assert_eq!(at(5).plus_micros(2), at(2005));
        assert_eq!(at(5).plus_micros(u64::MAX / 2), at(u64::MAX));
    }

    #[test]
    fn never_is_later_than_any_deadline() {
        let soon = Some(Instant::from_nanos(1));
        assert_eq!(earlier(None, soon), soon);
        assert_eq!(earlier(soon, None), soon);
        assert_eq!(earlier(None, None), None);
    }
}
