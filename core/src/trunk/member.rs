//! A member's side of a trunk, without I/O.

use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use super::DATA_HEAD;
use super::config::TrunkConfig;
use super::end::TrunkEnd;
use super::record::{self, Failure, Join, MemberKind, Record, State, Status, TRUNK_VERSION, Trouble};
use super::wire::{Came, Framing, Inward, Outward, TrunkError};
use crate::id::{Incarnation, LinkId};
use crate::time::{Instant, earlier};
use crate::transport::{ConnectError, PeerChange, PeerState, PeerStatus, Progress, TransportEvent};

mod link;
mod records;

use link::Links;
pub(super) use records::peer_status;

/// Links that peers have begun and the member has not looked at; more are turned away.
const MAX_INCOMING: usize = 1024;
/// Fractions of the silence that means death after which a side says that it lives.
const PULSES: u32 = 4;
/// Fractions of the patience after which a join that was not answered is said again.
const JOINS: u32 = 4;

/// Who joins by a trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The name.
    pub name: &'a str,
    /// This life of it.
    pub incarnation: Incarnation,
    /// What it is to its peers.
    pub kind: MemberKind,
}

/// Where a member stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It has asked to join; on a serial line it asks again then.
    Joining {
        again: Instant,
    },
    Joined,
    Over(TrunkEnd),
}

/// The answer to a question.
#[derive(Debug)]
pub(super) enum Answer {
    Connected(Result<Status, ConnectError>),
    Found(Option<Status>),
    Peers(Vec<String>),
    Watching,
    Authenticated(bool),
    Unable(ConnectError),
}

/// A member's side of a trunk: bytes in and out, links, events.
#[derive(Debug)]
pub(super) struct Member {
    inward: Inward,
    side: Side,
}

#[derive(Debug)]
struct Side {
    name: Arc<str>,
    incarnation: Incarnation,
    kind: MemberKind,
    config: TrunkConfig,
    standing: Standing,
    outward: Outward,
    session: u32,
    /// Why the last attempt to join again failed.
    refusal: Option<TrunkEnd>,
    links: Links,
    /// The number of the next link that the member begins.
    next_link: u32,
    /// What the gateway takes: bytes of a link ahead, bytes of a record.
    window: u32,
    limit: usize,
    /// How long the line may be silent; zero is for ever.
    silence: Duration,
    heard: Instant,
    pulse: Instant,
    /// Links with something to receive.
    ready: VecDeque<LinkId>,
    incoming: VecDeque<u32>,
    events: VecDeque<TransportEvent>,
    answer: Option<Answer>,
    /// Answers to come that nobody waits for.
    stale: u32,
    listing: Vec<String>,
    /// The peers that are known to be there, once they are watched.
    watched: Option<BTreeMap<Arc<str>, Incarnation>>,
}

impl Member {
    /// A member that asks to join.
    pub(super) fn new(now: Instant, identity: Identity<'_>, config: TrunkConfig) -> Self {
        let side = Side {
            name: identity.name.into(),
            incarnation: identity.incarnation,
            kind: identity.kind,
            standing: Standing::Joining { again: now },
            outward: Outward::new(config.framing),
            // Each life begins elsewhere.
            session: identity.incarnation.as_bits() as u32,
            refusal: None,
            links: Links::default(),
            next_link: 0,
            window: 0,
            limit: 0,
            silence: Duration::ZERO,
            heard: now,
            pulse: now,
            ready: VecDeque::new(),
            incoming: VecDeque::new(),
            events: VecDeque::new(),
            answer: None,
            stale: 0,
            listing: Vec::new(),
            watched: None,
            config,
        };
        let limit = usize::from(side.config.limit);
        let mut member = Self { inward: Inward::new(side.config.framing, limit, limit), side };
        member.join(now);
        member
    }

    pub(super) fn standing(&self) -> &Standing {
        &self.side.standing
    }

    /// Why the last attempt to join again failed, if it did.
    pub(super) fn refusal(&self) -> Option<&TrunkEnd> {
        self.side.refusal.as_ref()
    }

    /// Which session this is.
    pub(super) fn session(&self) -> u32 {
        self.side.session
    }

    pub(super) fn name(&self) -> &str {
        &self.side.name
    }

