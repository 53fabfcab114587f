//! Encoding into a slice.

use super::EncodeError;
use postcard::ser_flavors::Flavor;
use serde::Serialize;

/// Encodes `value` at the front of `out` and returns how many bytes it takes. Nothing is allocated.
///
/// # Errors
///
/// The contents of `out` are then unspecified.
/// - [`EncodeError::TooLarge`]: the value does not fit.
/// - [`EncodeError::Unserializable`]: the value's `Serialize` failed, or does not say how long a sequence is.
///
/// ```
/// use ipcm_core::body;
///
/// let mut out = [0; 8];
/// assert_eq!(body::encode(&(1u8, "two"), &mut out), Ok(5));
/// assert_eq!(body::decode(&out[..5]), Ok((1u8, "two")));
/// assert_eq!(body::encode("no more than eight", &mut out), Err(body::EncodeError::TooLarge { limit: 8 }));
/// ```
pub fn encode<T: Serialize + ?Sized>(value: &T, out: &mut [u8]) -> Result<usize, EncodeError> {
    let limit = out.len();
    let mut full = false;
    let written = postcard::serialize_with_flavor(value, Fill { out, at: 0, full: &mut full });
    match written {
        // `full` decides, not postcard's error: it says something else when a `Display` overruns.
        Ok(len) if !full => Ok(len),
        _ => Err(if full { EncodeError::TooLarge { limit } } else { EncodeError::Unserializable }),
    }
}

/// Fills a slice from its front.
struct Fill<'a> {
    out: &'a mut [u8],
    at: usize,
    /// Set once something did not fit.
    full: &'a mut bool,
}

impl Flavor for Fill<'_> {
    type Output = usize;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        let Some(room) = self.out.get_mut(self.at..).and_then(|rest| rest.get_mut(..bytes.len())) else {
            *self.full = true;
            return Err(postcard::Error::SerializeBufferFull);
        };
        room.copy_from_slice(bytes);
        self.at += bytes.len();
        Ok(())
    }

    fn finalize(self) -> postcard::Result<usize> {
        Ok(self.at)
    }
}
