//! The links on a member's side of a trunk.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::id::LinkId;

/// All links: by the id that the endpoint knows, and by the number that the gateway knows.
#[derive(Debug, Default)]
pub(super) struct Links {
    slots: Vec<Option<Link>>,
    /// The links of this session that have not ended.
    numbers: BTreeMap<u32, LinkId>,
}

impl Links {
    pub(super) fn open(&mut self, id: LinkId, number: u32, credit: u32) {
        if self.slots.len() <= id.index() {
            self.slots.resize_with(id.index() + 1, || None);
        }
        self.slots[id.index()] = Some(Link::new(id, number, credit));
        self.numbers.insert(number, id);
    }

    pub(super) fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.slots.get_mut(id.index())?.as_mut().filter(|link| link.id == id)
    }

    pub(super) fn by_number(&mut self, number: u32) -> Option<&mut Link> {
        self.get_mut(*self.numbers.get(&number)?)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Link> {
        self.slots.iter_mut().flatten()
    }

    pub(super) fn is_readable(&self, id: LinkId) -> bool {
        let slot = self.slots.get(id.index()).and_then(Option::as_ref);
        slot.is_some_and(|link| link.id == id && link.is_readable())
    }

    /// The number of one that has not ended.
    pub(super) fn first_number(&self) -> Option<u32> {
        self.numbers.first_key_value().map(|(&number, _)| number)
    }

    /// Nothing more comes on a link: its number may be that of another one.
    pub(super) fn end(&mut self, number: u32) -> Option<LinkId> {
        let id = self.numbers.remove(&number)?;
        self.get_mut(id)?.has_ended = true;
        Some(id)
    }

    pub(super) fn remove(&mut self, id: LinkId) -> Option<Link> {
        let link = self.slots.get_mut(id.index())?.take_if(|link| link.id == id)?;
        if !link.has_ended {
            self.numbers.remove(&link.number);
        }
        Some(link)
    }
}

/// One link: what may be sent, and what has come and was not received.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: LinkId,
    pub(super) number: u32,
    /// Bytes that the gateway takes.
    pub(super) credit: u32,
    /// Bytes that were received and not given back as credit.
    pub(super) owed: u32,
    /// Nothing more comes.
    pub(super) has_ended: bool,
    /// The last send moved nothing.
    pub(super) is_blocked: bool,
    /// It waits to be reported as readable.
    pub(super) is_queued: bool,
    inbox: Vec<u8>,
    taken: usize,
}

impl Link {
    fn new(id: LinkId, number: u32, credit: u32) -> Self {
        let (has_ended, is_blocked, is_queued) = (false, false, false);
        Self { id, number, credit, owed: 0, has_ended, is_blocked, is_queued, inbox: Vec::new(), taken: 0 }
    }

    /// Keeps bytes that have come; false if they are more than `window` with what is not given back.
    #[must_use = "more than the window is a breach"]
    pub(super) fn put(&mut self, bytes: &[u8], window: u32) -> bool {
        let waiting = self.inbox.len() - self.taken;
        if waiting + bytes.len() + self.owed as usize > window as usize {
            return false;
        }
        if self.taken > 0 {
            self.inbox.drain(..self.taken);
            self.taken = 0;
        }
        self.inbox.extend_from_slice(bytes);
        true
    }

    /// Moves what has come to the front of `buffer`.
    pub(super) fn take(&mut self, buffer: &mut [u8]) -> usize {
        let waiting = &self.inbox[self.taken..];
        let n = waiting.len().min(buffer.len());
        buffer[..n].copy_from_slice(&waiting[..n]);
        self.taken += n;
        if self.taken == self.inbox.len() {
            self.inbox.clear();
            self.taken = 0;
        }
        n
    }

    /// Whether bytes, or the end, can be received.
    pub(super) fn is_readable(&self) -> bool {
        self.has_ended || self.taken < self.inbox.len()
    }
}
