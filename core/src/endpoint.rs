//! The sans-I/O machine of one member of a bus: its links, its requests, and those of its peers.
//!
//! ```text
//! bytes --> frame --> message --> link, table, serving --> Event     poll_input, poll_event
//! bytes <-- frame <-- message <-- link, table, serving <-- request   poll_output, consume_output
//! ```
//!
//! Nothing here waits or looks at a clock; a driver moves the bytes and says what time it is.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem;

use hashbrown::HashMap;

use crate::body::EncodeError;
use crate::config::Config;
use crate::error::{GoneReason, ProtocolError, SendError};
use crate::event::{End, Event};
use crate::failure::{Refusal, RemoteErrorKind};
use crate::frame::{self, Frame, Input, Reader};
use crate::id::{Incarnation, LinkId, ReplyToken, RequestId};
use crate::link::{Link, State};
use crate::message::{Head, MAX_SLOTS};
use crate::serving::Growing;
use crate::sink::{Room, Sink};
use crate::table::{BoxedTable, Entry};
use crate::time::{Instant, earlier};

mod input;
mod links;
mod output;

/// The sans-I/O machine of one member of a bus.
#[derive(Debug)]
pub struct Endpoint {
    name: Arc<str>,
    incarnation: Incarnation,
    config: Config,
    links: Vec<LinkSlot>,
    free_links: Vec<u32>,
    /// The link on which each peer is spoken to.
    routes: HashMap<Arc<str>, LinkId>,
    /// One of them: the only one, or the latest.
    latest_route: Option<LinkId>,
    table: BoxedTable,
    serving: Growing,
    /// Links with output that the driver has not been told of.
    output: VecDeque<LinkId>,
    /// Links that are over and whose requests are being ended, and the table slot to go on from.
    closing: VecDeque<(LinkId, u32)>,
    /// Accepted links and when their patience for a hello ends, in that order.
    greetings: VecDeque<(Instant, LinkId)>,
    suspended: Vec<LinkId>,
    cancelled: Vec<(RequestId, LinkId)>,
    /// Keys of accepted requests whose callers have given up or gone.
    withdrawn: Vec<u64>,
    /// A buffer for the next large body, in or out.
    large: Vec<u8>,
    sequence: u64,
    counters: Counters,
}

#[derive(Debug)]
struct LinkSlot {
    generation: u32,
    link: Option<Link>,
}

/// What an endpoint has seen and dropped, since its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Responses that came late, twice or unasked.
    pub stray_responses: u64,
    /// Answers given by this endpoint whose caller had given up or gone.
    pub stray_replies: u64,
    /// Links that were cut because their peer broke the protocol.
    pub violations: u64,
    /// Requests that were refused for want of a slot.
    pub overloads: u64,
}

