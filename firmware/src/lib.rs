//! The board that the firmware runs on: an LM3S6965, as QEMU has it. Its first UART is the serial line to the gateway.
//!
//! ```text
//! device      a superloop: serves requests, and asks others when it is told to
//! executor    the same as tasks
//! empty       the board and nothing else
//! link        ... and the request/response path of one link, without the records of a line
//! line        ... and with them: a handle at the end of a serial line
//! ```
//!
//! With the feature `checks` it is a board with 4 MB, and an allocator:
//!
//! ```text
//! checks      what the core's tests check of the codec, the tables and the member of a fixed size
//! simulation  seeds of the core's simulation
//! ```
#![no_std]

pub mod clock;
#[cfg(feature = "checks")]
pub mod harness;
pub mod random;
pub mod stack;
pub mod uart;

/// Nothing of a panic is formatted: its text would be most of the program. The board starts anew.
#[cfg(not(feature = "checks"))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    cortex_m::peripheral::SCB::sys_reset()
}
