//! The monotonic clock: the system timer, in milliseconds.

use core::sync::atomic::{AtomicU32, Ordering};
use core::task::Poll;

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::exception;
use ipcm_core::Instant;
use ipcm_core::fixed::Sleep;

/// Cycles of a millisecond.
const MILLISECOND: u32 = 12_500;

static LOW: AtomicU32 = AtomicU32::new(0);
static HIGH: AtomicU32 = AtomicU32::new(0);

/// The monotonic clock, which begins when the board does.
#[derive(Clone, Copy, Debug)]
pub struct Clock(());

impl Clock {
    /// Starts the timer.
    pub fn start(mut timer: SYST) -> Self {
        timer.set_clock_source(SystClkSource::Core);
        timer.set_reload(MILLISECOND - 1);
        timer.clear_current();
        timer.enable_counter();
        timer.enable_interrupt();
        Self(())
    }
}

#[exception]
fn SysTick() {
    if LOW.fetch_add(1, Ordering::Relaxed) == u32::MAX {
        HIGH.fetch_add(1, Ordering::Relaxed);
    }
}

impl ipcm_core::Clock for Clock {
    fn now(&self) -> Instant {
        loop {
            let high = HIGH.load(Ordering::Relaxed);
            let low = LOW.load(Ordering::Relaxed);
            if high == HIGH.load(Ordering::Relaxed) {
                return Instant::ZERO.plus_micros((u64::from(high) << 32 | u64::from(low)) * 1000);
            }
        }
    }
}

impl Sleep for Clock {
    async fn sleep_until(&self, deadline: Instant) {
        let due = || ipcm_core::Clock::now(self) >= deadline;
        core::future::poll_fn(|_| if due() { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}
