//! The serving table: requests of peers that were accepted and are not yet answered.

use alloc::vec::Vec;

use crate::id::{LinkId, ReplyToken, RequestId};
use crate::time::Instant;

/// One request of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Served {
    /// The link it came on, and its answer goes out on.
    pub(crate) link: LinkId,
    /// The peer's own id for it.
    pub(crate) id: RequestId,
    /// When its caller gives up.
    pub(crate) deadline: Option<Instant>,
    /// What it takes of the peer's window until it is answered.
    pub(crate) cost: u32,
    /// Its caller has given up already.
    pub(crate) cancelled: bool,
}

#[derive(Debug, Default)]
struct Slot {
    served: Option<Served>,
    generation: u64,
}

/// Requests of peers that await an answer. Grows to its capacity and never shrinks.
#[derive(Debug)]
pub(crate) struct Serving {
    slots: Vec<Slot>,
    free: Vec<u32>,
    capacity: usize,
    generation: u64,
}

impl Serving {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { slots: Vec::new(), free: Vec::new(), capacity: capacity.max(1), generation: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Takes a slot; `None` when all are in use.
    pub(crate) fn insert(&mut self, served: Served) -> Option<ReplyToken> {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None if self.slots.len() < self.capacity => {
                self.slots.push(Slot::default());
                self.slots.len() as u32 - 1
            }
            None => return None,
        };
        self.generation += 1;
        self.slots[slot as usize] = Slot { served: Some(served), generation: self.generation };
        Some(ReplyToken { slot, generation: self.generation })
    }

    pub(crate) fn get(&self, token: &ReplyToken) -> Option<&Served> {
        let slot = self.slots.get(token.slot as usize)?;
        slot.served.as_ref().filter(|_| slot.generation == token.generation)
    }

    /// Frees the slot of a request; `None` if its link has closed meanwhile.
    pub(crate) fn remove(&mut self, token: &ReplyToken) -> Option<Served> {
        self.get(token)?;
        self.free.push(token.slot);
        self.slots[token.slot as usize].served.take()
    }

    /// Marks the request that `link`'s peer knows as `id` and returns its key; `None` if there is none.
    pub(crate) fn cancel(&mut self, link: LinkId, id: RequestId) -> Option<u64> {
        self.slots.iter_mut().find_map(|slot| {
            // The same id on another link is another peer's request.
            let served = slot.served.as_mut().filter(|served| served.link == link && served.id == id)?;
            served.cancelled = true;
            Some(slot.generation)
        })
    }

    /// Forgets every request that came on `link` and appends their keys to `withdrawn`.
    pub(crate) fn forget(&mut self, link: LinkId, withdrawn: &mut Vec<u64>) {
        for (at, slot) in self.slots.iter_mut().enumerate() {
            if slot.served.as_ref().is_some_and(|served| served.link == link) {
                slot.served = None;
                self.free.push(at as u32);
                withdrawn.push(slot.generation);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: LinkId = LinkId { slot: 0, generation: 1 };

    fn served(generation: u64) -> Served {
        let id = RequestId { slot: 0, generation };
        Served { link: LINK, id, deadline: None, cost: 0, cancelled: false }
    }

    #[test]
    fn a_full_table_takes_no_more_until_one_is_answered() {
        let mut serving = Serving::new(2);
        let first = serving.insert(served(1)).unwrap();
        let _second = serving.insert(served(2)).unwrap();
        assert!(serving.insert(served(3)).is_none());
        assert_eq!(serving.remove(&first), Some(served(1)));
        assert!(serving.insert(served(3)).is_some());
    }

    #[test]
    fn a_token_of_a_former_request_opens_nothing() {
        let mut serving = Serving::new(1);
        let old = serving.insert(served(1)).unwrap();
        let mut withdrawn = Vec::new();
        serving.forget(LINK, &mut withdrawn);
        assert_eq!(withdrawn, [old.key()]);
        let _new = serving.insert(served(2)).unwrap();
        assert_eq!(serving.remove(&old), None);
        assert_eq!(serving.len(), 1);
    }
}
