//! The request table: requests sent and not yet ended, in a fixed number of slots, ordered by deadline.

#[cfg(feature = "alloc")]
use alloc::boxed::Box;

use crate::id::{LinkId, RequestId};
#[cfg(feature = "alloc")]
use crate::message::MAX_SLOTS;
use crate::time::Instant;

const NONE: u32 = u32::MAX;

/// One request that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The link it was sent on.
    pub(crate) link: LinkId,
    /// Where its frame begins in the link's stream of bytes.
    pub(crate) position: u64,
    /// When it times out.
    pub(crate) deadline: Option<Instant>,
}

/// A place for one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    entry: Option<Entry>,
    generation: u64,
    /// The place in the heap of deadlines while in use, the next free slot while not.
    place: u32,
}

impl Slot {
    pub(crate) const VACANT: Self = Self { entry: None, generation: 0, place: NONE };
}

/// Requests sent and not yet ended. Nothing allocates after `new`.
///
/// The slots and the heap are boxes, or slices of memory that the caller has.
#[derive(Debug)]
pub(crate) struct Table<S, H> {
    slots: S,
    /// Slots in use that have a deadline: a binary heap, the earliest deadline first. Its first `heaped`.
    heap: H,
    heaped: usize,
    free: u32,
    len: usize,
    generation: u64,
}

/// A table on the heap.
#[cfg(feature = "alloc")]
pub(crate) type BoxedTable = Table<Box<[Slot]>, Box<[u32]>>;

#[cfg(feature = "alloc")]
impl BoxedTable {
    /// An empty table of `capacity` slots, at least one and at most [`MAX_SLOTS`].
    pub(crate) fn new(capacity: usize) -> Self {
        let capacity = capacity.clamp(1, MAX_SLOTS);
        Self::over((0..capacity).map(|_| Slot::VACANT).collect(), (0..capacity).map(|_| NONE).collect())
    }
}

impl<S: AsRef<[Slot]> + AsMut<[Slot]>, H: AsRef<[u32]> + AsMut<[u32]>> Table<S, H> {
    /// An empty table of as many slots as there are; the heap has room for as many.
    pub(crate) fn over(mut slots: S, heap: H) -> Self {
        let mut free = NONE;
        for (at, slot) in slots.as_mut().iter_mut().enumerate().rev() {
            *slot = Slot { place: free, ..Slot::VACANT };
            free = at as u32;
        }
        Self { slots, heap, heaped: 0, free, len: 0, generation: 0 }
    }

    /// Counts generations from here on.
    pub(crate) fn counting_from(self, generation: u64) -> Self {
        Self { generation, ..self }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.slots.as_ref().len()
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Takes a slot for `entry`; `None` when every slot is in use.
    pub(crate) fn insert(&mut self, entry: Entry) -> Option<RequestId> {
        let slot = self.free;
        let vacant = self.slots.as_mut().get_mut(slot as usize)?;
        self.free = vacant.place;
        self.generation += 1;
        *vacant = Slot { entry: Some(entry), generation: self.generation, place: NONE };
        self.len += 1;
        if entry.deadline.is_some() {
            self.heaped += 1;
            self.place(self.heaped - 1, slot);
            self.sift_up(self.heaped - 1);
        }
        Some(RequestId { slot, generation: self.generation })
    }

    /// The request with this id, if it has not ended.
    pub(crate) fn get(&self, id: RequestId) -> Option<&Entry> {
        let slot = self.slots.as_ref().get(id.slot as usize)?;
        slot.entry.as_ref().filter(|_| slot.generation == id.generation)
    }

    /// Ends a request and frees its slot.
    pub(crate) fn remove(&mut self, id: RequestId) -> Option<Entry> {
        self.get(id)?;
        let place = self.slots.as_ref()[id.slot as usize].place;
        if place != NONE {
            self.unheap(place as usize);
        }
        let slot = &mut self.slots.as_mut()[id.slot as usize];
        slot.place = self.free;
        self.free = id.slot;
        self.len -= 1;
        slot.entry.take()
    }

    /// The earliest deadline.
    pub(crate) fn first_deadline(&self) -> Option<Instant> {
        self.heaped().first().and_then(|&slot| self.deadline(slot))
    }

    /// Ends one request whose deadline is not later than `now`, the earliest first.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<(RequestId, Entry)> {
        let slot = *self.heaped().first()?;
        if self.deadline(slot)? > now {
            return None;
        }
        let id = RequestId { slot, generation: self.slots.as_ref()[slot as usize].generation };
        self.remove(id).map(|entry| (id, entry))
    }

    /// Ends one request that was sent on `link`: the first in the order of slots, from slot `from` on.
    pub(crate) fn remove_on(&mut self, link: LinkId, from: u32) -> Option<(RequestId, Entry)> {
        for slot in from..self.slots.as_ref().len() as u32 {
            let held = &self.slots.as_ref()[slot as usize];
            if held.entry.as_ref().is_some_and(|entry| entry.link == link) {
                let id = RequestId { slot, generation: held.generation };
                return self.remove(id).map(|entry| (id, entry));
            }
        }
        None
    }

