//! Encoding behind what a growing buffer holds.

use super::EncodeError;
use crate::sink::Sink;
use alloc::vec::Vec;
use postcard::ser_flavors::Flavor;
use serde::Serialize;

/// Encodes `value` behind what `out` already holds, in at most `limit` bytes.
///
/// Allocates only when the spare capacity of `out` does not suffice. [`MAX_DEPTH`](super::MAX_DEPTH) and
/// [`max_elements`](super::max_elements) bind the receiver: a value that exceeds them can be encoded but not decoded.
///
/// # Errors
///
/// Either error leaves the contents of `out` as they were; its capacity may have grown, by no more than
/// encoding `limit` bytes takes.
/// - [`EncodeError::TooLarge`]: the value takes more than `limit` bytes.
/// - [`EncodeError::Unserializable`]: the value's `Serialize` failed, or does not say how long a sequence is.
pub fn encode_into<T: Serialize + ?Sized>(
    value: &T,
    out: &mut Vec<u8>,
    limit: usize,
) -> Result<(), EncodeError> {
    encode_to(value, &mut Sink::from(out), limit)
}

/// [`encode_into`] for any place that a body can go to.
pub(crate) fn encode_to<T: Serialize + ?Sized>(
    value: &T,
    out: &mut Sink<'_>,
    limit: usize,
) -> Result<(), EncodeError> {
    let start = out.end();
    let mut full = false;
    let written = postcard::serialize_with_flavor(value, Append { out, left: limit, full: &mut full });
    match written {
        // `full` decides, not postcard's error: it says something else when a `Display` overruns.
        Ok(()) if !full => Ok(()),
        _ => {
            out.truncate(start);
            Err(if full { EncodeError::TooLarge { limit } } else { EncodeError::Unserializable })
        }
    }
}

/// Appends until the limit is reached.
struct Append<'a, 's> {
    out: &'a mut Sink<'s>,
    /// Bytes that may still be appended.
    left: usize,
    /// Set once something did not fit.
    full: &'a mut bool,
}

impl Append<'_, '_> {
    #[inline]
    fn take(&mut self, len: usize) -> postcard::Result<()> {
        match self.left.checked_sub(len) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                *self.full = true;
                Err(postcard::Error::SerializeBufferFull)
            }
        }
    }
}

impl Flavor for Append<'_, '_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.take(1)?;
        self.out.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.take(bytes.len())?;
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    #[inline]
    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}
