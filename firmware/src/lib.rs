//! The board that the firmware runs on: an LM3S6965, as QEMU has it. Its first UART is the serial line to the gateway.
//!
//! ```text
//! device      a superloop: serves requests, and asks others when it is told to
//! executor    the same as tasks
//! empty       the board and nothing else
//! link        ... and the request/response path of one link, without the records of a line
//! line        ... and with them: a handle at the end of a serial line
//! ```
#![no_std]

pub mod clock;
pub mod random;
pub mod stack;
pub mod uart;

use core::panic::PanicInfo;

/// Nothing of a panic is formatted: its text would be most of the program. The board starts anew.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    cortex_m::peripheral::SCB::sys_reset()
}
