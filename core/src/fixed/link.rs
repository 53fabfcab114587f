//! One link to one peer: where it stands, what is to go, and how much may go.

use super::error::LinkEnd;
use super::inbox::move_to_front;
use crate::layout::cost;
use crate::time::Instant;

/// Where a link stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum State {
    /// The slot is not in use.
    Free,
    /// This side connected and said hello; the peer's hello is to come.
    Calling,
    /// The peer connected; its hello is to come.
    Answering,
    /// The peer's hello has come; the driver has yet to say whether it is welcome.
    Judging,
    /// Both hellos were said.
    Open,
    /// Over, but for the last words in the outbox.
    Leaving(LinkEnd),
    /// Over; its requests are being ended.
    Over(LinkEnd),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) state: State,
    pub(super) generation: u32,
    /// When the patience with a peer ends that has not said hello, or does not take the last words.
    pub(super) patience: Instant,
    /// The stream position of the first byte of the outbox.
    base: u64,
    /// What is left of the peer's window; a frame may overdraw it once.
    credit: i32,
    /// The outbox's bytes that are to be sent are those from `sent` to `end`.
    sent: u32,
    end: u32,
    /// The longest body that the peer takes.
    pub(super) body_limit: u32,
    /// What was dealt with of the window and is not announced.
    pub(super) consumed: u32,
    /// While calling, the length of the peer's name, which lies at the end of the outbox.
    pub(super) called: u16,
    /// Requests of the peer that are not answered.
    pub(super) serving: u16,
    /// The connection has ended; what has come is still taken in.
    pub(super) is_cut: bool,
}

impl Link {
    pub(super) const FREE: Self = Self {
        state: State::Free,
        generation: 0,
        patience: Instant::ZERO,
        base: 0,
        credit: 0,
        sent: 0,
        end: 0,
        body_limit: 0,
        consumed: 0,
        called: 0,
        serving: 0,
        is_cut: false,
    };

    /// Takes the slot for a new link, or frees it.
    // Out of line, for the size.
    #[inline(never)]
    pub(super) fn begin(&mut self, state: State, patience: Instant) {
        let generation = self.generation.wrapping_add(1);
        *self = Self { state, generation, patience, ..Self::FREE };
    }

    /// Whether the peer's window has room for another request or message.
    pub(super) fn has_credit(&self) -> bool {
        self.credit > 0
    }

    /// A frame of `size` bytes was appended that takes room in the peer's window.
    pub(super) fn spend(&mut self, size: usize) {
        self.credit = self.credit.saturating_sub_unsigned(cost(size));
    }

    /// The peer has dealt with `bytes` of its window, or opened a window of that size. What is beyond 2 GiB of it is
    /// of no use to this side.
    pub(super) fn earn(&mut self, bytes: u32) {
        self.credit = self.credit.saturating_add_unsigned(bytes);
    }

    /// What is to be sent, within the link's outbox.
    pub(super) fn pending(&self) -> core::ops::Range<usize> {
        self.sent as usize..self.end as usize
    }

    /// The stream position of the next byte to be sent.
    pub(super) fn left(&self) -> u64 {
        self.base + u64::from(self.sent)
    }

    /// The stream position of the next byte to be appended.
    pub(super) fn appended(&self) -> u64 {
        self.base + u64::from(self.end)
    }

    /// `n` bytes were sent.
    pub(super) fn consume(&mut self, n: usize) {
        debug_assert!(n <= self.pending().len());
        self.sent += n as u32;
        if self.sent == self.end {
            self.base = self.left();
            (self.sent, self.end) = (0, 0);
        }
    }

    /// Moves what is to be sent to the front of the outbox, and returns where to append.
    pub(super) fn compact(&mut self, outbox: &mut [u8]) -> usize {
        if self.sent > 0 {
            move_to_front(&mut outbox[..self.end as usize], self.sent as usize);
            self.base = self.left();
            self.end -= self.sent;
            self.sent = 0;
        }
        self.end as usize
    }

    /// `n` bytes were appended.
    pub(super) fn extend(&mut self, n: usize) {
        self.end += n as u32;
    }
}
