//! [`Kept`]: what a suspended life leaves of a link to the next.

use ipcm_core::{Incarnation, body};
use serde::{Deserialize, Serialize};

use super::opening::Opening;

/// Something that is heard on a link before its row goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Before {
    /// Bytes of the link's stream.
    Bytes(Vec<u8>),
    /// The life at the other end is suspended until then: microseconds of the Unix epoch.
    Asleep(u64),
}

/// What is left of one link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) peer: (String, Incarnation, Incarnation),
    /// The places of the next files in and out.
    pub(super) input: u64,
    pub(super) output: u64,
    pub(super) before: Vec<Before>,
    /// The places and sizes of the packets that were sent and not taken in when that was last looked at.
    pub(super) unread: Vec<(u64, usize)>,
    /// How much of the peer's window is used up.
    pub(super) spent: u64,
    /// The peer was suspended as well, until then.
    pub(super) asleep: Option<u64>,
    /// No former life has left it: the link begins.
    #[serde(skip)]
    pub(super) is_fresh: bool,
}

impl Kept {
    pub(super) fn new(peer: &Opening, (input, output): (u64, u64), before: Vec<Before>) -> Self {
        let peer = (peer.name.clone(), peer.incarnation, peer.mailbox);
        Self { peer, input, output, before, unread: Vec::new(), spent: 0, asleep: None, is_fresh: true }
    }

    /// The content of its file.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        body::encode_into(self, &mut bytes, usize::MAX).expect("it has nothing that the codec cannot encode");
        bytes
    }

    /// Reads the content of a file; `None` if it is none of this kind.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        body::decode(bytes).ok()
    }

    /// Who is at the other end.
    pub(super) fn peer(&self) -> Opening {
        let (name, incarnation, mailbox) = self.peer.clone();
        Opening { name, incarnation, mailbox }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_survives_the_trip() {
        let peer = Opening {
            name: "ö".into(),
            incarnation: Incarnation::from_bits(1),
            mailbox: Incarnation::from_bits(2),
        };
        let before = vec![Before::Bytes(vec![1, 2, 3]), Before::Asleep(u64::MAX)];
        let unread = vec![(4, 64), (5, 1)];
        let kept =
            Kept { asleep: Some(5), unread, spent: 6, is_fresh: false, ..Kept::new(&peer, (3, 4), before) };
        assert_eq!(Kept::parse(&kept.to_bytes()), Some(kept.clone()));
        assert_eq!(kept.peer(), peer);
        assert_eq!(Kept::parse(b"junk"), None);
    }
}
