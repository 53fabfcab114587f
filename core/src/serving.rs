//! The serving table: requests of peers that were accepted and are not yet answered.

use crate::id::{LinkId, ReplyToken, RequestId};
use crate::time::Instant;

#[cfg(feature = "alloc")]
mod growing;

#[cfg(feature = "alloc")]
pub(crate) use growing::Growing;

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
    /// The next free slot while not in use; else the next slot of its chain, in a table that grows.
    next: u32,
    /// The first slot of the chain that begins here. It takes no memory that would not be padding without it.
    #[cfg(feature = "alloc")]
    first: u32,
}

impl Slot {
    pub(crate) const VACANT: Self = Self {
        served: None,
        generation: 0,
        next: NONE,
        #[cfg(feature = "alloc")]
        first: NONE,
    };
}

/// Requests of peers that await an answer, in a vector that grows or in memory that the caller has.
#[derive(Debug)]
pub(crate) struct Serving<S> {
    slots: S,
    free: u32,
    len: usize,
    generation: u64,
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
        vacant.served = Some(served);
        vacant.generation = self.generation;
        self.len += 1;
        Some(ReplyToken { slot, generation: self.generation })
    }

    pub(crate) fn get(&self, token: &ReplyToken) -> Option<&Served> {
        let slot = self.slots.as_ref().get(token.slot as usize)?;
        slot.served.as_ref().filter(|_| slot.generation == token.generation)
    }

    /// When the caller of a request gives up.
    pub(crate) fn deadline(&self, token: &ReplyToken) -> Option<Instant> {
        self.get(token)?.deadline
    }

    /// Whether anyone still waits for this answer: not cancelled, not late, the link not closed.
    pub(crate) fn is_wanted(&self, now: Instant, token: &ReplyToken) -> bool {
        let waits = |served: &Served| !served.cancelled && served.deadline.is_none_or(|at| at > now);
        self.get(token).is_some_and(waits)
    }

    /// Frees the slot of a request; `None` if its link has closed meanwhile.
    pub(crate) fn remove(&mut self, token: &ReplyToken) -> Option<Served> {
        self.get(token)?;
        self.vacate(token.slot)
    }

    /// Marks the request that `link`'s peer knows as `id` and returns its key; `None` if there is none. Looks at one
    /// slot after the other, for memory that the caller has holds few.
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
        let slot = self.find(from, |served| served.link == link)?;
        self.vacate(slot);
        Some((slot, self.slots.as_ref()[slot as usize].generation))
    }

    /// The first slot from slot `from` on that holds something like this.
    fn find(&self, from: u32, is_it: impl Fn(&Served) -> bool) -> Option<u32> {
        let rest = self.slots.as_ref().get(from as usize..)?;
        let is_it = |slot: &Slot| slot.served.as_ref().is_some_and(&is_it);
        Some(from + rest.iter().position(is_it)? as u32)
    }

    fn vacate(&mut self, at: u32) -> Option<Served> {
        let slot = &mut self.slots.as_mut()[at as usize];
        slot.next = self.free;
        self.free = at;
        self.len -= 1;
        slot.served.take()
    }
}
