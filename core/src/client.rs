//! A client: one process's membership under one peer name. The endpoint, a transport and a clock together.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use alloc::{string::String, vec};
use core::mem;
use core::ops::Range;

use hashbrown::HashSet;

use crate::config::Overflow;
use crate::endpoint::Endpoint;
use crate::error::{GoneReason, RemoteError, RequestError, SendError};
use crate::event::{End, Event};
use crate::failure::{Refusal, RemoteErrorKind};
use crate::frame::{Body, Input};
use crate::id::{Incarnation, LinkId, ReplyToken, RequestId};
use crate::time::{Clock, Instant, earlier};
use crate::transport::{Area, ConnectError, PeerChange, Progress, Transport, TransportEvent};

mod finished;
mod intake;
mod received;
mod sending;
mod suspending;

use finished::{Ended, Finished};
pub(crate) use intake::Lent;
pub use received::{Message, Response};
pub(crate) use sending::connect_failed;

/// Buffers kept for bodies that outlast their packet.
const SPARE_BUFFERS: usize = 64;
/// A larger buffer is kept for large bodies, if at all.
const SPARE_CAPACITY: usize = 4096;
/// A caller that waits for one link alone looks at the others at least this often.
const NEGLECT: core::time::Duration = core::time::Duration::from_millis(20);
/// A service that waits for its only peer alone looks out for others at least this often.
const SERVICE_NEGLECT: core::time::Duration = core::time::Duration::from_millis(1);
/// How much longer than its time a wait takes in what has come.
const GRACE: core::time::Duration = core::time::Duration::from_millis(10);
/// Peer changes kept for a reader; the oldest are dropped beyond it.
const KEPT_CHANGES: usize = 4096;

/// What is done after every packet.
pub(crate) type EachPacket<'a, T, C> = &'a mut dyn FnMut(&mut Client<T, C>);

/// One process's membership of a bus: it moves the bytes of an [`Endpoint`] and waits.
///
/// [`Handle`](crate::Handle) and [`Service`](crate::Service) are made of one.
pub struct Client<T, C> {
    endpoint: Endpoint,
    transport: T,
    clock: C,
    /// The packet that came last.
    packet: Vec<u8>,
    /// What of it has yet to be taken in.
    rest: Option<Rest>,
    /// Nothing is left in the packet for later: someone else waits for what comes.
    eager: bool,
    /// The packet that came last, if it is not in `packet` and someone refers to it.
    area: Option<Area>,
    /// Another packet buffer, for whoever waits while the first is lent.
    spare_packet: Vec<u8>,
    /// Who refers to bytes of the packet that came last; at most one does.
    pinned: Option<Pin>,
    /// Requests that have ended and were not collected.
    finished: Finished,
    /// Requests whose end must be announced in `announced`.
    announce: HashSet<RequestId>,
    announced: VecDeque<RequestId>,
    inbox: VecDeque<Inbound>,
    /// Whose request was dealt with last: the next is likely to be the same peer's.
    sender: Option<(LinkId, Arc<str>)>,
    /// What has come from peers that do not take in what they are answered.
    kept_back: BTreeMap<LinkId, VecDeque<Inbound>>,
    changes: VecDeque<PeerChange>,
    /// At most [`SPARE_BUFFERS`].
    spare: Vec<Vec<u8>>,
    /// The body that was given out last, and who had sent it if its link is over.
    given: Vec<u8>,
    given_by: Arc<str>,
    /// The link whose end is of interest, and its end: what had left on it, and why it ended.
    watched: Option<LinkId>,
    watched_end: Option<(u64, GoneReason)>,
    /// Where the last packet came from.
    last_link: Option<LinkId>,
    /// Packets taken in and links ended.
    received: u64,
    /// The last turn brought something.
    is_busy: bool,
    /// What the clock said last, and whether something has come since then.
    recent: Instant,
    is_stale: bool,
    /// What the clock had said when the last wait began.
    looked: Instant,
    /// When all links were looked at last.
    last_turn: Instant,
    /// Requests that have ended; and requests, messages and news of peers that have come.
    ends: u64,
    arrivals: u64,
    dropped: u64,
    serves: bool,
    /// Requests are gathered to whole packets instead of being sent at once.
    corked: bool,
    terminated: bool,
    bus_gone: bool,
    woken: bool,
}

#[derive(Debug)]
enum Pin {
    Finished(RequestId),
    Inbox,
}

/// A body that has been taken in.
#[derive(Debug)]
pub(crate) enum Stored {
    /// It lies in the packet that came last.
    InPacket(Range<usize>),
    /// It is the end of this buffer.
    Own { buffer: Vec<u8>, at: usize },
}

