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

/// Fewer bytes than the smallest frame has: so few are never handed to a transport, which may tell its own words
/// from the stream by that.
const SMALLEST: usize = 16;

/// Where a link's stream of frames is to be cut.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cutter {
    /// Bytes of the present frame that are not sent; zero where a frame begins.
    left: usize,
}

impl Cutter {
    /// How much of the front of `waiting` may be sent now: nothing, or 16 bytes or more, and so that 16 bytes or
    /// more of a frame are left if any are. What is no frame is for the peer to judge.
    pub(super) fn sendable(self, waiting: &[u8]) -> usize {
        let (mut at, mut left) = (0, self.left);
        loop {
            let rest = &waiting[at..];
            if left == 0 {
                let Some(size) = frame_size(rest) else { return at };
                left = size;
            }
            if left == 0 {
                return waiting.len();
            }
            if rest.len() < left {
                let piece = rest.len().min(left.saturating_sub(SMALLEST));
                return if at + piece < SMALLEST { 0 } else { at + piece };
            }
            (at, left) = (at + left, 0);
        }
    }

    /// The first `n` bytes of `waiting` were sent.
    pub(super) fn advance(&mut self, waiting: &[u8], n: usize) {
        let mut at = 0;
        while at < n {
            if self.left == 0 {
                self.left = frame_size(&waiting[at..]).unwrap_or(0);
            }
            if self.left == 0 {
                return;
            }
            let step = self.left.min(n - at);
            (at, self.left) = (at + step, self.left - step);
        }
    }
}

/// What a frame says of its own size; zero for one that cannot be, and `None` before that has come.
fn frame_size(bytes: &[u8]) -> Option<usize> {
    let size = u32::from_le_bytes(*bytes.first_chunk()?) as usize;
    Some(if size < SMALLEST { 0 } else { size })
}

/// The most of `n` bytes that a transport is given at once, so that not fewer than 16 are left.
pub(super) fn packet(n: usize, limit: usize) -> usize {
    match n.checked_sub(limit) {
        None | Some(0) => n,
        Some(1..SMALLEST) => limit - SMALLEST,
        Some(_) => limit,
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
    pub(super) cutter: Cutter,
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
            cutter: Cutter::default(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    /// Frames of every awkward size come in pieces of every size, and leave as a socket takes them.
    #[test]
    fn no_transport_is_given_fewer_bytes_than_a_frame_has() {
        let mut stream = Vec::new();
        for size in [16usize, 17, 31, 32, 33, 16, 48, 100, 16, 1000, 20, 40] {
            let mut frame = vec![7; size];
            frame[..4].copy_from_slice(&(size as u32).to_le_bytes());
            stream.extend_from_slice(&frame);
        }
        for piece in 1..120 {
            for most in [16, 17, 40, 5000] {
                let (mut queue, mut cutter, mut sent) = (Queue::default(), Cutter::default(), Vec::new());
                for came in stream.chunks(piece) {
                    queue.push(came);
                    loop {
                        let n = packet(cutter.sendable(queue.waiting()), most.max(32));
                        if n == 0 {
                            break;
                        }
                        assert!(n >= SMALLEST, "{n} bytes in pieces of {piece}");
                        // It takes all, or leaves 16 bytes or more.
                        let taken = if n >= most + SMALLEST { most } else { n };
                        sent.extend_from_slice(&queue.waiting()[..taken]);
                        cutter.advance(queue.waiting(), taken);
                        queue.consume(taken);
                    }
                    assert!(queue.waiting().len() < 2 * SMALLEST, "{piece}: {}", queue.waiting().len());
                }
                assert!(sent == stream, "in pieces of {piece}");
            }
        }
    }

    #[test]
    fn what_is_no_frame_is_passed_on() {
        assert_eq!(Cutter::default().sendable(&[1, 0, 0, 0, 9]), 5);
        assert_eq!(Cutter::default().sendable(&[1, 0, 0]), 0);
    }
}
