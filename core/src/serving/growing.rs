//! [`Growing`]: the serving table on the heap, in which a request is found by the peer's own id for it.

use alloc::vec::Vec;
use core::mem;

use super::{NONE, Served, Serving, Slot};
use crate::id::{LinkId, ReplyToken, RequestId};

/// A table on the heap. Grows to its capacity and never shrinks.
///
/// A request is found by the peer's own id for it: each slot of the table is also the place where a chain of slots
/// begins, and a request is in the chain of the place that its link and the peer's slot tell. The slots of a peer are
/// those of a table as well, the lowest first, so chains are short. A peer that chose others would make none longer than
/// it has slots for one place, as a chain has each slot of a peer once.
#[derive(Debug)]
pub(crate) struct Growing {
    serving: Serving<Vec<Slot>>,
    capacity: usize,
    /// One less than the number of places, a power of two: as many as there are slots for.
    last_place: u32,
}

impl Growing {
    /// An empty table of at most `capacity` slots, at least one.
    pub(crate) fn new(capacity: usize) -> Self {
        let capacity = capacity.clamp(1, NONE as usize - 1);
        Self { serving: Serving::over(Vec::new()), capacity, last_place: 0 }
    }

    /// Takes a slot; `None` when all are in use.
    pub(crate) fn insert(&mut self, served: Served) -> Option<ReplyToken> {
        if self.serving.free == NONE && self.serving.slots.len() < self.capacity {
            self.grow();
        }
        let (link, id) = (served.link, served.id);
        let token = self.serving.insert(served)?;
        let place = self.place(link, id);
        if self.serving.slots[place].first != NONE {
            // Whoever uses a slot again has given up what was in it before, and will say no more of that.
            self.unchain(place, |_, held| (held.link, held.id.slot) == (link, id.slot));
        }
        self.chain(token.slot, place);
        Some(token)
    }

    /// Frees the slot of a request; `None` if its link has closed meanwhile.
    pub(crate) fn remove(&mut self, token: &ReplyToken) -> Option<Served> {
        self.serving.get(token)?;
        self.take(token.slot)
    }

    /// Frees the first slot in use from slot `from` on, and returns it and what was in it.
    pub(crate) fn remove_next(&mut self, from: u32) -> Option<(u32, Served)> {
        let slot = self.serving.find(from, |_| true)?;
        self.take(slot).map(|served| (slot, served))
    }

    /// Marks the request that `link`'s peer knows as `id` and returns its key; `None` if there is none, or its caller
    /// has given it up before.
    pub(crate) fn cancel(&mut self, link: LinkId, id: RequestId) -> Option<u64> {
        if self.serving.len == 0 {
            return None;
        }
        let place = self.place(link, id);
        // The same id on another link is another peer's request.
        let slot = self.unchain(place, |_, held| (held.link, held.id) == (link, id))?;
        let slot = &mut self.serving.slots[slot as usize];
        slot.served.as_mut()?.cancelled = true;
        Some(slot.generation)
    }

    /// Forgets every request that came on `link` and appends their keys to `withdrawn`.
    pub(crate) fn forget(&mut self, link: LinkId, withdrawn: &mut Vec<u64>) {
        let mut from = 0;
        while let Some(slot) = self.serving.find(from, |served| served.link == link) {
            self.take(slot);
            from = slot + 1;
            withdrawn.push(self.serving.slots[slot as usize].generation);
        }
    }

    /// Frees a slot that is in use.
    fn take(&mut self, slot: u32) -> Option<Served> {
        let served = self.serving.slots[slot as usize].served.as_ref()?;
        let place = self.place(served.link, served.id);
        let slots = &mut self.serving.slots;
        if slots[place].first == slot {
            slots[place].first = slots[slot as usize].next;
        } else {
            self.unchain(place, |at, _| at == slot);
        }
        self.serving.vacate(slot)
    }

