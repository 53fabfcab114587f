//! One link to one peer: where it stands, what has come, what is to go, and how much may go.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::config::Config;
use crate::error::GoneReason;
use crate::frame::{Outbox, Reader};
use crate::id::Incarnation;
use crate::layout::{OVERHEAD, cost};
use crate::time::Instant;

/// Where a link stands.
#[derive(Debug)]
pub(crate) enum State {
    /// This side connected and said hello; the peer's hello is to come.
    Calling,
    /// The peer connected; its hello is to come.
    Answering,
    /// The peer's hello has come; the driver has yet to say whether it is welcome.
    Judging,
    /// Both hellos were said.
    Open,
    /// The peer keeps its name but has no process; what is sent is kept for it.
    Suspended { until: Instant },
    /// Over; its requests are being ended.
    Closed(GoneReason),
}

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) state: State,
    /// The peer's name: the one called, or the one in its hello.
    pub(crate) peer: Arc<str>,
    /// Which life of the peer this link is with, once known.
    pub(crate) incarnation: Option<Incarnation>,
    pub(crate) reader: Reader,
    pub(crate) outbox: Outbox,
    /// The longest body that the peer takes.
    pub(crate) body_limit: u32,
    /// The peer's window.
    pub(crate) window: u32,
    /// What is left of the peer's window; a frame may overdraw it once.
    credit: i64,
    /// The cost of what has come and whose credit has not left.
    held: u64,
    /// The cost of what was dealt with and is not announced.
    consumed: u32,
    /// Credit that was announced, and the stream position behind it.
    announced: VecDeque<(u64, u32)>,
    /// Requests on this link that have not ended.
    pub(crate) pending: u32,
    /// Requests of the peer that are not answered.
    pub(crate) serving: u32,
    /// Waiting in the endpoint's list of links with output.
    pub(crate) queued: bool,
}

impl Link {
    pub(crate) fn new(state: State, peer: Arc<str>, config: &Config) -> Self {
        Self {
            state,
            peer,
            incarnation: None,
            reader: Reader::default(),
            outbox: Outbox::default(),
            body_limit: config.body_limit,
            window: config.window,
            credit: i64::from(config.window),
            held: 0,
            consumed: 0,
            announced: VecDeque::new(),
            pending: 0,
            serving: 0,
            queued: false,
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed(_))
    }

    /// Whether requests and messages may be appended to the outbox.
    pub(crate) fn takes_traffic(&self) -> bool {
        matches!(self.state, State::Open | State::Suspended { .. })
    }

    /// Whether the peer's window has room for another request or message.
    pub(crate) fn has_credit(&self) -> bool {
        self.credit > 0
    }

    /// A frame of `size` bytes was appended that takes room in the peer's window.
    pub(crate) fn spend(&mut self, size: usize) {
        self.credit -= i64::from(cost(size));
    }

    /// How much of the peer's window is used up: what it has not given back.
    pub(crate) fn spent(&self) -> u64 {
        u64::try_from(i64::from(self.window) - self.credit).unwrap_or(0)
    }

    /// So much of the peer's window was used up before this link was taken over.
    pub(crate) fn charge(&mut self, spent: u64) {
        self.credit = self.credit.saturating_sub_unsigned(spent);
    }

    /// The peer has dealt with `bytes` of its window, or opened a window of that size.
    pub(crate) fn earn(&mut self, bytes: u32) {
        self.credit = self.credit.saturating_add(i64::from(bytes));
    }

    /// The peer said hello: its window is of this size. What a former life has not taken in counts on.
    pub(crate) fn open_window(&mut self, window: u32, body_limit: u32) {
        self.credit += i64::from(window) - i64::from(self.window);
        self.window = window;
        self.body_limit = body_limit;
    }

    /// A request or message of `cost` has come; false if the peer had no right to send it.
    pub(crate) fn hold(&mut self, cost: u32, config: &Config) -> bool {
        self.held += u64::from(cost);
        // Twice: what was kept for a suspended peer was bounded by the window of another life.
        self.held <= 2 * u64::from(config.window) + u64::from(config.frame_limit()) + OVERHEAD as u64
    }

    /// What was held has been dealt with. Returns the credit to announce when that is worth a frame.
    #[must_use = "the peer waits for this credit"]
    pub(crate) fn settle(&mut self, cost: u32, config: &Config) -> Option<u32> {
        self.consumed = self.consumed.saturating_add(cost);
        (self.consumed >= config.window / 4).then(|| core::mem::take(&mut self.consumed))
    }

    /// Returns the credit for all that has come, dealt with or not, and was not announced.
    #[must_use = "the peer waits for this credit"]
    pub(crate) fn settle_all(&mut self) -> u32 {
        self.consumed = 0;
        let announced: u64 = self.announced.iter().map(|&(_, bytes)| u64::from(bytes)).sum();
        u32::try_from(self.held - announced).unwrap_or(u32::MAX)
    }

    /// Credit was appended to the outbox. It counts once it has left: a peer that does not read gets none.
    pub(crate) fn announce(&mut self, bytes: u32) {
        self.announced.push_back((self.outbox.end(), bytes));
    }

    /// The first `n` bytes of the pending output have left.
    pub(crate) fn consume(&mut self, n: usize) -> Option<Vec<u8>> {
        let large = self.outbox.consume(n);
        self.settle_announced();
        large
    }

    /// All output has left, and what was appended behind it elsewhere: `n` bytes.
    pub(crate) fn skip(&mut self, n: usize) {
        self.outbox.skip(n);
        self.settle_announced();
    }

    fn settle_announced(&mut self) {
        while let Some(&(end, bytes)) = self.announced.front()
            && end <= self.outbox.sent()
        {
            self.announced.pop_front();
            self.held = self.held.saturating_sub(u64::from(bytes));
        }
    }
}
