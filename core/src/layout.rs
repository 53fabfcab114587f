//! The layout of a frame in bytes, and what it costs its receiver.
//!
//! ```text
//! 0        4        5                    16 * units                  size
//! +--------+--------+---------------------+---------------------------+
//! | size   | units  | head                | body                      |
//! | u32 LE | u8     |                     |                           |
//! +--------+--------+---------------------+---------------------------+
//! ```
//!
//! `size` counts the whole frame. The body begins at a multiple of 16 bytes: with smaller headers, copies
//! of large bodies through a socket are up to three times slower. Frames follow one another without a gap.

/// What head and prefix are padded to, and the size of the shortest frame.
pub(crate) const UNIT: usize = 16;
/// Bytes before the head.
pub(crate) const PREFIX: usize = 5;
/// The most that prefix and head can take.
pub(crate) const MAX_HEAD: usize = UNIT * u8::MAX as usize;
/// What a frame takes of a window beyond its own bytes: the receiver's bookkeeping.
pub(crate) const OVERHEAD: usize = 64;

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Its size field is smaller than the smallest frame.
    #[error("a frame claims {size} bytes, fewer than any frame has")]
    TooShort {
        /// The size field.
        size: u32,
    },
    /// Its size field is above the limit; nothing of it was read.
    #[error("a frame claims {size} bytes, the limit is {limit}")]
    TooLong {
        /// The size field.
        size: u32,
        /// The most that is taken in.
        limit: u32,
    },
    /// Its head is empty or reaches beyond the frame.
    #[error("a frame's head is empty or longer than its frame")]
    HeadOutOfBounds,
    /// Its head does not decode.
    #[error("a frame's head does not decode")]
    BadHead,
    /// Its head is followed by something else than zeros.
    #[error("a frame's head has bytes left over")]
    TrailingHead,
}

/// The bytes before the body of a frame whose encoded head is this long: a multiple of 16.
#[cfg(feature = "alloc")]
pub(crate) const fn body_offset(head: usize) -> usize {
    (PREFIX + head).next_multiple_of(UNIT)
}

/// The five bytes before the head of a frame of `size` bytes whose body begins at `body_at`.
///
/// # Panics
///
/// If `body_at` is above [`MAX_HEAD`], or `size` does not fit in 32 bits: callers bound both.
pub(crate) fn prefix(size: usize, body_at: usize) -> [u8; PREFIX] {
    assert!(body_at <= MAX_HEAD, "a head takes at most 255 units");
    assert!(size as u64 <= u64::from(u32::MAX), "a frame is shorter than 4 GiB");
    let [a, b, c, d] = (size as u32).to_le_bytes();
    [a, b, c, d, (body_at / UNIT) as u8]
}

/// The size field at the front of `bytes`, once its four bytes are there.
pub(crate) fn frame_size(bytes: &[u8], limit: u32) -> Result<Option<usize>, FrameError> {
    let Some(&prefix) = bytes.first_chunk() else { return Ok(None) };
    let size = u32::from_le_bytes(prefix);
    if size < UNIT as u32 {
        return Err(FrameError::TooShort { size });
    }
    if size > limit {
        return Err(FrameError::TooLong { size, limit });
    }
    Ok(Some(size as usize))
}

/// Where the body of a whole frame begins.
pub(crate) fn body_at(frame: &[u8]) -> Result<usize, FrameError> {
    match frame.get(PREFIX - 1) {
        Some(&units) if units > 0 && usize::from(units) * UNIT <= frame.len() => {
            Ok(usize::from(units) * UNIT)
        }
        _ => Err(FrameError::HeadOutOfBounds),
    }
}

/// What a frame of `size` bytes takes of a window.
pub(crate) fn cost(size: usize) -> u32 {
    u32::try_from(size + OVERHEAD).unwrap_or(u32::MAX)
}