/// The part of a packet that has yet to be taken in: one frame after the other, as somebody asks for it.
///
/// So the answer that is awaited, or the request that is next, is used where it lies, however many have come
/// with it.
#[derive(Clone, Copy, Debug)]
struct Rest {
    link: LinkId,
    /// When the packet came.
    came: Instant,
    taken: usize,
    len: usize,
}

/// A request or message of a peer, in the order of arrival.
#[derive(Debug)]
pub(crate) struct Inbound {
    pub(crate) link: LinkId,
    pub(crate) from: Arc<str>,
    pub(crate) kind: InboundKind,
    pub(crate) body: Stored,
}

#[derive(Debug)]
pub(crate) enum InboundKind {
    Request(ReplyToken),
    // Boxed: requests, which are many more, are moved about as well.
    Message(Box<MessageHead>),
}

/// What came with a message.
#[derive(Debug)]
pub(crate) struct MessageHead {
    sequence: u64,
    stamp: u64,
    broadcast: bool,
    cost: u32,
    incarnation: Option<Incarnation>,
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// A client of a member that `transport` has joined.
    pub fn new(endpoint: Endpoint, transport: T, clock: C) -> Self {
        Self {
            endpoint,
            transport,
            clock,
            packet: Vec::new(),
            rest: None,
            eager: false,
            area: None,
            spare_packet: Vec::new(),
            pinned: None,
            finished: Finished::default(),
            announce: HashSet::new(),
            announced: VecDeque::new(),
            inbox: VecDeque::new(),
            sender: None,
            kept_back: BTreeMap::new(),
            changes: VecDeque::new(),
            spare: Vec::new(),
            given: Vec::new(),
            given_by: "".into(),
            watched: None,
            watched_end: None,
            last_link: None,
            received: 0,
            is_busy: false,
            recent: Instant::ZERO,
            is_stale: false,
            looked: Instant::ZERO,
            last_turn: Instant::ZERO,
            ends: 0,
            arrivals: 0,
            dropped: 0,
            serves: false,
            corked: false,
            terminated: false,
            bus_gone: false,
            woken: false,
        }
    }

    /// The machine: its name, its bounds, its counters.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The transport.
    pub fn transport(&self) -> &T {
        &self.transport
    }

    /// The transport, for what only it can do. Its links belong to the client.
    pub fn transport_mut(&mut self) -> &mut T {
        &mut self.transport
    }

    /// Gives up the client and keeps the transport, as for one that is used by way of another. Its links are forgotten, not
    /// closed.
    pub fn into_transport(self) -> T {
        self.transport
    }

    /// The present moment.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// What the clock says to one who begins to send: requests that are gathered have one beginning.
    #[inline]
    pub(crate) fn begin(&mut self) -> Instant {
        if self.corked { self.recent } else { self.look_at_clock() }
    }

    /// Reads the clock for what is about to be done.
    pub(crate) fn look_at_clock(&mut self) -> Instant {
        self.is_stale = false;
        self.recent = self.clock.now();
        self.recent
    }

    /// What the clock said when a packet came, or something was begun, last.
    pub(crate) fn recent(&self) -> Instant {
        self.recent
    }

    /// Whether a peer asked this member to end.
    pub fn is_terminated(&self) -> bool {
        self.terminated
    }

    /// Whether the bus was removed while this member was on it, or this member from it.
    pub fn is_bus_gone(&self) -> bool {
        self.bus_gone
    }

    /// Whether another thread woke this member since the last call.
    pub fn take_woken(&mut self) -> bool {
        mem::take(&mut self.woken)
    }

    /// Messages that were dropped because nobody collected them.
    pub fn dropped_messages(&self) -> u64 {
        self.dropped
    }

    /// Packets that were taken in and links that ended, so far: it changes with all that comes from peers.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// When [`turn`](Self::turn) must be called though nothing comes in; `None` is never.
    pub fn next_deadline(&self) -> Option<Instant> {
        earlier(self.endpoint.poll_timeout(), self.transport.next_deadline())
    }

    /// One turn of the loop: sends what is to go, waits until something comes but not beyond `deadline`,
    /// takes in what has come, and ends what is over. Returns whether anything happened.
    pub fn turn(&mut self, deadline: Option<Instant>) -> bool {
        self.turn_with(deadline, &mut |_| {})
    }