    /// Takes in bytes as they came.
    pub(super) fn handle_input(&mut self, now: Instant, mut bytes: &[u8]) {
        while let Some(came) = self.inward.next(&mut bytes) {
            let outcome = match came {
                Ok(Came::Record(record)) => {
                    self.side.heard = now;
                    self.side.handle_record(now, record)
                }
                Ok(Came::Gap | Came::Lost) => Err(None),
                Ok(Came::Join { .. } | Came::Foreign { .. }) => Ok(()),
                Err(error) => Err(Some(error)),
            };
            if let Err(error) = outcome {
                self.lose(now, error.map_or(TrunkEnd::Closed, TrunkEnd::Broken));
            }
            if matches!(self.side.standing, Standing::Over(_)) {
                return;
            }
        }
    }

    /// The stream has ended.
    pub(super) fn handle_closed(&mut self) {
        self.side.end_links();
        self.side.finish(TrunkEnd::Closed);
    }

    /// What is to be written.
    pub(super) fn pending_output(&self) -> &[u8] {
        self.side.outward.pending()
    }

    /// The first `n` bytes of that were written.
    pub(super) fn consume_output(&mut self, n: usize) {
        self.side.outward.consume(n);
        if !self.side.is_full() {
            self.side.unblock();
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let side = &self.side;
        match side.standing {
            Standing::Joining { again } => (side.config.framing == Framing::Serial).then_some(again),
            Standing::Joined if side.silence > Duration::ZERO => {
                earlier(Some(side.pulse), Some(side.heard + side.silence))
            }
            _ => None,
        }
    }

    /// Does what is due. To be called when all that has come was taken in.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_none_or(|due| due > now) {
            return;
        }
        let side = &mut self.side;
        match side.standing {
            Standing::Joining { .. } => self.join(now),
            Standing::Joined if side.heard + side.silence <= now => self.lose(now, TrunkEnd::TimedOut),
            _ => {
                side.pulse = now + side.silence / PULSES;
                if !side.is_full() {
                    side.outward.push(&Record::Pulse);
                }
            }
        }
    }

    /// The trunk is of no use as it is: its links end, and on a serial line the member joins anew.
    pub(super) fn lose(&mut self, now: Instant, end: TrunkEnd) {
        self.side.end_links();
        match self.side.config.framing {
            Framing::Pipe => self.side.finish(end),
            Framing::Serial => self.join(now),
        }
    }

    /// Asks to join, in a new session.
    fn join(&mut self, now: Instant) {
        let side = &mut self.side;
        let limit = usize::from(side.config.limit);
        side.session = side.session.wrapping_add(1);
        side.outward.begin(side.session);
        self.inward.begin(side.session, 0, limit);
        side.outward.push(&Record::Join(Join {
            version: TRUNK_VERSION,
            kind: side.kind,
            incarnation: side.incarnation,
            window: side.config.window,
            limit: side.config.limit,
            name: &side.name,
        }));
        side.standing = Standing::Joining { again: now + side.config.patience / JOINS };
    }

    /// Asks something. False while the member is not one.
    pub(super) fn ask(&mut self, question: &Record<'_>) -> bool {
        let side = &mut self.side;
        side.answer = None;
        side.listing.clear();
        let is_joined = side.standing == Standing::Joined;
        if is_joined {
            side.outward.push(question);
        }
        is_joined
    }

    /// Takes the answer to what was asked last, if it has come.
    pub(super) fn take_answer(&mut self) -> Option<Answer> {
        self.side.answer.take()
    }

    /// Nobody waits any more for the answer to what was asked last.
    pub(super) fn give_up_answer(&mut self) {
        self.side.stale += 1;
    }

    /// A link that the member begins. Returns its number.
    pub(super) fn open(&mut self, link: LinkId) -> u32 {
        let side = &mut self.side;
        let number = side.next_link;
        side.next_link = number.wrapping_add(2);
        side.links.open(link, number, side.window);
        number
    }

    /// A link could not be begun.
    pub(super) fn abandon(&mut self, link: LinkId) {
        self.side.links.remove(link);
    }

    /// The number of a link that has not ended.
    pub(super) fn number(&mut self, link: LinkId) -> Option<u32> {
        self.side.links.get_mut(link).filter(|held| !held.has_ended).map(|held| held.number)
    }

    /// Takes in the oldest link that a peer has begun.
    pub(super) fn accept(&mut self, link: LinkId) -> bool {
        let Some(number) = self.side.incoming.pop_front() else { return false };
        self.side.links.open(link, number, self.side.window);
        self.side.outward.push(&Record::Accept { link: number });
        true
    }

    /// Turns away the oldest link that a peer has begun.
    pub(super) fn reject(&mut self) {
        if let Some(link) = self.side.incoming.pop_front() {
            self.side.outward.push(&Record::Reject { link });
        }
    }

    /// Sends from the front of `bytes`, as far as windows allow.
    pub(super) fn send(&mut self, link: LinkId, bytes: &[u8]) -> Progress {
        let side = &mut self.side;
        let Some(held) = side.links.get_mut(link).filter(|held| !held.has_ended) else {
            return Progress::Closed;
        };
        let mut sent = 0;
        while sent < bytes.len() && held.credit > 0 && side.outward.pending().len() < 2 * side.limit {
            let piece = (bytes.len() - sent).min(held.credit as usize).min(side.limit - DATA_HEAD);
            side.outward.push(&Record::Data { link: held.number, bytes: &bytes[sent..sent + piece] });
            held.credit -= piece as u32;
            sent += piece;
        }
        held.is_blocked = sent == 0;
        if sent == 0 { Progress::Blocked } else { Progress::Moved(sent) }
    }

    /// Receives what has come on a link.
    pub(super) fn receive(&mut self, link: LinkId, buffer: &mut [u8]) -> Progress {
        let side = &mut self.side;
        let Some(held) = side.links.get_mut(link) else { return Progress::Blocked };
        let n = held.take(buffer);
        if n == 0 {
            return if held.has_ended { Progress::Closed } else { Progress::Blocked };
        }
        held.owed += n as u32;
        if held.owed >= side.config.window.div_ceil(4) && !held.has_ended {
            let bytes = core::mem::take(&mut held.owed);
            side.outward.push(&Record::Credit { link: held.number, bytes });
        }
        side.queue(link);
        Progress::Moved(n)
    }

    /// Closes a link.
    pub(super) fn close(&mut self, link: LinkId) {
        if let Some(held) = self.side.links.remove(link)
            && !held.has_ended
        {
            self.side.outward.push(&Record::Close { link: held.number });
        }
    }

    /// Says that the peers are watched: they are told from now on.
    pub(super) fn watch(&mut self) {
        self.side.watched.get_or_insert_default();
    }

    pub(super) fn is_watching(&self) -> bool {
        self.side.watched.is_some()
    }

    pub(super) fn has_events(&self) -> bool {
        !self.side.events.is_empty() || self.side.ready.iter().any(|&link| self.side.links.is_readable(link))
    }

    pub(super) fn poll_event(&mut self) -> Option<TransportEvent> {
        if let Some(event) = self.side.events.pop_front() {
            return Some(event);
        }
        while let Some(link) = self.side.ready.pop_front() {
            let Some(held) = self.side.links.get_mut(link) else { continue };
            held.is_queued = false;
            if held.is_readable() {
                return Some(TransportEvent::Readable(link));
            }
        }
        None
    }
}

