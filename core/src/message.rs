//! The heads of frames: what one peer says to another.
//!
//! ```text
//! connecting side                accepting side
//! Hello  ----------------------> who is it? may it?
//!        <---------------------- Hello, or Refused
//! Request, Message, ... <------> Request, Response, Failure, Message, Credit, ...
//! ```
//!
//! A head is a postcard enum; payloads are the bodies of the frames and opaque here. The hello's own
//! fields travel in its body, so that a head of any version can tell its version.

use serde::{Deserialize, Serialize};

use crate::failure::{Refusal, RemoteErrorKind};
use crate::id::{Incarnation, RequestId};
use crate::layout::FrameError;

/// The version of the protocol that this library speaks. Peers of another version are refused at hello.
pub const PROTOCOL_VERSION: u16 = 1;

/// Longer than any head but an unknown one: six integers of ten bytes.
const SCRATCH: usize = 64;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Head {
    /// The first frame of a link, in both directions. The body is a [`Hello`].
    Hello { version: u16 },
    /// The answer to a hello that is not welcome. The link closes.
    Refused { reason: Refusal },
    /// A request; the body is its payload. The budget is what is left of its time, in microseconds.
    Request { id: RequestId, budget: Option<u64> },
    /// The response to a request; the body is its payload.
    Response { id: RequestId },
    /// The request failed at the peer; the body is UTF-8 for a person.
    Failure { id: RequestId, kind: RemoteErrorKind },
    /// The caller of a request has given up.
    Cancel { id: RequestId },
    /// A message; the body is its payload. The stamp is microseconds of the Unix epoch.
    Message { sequence: u64, stamp: u64, broadcast: bool },
    /// The peer is asked to end.
    Terminate,
    /// So many bytes of requests and messages have been dealt with and may be sent anew.
    Credit { bytes: u32 },
}

/// Who is speaking, and what it can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello<'a> {
    /// The sender's name.
    pub(crate) name: &'a str,
    pub(crate) incarnation: Incarnation,
    /// The longest body that the sender takes in, in bytes.
    pub(crate) body_limit: u32,
    /// The bytes of requests and messages that the sender takes in ahead of dealing with them.
    pub(crate) window: u32,
}

impl Head {
    /// Calls `use_head` with the encoded head.
    pub(crate) fn encode<R>(&self, use_head: impl FnOnce(&[u8]) -> R) -> R {
        let mut scratch = [0; SCRATCH];
        match postcard::to_slice(self, &mut scratch) {
            Ok(encoded) => use_head(encoded),
            Err(_) => unreachable!("a head fits in its scratch space"),
        }
    }

    /// Decodes a head that is followed by nothing but zeros.
    pub(crate) fn decode(padded: &[u8]) -> Result<Self, FrameError> {
        let (head, padding) = postcard::take_from_bytes(padded).map_err(|_| FrameError::BadHead)?;
        if padding.iter().any(|&byte| byte != 0) {
            return Err(FrameError::TrailingHead);
        }
        Ok(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const ID: RequestId = RequestId { slot: u32::MAX, generation: u64::MAX };

    /// Every kind, each with its longest fields.
    const LONGEST: [Head; 9] = [
        Head::Hello { version: u16::MAX },
        Head::Refused { reason: Refusal::Version { version: u16::MAX } },
        Head::Request { id: ID, budget: Some(u64::MAX) },
        Head::Response { id: ID },
        Head::Failure { id: ID, kind: RemoteErrorKind::ResponseTooLarge },
        Head::Cancel { id: ID },
        Head::Message { sequence: u64::MAX, stamp: u64::MAX, broadcast: true },
        Head::Terminate,
        Head::Credit { bytes: u32::MAX },
    ];

    #[test]
    fn the_longest_head_of_every_kind_survives_the_trip() {
        for head in LONGEST {
            let bytes = head.encode(<[u8]>::to_vec);
            assert_eq!(Head::decode(&bytes), Ok(head));
        }
    }

    /// Fault X8: a head cut short, or with something behind it, is an error.
    #[test]
    fn a_head_that_is_cut_or_followed_by_junk_is_refused() {
        for head in LONGEST {
            let bytes = head.encode(<[u8]>::to_vec);
            for end in 0..bytes.len() {
                assert_eq!(Head::decode(&bytes[..end]), Err(FrameError::BadHead), "{head:?} cut at {end}");
            }
            let junk: Vec<u8> = bytes.iter().copied().chain([0, 1]).collect();
            assert_eq!(Head::decode(&junk), Err(FrameError::TrailingHead));
        }
    }
}
