//! The machine: links, requests sent, and requests to be answered, in memory of a fixed size.

use super::error::{LinkEnd, SendError};
use super::event::{End, Event};
use super::inbox::Inbox;
use super::link::{Link, State};
use crate::failure::Refusal;
use crate::id::{Incarnation, LinkId, ReplyToken, RequestId};
use crate::layout::body_at;
use crate::message::{Head, Hello};
use crate::serving::{self, Serving};
use crate::table::{self, Table};
use crate::time::{Instant, earlier};
use core::ops::Range;

/// How long an accepted link may take to say hello, and a refused one to take in why, in microseconds.
pub(super) const PATIENCE: u64 = 10_000_000;

/// The sans-I/O machine of one member, in the memory of a [`Storage`](super::Storage).
///
/// Nothing here waits or looks at a clock; a driver moves the bytes and says what time it is.
#[derive(Debug)]
pub struct Endpoint<'s> {
    pub(super) name: &'s str,
    pub(super) incarnation: Incarnation,
    pub(super) links: &'s mut [Link],
    pub(super) table: Table<&'s mut [table::Slot], &'s mut [u32]>,
    pub(super) serving: Serving<&'s mut [serving::Slot]>,
    pub(super) outboxes: &'s mut [u8],
    pub(super) limits: Limits,
    pub(super) sequence: u64,
    pub(super) counters: Counters,
    /// The link whose input is looked at first.
    turn: usize,
}

/// The bounds that follow from the parameters of the storage.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The largest frame that comes in.
    pub(super) frame_in: usize,
    /// The largest frame that goes out.
    pub(super) frame_out: usize,
    /// Bytes of each outbox.
    pub(super) outbox: usize,
    /// Requests of one peer that may be unanswered.
    pub(super) serving: usize,
}

/// What a member has seen and dropped, since its beginning. Counts wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Responses that came late, twice or unasked.
    pub stray_responses: u32,
    /// Answers of this member whose caller had given up or gone.
    pub stray_replies: u32,
    /// Links that were cut because their peer broke the protocol.
    pub violations: u32,
}

/// An event, and where its body is.
pub(super) struct Found {
    pub(super) event: Event<'static>,
    at: usize,
    body: Range<usize>,
}

impl Found {
    pub(super) fn attach<'i>(self, inbox: &'i Inbox<'_>) -> Event<'i> {
        // An event without a body has an empty range, which is in every link's input.
        self.event.with_body(&inbox.bytes(self.at)[self.body])
    }
}

impl<'s> Endpoint<'s> {
    pub(super) fn new(
        name: &'s str,
        incarnation: Incarnation,
        links: &'s mut [Link],
        table: Table<&'s mut [table::Slot], &'s mut [u32]>,
        serving: Serving<&'s mut [serving::Slot]>,
        outboxes: &'s mut [u8],
        limits: Limits,
    ) -> Self {
        links.iter_mut().for_each(|link| link.begin(State::Free, Instant::ZERO));
        let table = table.counting_from(incarnation.first_generation());
        let counters = Counters::default();
        Self { name, incarnation, links, table, serving, outboxes, limits, sequence: 0, counters, turn: 0 }
    }