    /// Adds a slot. With twice as many there are twice as many places, and each chain is two.
    #[cold]
    fn grow(&mut self) {
        let slots = &mut self.serving.slots;
        self.serving.free = slots.len() as u32;
        slots.push(Slot::VACANT);
        let len = slots.len();
        if !len.is_power_of_two() {
            return;
        }
        self.last_place = len as u32 - 1;
        for former in 0..len / 2 {
            let mut at = mem::replace(&mut self.serving.slots[former].first, NONE);
            while let Some(slot) = self.serving.slots.get(at as usize) {
                let next = slot.next;
                let place = slot.served.as_ref().map(|served| self.place(served.link, served.id));
                self.chain(at, place.unwrap_or(former));
                at = next;
            }
        }
    }

    /// Where the chain begins that a request is in.
    fn place(&self, link: LinkId, id: RequestId) -> usize {
        // The slots of one link lie side by side, those of each at another place: no two of up to as many links at the same.
        let place = link.slot.wrapping_mul(0x9e37_79b1).wrapping_add(id.slot);
        (place & self.last_place) as usize
    }

    /// Puts a slot in front of the chain of a place.
    fn chain(&mut self, slot: u32, place: usize) {
        let slots = &mut self.serving.slots;
        slots[slot as usize].next = mem::replace(&mut slots[place].first, slot);
    }

    /// Takes the first slot like this out of the chain of a place, and returns it.
    fn unchain(&mut self, place: usize, is_it: impl Fn(u32, &Served) -> bool) -> Option<u32> {
        let slots = &mut self.serving.slots;
        let (mut before, mut at) = (None::<usize>, slots[place].first);
        while let Some(&Slot { served: Some(ref served), next, .. }) = slots.get(at as usize) {
            if is_it(at, served) {
                match before {
                    None => slots[place].first = next,
                    Some(before) => slots[before].next = next,
                }
                return Some(at);
            }
            (before, at) = (Some(at as usize), next);
        }
        None
    }
}

impl core::ops::Deref for Growing {
    type Target = Serving<Vec<Slot>>;

