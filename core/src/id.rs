//! Identifiers: one newtype a namespace, each tagged so that a late answer never meets a new question.

use core::fmt;
use serde::{Deserialize, Serialize};

/// One life of a peer name, from registration to its end.
///
/// A random (version 4) UUID; a restarted peer has another one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Incarnation(u128);

impl Incarnation {
    /// Makes an incarnation of 16 random bytes, which the caller takes from its source of randomness.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        let bits = u128::from_be_bytes(bytes);
        let version = bits & !(0xf << 76) | 0x4 << 76;
        Self(version & !(0b11 << 62) | 0b10 << 62)
    }

    /// The incarnation with these 128 bits, as read from a record.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// The 128 bits, for a record.
    pub const fn as_bits(self) -> u128 {
        self.0
    }

    /// Where this life begins to count its requests: elsewhere than the life before it, whose answers may come
    /// to it when it was suspended in between.
    pub(crate) const fn first_generation(self) -> u64 {
        let mixed = (self.0 as u64 ^ (self.0 >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // Far enough below the end of 64 bits that no life counts up to it.
        (mixed >> 25) << 24
    }
}

impl fmt::Display for Incarnation {
    /// The hyphenated form, 36 characters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = |from: u32, digits: u32| self.0 >> from & ((1 << (4 * digits)) - 1);
        let (a, b, c, d, e) = (group(96, 8), group(80, 4), group(64, 4), group(48, 4), group(0, 12));
        write!(f, "{a:08x}-{b:04x}-{c:04x}-{d:04x}-{e:012x}")
    }
}

impl fmt::Debug for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A request that this endpoint sent: a slot of its table and a generation.
///
/// Generations count the requests of the endpoint's life in 64 bits, so the id of a call that has ended
/// never matches a later call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId {
    pub(crate) slot: u32,
    pub(crate) generation: u64,
}

/// A link of this endpoint to one peer: a slot and the slot's generation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl LinkId {
    /// The place of this link in a table of links: small, and used again when the link has closed.
    pub const fn index(self) -> usize {
        self.slot as usize
    }

    /// The id in 64 bits, for an event queue's user data.
    pub const fn as_bits(self) -> u64 {
        (self.generation as u64) << 32 | self.slot as u64
    }

    /// The link whose [`as_bits`](Self::as_bits) this is.
    pub const fn from_bits(bits: u64) -> Self {
        Self { slot: bits as u32, generation: (bits >> 32) as u32 }
    }
}

/// The right to answer one request of a peer: a slot of the serving table and a generation.
///
/// Consumed by the answer, so that two answers to one request do not compile. One that is dropped leaves
/// the caller waiting until its deadline; a driver that hands tokens out sees to it that none is.
#[derive(PartialEq, Eq, Hash)]
#[must_use = "an unanswered request holds its caller until the deadline"]
pub struct ReplyToken {
    pub(crate) slot: u32,
    pub(crate) generation: u64,
}

impl ReplyToken {
    /// What tells this request from every other that the endpoint ever serves.
    pub fn key(&self) -> u64 {
        self.generation
    }
}

macro_rules! slot_debug {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({}.{})"), self.slot, self.generation)
            }
        }
    )*};
}
slot_debug!(RequestId, LinkId, ReplyToken);

impl fmt::Display for RequestId {
    /// `slot.generation`, as it appears in messages about the request.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot, self.generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_id_survives_the_trip_through_its_bits() {
        let id = LinkId { slot: 7, generation: u32::MAX };
        assert_eq!(LinkId::from_bits(id.as_bits()), id);
    }

    #[test]
    fn a_random_incarnation_is_a_version_4_uuid() {
        let text = |bytes| alloc::format!("{}", Incarnation::from_random(bytes));
        assert_eq!(text([0xff; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(text([0; 16]), "00000000-0000-4000-8000-000000000000");
        let counting = core::array::from_fn(|i| 0x11 * i as u8);
        assert_eq!(text(counting), "00112233-4455-4677-8899-aabbccddeeff");
    }
}
