//! [`Links`]: the ends of links that a member holds, and which of them wait for what.

use std::collections::HashMap;

use ipcm_core::LinkId;

use super::connection::Connection;
use super::entry::{Side, Wire};

/// The ends of links that a member holds.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// By the index of the link.
    slots: Vec<Option<Connection>>,
    /// By their names on disk and this member's end.
    wires: HashMap<(Wire, Side), LinkId>,
    /// Those that may have something to receive.
    pub(super) ready: Vec<LinkId>,
    /// Those whose senders wait for room.
    pub(super) blocked: Vec<LinkId>,
    /// Those whose peers' ends nothing tells of.
    pub(super) unsure: Vec<LinkId>,
    /// Those whose peers are suspended.
    pub(super) asleep: Vec<LinkId>,
}

impl Links {
    pub(super) fn get(&self, link: LinkId) -> Option<&Connection> {
        self.slots.get(link.index())?.as_ref().filter(|connection| connection.link == link)
    }

    pub(super) fn get_mut(&mut self, link: LinkId) -> Option<&mut Connection> {
        self.slots.get_mut(link.index())?.as_mut().filter(|connection| connection.link == link)
    }

    /// The link of this name on disk, as seen from this end.
    pub(super) fn find(&self, end: (Wire, Side)) -> Option<LinkId> {
        self.wires.get(&end).copied()
    }

    /// Takes up a link, which may have something to receive.
    pub(super) fn insert(&mut self, connection: Connection) {
        let link = connection.link;
        self.wires.insert((connection.wire, connection.side), link);
        if connection.is_unsure {
            self.note_unsure(link);
        }
        let is_asleep = connection.asleep.is_some();
        self.put(connection);
        if is_asleep {
            self.note_asleep(link);
        }
        self.list(link);
    }

    /// Takes a link out, to be [put](Self::put) back.
    pub(super) fn take(&mut self, link: LinkId) -> Option<Connection> {
        self.slots.get_mut(link.index())?.take_if(|connection| connection.link == link)
    }

    /// Puts a link in its place.
    pub(super) fn put(&mut self, connection: Connection) {
        let index = connection.link.index();
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, || None);
        }
        self.slots[index] = Some(connection);
    }

    /// Gives a link up.
    pub(super) fn remove(&mut self, link: LinkId) -> Option<Connection> {
        let connection = self.take(link)?;
        self.wires.remove(&(connection.wire, connection.side));
        for list in [&mut self.blocked, &mut self.unsure, &mut self.asleep] {
            list.retain(|&other| other != link);
        }
        Some(connection)
    }

    /// Notes that a link may have something to receive.
    pub(super) fn list(&mut self, link: LinkId) {
        if let Some(connection) = self.get_mut(link)
            && !std::mem::replace(&mut connection.is_listed, true)
        {
            self.ready.push(link);
        }
    }

    /// Notes that nothing tells of the end of the peer of a link.
    pub(super) fn note_unsure(&mut self, link: LinkId) {
        if !self.unsure.contains(&link) {
            self.unsure.push(link);
        }
    }

    /// Notes that the peer of a link is suspended.
    pub(super) fn note_asleep(&mut self, link: LinkId) {
        if !self.asleep.contains(&link) {
            self.asleep.push(link);
        }
    }

    /// Whether any may have something to take in that was told of.
    pub(super) fn has_ready(&self) -> bool {
        let is_ready = |connection: &Connection| connection.is_ready() || connection.has_news();
        self.ready.iter().any(|&link| self.get(link).is_some_and(is_ready))
    }

    /// All of them.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Connection> {
        self.slots.iter_mut().flatten()
    }

    /// The ids of all of them.
    pub(super) fn ids(&self) -> Vec<LinkId> {
        self.slots.iter().flatten().map(|connection| connection.link).collect()
    }
}
