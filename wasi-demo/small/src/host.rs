//! What the host gives: standard input and output as a port, a clock, and randomness.

use core::cell::Cell;
use core::convert::Infallible;
use core::mem::MaybeUninit;

use ipcm_core::{Clock, Incarnation, Instant};

#[path = "../../../std-shim/src/sys/wasi.rs"]
mod wasi;

/// Standard input and output, as a port to a gateway.
#[derive(Debug)]
pub(crate) struct Port<'a> {
    /// The last wait found something to read.
    pub(crate) is_readable: &'a Cell<bool>,
    /// Nothing comes any more, or nothing goes.
    pub(crate) is_over: &'a Cell<bool>,
}

pub(crate) use wasi::least_timeout;

/// Waits until something can be read, but not beyond `deadline`, or `least` nanoseconds if that is sooner; whether it can.
pub(crate) fn wait(least: u64, deadline: Option<Instant>) -> bool {
    let left = deadline.map(|deadline| (deadline - Monotonic.now()).as_nanos());
    let left = left.map(|nanos| u64::try_from(nanos).unwrap_or(u64::MAX).max(least));
    wasi::wait(true, false, left).input
}

impl embedded_io::ErrorType for Port<'_> {
    type Error = Infallible;
}

impl embedded_io::ReadReady for Port<'_> {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(self.is_readable.get() && !self.is_over.get())
    }
}

impl embedded_io::Read for Port<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        self.is_readable.set(false);
        let n = wasi::read(buffer).unwrap_or(0);
        self.is_over.set(n == 0);
        Ok(n)
    }
}

impl embedded_io::WriteReady for Port<'_> {
    /// It may wait for a gateway that does not read.
    fn write_ready(&mut self) -> Result<bool, Infallible> {
        Ok(!self.is_over.get())
    }
}

impl embedded_io::Write for Port<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        let n = wasi::write(bytes).unwrap_or(0);
        if n == 0 {
            self.is_over.set(true);
        }
        Ok(n)
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// The host's monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Monotonic;

impl Clock for Monotonic {
    fn now(&self) -> Instant {
        // SAFETY: the call takes numbers alone.
        let nanos = unsafe { wasip1::clock_time_get(wasip1::CLOCKID_MONOTONIC, 1) };
        Instant::from_nanos(nanos.unwrap_or(0))
    }
}

/// A life that no other has.
pub(crate) fn incarnation() -> Incarnation {
    let mut bytes = MaybeUninit::<[u8; 16]>::zeroed();
    // SAFETY: the host writes 16 bytes to memory that has as many.
    let _ = unsafe { wasip1::random_get(bytes.as_mut_ptr().cast(), 16) };
    // SAFETY: zeros, or what the host wrote: bytes of any value.
    Incarnation::from_random(unsafe { bytes.assume_init() })
}
