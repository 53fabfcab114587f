//! Notes: packets of fewer than 16 bytes, which are the transport's own words and no part of the stream.
//!
//! ```text
//! 0        1        4                8
//! +--------+--------+----------------+
//! | kind   | slot, 0| length, u32 LE |     slot and length are zero but in a note of a packet
//! +--------+--------+----------------+
//! ```
//!
//! Every frame has at least 16 bytes, and no frame is cut so that a packet has fewer: that is what tells a note
//! from a piece of the stream.

/// Packets shorter than this are notes.
pub(super) const SHORTEST_PACKET: usize = 16;

const LEN: usize = 8;

/// A note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Note {
    /// The sender would like to put large packets into memory that the receiver maps.
    Offer,
    /// The receiver of an offer would like that too, and looks for descriptors from now on.
    Accept,
    /// The descriptors of data and control memory come with this note.
    Memory,
    /// They are mapped: packets may be put there.
    Mapped,
    /// They could not be mapped.
    Declined,
    /// The next packet of the stream is in this slot.
    Packet { slot: u8, len: u32 },
}

impl Note {
    pub(super) fn encode(self) -> [u8; LEN] {
        let (kind, slot, len) = match self {
            Self::Offer => (1, 0, 0),
            Self::Accept => (2, 0, 0),
            Self::Memory => (3, 0, 0),
            Self::Mapped => (4, 0, 0),
            Self::Declined => (5, 0, 0),
            Self::Packet { slot, len } => (6, slot, len),
        };
        let [a, b, c, d] = len.to_le_bytes();
        [kind, slot, 0, 0, a, b, c, d]
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let &[kind, slot, _, _, a, b, c, d] = bytes else { return None };
        let note = match kind {
            1 => Self::Offer,
            2 => Self::Accept,
            3 => Self::Memory,
            4 => Self::Mapped,
            5 => Self::Declined,
            6 => Self::Packet { slot, len: u32::from_le_bytes([a, b, c, d]) },
            _ => return None,
        };
        (note.encode() == bytes).then_some(note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fault X8.
    #[test]
    fn a_note_survives_the_trip_and_nothing_else_is_a_note() {
        let packet = Note::Packet { slot: 7, len: 0x0102_0304 };
        for note in [Note::Offer, Note::Accept, Note::Memory, Note::Mapped, Note::Declined, packet] {
            let bytes = note.encode();
            assert_eq!(Note::decode(&bytes), Some(note));
            assert!(bytes.len() < SHORTEST_PACKET);
            assert_eq!(Note::decode(&bytes[1..]), None);
            assert_eq!(Note::decode(&[&bytes[..], &[0]].concat()), None);
            assert_eq!(Note::decode(&[bytes[0], bytes[1], 1, 0, 0, 0, 0, 0]), None);
        }
        for kind in [0, 7, 255] {
            assert_eq!(Note::decode(&[kind, 0, 0, 0, 0, 0, 0, 0]), None);
        }
    }
}