/// How a body is written: it appends to the sink at most as many bytes as the number given.
pub(crate) type WriteBody<'a> = &'a mut dyn FnMut(&mut Sink<'_>, usize) -> Result<(), EncodeError>;

impl Endpoint {
    /// An endpoint for the member `name` in this life of it.
    pub fn new(name: &str, incarnation: Incarnation, mut config: Config) -> Self {
        config.requests = config.requests.clamp(1, MAX_SLOTS);
        Self {
            name: name.into(),
            incarnation,
            table: BoxedTable::new(config.requests).counting_from(incarnation.first_generation()),
            serving: Growing::new(config.serving),
            config,
            links: Vec::new(),
            free_links: Vec::new(),
            routes: HashMap::new(),
            latest_route: None,
            output: VecDeque::new(),
            closing: VecDeque::new(),
            greetings: VecDeque::new(),
            suspended: Vec::new(),
            cancelled: Vec::new(),
            withdrawn: Vec::new(),
            large: Vec::new(),
            sequence: 0,
            counters: Counters::default(),
        }
    }

    /// This member's name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// This life of the member.
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// The bounds.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What was seen and dropped.
    pub fn counters(&self) -> Counters {
        self.counters
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

    /// The link a pending request went out on, if it is the only link with pending requests and something can come
    /// on it: one that this side has cut says nothing more.
    pub fn sole_link(&self, id: RequestId) -> Option<LinkId> {
        let link = self.table.get(id)?.link;
        let held = self.link(link)?;
        (held.pending as usize == self.table.len() && !held.is_closed()).then_some(link)
    }

    /// Whether this is the only link, and open.
    pub fn is_only_link(&self, link: LinkId) -> bool {
        self.links.len() - self.free_links.len() == 1 && self.is_open(link)
    }

    /// Who a pending request was sent to.
    pub fn request_peer(&self, id: RequestId) -> Option<&Arc<str>> {
        self.peer(self.table.get(id)?.link)
    }

    /// Requests of peers that await an answer.
    pub fn serving(&self) -> usize {
        self.serving.len()
    }

    /// The link on which a peer is spoken to, open or opening.
    pub fn route(&self, peer: &str) -> Option<LinkId> {
        match self.latest_route {
            Some(link) if self.peer(link).is_some_and(|known| **known == *peer) => Some(link),
            _ => self.routes.get(peer).copied(),
        }
    }

    /// The name of the peer at the end of a link; empty before its hello.
    pub fn peer(&self, link: LinkId) -> Option<&Arc<str>> {
        self.link(link).map(|link| &link.peer)
    }

    /// Which life of its peer a link is with, once known.
    pub fn peer_incarnation(&self, link: LinkId) -> Option<Incarnation> {
        self.link(link)?.incarnation
    }

    /// Whether a link takes requests and messages: both hellos were said, or the peer is suspended.
    pub fn is_open(&self, link: LinkId) -> bool {
        self.link(link).is_some_and(Link::takes_traffic)
    }

    /// Whether the peer is suspended.
    pub fn is_suspended(&self, link: LinkId) -> bool {
        self.link(link).is_some_and(|link| matches!(link.state, State::Suspended { .. }))
    }

    /// Whether the peer's window has room for another request or message.
    pub fn has_credit(&self, link: LinkId) -> bool {
        self.link(link).is_some_and(Link::has_credit)
    }

    /// How much of the peer's window is used up.
    pub(crate) fn spent(&self, link: LinkId) -> u64 {
        self.link(link).map_or(0, Link::spent)
    }

    /// So much of the peer's window was used up by former lives.
    pub(crate) fn charge(&mut self, link: LinkId, spent: u64) {
        if let Some(held) = self.link_mut(link) {
            held.charge(spent);
        }
    }

    /// Bytes of output of a link that have not left.
    pub fn backlog(&self, link: LinkId) -> usize {
        self.link(link).map_or(0, |link| link.outbox.pending().len())
    }

    /// Whether so much output waits on a link that its peer should take some in before it is given more.
    pub(crate) fn is_clogged(&self, link: LinkId) -> bool {
        let limit = self.config.window as usize;
        self.link(link).is_some_and(|link| link.outbox.pending().len() > limit)
    }

    /// How many bytes have left on a link since it began; `None` once it is over.
    pub fn sent(&self, link: LinkId) -> Option<u64> {
        self.link(link).map(|link| link.outbox.sent())
    }

    /// The links that are not over.
    pub fn links(&self) -> impl Iterator<Item = LinkId> + '_ {
        self.links.iter().enumerate().filter_map(|(slot, held)| {
            let link = held.link.as_ref().filter(|link| !link.is_closed());
            link.map(|_| LinkId { slot: slot as u32, generation: held.generation })
        })
    }

    /// Takes the next thing that happened without input: a deadline passed, or a link is over.
    ///
    /// To be called until `None` after any command or input, and when [`poll_timeout`](Self::poll_timeout)
    /// says so; early or often is harmless.
    pub fn poll_event(&mut self, now: Instant) -> Option<Event<'static>> {
        self.expire_links(now);
        if let Some((id, link)) = self.cancelled.pop() {
            return Some(Event::Ended { id, link, end: End::Cancelled });
        }
        if let Some((id, Entry { link, .. })) = self.table.expire(now) {
            self.end_on(link);
            // The peer counts the time from when it read the request, which may have been late.
            self.push(link, &Head::Cancel { id }, &mut |_, _| Ok(())).unwrap_or_default();
            return Some(Event::Ended { id, link, end: End::TimedOut });
        }
        self.poll_closing()
    }

    /// Takes the [key](ReplyToken::key) of an accepted request that its caller cancelled, or whose caller is
    /// gone.
    pub fn poll_withdrawn(&mut self) -> Option<u64> {
        self.withdrawn.pop()
    }

    /// When [`poll_event`](Self::poll_event) must be called though nothing else happens; `None` is never.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let greeting = self.greetings.front().map(|&(deadline, _)| deadline);
        let suspension = self.suspended.iter().filter_map(|&link| self.suspended_until(link)).min();
        earlier(self.table.first_deadline(), earlier(greeting, suspension))
    }

    /// One request of this link has ended.
    fn end_on(&mut self, link: LinkId) {
        if let Some(held) = self.link_mut(link) {
            held.pending -= 1;
        }
    }

    #[inline]
    fn link(&self, id: LinkId) -> Option<&Link> {
        let slot = self.links.get(id.index())?;
        slot.link.as_ref().filter(|_| slot.generation == id.generation)
    }

    #[inline]
    fn link_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        let slot = self.links.get_mut(id.index())?;
        slot.link.as_mut().filter(|_| slot.generation == id.generation)
    }
}