    /// The ids of all requests, in the order of their slots.
    pub(crate) fn ids(&self) -> impl Iterator<Item = RequestId> + '_ {
        self.slots
            .as_ref()
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.entry.is_some())
            .map(|(at, slot)| RequestId { slot: at as u32, generation: slot.generation })
    }

    /// The heap of deadlines.
    fn heaped(&self) -> &[u32] {
        &self.heap.as_ref()[..self.heaped]
    }

    fn deadline(&self, slot: u32) -> Option<Instant> {
        self.slots.as_ref()[slot as usize].entry.as_ref().and_then(|entry| entry.deadline)
    }

    // Out of line on small processors, for the size: each is in use several times.
    #[cfg_attr(target_pointer_width = "32", inline(never))]
    fn is_due_before(&self, slot: u32, other: u32) -> bool {
        self.deadline(slot) < self.deadline(other)
    }

    fn place(&mut self, at: usize, slot: u32) {
        self.heap.as_mut()[at] = slot;
        self.slots.as_mut()[slot as usize].place = at as u32;
    }

    fn sift_up(&mut self, mut at: usize) {
        let slot = self.heaped()[at];
        while at > 0 {
            let parent = (at - 1) / 2;
            let parent_slot = self.heaped()[parent];
            if !self.is_due_before(slot, parent_slot) {
                break;
            }
            self.place(at, parent_slot);
            at = parent;
        }
        self.place(at, slot);
    }

    fn sift_down(&mut self, mut at: usize) {
        let slot = self.heaped()[at];
        loop {
            let left = 2 * at + 1;
            let Some(&left_slot) = self.heaped().get(left) else { break };
            let (child, child_slot) = match self.heaped().get(left + 1) {
                Some(&right) if self.is_due_before(right, left_slot) => (left + 1, right),
                _ => (left, left_slot),
            };
            if !self.is_due_before(child_slot, slot) {
                break;
            }
            self.place(at, child_slot);
            at = child;
        }
        self.place(at, slot);
    }

    fn unheap(&mut self, at: usize) {
        self.heaped -= 1;
        if at < self.heaped {
            self.place(at, self.heap.as_ref()[self.heaped]);
            self.sift_down(at);
            self.sift_up(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;

    const LINK: LinkId = LinkId { slot: 0, generation: 1 };

    fn entry(deadline: Option<u64>) -> Entry {
        Entry { link: LINK, position: 0, deadline: deadline.map(Instant::from_nanos) }
    }

    /// Clause D6.
    #[test]
    fn a_full_table_refuses_and_a_freed_slot_is_usable_at_once() {
        let mut table = BoxedTable::new(2);
        let first = table.insert(entry(None)).unwrap();
        table.insert(entry(Some(5))).unwrap();
        assert_eq!(table.insert(entry(None)), None);
        assert_eq!(table.remove(first), Some(entry(None)));
        assert!(table.insert(entry(None)).is_some());
    }

    /// Clause D2: the id of an ended request finds nothing, however often its slot is used again.
    #[test]
    fn the_id_of_an_ended_request_never_matches_again() {
        let mut table = BoxedTable::new(1);
        let old = table.insert(entry(None)).unwrap();
        table.remove(old);
        for _ in 0..100 {
            let id = table.insert(entry(None)).unwrap();
            assert_eq!((id.slot, table.get(old)), (old.slot, None));
            assert_eq!(table.remove(old), None);
            table.remove(id);
        }
    }

    #[test]
    fn all_requests_of_a_link_are_found_and_no_other() {
        let other = LinkId { slot: 1, generation: 1 };
        let mut table = BoxedTable::new(8);
        let stays = table.insert(Entry { link: other, ..entry(None) }).unwrap();
        let mut ids = vec![table.insert(entry(None)).unwrap(), table.insert(entry(Some(1))).unwrap()];
        let mut from = 0;
        while let Some((id, _)) = table.remove_on(LINK, from) {
            from = id.slot + 1;
            ids.retain(|&expected| expected != id);
        }
        assert_eq!((ids, table.ids().collect::<vec::Vec<_>>()), (vec![], vec![stays]));
    }

    #[derive(Clone, Debug)]
    enum Op {
        Insert(Option<u64>),
        Remove(usize),
        Expire(u64),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            proptest::option::of(0..50u64).prop_map(Op::Insert),
            (0..20usize).prop_map(Op::Remove),
            (0..50u64).prop_map(Op::Expire),
        ]
    }

    proptest! {
        /// Clause D1: against a plain list, every request ends once and the earliest deadline first.
        #[test]
        fn the_table_does_what_a_list_does(ops in proptest::collection::vec(op(), 1..200)) {
            let mut table = BoxedTable::new(12);
            let mut list: vec::Vec<(RequestId, Entry)> = vec![];
            for op in ops {
                match op {
                    Op::Insert(deadline) => match table.insert(entry(deadline)) {
                        Some(id) => list.push((id, entry(deadline))),
                        None => prop_assert_eq!(list.len(), 12),
                    },
                    Op::Remove(at) if !list.is_empty() => {
                        let (id, entry) = list.swap_remove(at % list.len());
                        prop_assert_eq!(table.remove(id), Some(entry));
                        prop_assert_eq!(table.remove(id), None);
                    }
                    Op::Remove(_) => {}
                    Op::Expire(now) => {
                        let now = Instant::from_nanos(now);
                        let due = list.iter().filter_map(|(_, e)| e.deadline).min().filter(|&d| d <= now);
                        let expired = table.expire(now);
                        prop_assert_eq!(expired.and_then(|(_, e)| e.deadline), due);
                        if let Some((id, _)) = expired {
                            list.retain(|(held, _)| *held != id);
                        }
                    }
                }
                prop_assert_eq!(table.len(), list.len());
                let first = list.iter().filter_map(|(_, e)| e.deadline).min();
                prop_assert_eq!(table.first_deadline(), first);
            }
        }
    }
}
