//! The links of a relay: what waits on each, in either direction.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::id::LinkId;

/// Bytes that wait, in order.
#[derive(Debug, Default)]
pub(super) struct Queue {
    bytes: Vec<u8>,
    taken: usize,
}

impl Queue {
    pub(super) fn waiting(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.taken > 0 {
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The first `n` bytes are dealt with. An empty queue holds no memory: most links are idle.
    pub(super) fn consume(&mut self, n: usize) {
        self.taken += n;
        if self.taken >= self.bytes.len() {
            *self = Self::default();
        }
    }
}

/// One link, between the trunk and the member's transport.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: LinkId,
    /// From the peer to the member: what did not fit in the member's window.
    pub(super) inbound: Queue,
    /// From the member to the peer: what the peer has not taken.
    pub(super) outbound: Queue,
    /// Bytes that the member takes.
    pub(super) credit: u32,
    /// Bytes that the peer has taken and the member was not told of.
    pub(super) owed: u32,
    /// A peer has begun it, and the member has not answered.
    pub(super) is_offered: bool,
    /// The member has closed it, and what it had sent waits.
    pub(super) is_closing: bool,
    /// The peer takes nothing any more.
    pub(super) is_deaf: bool,
    /// It is in the queue for the trunk.
    pub(super) is_waiting: bool,
}

/// All links: by the number that the member knows, and by the id that the transport knows.
#[derive(Debug, Default)]
pub(super) struct Links {
    by_number: BTreeMap<u32, Link>,
    /// The number of the link in each slot, and the slot's generation.
    slots: Vec<(u32, Option<u32>)>,
    free: Vec<u32>,
    /// The number of the next link that a peer begins.
    next_odd: u32,
}

impl Links {
    pub(super) fn len(&self) -> usize {
        self.by_number.len()
    }

    pub(super) fn has_unsent(&self) -> bool {
        self.by_number.values().any(|link| !link.outbound.waiting().is_empty())
    }

    pub(super) fn numbers(&self) -> Vec<u32> {
        self.by_number.keys().copied().collect()
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut Link> {
        self.by_number.get_mut(&number)
    }

    pub(super) fn contains(&self, number: u32) -> bool {
        self.by_number.contains_key(&number)
    }

    pub(super) fn number(&self, id: LinkId) -> Option<u32> {
        let &(generation, number) = self.slots.get(id.index())?;
        number.filter(|_| generation == id.generation)
    }

    /// The number of a link that a peer begins.
    pub(super) fn next_offer(&mut self) -> u32 {
        loop {
            let number = self.next_odd | 1;
            self.next_odd = number.wrapping_add(2);
            if !self.contains(number) {
                return number;
            }
        }
    }

    /// Adds a link and returns its id.
    pub(super) fn insert(&mut self, number: u32, credit: u32) -> LinkId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push((0, None));
            self.slots.len() as u32 - 1
        });
        let held = &mut self.slots[slot as usize];
        held.1 = Some(number);
        let id = LinkId { slot, generation: held.0 };
        let link = Link {
            id,
            inbound: Queue::default(),
            outbound: Queue::default(),
            credit,
            owed: 0,
            is_offered: number % 2 == 1,
            is_closing: false,
            is_deaf: false,
            is_waiting: false,
        };
        self.by_number.insert(number, link);
        id
    }

    pub(super) fn remove(&mut self, number: u32) -> Option<Link> {
        let link = self.by_number.remove(&number)?;
        let slot = &mut self.slots[link.id.index()];
        *slot = (slot.0.wrapping_add(1), None);
        self.free.push(link.id.slot);
        Some(link)
    }
}