    /// [`turn`](Self::turn), with a call of `each` after every packet, before its output is sent.
    pub(crate) fn turn_with(&mut self, deadline: Option<Instant>, each: EachPacket<'_, T, C>) -> bool {
        self.take_rest();
        self.flush();
        let mut happened = self.settle_ends();
        if self.unclogged().is_some() {
            let kept = self.kept_back_len();
            each(self);
            self.flush();
            // What leaves may make room for more; one who only waits deals with nothing.
            happened |= self.kept_back_len() < kept;
        }
        let until =
            if happened { Some(Instant::ZERO) } else { earlier(deadline, self.endpoint.poll_timeout()) };
        self.looked = self.recent;
        self.transport.wait(until);
        happened |= self.take_events(each);
        self.last_turn = self.look_at_clock();
        if self.endpoint.poll_timeout().is_some_and(|deadline| deadline <= self.last_turn) {
            happened |= self.drain(each);
            happened |= self.expire();
        } else {
            happened |= self.settle_ends();
        }
        each(self);
        self.flush();
        self.is_busy = happened;
        happened
    }

    /// Requests are kept for [`next_inbound`](Self::next_inbound) from now on, not refused.
    pub(crate) fn serve(&mut self) {
        self.serves = true;
    }

    /// Who sent the request that was just dealt with.
    #[inline]
    pub(crate) fn keep_sender(&mut self, link: LinkId, from: Arc<str>) {
        self.sender = Some((link, from));
    }

    /// The endpoint, for answers.
    pub(crate) fn endpoint_mut(&mut self) -> &mut Endpoint {
        &mut self.endpoint
    }

    /// Sends what is to go, as far as it goes without waiting.
    pub fn flush(&mut self) {
        while let Some(link) = self.endpoint.poll_output() {
            self.send_link(link);
        }
    }

    /// Gathers the requests that are sent from now on, or sends them at once again.
    pub(crate) fn set_corked(&mut self, corked: bool) {
        self.corked = corked;
        if corked {
            self.look_at_clock();
        } else {
            self.flush();
        }
    }

    /// The peers that came and went since the last call.
    pub fn take_changes(&mut self) -> Vec<PeerChange> {
        self.changes.drain(..).collect()
    }

    /// Takes in at once whatever comes from now on, and leaves nothing in the packet for later calls.
    ///
    /// For one who waits for a descriptor of the transport: that tells of packets, not of what is left in one.
    pub fn set_eager(&mut self) {
        self.eager = true;
        self.take_rest();
    }

    /// The messages that have come, in order; the buffer is empty afterwards.
    pub fn messages(&mut self) -> Vec<Message> {
        self.take_rest();
        let mut messages = Vec::new();
        let mut requests = VecDeque::new();
        for item in mem::take(&mut self.kept_back).into_values().flatten().rev() {
            self.inbox.push_front(item);
        }
        while let Some(item) = self.inbox.pop_front() {
            match item.kind {
                InboundKind::Request(_) => requests.push_back(item),
                InboundKind::Message(_) => messages.extend(self.open_message(item)),
            }
        }
        self.inbox = requests;
        self.flush();
        messages
    }

    /// Ends a request as the caller wishes; false if it had ended.
    pub fn cancel(&mut self, id: RequestId) -> bool {
        self.take_rest();
        let cancelled = self.endpoint.cancel(id);
        self.settle_ends();
        self.flush();
        cancelled
    }

    /// Forgets a request, ended or not.
    pub(crate) fn forget(&mut self, id: RequestId) {
        self.announce.remove(&id);
        self.cancel(id);
        self.finished.remove(id);
    }

