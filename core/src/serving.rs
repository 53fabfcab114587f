//! The serving table: requests of peers that were accepted and are not yet answered.

#[cfg(feature = "alloc")]
use alloc::vec::Vec;

use crate::id::{LinkId, ReplyToken, RequestId};
use crate::time::Instant;

const NONE: u32 = u32::MAX;

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

/// A place for one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    served: Option<Served>,
    generation: u64,
    /// The next free slot while not in use.
    next: u32,
}

impl Slot {
    pub(crate) const VACANT: Self = Self { served: None, generation: 0, next: NONE };
}

/// Requests of peers that await an answer, in a vector that grows or in memory that the caller has.
#[derive(Debug)]
pub(crate) struct Serving<S> {
    slots: S,
    free: u32,
    len: usize,
    generation: u64,
}

/// A table on the heap. Grows to its capacity and never shrinks.
#[cfg(feature = "alloc")]
#[derive(Debug)]
pub(crate) struct Growing {
    serving: Serving<Vec<Slot>>,
    capacity: usize,
}

impl<S: AsRef<[Slot]> + AsMut<[Slot]>> Serving<S> {
    /// An empty table of as many slots as there are.
    pub(crate) fn over(slots: S) -> Self {
        let mut serving = Self { slots, free: NONE, len: 0, generation: 0 };
        for at in (0..serving.slots.as_ref().len() as u32).rev() {
            serving.slots.as_mut()[at as usize] = Slot { next: serving.free, ..Slot::VACANT };
            serving.free = at;
        }
        serving
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Takes a slot; `None` when all are in use.
    pub(crate) fn insert(&mut self, served: Served) -> Option<ReplyToken> {
        let slot = self.free;
        let vacant = self.slots.as_mut().get_mut(slot as usize)?;
        self.free = vacant.next;
        self.generation += 1;
        *vacant = Slot { served: Some(served), generation: self.generation, next: NONE };
        self.len += 1;
        Some(ReplyToken { slot, generation: self.generation })
    }

    pub(crate) fn get(&self, token: &ReplyToken) -> Option<&Served> {
        let slot = self.slots.as_ref().get(token.slot as usize)?;
        slot.served.as_ref().filter(|_| slot.generation == token.generation)
    }

    /// Frees the slot of a request; `None` if its link has closed meanwhile.
    pub(crate) fn remove(&mut self, token: &ReplyToken) -> Option<Served> {
        self.get(token)?;
        self.vacate(token.slot)
    }

    /// Frees the first slot in use from slot `from` on, and returns it and what was in it.
    #[cfg(feature = "alloc")]
    pub(crate) fn remove_next(&mut self, from: u32) -> Option<(u32, Served)> {
        let rest = self.slots.as_ref().get(from as usize..)?;
        let slot = from + rest.iter().position(|slot| slot.served.is_some())? as u32;
        self.vacate(slot).map(|served| (slot, served))
    }

    /// Marks the request that `link`'s peer knows as `id` and returns its key; `None` if there is none.
    pub(crate) fn cancel(&mut self, link: LinkId, id: RequestId) -> Option<u64> {
        self.slots.as_mut().iter_mut().find_map(|slot| {
            // The same id on another link is another peer's request.
            let served = slot.served.as_mut().filter(|served| served.link == link && served.id == id)?;
            served.cancelled = true;
            Some(slot.generation)
        })
    }

    /// Forgets one request that came on `link`, from slot `from` on. Returns its slot and its key.
    pub(crate) fn forget_one(&mut self, link: LinkId, from: u32) -> Option<(u32, u64)> {
        let came = |slot: &Slot| slot.served.as_ref().is_some_and(|served| served.link == link);
        let rest = self.slots.as_ref().get(from as usize..)?;
        let slot = from + rest.iter().position(came)? as u32;
        self.vacate(slot);
        Some((slot, self.slots.as_ref()[slot as usize].generation))
    }

    fn vacate(&mut self, at: u32) -> Option<Served> {
        let slot = &mut self.slots.as_mut()[at as usize];
        slot.next = self.free;
        self.free = at;
        self.len -= 1;
        slot.served.take()
    }
}

#[cfg(feature = "alloc")]
impl Growing {
    /// An empty table of at most `capacity` slots, at least one.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { serving: Serving::over(Vec::new()), capacity: capacity.clamp(1, NONE as usize - 1) }
    }

    /// Takes a slot; `None` when all are in use.
    pub(crate) fn insert(&mut self, served: Served) -> Option<ReplyToken> {
        let slots = &mut self.serving.slots;
        if self.serving.free == NONE && slots.len() < self.capacity {
            self.serving.free = slots.len() as u32;
            slots.push(Slot::VACANT);
        }
        self.serving.insert(served)
    }

    /// Forgets every request that came on `link` and appends their keys to `withdrawn`.
    pub(crate) fn forget(&mut self, link: LinkId, withdrawn: &mut Vec<u64>) {
        let mut from = 0;
        while let Some((slot, key)) = self.serving.forget_one(link, from) {
            from = slot + 1;
            withdrawn.push(key);
        }
    }
}

#[cfg(feature = "alloc")]
impl core::ops::Deref for Growing {
    type Target = Serving<Vec<Slot>>;

    fn deref(&self) -> &Self::Target {
        &self.serving
    }
}

#[cfg(feature = "alloc")]
impl core::ops::DerefMut for Growing {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.serving
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
        let mut serving = Growing::new(2);
        let first = serving.insert(served(1)).unwrap();
        let _second = serving.insert(served(2)).unwrap();
        assert!(serving.insert(served(3)).is_none());
        assert_eq!(serving.remove(&first), Some(served(1)));
        assert!(serving.insert(served(3)).is_some());
    }

    #[test]
    fn a_token_of_a_former_request_opens_nothing() {
        let mut serving = Growing::new(1);
        let old = serving.insert(served(1)).unwrap();
        let mut withdrawn = Vec::new();
        serving.forget(LINK, &mut withdrawn);
        assert_eq!(withdrawn, [old.key()]);
        let _new = serving.insert(served(2)).unwrap();
        assert_eq!(serving.remove(&old), None);
        assert_eq!(serving.len(), 1);
    }
}
