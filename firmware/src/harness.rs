//! Runs checks and tells of them as a test program does, on the emulator's standard output.

use core::fmt;
use core::panic::PanicInfo;
use core::ptr::addr_of_mut;

use cortex_m_rt::{ExceptionFrame, exception};
use cortex_m_semihosting::{debug, hprint, hprintln};
use embedded_alloc::LlffHeap;

/// What the checks may have allocated at once.
const ROOM: usize = 2 << 20;

#[global_allocator]
static HEAP: LlffHeap = LlffHeap::empty();

/// Runs checks and counts them.
#[derive(Debug)]
pub struct Harness {
    passed: usize,
}

impl Harness {
    /// Makes allocation possible, for which `main` calls this first and once.
    #[expect(clippy::new_without_default, reason = "it is not to be made in passing")]
    pub fn new() -> Self {
        static mut MEMORY: [u8; ROOM] = [0; ROOM];
        // SAFETY: nothing else names the memory, and a second call panics instead of giving it away again.
        unsafe { HEAP.init(addr_of_mut!(MEMORY) as usize, ROOM) }
        Self { passed: 0 }
    }

    /// Runs a check. If it panics, that is told and the emulator ends.
    pub fn check(&mut self, name: impl fmt::Display, check: impl FnOnce()) {
        hprint!("test {} ... ", name);
        check();
        hprintln!("ok");
        self.passed += 1;
    }

    /// Says how many checks there were, and ends the emulator.
    pub fn finish(self) -> ! {
        hprintln!("\ntest result: ok. {} passed; 0 failed; 0 ignored", self.passed);
        debug::exit(debug::EXIT_SUCCESS);
        unreachable!("the emulator has ended")
    }
}

/// The line of the check that failed is at its end; here is why.
fn fail(why: impl fmt::Display) -> ! {
    hprintln!("FAILED\n\n{}\n\ntest result: FAILED. 0 passed; 1 failed; 0 ignored", why);
    loop {
        debug::exit(debug::EXIT_FAILURE);
    }
}

#[panic_handler]
fn panic(panic: &PanicInfo<'_>) -> ! {
    fail(panic)
}

/// As by a word that is read where none can be.
#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    fail(format_args!("a hard fault: {frame:?}"))
}