    /// This member's name.
    pub fn name(&self) -> &'s str {
        self.name
    }

    /// This life of the member.
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// What was seen and dropped.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The largest body that can be sent, if the peer takes as much.
    pub fn largest_body(&self) -> usize {
        self.limits.frame_out - super::output::HEAD_ROOM
    }

    /// Requests that have not ended.
    pub fn pending(&self) -> usize {
        self.table.len()
    }

    /// The ids of all requests that have not ended.
    pub fn pending_ids(&self) -> impl Iterator<Item = RequestId> + '_ {
        self.table.ids()
    }

    /// Whether this request has not ended.
    pub fn is_pending(&self, id: RequestId) -> bool {
        self.table.get(id).is_some()
    }

    /// Requests of peers that await an answer.
    pub fn serving(&self) -> usize {
        self.serving.len()
    }

    /// Whether a link takes requests and messages: both hellos were said.
    pub fn is_open(&self, link: LinkId) -> bool {
        self.link(link).is_some_and(|link| matches!(link.state, State::Open))
    }

    /// Begins a link to `peer`, with a hello as its first output. The driver connects it.
    ///
    /// # Errors
    ///
    /// [`SendError::TooManyLinks`] when every link is in use, [`SendError::TooLarge`] when the outbox does not
    /// hold a hello and that name.
    pub fn open(&mut self, peer: &str) -> Result<LinkId, SendError> {
        let limit = self.limits.outbox - super::output::hello_size(self.name);
        if peer.len() > limit {
            return Err(SendError::TooLarge { limit });
        }
        let limit = self.links.len();
        let link = self.begin(State::Calling, Instant::ZERO).ok_or(SendError::TooManyLinks { limit })?;
        self.say_hello(link);
        // Nothing follows the hello before the peer's has come: the end of the outbox is free until then.
        let end = (link.index() + 1) * self.limits.outbox;
        self.outboxes[end - peer.len()..end].copy_from_slice(peer.as_bytes());
        self.links[link.index()].called = peer.len() as u16;
        Ok(link)
    }

    /// The name of the peer that a link is to, until the peer has said hello.
    pub(super) fn called(&self, link: LinkId) -> Option<&[u8]> {
        let held = self.link(link).filter(|link| matches!(link.state, State::Calling))?;
        let end = (link.index() + 1) * self.limits.outbox;
        self.outboxes.get(end - usize::from(held.called)..end)
    }

    /// Takes in a connection of a peer that has yet to say hello; `None` when every link is in use.
    pub fn accept(&mut self, now: Instant) -> Option<LinkId> {
        self.begin(State::Answering, now.plus_micros(PATIENCE))
    }

    /// The peer that said hello on this link is who it claims to be. A spurious call does nothing.
    pub fn welcome(&mut self, link: LinkId) {
        if let Some(held) = self.link_mut(link)
            && matches!(held.state, State::Judging)
        {
            held.state = State::Open;
            self.say_hello(link);
        }
    }

    /// The peer that said hello on this link is not welcome: it is told why, and the link ends. A spurious call
    /// does nothing.
    pub fn refuse(&mut self, link: LinkId, reason: Refusal) {
        if self.link(link).is_some_and(|held| matches!(held.state, State::Judging)) {
            self.say_refused(link, reason, LinkEnd::Unwelcome);
        }
    }

    /// Ends a link. What it had sent and was not taken in is dropped, and so is what has not left.
    pub fn close(&mut self, link: LinkId) {
        self.end(link, LinkEnd::Closed);
    }

    /// The connection has ended. What has come on it is taken in before its requests end.
    pub fn handle_closed(&mut self, link: LinkId) {
        if let Some(held) = self.link_mut(link) {
            held.is_cut = true;
        }
    }

    /// Takes in bytes of a link and returns how many; the rest must be offered again once events were taken.
    #[must_use = "bytes not taken must be offered again"]
    pub fn handle_input(&mut self, inbox: &mut Inbox<'_>, link: LinkId, bytes: &[u8]) -> usize {
        match self.link(link).map(|link| link.state) {
            // Nobody will look at it.
            None | Some(State::Free | State::Leaving(_) | State::Over(_)) => bytes.len(),
            // Its hello lies there.
            Some(State::Judging) => 0,
            Some(_) => inbox.add(link.index(), bytes),
        }
    }

    /// Takes the next thing that happened: something has come, a deadline has passed, or a link is over.
    ///
    /// To be called until `None` after any command or input, and when [`poll_timeout`](Self::poll_timeout) says
    /// so; early or often is harmless.
    pub fn poll_event<'i>(&mut self, now: Instant, inbox: &'i mut Inbox<'_>) -> Option<Event<'i>> {
        self.next_event(now, inbox).map(|found| found.attach(inbox))
    }

    /// The next event, which has yet to be given its body.
    pub(super) fn next_event(&mut self, now: Instant, inbox: &mut Inbox<'_>) -> Option<Found> {
        // What has come is taken in before a deadline or the end of a link ends anything.
        for step in 0..self.links.len() {
            let at = (self.turn + step) % self.links.len();
            if let Some((event, body)) = self.poll_link(now, at, inbox) {
                self.turn = at;
                return Some(Found { event, at, body });
            }
        }
        let event = match self.table.expire(now) {
            Some((id, entry)) => {
                // The peer counts the time from when it read the request, which may have been late.
                self.push_control(entry.link, &Head::Cancel { id });
                Event::Ended { id, end: End::TimedOut }
            }
            None => (0..self.links.len()).find_map(|at| self.poll_ending(now, at, inbox))?,
        };
        Some(Found { event, at: 0, body: 0..0 })
    }

    /// What the peer that has connected says it is, until it is welcome or not.
    pub(super) fn claim<'i>(&self, inbox: &'i Inbox<'_>, link: LinkId) -> Option<Hello<'i>> {
        self.link(link).filter(|held| matches!(held.state, State::Judging))?;
        let frame = inbox.given(link.index());
        super::hello::read(&frame[body_at(frame).ok()?..])
    }

    /// When [`poll_event`](Self::poll_event) must be called though nothing else happens; `None` is never.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let waits = |link: &&Link| matches!(link.state, State::Answering | State::Leaving(_));
        let patience = self.links.iter().filter(waits).map(|link| link.patience).min();
        earlier(self.table.first_deadline(), patience)
    }

    /// Ends one request of a link that is over, or the link once none is left.
    fn poll_ending(&mut self, now: Instant, at: usize, inbox: &mut Inbox<'_>) -> Option<Event<'static>> {
        let held = &mut self.links[at];
        let link = LinkId { slot: at as u32, generation: held.generation };
        match held.state {
            State::Answering if held.patience <= now => self.violate(link, LinkEnd::NoHello),
            State::Leaving(reason) if held.pending().is_empty() || held.is_cut || held.patience <= now => {
                held.state = State::Over(reason);
            }
            State::Free | State::Leaving(_) | State::Over(_) => {}
            _ if held.is_cut => self.end(link, LinkEnd::Closed),
            _ => {}
        }
        let held = &self.links[at];
        let State::Over(reason) = held.state else { return None };
        let left = held.left();
        if let Some((id, entry)) = self.table.remove_on(link, 0) {
            let end = End::Gone { reason, sent: entry.position < left };
            return Some(Event::Ended { id, end });
        }
        if let Some((_, key)) = self.serving.forget_one(link, 0) {
            return Some(Event::Withdrawn { key });
        }
        self.links[at].state = State::Free;
        inbox.clear(at);
        Some(Event::Closed { link, reason })
    }

    /// A link is over at once.
    pub(super) fn end(&mut self, link: LinkId, reason: LinkEnd) {
        if let Some(held) = self.link_mut(link)
            && !matches!(held.state, State::Over(_))
        {
            held.state = State::Over(reason);
        }
    }

    pub(super) fn violate(&mut self, link: LinkId, reason: LinkEnd) {
        self.counters.violations = self.counters.violations.wrapping_add(1);
        self.end(link, reason);
    }

    fn begin(&mut self, state: State, patience: Instant) -> Option<LinkId> {
        let slot = self.links.iter().position(|link| matches!(link.state, State::Free))?;
        let held = &mut self.links[slot];
        held.begin(state, patience);
        Some(LinkId { slot: slot as u32, generation: held.generation })
    }

    // Out of line, for the size: nearly everything asks.
    #[inline(never)]
    pub(super) fn link(&self, id: LinkId) -> Option<&Link> {
        let held = self.links.get(id.index())?;
        (held.generation == id.generation && !matches!(held.state, State::Free)).then_some(held)
    }

    #[inline(never)]
    pub(super) fn link_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        let held = self.links.get_mut(id.index())?;
        (held.generation == id.generation && !matches!(held.state, State::Free)).then_some(held)
    }

    /// Whether anyone still waits for this answer: not cancelled, not late, the link not over.
    pub fn is_wanted(&self, now: Instant, token: &ReplyToken) -> bool {
        self.serving.is_wanted(now, token)
    }

    /// When the caller of a request gives up, by this member's clock.
    pub fn caller_deadline(&self, token: &ReplyToken) -> Option<Instant> {
        self.serving.deadline(token)
    }
}