    fn deref(&self) -> &Self::Target {
        &self.serving
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;

    const LINK: LinkId = LinkId { slot: 0, generation: 1 };

    fn served_on(link: LinkId, slot: u32, generation: u64) -> Served {
        let id = RequestId { slot, generation };
        Served { link, id, deadline: None, cost: 0, cancelled: false }
    }

    fn served(generation: u64) -> Served {
        served_on(LINK, 0, generation)
    }

    /// How many slots the longest chain has in a table of these: the most steps that it takes to find one.
    fn longest_chain(requests: impl Iterator<Item = Served>) -> usize {
        let mut table = Growing::new(65_536);
        let _tokens: Vec<ReplyToken> = requests.map(|served| table.insert(served).unwrap()).collect();
        let slots = &table.serving.slots;
        let chain = |first| {
            core::iter::successors(slots.get(first as usize), |slot| slots.get(slot.next as usize)).count()
        };
        slots.iter().map(|slot| chain(slot.first)).max().unwrap_or(0)
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

    /// Clause D5: however many are held, the one that is cancelled is found where it must be.
    #[test]
    fn a_cancelled_request_is_found_without_a_search() {
        let of_one_peer = (0..10_000).map(|slot| served_on(LINK, slot, 1));
        assert_eq!(longest_chain(of_one_peer), 2, "there are 8192 places");
        let link = |slot| LinkId { slot, generation: 1 };
        let of_many = (0..16).flat_map(|slot| (0..512).map(move |at| served_on(link(at), slot, 1)));
        assert!(longest_chain(of_many) <= 4);
    }

    /// Clause B6: no chain has more slots than a peer has for one place, and those that it uses twice count once.
    #[test]
    fn a_peer_that_chooses_its_ids_makes_no_long_chain() {
        assert_eq!(longest_chain((0..10_000).map(served)), 1, "one slot");
        // An id on the wire has 16 bits for the slot.
        let slot = |number: u64| u32::from((number * 1024) as u16);
        let of_one_place = (0..1024).map(|number| served_on(LINK, slot(number), number));
        assert_eq!(longest_chain(of_one_place), 64, "all slots of one place");
    }

    #[test]
    fn the_index_takes_no_memory_of_its_own() {
        assert_eq!(size_of::<Slot>(), 64);
    }

    struct Held {
        token: ReplyToken,
        served: Served,
        /// It is the last one of its peer's slot, and was not cancelled.
        is_last: bool,
    }

    #[derive(Clone, Debug)]
    enum Op {
        Insert(u32, u32),
        Cancel(usize),
        Remove(usize),
        RemoveNext(u32),
        Forget(u32),
    }

    fn op() -> impl Strategy<Value = Op> {
        let at = 0..64usize;
        prop_oneof![
            4 => (0..3u32, 0..40u32).prop_map(|(link, slot)| Op::Insert(link, slot)),
            2 => at.clone().prop_map(Op::Cancel),
            2 => at.prop_map(Op::Remove),
            1 => (0..40u32).prop_map(Op::RemoveNext),
            1 => (0..3u32).prop_map(Op::Forget),
        ]
    }

    proptest! {
        /// Clauses D1, D5: against a plain list, in which only the last request of a peer's slot can be cancelled, once.
        #[test]
        fn the_table_does_what_a_list_does(ops in proptest::collection::vec(op(), 1..300)) {
            let link = |slot| LinkId { slot, generation: 1 };
            let mut table = Growing::new(48);
            let mut list: Vec<Held> = vec![];
            for (number, op) in (1..).zip(ops) {
                match op {
                    Op::Insert(at, slot) => {
                        let served = served_on(link(at), slot, number);
                        let Some(token) = table.insert(served) else {
                            prop_assert_eq!(list.len(), 48);
                            continue;
                        };
                        let is_former = |held: &&mut Held| (held.served.link, held.served.id.slot) == (link(at), slot);
                        list.iter_mut().filter(is_former).for_each(|held| held.is_last = false);
                        list.push(Held { token, served, is_last: true });
                    }
                    Op::Cancel(at) if !list.is_empty() => {
                        let at = at % list.len();
                        let held = &mut list[at];
                        let key = table.cancel(held.served.link, held.served.id);
                        prop_assert_eq!(key, held.is_last.then_some(held.token.key()));
                        held.served.cancelled |= held.is_last;
                        held.is_last = false;
                    }
                    Op::Remove(at) if !list.is_empty() => {
                        let Held { token, served, .. } = list.remove(at % list.len());
                        prop_assert_eq!(table.remove(&token), Some(served));
                        prop_assert_eq!(table.cancel(served.link, served.id), None);
                    }
                    Op::Cancel(_) | Op::Remove(_) => {}
                    Op::RemoveNext(from) => match table.remove_next(from) {
                        Some((slot, served)) => {
                            let at = list.iter().position(|held| held.token.slot == slot).unwrap();
                            prop_assert_eq!(list.remove(at).served, served);
                        }
                        None => prop_assert!(list.iter().all(|held| held.token.slot < from)),
                    },
                    Op::Forget(at) => {
                        let mut withdrawn = vec![];
                        table.forget(link(at), &mut withdrawn);
                        let gone = list.extract_if(.., |held| held.served.link == link(at));
                        let mut keys: Vec<u64> = gone.map(|held| held.token.key()).collect();
                        keys.sort_unstable();
                        withdrawn.sort_unstable();
                        prop_assert_eq!(keys, withdrawn);
                    }
                }
                prop_assert_eq!(table.len(), list.len());
                for held in &list {
                    prop_assert_eq!(table.get(&held.token), Some(&held.served));
                }
            }
        }
    }
}