    /// The requests that have not ended, and those that were not collected.
    pub(crate) fn request_ids(&self) -> impl Iterator<Item = RequestId> + '_ {
        self.endpoint.pending_ids().chain(self.finished.ids())
    }

    /// Requests that have not ended or were not collected.
    pub(crate) fn in_flight(&self) -> usize {
        self.endpoint.pending() + self.finished.len()
    }

    pub(crate) fn is_finished(&self, id: RequestId) -> bool {
        self.finished.get(id).is_some()
    }

    /// When a finished request ended, in the order of ends.
    pub(crate) fn end_order(&self, id: RequestId) -> Option<u64> {
        self.finished.get(id).map(|ended| ended.order)
    }

    /// Announces the end of this request in [`next_announced`](Self::next_announced).
    pub(crate) fn announce(&mut self, id: RequestId) {
        self.announce.insert(id);
        if self.is_finished(id) {
            self.announced.push_back(id);
        }
    }

    pub(crate) fn next_announced(&mut self) -> Option<RequestId> {
        let id = self.announced.pop_front()?;
        self.announce.remove(&id);
        Some(id)
    }

    /// Collects the end of a request.
    pub(crate) fn collect(&mut self, id: RequestId) -> Option<Result<Response<'_>, RequestError>> {
        let Ended { link, peer, result, .. } = self.finished.remove(id)?;
        if let Some(peer) = peer {
            self.given_by = peer;
        }
        let bytes = match result {
            Err(error) => return Some(Err(*error)),
            Ok(Stored::InPacket(range)) => {
                self.pinned = None;
                &self.last_packet()[range]
            }
            Ok(Stored::Own { buffer, at }) => {
                let used = mem::replace(&mut self.given, buffer);
                self.keep_spare(used);
                &self.given[at..]
            }
        };
        Some(Ok(Response::new(self.endpoint.peer(link).unwrap_or(&self.given_by), bytes)))
    }

    /// Collects the end of a request with the buffer of its response.
    pub(crate) fn collect_owned(&mut self, id: RequestId) -> Option<Result<(Arc<str>, Lent), RequestError>> {
        let Ended { link, peer, result, .. } = self.finished.remove(id)?;
        let peer = peer.or_else(|| self.endpoint.peer(link).cloned()).unwrap_or_else(|| "".into());
        Some(result.map(|body| (peer, self.lend(body))).map_err(|error| *error))
    }

    /// Collects the requests that failed, in the order in which they ended.
    pub(crate) fn collect_failures(&mut self) -> Vec<(RequestId, RequestError)> {
        let mut failed = self.finished.remove_failed();
        failed.sort_by_key(|(_, ended)| ended.order);
        let error = |(id, ended): (RequestId, Ended)| ended.result.err().map(|error| (id, *error));
        failed.into_iter().filter_map(error).collect()
    }

    /// Ends a request as one that was not answered in time.
    pub(crate) fn time_out(&mut self, id: RequestId) {
        self.take_rest();
        let Some(peer) = self.endpoint.request_peer(id).cloned() else { return };
        self.cancel(id);
        if let Some(ended) = self.finished.get_mut(id) {
            ended.result = Err(Box::new(RequestError::TimedOut { peer }));
        }
    }

    /// Waits for a request's end: one packet of its own link at best, else one turn.
    pub(crate) fn advance(&mut self, id: RequestId, deadline: Option<Instant>) -> bool {
        self.flush();
        match self.endpoint.sole_link(id) {
            Some(link) => self.advance_on(link, deadline),
            None => self.turn(deadline),
        }
    }

    /// Waits for one packet of a link, if the transport can wait for one link alone and no other was
    /// neglected for long; else makes one turn.
    fn advance_on(&mut self, link: LinkId, deadline: Option<Instant>) -> bool {
        let until = earlier(deadline, self.endpoint.poll_timeout());
        if self.recent.saturating_since(self.last_turn) > NEGLECT {
            return self.turn(Some(Instant::ZERO));
        }
        let may_wait = until.is_none_or(|until| until > self.recent);
        if may_wait && self.receive_or_wait(link, until) != Progress::Blocked {
            return true;
        }
        self.turn(deadline)
    }

    /// Waits for one packet of the only link, where nothing else can be expected but a new peer, and that
    /// one does not mind a moment. `None` if the whole turn is to be made.
    pub(crate) fn turn_on_busy_link(&mut self, deadline: Option<Instant>) -> Option<bool> {
        self.flush();
        let link = self.last_link.filter(|&link| self.is_busy && self.endpoint.is_only_link(link))?;
        let until = earlier(deadline, self.endpoint.poll_timeout());
        let neglected = self.recent.saturating_since(self.last_turn) > SERVICE_NEGLECT;
        if neglected || self.endpoint.serving() > 0 || until.is_some_and(|until| until <= self.recent) {
            return None;
        }
        self.looked = self.recent;
        self.is_busy = self.receive_or_wait(link, until) != Progress::Blocked;
        self.read_ahead(link);
        self.is_busy.then_some(true)
    }

    /// Receives one packet of a link, waiting for it if the transport can wait for one link alone.
    pub(crate) fn receive_or_wait(&mut self, link: LinkId, until: Option<Instant>) -> Progress {
        self.prepare_packet();
        if self.is_stale {
            self.look_at_clock();
        }
        let progress = self.transport.receive_or_wait(link, &mut self.packet, self.recent, until);
        self.take_progress(link, progress)
    }

    /// Whether a wait until `deadline` ends now: what has come by then is taken in first, but a peer that
    /// keeps sending does not prolong it for long.
    pub(crate) fn is_over(&self, deadline: Option<Instant>, happened: bool) -> bool {
        deadline.is_some_and(|deadline| {
            let grace = if happened { GRACE } else { core::time::Duration::ZERO };
            deadline + grace <= self.now()
        })
    }

    /// Requests that have ended plus requests, messages and news of peers that have come, so far.
    pub(crate) fn taken_in(&self) -> u64 {
        self.ends + self.arrivals
    }
}
