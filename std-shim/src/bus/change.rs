//! [`PeerChange`]: who came and who went between two looks at a bus.

use super::by_file::ByFile;
use super::record::PeerRecord;
use ipcm_core::Incarnation;

/// One change among the peers of a bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PeerChange {
    /// A peer has joined.
    Arrived(PeerRecord),
    /// A peer has left or died.
    Departed {
        /// Its name.
        name: String,
        /// Which life of it ended.
        incarnation: Incarnation,
    },
    /// The bus has been removed or moved; reported once.
    BusGone,
}

/// Appends what has changed from `known` to `found`, both by file name.
pub(super) fn compare(known: &ByFile<PeerRecord>, found: &ByFile<PeerRecord>, out: &mut Vec<PeerChange>) {
    let stays = |file: &str, peer: &PeerRecord| found.get(file).is_some_and(|now| is_same_member(now, peer));
    out.extend(known.iter().filter(|(file, peer)| !stays(file, peer)).map(|(_, peer)| departed(peer)));
    let is_new =
        |file: &str, peer: &PeerRecord| known.get(file).is_none_or(|before| !is_unchanged(peer, before));
    let arrived = found.iter().filter(|(file, peer)| is_new(file, peer));
    out.extend(arrived.map(|(_, peer)| PeerChange::Arrived(peer.clone())));
}

/// Whether one record tells the same as the other.
pub(super) fn is_unchanged(now: &PeerRecord, before: &PeerRecord) -> bool {
    (now.incarnation, now.suspended) == (before.incarnation, before.suspended)
}

/// Whether one record is that of the other's life, or of one that suspension joins to it.
pub(super) fn is_same_member(now: &PeerRecord, before: &PeerRecord) -> bool {
    now.incarnation == before.incarnation || (now.mailbox.is_some() && now.mailbox == before.mailbox)
}

/// It has left.
pub(super) fn departed(peer: &PeerRecord) -> PeerChange {
    PeerChange::Departed { name: peer.name.clone(), incarnation: peer.incarnation }
}
