//! The body codec: a typed value to bytes and back, in the postcard format.
//!
//! ```text
//! value -- serde --> postcard --> a slice                  encode, never past its end
//! value -- serde --> postcard --> appended to a buffer     encode_into, never past a limit
//! value <-- serde <-- guard <-- bytes                      decode, never more work than the bytes pay for
//! ```
//!
//! The bytes are exactly postcard's. Decoding is stricter than postcard: bytes left over are an error, and
//! so are nesting and lengths that a sender could use to exhaust the stack, the memory or the time of the
//! receiver.

#[cfg(feature = "alloc")]
mod append;
mod fill;
mod guard;
#[cfg(test)]
mod tests;

#[cfg(feature = "alloc")]
pub use append::encode_into;
#[cfg(feature = "alloc")]
pub(crate) use append::encode_to;
pub use fill::encode;

use guard::Guarded;
use serde::Deserialize;

/// How many options, sequences, maps, tuples, structs and enums may be nested inside each other in a decoded
/// body.
///
/// Newtypes are not counted, and a variant is one level together with its fields. A linked list of
/// `struct Node { next: Option<Box<Node>> }` can have 64 nodes; one of
/// `enum Node { End, Next(Box<Node>) }` can have 128.
pub const MAX_DEPTH: usize = 128;

/// Decodes a value that takes up all of `bytes`; `&str` and `&[u8]` in it borrow from there.
///
/// Safe on bytes from anyone: the depth of recursion is bounded by [`MAX_DEPTH`], the work by
/// [`max_elements`], and no length in the bytes makes serde reserve room for more elements than bytes are left.
///
/// # Errors
///
/// - [`DecodeError::Truncated`], [`DecodeError::Trailing`], [`DecodeError::Malformed`]: these are not the
///   bytes of a `T`.
/// - [`DecodeError::TooDeep`], [`DecodeError::TooManyValues`]: they might be, but are refused.
/// - [`DecodeError::Unsupported`]: no bytes are; `T` cannot be decoded from this format.
#[inline]
pub fn decode<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, DecodeError> {
    let mut guarded = Guarded::new(bytes, max_elements(bytes.len()));
    let value = T::deserialize(&mut guarded);
    guarded.finish(value)
}

/// How many elements of sequences and entries of maps a decoded body of `len` bytes may have in total.
///
/// Elements that take bytes never reach it. It bounds those that take none, such as the `()` of a `Vec<()>`.
#[inline]
pub const fn max_elements(len: usize) -> usize {
    len.saturating_mul(8).saturating_add(65_536)
}

/// Why a value could not be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The value takes more bytes than it may; send less at a time.
    #[error("the body takes more than {limit} bytes")]
    TooLarge {
        /// The most bytes that this body may take.
        limit: usize,
    },
    /// The type's `Serialize` failed, or needs what the format lacks: a sequence must know its length.
    #[error("the value cannot be encoded")]
    Unserializable,
}

/// Why bytes could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end in the middle of the value.
    #[error("the body ends before its value does")]
    Truncated,
    /// The value ends before the bytes do.
    #[error("{bytes} bytes follow the value in the body")]
    Trailing {
        /// How many bytes are left over.
        bytes: usize,
    },
    /// A byte or a value that the type does not allow.
    #[error("the body is no value of the expected type")]
    Malformed,
    /// More levels than [`MAX_DEPTH`].
    #[error("the body is nested more than {limit} levels deep")]
    TooDeep {
        /// [`MAX_DEPTH`].
        limit: usize,
    },
    /// The body claims to hold more elements than [`max_elements`].
    #[error("the body claims to hold more than {limit} elements")]
    TooManyValues {
        /// [`max_elements`] of the body's length.
        limit: usize,
    },
    /// The type asks the bytes what they hold, which they do not say: an untagged or internally tagged
    /// enum, `#[serde(flatten)]`, or a type such as `serde_json::Value`.
    #[error("the type cannot be decoded from a format that does not describe itself")]
    Unsupported,
}