impl Side {
    fn is_full(&self) -> bool {
        self.outward.pending().len() >= 2 * self.limit
    }

    /// Has a link reported as readable, if it is.
    fn queue(&mut self, link: LinkId) {
        if let Some(held) = self.links.get_mut(link)
            && held.is_readable()
            && !held.is_queued
        {
            held.is_queued = true;
            self.ready.push_back(link);
        }
    }

    /// Reports the links on which sending had blocked and need not any more.
    fn unblock(&mut self) {
        for held in self.links.iter_mut().filter(|held| held.is_blocked && held.credit > 0) {
            held.is_blocked = false;
            self.events.push_back(TransportEvent::Writable(held.id));
        }
    }

    /// Ends all links; what had come on them can still be received.
    fn end_links(&mut self) {
        self.incoming.clear();
        self.answer = None;
        self.stale = 0;
        while let Some(number) = self.links.first_number() {
            self.end_link(number);
        }
        // The bus cannot be seen: who is found there by the next session is told anew.
        for (name, incarnation) in self.watched.iter_mut().flat_map(core::mem::take) {
            self.events.push_back(TransportEvent::Peer(PeerChange {
                name,
                incarnation,
                state: PeerState::Gone,
            }));
        }
    }

    fn end_link(&mut self, number: u32) {
        if let Some(link) = self.links.end(number) {
            self.queue(link);
        }
    }

    /// The membership is over for good.
    fn finish(&mut self, end: TrunkEnd) {
        if !matches!(self.standing, Standing::Over(_)) {
            self.standing = Standing::Over(end);
            self.events.push_back(TransportEvent::BusGone);
        }
    }
}
