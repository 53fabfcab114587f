//! A client: one process's membership under one peer name. The endpoint, a transport and a clock together.
//!
//! ```text
//! waiting     for everything, a turn at a time, or for one link alone
//! intake      packets become ends of requests, and requests and messages of peers
//! bodies      where their bodies lie
//! ending      requests that have ended, until they are collected: finished
//! inbound     requests and messages of peers, until they are dealt with
//! sending     a peer is reached, and what is for it goes out
//! suspending  the end of a life that is not the end of its member
//! received    what a user is given of it
//! ```

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

mod bodies;
mod ending;
mod finished;
mod inbound;
mod intake;
mod received;
mod sending;
mod suspending;
mod waiting;

use bodies::Pin;
pub(crate) use bodies::{Lent, Stored};
use finished::{Ended, Finished};
pub(crate) use inbound::{Inbound, InboundKind, MessageHead};
pub use received::{Message, Response};
pub(crate) use sending::connect_failed;

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
    /// At most [`SPARE_BUFFERS`](bodies::SPARE_BUFFERS).
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

    /// Requests are kept for [`next_inbound`](Self::next_inbound) from now on, not refused.
    pub(crate) fn serve(&mut self) {
        self.serves = true;
    }

    /// Requests are refused from now on; those that are kept are let go of.
    pub(crate) fn serve_no_more(&mut self) {
        self.take_rest();
        self.serves = false;
        let now = self.recent;
        for item in mem::take(&mut self.kept_back).into_values().flatten().rev() {
            self.inbox.push_front(item);
        }
        for item in mem::take(&mut self.inbox) {
            match item.kind {
                InboundKind::Request(token) => {
                    self.endpoint.fail(now, token, RemoteErrorKind::Unanswered, "");
                    self.release(item.body);
                }
                InboundKind::Message(_) => self.inbox.push_back(item),
            }
        }
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

    /// Requests that have ended plus requests, messages and news of peers that have come, so far.
    pub(crate) fn taken_in(&self) -> u64 {
        self.ends + self.arrivals
    }
}
