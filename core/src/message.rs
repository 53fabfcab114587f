//! The heads of frames: what one peer says to another.
//!
//! ```text
//! connecting side                accepting side
//! Hello  ----------------------> who is it? may it?
//!        <---------------------- Hello, or Refused
//! Request, Message, ... <------> Request, Response, Failure, Message, Credit, ...
//! ```
//!
//! A head has a fixed layout, little-endian, of one or two units (see `layout`); what is unused is zero:
//!
//! ```text
//!            5     6         8               16              24      32
//!            +-----+---------+---------------+---------------+-------+
//! Hello      |  1  | version |               |                          the body is a [`Hello`], in postcard
//! Refused    |  2  | version | reason        |
//! Request    |  3  | slot    | generation    |
//! ... timed  |  4  | slot    | generation    | budget        |       |  microseconds
//! Response   |  5  | slot    | generation    |
//! Failure    |  6  | slot    | generation    | kind          |       |  the body is UTF-8
//! Cancel     |  7  | slot    | generation    |
//! Message    |  8  | is      | sequence      | stamp         |       |  microseconds of the Unix epoch
//! Terminate  |  9  | broad-  |               |
//! Credit     | 10  | cast    | bytes         |
//!            +-----+---------+---------------+---------------+-------+
//! ```
//!
//! Payloads are the bodies of the frames and opaque here. The hello's own fields travel in its body, so that
//! a hello of any version can tell its version.

use serde::{Deserialize, Serialize};

use crate::failure::{Refusal, RemoteErrorKind};
use crate::id::{Incarnation, RequestId};
use crate::layout::{FrameError, PREFIX, UNIT};

/// The version of the protocol that this library speaks. Peers of another version are refused at hello.
pub const PROTOCOL_VERSION: u16 = 1;

/// Slots that an id can name: it travels in 16 bits.
pub(crate) const MAX_SLOTS: usize = 1 << 16;

/// Bytes of a head that fits in one unit with the prefix, and of one that takes two.
const SHORT: usize = UNIT - PREFIX;
const LONG: usize = 2 * UNIT - PREFIX;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// The fields of a head as they travel.
struct Fields {
    kind: u8,
    small: u16,
    first: u64,
    /// Only in heads of two units.
    second: Option<u64>,
}

impl Head {
    /// Calls `use_head` with the encoded head.
    #[inline]
    pub(crate) fn encode<R>(&self, use_head: impl FnOnce(&[u8]) -> R) -> R {
        let Fields { kind, small, first, second } = self.fields();
        let mut bytes = [0; LONG];
        bytes[0] = kind;
        bytes[1..3].copy_from_slice(&small.to_le_bytes());
        bytes[3..11].copy_from_slice(&first.to_le_bytes());
        match second {
            None => use_head(&bytes[..SHORT]),
            Some(second) => {
                bytes[11..19].copy_from_slice(&second.to_le_bytes());
                use_head(&bytes)
            }
        }
    }

    /// How many units the encoded head and its prefix take.
    pub(crate) fn units(&self) -> usize {
        if self.fields().second.is_some() { 2 } else { 1 }
    }

