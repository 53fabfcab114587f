//! [`Opening`]: what one who connects says of itself, in the first file of a link.

use ipcm_core::Incarnation;

/// Longer than any opening: two ids, and a name of 512 bytes.
pub(super) const LONGEST: usize = 1024;

/// Who connects, and where it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Opening {
    pub(super) name: String,
    pub(super) incarnation: Incarnation,
    pub(super) mailbox: Incarnation,
}

impl Opening {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let (life, mailbox) = (self.incarnation.as_bits(), self.mailbox.as_bits());
        format!("{life:032x} {mailbox:032x} {}", self.name).into_bytes()
    }

    /// Reads an opening; `None` if it is none.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(bytes).ok()?.splitn(3, ' ');
        let mut id = || u128::from_str_radix(parts.next()?, 16).ok().map(Incarnation::from_bits);
        let (incarnation, mailbox) = (id()?, id()?);
        let name = parts.next()?.to_owned();
        ipcm_core::name::check(&name).ok()?;
        Some(Self { name, incarnation, mailbox })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opening_survives_the_trip_and_junk_is_none() {
        let (incarnation, mailbox) = (Incarnation::from_bits(u128::MAX), Incarnation::from_bits(1));
        for name in ["a", "a b  c", "ö\n/", &"x".repeat(512)] {
            let opening = Opening { name: name.to_owned(), incarnation, mailbox };
            let bytes = opening.to_bytes();
            assert!(bytes.len() <= LONGEST);
            assert_eq!(Opening::parse(&bytes), Some(opening));
        }
        let junk: [&[u8]; 6] = [b"", b"1", b"1 2", b"1 2 ", b"1 x name", b"1 2 \xff"];
        for bytes in junk {
            assert_eq!(Opening::parse(bytes), None, "{bytes:?}");
        }
    }
}
