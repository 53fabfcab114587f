//! Randomness for the incarnation: from the host, by semihosting. A board in the field has a source of its own.

use cortex_m_semihosting::syscall;
use ipcm_core::Incarnation;

const SOURCE: &[u8] = b"/dev/urandom\0";
/// Open for reading, in binary.
const READ_BINARY: usize = 1;

/// An incarnation that no other life of the board has.
pub fn incarnation() -> Incarnation {
    let mut bytes = [0u8; 16];
    // SAFETY: the name ends with a zero and its length is told without it, as OPEN wants it.
    let file = unsafe { syscall!(OPEN, SOURCE.as_ptr(), READ_BINARY, SOURCE.len() - 1) };
    // SAFETY: READ writes at most as many bytes as are told to the buffer, which has as many.
    unsafe { syscall!(READ, file, bytes.as_mut_ptr(), bytes.len()) };
    // SAFETY: CLOSE takes the file that OPEN gave.
    unsafe { syscall!(CLOSE, file) };
    Incarnation::from_random(bytes)
}
