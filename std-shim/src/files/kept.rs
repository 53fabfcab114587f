//! What a suspended life leaves to the next: [`Kept`] for each link, [`Requeued`] for each message put back.

use ipcm_core::{Incarnation, Message, body};
use serde::de::DeserializeOwned;
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
    /// The peer was suspended as well, until then.
    pub(super) asleep: Option<u64>,
    /// No former life has left it: the link begins.
    #[serde(skip)]
    pub(super) is_fresh: bool,
}

/// A message that was put back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Requeued {
    from: String,
    incarnation: Incarnation,
    to: String,
    sequence: u64,
    broadcast: bool,
    stamp: u64,
    content: Vec<u8>,
}

impl Kept {
    pub(super) fn new(peer: &Opening, (input, output): (u64, u64), before: Vec<Before>) -> Self {
        let peer = (peer.name.clone(), peer.incarnation, peer.mailbox);
        Self { peer, input, output, before, unread: Vec::new(), asleep: None, is_fresh: true }
    }

    /// Who is at the other end.
    pub(super) fn peer(&self) -> Opening {
        let (name, incarnation, mailbox) = self.peer.clone();
        Opening { name, incarnation, mailbox }
    }
}

impl From<&Message> for Requeued {
    fn from(message: &Message) -> Self {
        Self {
            from: message.from.to_string(),
            incarnation: message.incarnation,
            to: message.to.to_string(),
            sequence: message.sequence,
            broadcast: message.broadcast,
            stamp: message.stamp,
            content: message.content.clone(),
        }
    }
}

impl From<Requeued> for Message {
    fn from(message: Requeued) -> Self {
        let Requeued { from, incarnation, to, sequence, broadcast, stamp, content } = message;
        Self { from: from.into(), incarnation, sequence, to: to.into(), broadcast, stamp, content }
    }
}

/// The content of a file.
pub(super) fn to_bytes(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    body::encode_into(value, &mut bytes, usize::MAX).expect("it has nothing that the codec cannot encode");
    bytes
}

/// Reads the content of a file; `None` if it is none of this kind.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    body::decode(bytes).ok()
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
        let kept = Kept { asleep: Some(5), unread, is_fresh: false, ..Kept::new(&peer, (3, 4), before) };
        assert_eq!(parse(&to_bytes(&kept)), Some(kept.clone()));
        assert_eq!(kept.peer(), peer);
        assert_eq!(parse::<Kept>(b"junk"), None);
    }

    /// Clause A6.
    #[test]
    fn a_message_that_is_put_back_is_the_same_message() {
        let message = Message {
            from: "a".into(),
            incarnation: Incarnation::from_bits(9),
            sequence: 3,
            to: "b".into(),
            broadcast: true,
            stamp: 7,
            content: vec![0; 100],
        };
        let back: Requeued = parse(&to_bytes(&Requeued::from(&message))).unwrap();
        assert_eq!(Message::from(back), message);
    }
}
