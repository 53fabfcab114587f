//! How deep the stack has been.

use core::ptr;

const PAINT: u32 = 0xA5A5_A5A5;

unsafe extern "C" {
    /// The end of what is in memory for good; the stack may grow down to here.
    static mut __sheap: u32;
    /// The beginning of the stack.
    static _stack_start: u32;
}

/// Paints the part of the stack that is not in use. To be called first of all.
pub fn paint() {
    let here = cortex_m::register::msp::read() as usize;
    let mut at = ptr::addr_of_mut!(__sheap);
    // What this function itself uses is left alone.
    while (at as usize) < here - 256 {
        // SAFETY: the address is between the end of the statics and the stack in use: nobody has it.
        unsafe { at.write_volatile(PAINT) };
        at = at.wrapping_add(1);
    }
}

/// The most bytes of stack that have been in use at once since it was painted.
pub fn high_water() -> usize {
    let mut at = ptr::addr_of!(__sheap);
    // SAFETY: from the end of the statics to the beginning of the stack it is all memory, and the stack in use is
    // not painted, which ends the loop.
    while unsafe { at.read_volatile() } == PAINT {
        at = at.wrapping_add(1);
    }
    ptr::addr_of!(_stack_start) as usize - at as usize
}