    /// Decodes a head of one or two units.
    #[inline]
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        let Some((&[kind, a, b, c, d, e, f, g, h, i, j], rest)) = bytes.split_first_chunk::<SHORT>() else {
            return Err(FrameError::BadHead);
        };
        let small = u16::from_le_bytes([a, b]);
        let first = u64::from_le_bytes([c, d, e, f, g, h, i, j]);
        if kind == 1 {
            // Whatever else a hello of another version has in its head.
            return Ok(Self::Hello { version: small });
        }
        let second = match rest.first_chunk::<16>() {
            None if rest.is_empty() => None,
            Some(&[a, b, c, d, e, f, g, h, spare @ ..]) if rest.len() == 16 => {
                if u64::from_le_bytes(spare) != 0 {
                    return Err(FrameError::TrailingHead);
                }
                Some(u64::from_le_bytes([a, b, c, d, e, f, g, h]))
            }
            _ => return Err(FrameError::BadHead),
        };
        Self::from_fields(Fields { kind, small, first, second }).ok_or(FrameError::BadHead)
    }

    #[inline]
    fn fields(&self) -> Fields {
        let plain = |kind, small, first| Fields { kind, small, first, second: None };
        // A table has no more slots than that.
        let of = |kind, id: &RequestId| plain(kind, id.slot as u16, id.generation);
        match self {
            Self::Hello { version } => plain(1, *version, 0),
            Self::Refused { reason: Refusal::Version { version } } => plain(2, *version, 0),
            Self::Refused { reason: Refusal::Identity } => plain(2, 0, 1),
            Self::Refused { reason: Refusal::Full } => plain(2, 0, 2),
            Self::Request { id, budget: None } => of(3, id),
            Self::Request { id, budget } => Fields { second: *budget, ..of(4, id) },
            Self::Response { id } => of(5, id),
            Self::Failure { id, kind } => Fields { second: Some(kind.code()), ..of(6, id) },
            Self::Cancel { id } => of(7, id),
            Self::Message { sequence, stamp, broadcast } => {
                Fields { second: Some(*stamp), ..plain(8, u16::from(*broadcast), *sequence) }
            }
            Self::Terminate => plain(9, 0, 0),
            Self::Credit { bytes } => plain(10, 0, u64::from(*bytes)),
        }
    }

    #[inline]
    fn from_fields(fields: Fields) -> Option<Self> {
        let Fields { kind, small, first, second } = fields;
        let id = RequestId { slot: u32::from(small), generation: first };
        Some(match (kind, second) {
            (5, None) => Self::Response { id },
            (4, Some(budget)) => Self::Request { id, budget: Some(budget) },
            (3, None) => Self::Request { id, budget: None },
            (2, None) => Self::Refused {
                reason: match (small, first) {
                    (version, 0) => Refusal::Version { version },
                    (0, 1) => Refusal::Identity,
                    (0, 2) => Refusal::Full,
                    _ => return None,
                },
            },
            (6, Some(code)) => Self::Failure { id, kind: RemoteErrorKind::from_code(code)? },
            (7, None) => Self::Cancel { id },
            (8, Some(stamp)) if small <= 1 => Self::Message { sequence: first, stamp, broadcast: small == 1 },
            (9, None) if (small, first) == (0, 0) => Self::Terminate,
            (10, None) if small == 0 => Self::Credit { bytes: u32::try_from(first).ok()? },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const ID: RequestId = RequestId { slot: MAX_SLOTS as u32 - 1, generation: u64::MAX };

    /// Every kind, each with its largest fields.
    const LARGEST: [Head; 12] = [
        Head::Hello { version: u16::MAX },
        Head::Refused { reason: Refusal::Version { version: u16::MAX } },
        Head::Refused { reason: Refusal::Identity },
        Head::Refused { reason: Refusal::Full },
        Head::Request { id: ID, budget: Some(u64::MAX) },
        Head::Request { id: ID, budget: None },
        Head::Response { id: ID },
        Head::Failure { id: ID, kind: RemoteErrorKind::ResponseTooLarge },
        Head::Cancel { id: ID },
        Head::Message { sequence: u64::MAX, stamp: u64::MAX, broadcast: true },
        Head::Terminate,
        Head::Credit { bytes: u32::MAX },
    ];

    #[test]
    fn the_largest_head_of_every_kind_survives_the_trip() {
        for head in LARGEST {
            let bytes = head.encode(<[u8]>::to_vec);
            assert_eq!(Head::decode(&bytes), Ok(head));
            assert_eq!(PREFIX + bytes.len(), head.units() * UNIT);
        }
    }

    #[test]
    fn every_kind_of_failure_survives_the_trip() {
        let all: Vec<_> = (0..=u64::from(u8::MAX)).filter_map(RemoteErrorKind::from_code).collect();
        assert_eq!(all.len(), 7);
        assert!(all.iter().all(|kind| RemoteErrorKind::from_code(kind.code()) == Some(*kind)));
    }

    /// Fault X8: a head cut short, or with something in it that its kind has no use for, is an error.
    #[test]
    fn a_head_that_is_cut_or_holds_junk_is_refused() {
        for head in LARGEST.into_iter().filter(|head| !matches!(head, Head::Hello { .. })) {
            let bytes = head.encode(<[u8]>::to_vec);
            for end in 0..bytes.len() {
                assert_ne!(Head::decode(&bytes[..end]), Ok(head), "{head:?} cut at {end}");
            }
            let longer: Vec<u8> = bytes.iter().copied().chain([0; UNIT]).collect();
            assert_eq!(Head::decode(&longer), Err(FrameError::BadHead), "{head:?}");
            let mut junk = bytes.clone();
            *junk.last_mut().unwrap() ^= 0x80;
            assert_ne!(Head::decode(&junk), Ok(head), "{head:?}");
        }
        for kind in (11..=u8::MAX).chain([0]) {
            let mut unknown = [0; SHORT];
            unknown[0] = kind;
            assert_eq!(Head::decode(&unknown), Err(FrameError::BadHead));
        }
    }

    /// Clause H4: what follows the version in a later version's hello does not matter.
    #[test]
    fn the_hello_of_any_version_tells_its_version() {
        let later = [&[1, 7, 0][..], &[0xff; LONG + UNIT - 3]].concat();
        assert_eq!(Head::decode(&later), Ok(Head::Hello { version: 7 }));
    }
}
