//! [`Entry`]: what the name of a file in a mailbox says.

use std::fmt::{self, Write};

/// The name of a link on disk, which no two links share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Wire(pub(super) u128);

/// An end of a link: that of the member who connected, or the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Side {
    Caller,
    Callee,
}

/// How the files of a row differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Bytes of the link's stream.
    Packet,
    /// Nothing follows: the other end has closed the link.
    End,
    /// The life at the other end is suspended here; what follows is the next one's. The file says until when.
    Asleep,
}

const KINDS: [Kind; 3] = [Kind::Packet, Kind::End, Kind::Asleep];

/// What the name of a file in a mailbox says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Entry {
    /// Someone connects.
    Opening(Wire),
    /// What a suspended life has left of this end of a link for the next.
    Kept(Wire, Side),
    /// Something that a former life has kept, such as a message that it had taken in and not dealt with.
    Note(u128),
    /// A file of the row to this end of a link, with its place in the row.
    Row(Wire, Side, u64, Kind),
}

impl Side {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Caller => Self::Callee,
            Self::Callee => Self::Caller,
        }
    }

    fn letter(self) -> char {
        match self {
            Self::Caller => 'c',
            Self::Callee => 'a',
        }
    }
}

impl Kind {
    pub(super) fn ending(self) -> &'static str {
        match self {
            Self::Packet => "",
            Self::End => ".end",
            Self::Asleep => ".asleep",
        }
    }
}

impl Entry {
    /// Reads a file name; `None` if no member gives such a name to a file that is whole.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let wire = Wire(hex::<u128>(name.get(..32)?, u128::from_str_radix)?);
        let rest = &name[32..];
        if rest == ".open" {
            return Some(Self::Opening(wire));
        }
        if rest == ".again" {
            return Some(Self::Note(wire.0));
        }
        let side = match rest.get(..2)? {
            "-a" => Side::Callee,
            "-c" => Side::Caller,
            _ => return None,
        };
        if &rest[2..] == ".kept" {
            return Some(Self::Kept(wire, side));
        }
        rest[2..].strip_prefix('-')?;
        let place = hex(rest.get(3..19)?, u64::from_str_radix)?;
        let kind = KINDS.into_iter().find(|kind| kind.ending() == &rest[19..])?;
        Some(Self::Row(wire, side, place, kind))
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Opening(wire) => write!(f, "{:032x}.open", wire.0),
            Self::Kept(wire, side) => write!(f, "{:032x}-{}.kept", wire.0, side.letter()),
            Self::Note(order) => write!(f, "{order:032x}.again"),
            Self::Row(wire, side, place, kind) => {
                write!(f, "{:032x}-{}-{place:016x}", wire.0, side.letter())?;
                f.write_str(kind.ending())
            }
        }
    }
}

/// The name of a file of this row while it is being written. The caller's and the callee's differ, since one
/// mailbox may have both.
pub(super) fn draft(out: &mut String, wire: Wire, side: Side) {
    let _ = write!(out, ".{:032x}-{}", wire.0, side.letter());
}

fn hex<T>(digits: &str, parse: fn(&str, u32) -> Result<T, std::num::ParseIntError>) -> Option<T> {
    let plain = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    plain.then(|| parse(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_as_what_it_was_made_of_and_nothing_else_does() {
        let wire = Wire(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        let entries = [
            Entry::Opening(wire),
            Entry::Row(wire, Side::Caller, 0, Kind::Packet),
            Entry::Row(wire, Side::Callee, u64::MAX, Kind::End),
            Entry::Row(wire, Side::Callee, 7, Kind::Asleep),
            Entry::Kept(wire, Side::Callee),
            Entry::Note(7),
        ];
        for entry in entries {
            let name = entry.to_string();
            assert_eq!(Entry::parse(&name), Some(entry), "{name}");
            for end in 0..name.len() {
                assert!(Entry::parse(&name[..end]).is_none_or(|cut| cut != entry));
            }
            assert_eq!(Entry::parse(&format!("{name}x")), None);
            assert_eq!(Entry::parse(&format!(".{name}")), None);
            assert_eq!(Entry::parse(&name.to_uppercase()), None);
        }
        for junk in ["", "x", "ö", &"ö".repeat(40), &"+".repeat(32), &"0".repeat(32)] {
            assert_eq!(Entry::parse(junk), None, "{junk:?}");
        }
    }

    #[test]
    fn entries_sort_by_link_and_place() {
        let row = |place, kind| Entry::Row(Wire(1), Side::Callee, place, kind);
        let mut entries = [row(10, Kind::End), row(9, Kind::Packet), Entry::Opening(Wire(1))];
        entries.sort();
        assert_eq!(entries, [Entry::Opening(Wire(1)), row(9, Kind::Packet), row(10, Kind::End)]);
    }
}
