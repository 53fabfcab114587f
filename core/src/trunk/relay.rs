//! A gateway's side of a trunk, without the stream: it relays between one trunk and one member's transport.
//!
//! ```text
//! trunk --> record --> link --> Transport::send        handle_input
//! trunk <-- record <-- link <-- Transport::receive     turn, pending_output, consume_output
//! ```
//!
//! Per link, a window of bytes waits for the peer at most, and one packet for the member; on the trunk, two records.
//! A member that does not read stops what its peers send to it, and nothing else.

use alloc::borrow::ToOwned;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::config::RelayConfig;
use super::end::SessionEnd;
use super::record::{Failure, Join, MemberKind, Record, TRUNK_VERSION, Trouble};
use super::wire::{Came, Framing, Inward, Outward, TrunkError};
use super::{LEAST_LIMIT, MAX_JOIN};
use crate::failure::cut;
use crate::id::Incarnation;
use crate::time::{Instant, earlier};
use crate::transport::Transport;

mod link;
mod records;
mod traffic;

use link::Links;

/// Fractions of the silence that means death after which a side says that it lives.
const PULSES: u32 = 4;
/// A window that holds the beginning of any frame that must wait for its end.
const LEAST_WINDOW: u32 = 64;
/// The longest record that a member takes of which nothing is known.
const UNKNOWN_LIMIT: usize = LEAST_LIMIT as usize;

/// Who wants to join the bus by a trunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinRequest {
    /// The name.
    pub name: String,
    /// This life of it, which is to be the one that the bus knows.
    pub incarnation: Incarnation,
    /// What it is to its peers.
    pub kind: MemberKind,
}

/// What a relay tells its driver.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RelayEvent {
    /// Someone wants to join. The driver answers by [`Relay::join`] or [`Relay::refuse`] before it gives more input.
    Join(JoinRequest),
    /// The session is over, and with it all links. On a pipe nothing follows.
    Ended(SessionEnd),
    /// The member is none any more: it was silent for too long.
    Left,
    /// The bus is gone. The member was told.
    BusGone,
}

/// A gateway's side of a trunk. `T` is the transport of the member that it stands for.
pub struct Relay<T> {
    inward: Inward,
    side: Side<T>,
}

struct Side<T> {
    config: RelayConfig,
    outward: Outward,
    /// Whose join the driver has to answer, and in which session.
    asked: Option<(u32, JoinRequest)>,
    /// The session, once the member has joined.
    session: Option<u32>,
    member: Option<Member<T>>,
    links: Links,
    events: VecDeque<RelayEvent>,
    /// What the member takes: bytes of a link ahead, bytes of a record.
    window: u32,
    limit: usize,
    /// Links whose bytes wait for room on the trunk, in turn.
    waiting: VecDeque<u32>,
    /// Names that are yet to be told, and whether a list of them was asked for.
    listing: Option<vec::IntoIter<String>>,
    /// Names of peers that are yet to be told as arrivals.
    arrivals: vec::IntoIter<String>,
    is_watching: bool,
    heard: Instant,
    pulse: Instant,
    /// When one who speaks in no session may be told so again.
    lost_again: Instant,
    packet: Vec<u8>,
    is_over: bool,
}

struct Member<T> {
    transport: T,
    request: JoinRequest,
    /// Without a session, the membership ends then.
    until: Option<Instant>,
    /// The transport tells of peers.
    watches: bool,
}

impl<T: Transport> Relay<T> {
    /// A relay that waits for a member to join.
    pub fn new(mut config: RelayConfig) -> Self {
        config.window = config.window.max(LEAST_WINDOW);
        config.limit = config.limit.max(LEAST_LIMIT);
        let inward = Inward::new(config.framing, usize::from(config.limit), MAX_JOIN);
        let side = Side {
            outward: Outward::new(config.framing),
            asked: None,
            session: None,
            member: None,
            links: Links::default(),
            events: VecDeque::new(),
            window: 0,
            limit: UNKNOWN_LIMIT,
            waiting: VecDeque::new(),
            listing: None,
            arrivals: Vec::new().into_iter(),
            is_watching: false,
            heard: Instant::ZERO,
            pulse: Instant::ZERO,
            lost_again: Instant::ZERO,
            packet: Vec::new(),
            is_over: false,
            config,
        };
        Self { inward, side }
    }

    /// Who has joined, also where the session is over and the membership is not.
    pub fn member(&self) -> Option<&JoinRequest> {
        self.side.member.as_ref().map(|member| &member.request)
    }

    /// The member's transport.
    pub fn transport_mut(&mut self) -> Option<&mut T> {
        self.side.member.as_mut().map(|member| &mut member.transport)
    }

    /// Whether a session is under way.
    pub fn is_joined(&self) -> bool {
        self.side.session.is_some()
    }

    /// Links that are open.
    pub fn links(&self) -> usize {
        self.side.links.len()
    }

    /// Takes in bytes of the trunk as they came, and returns how many; the rest is to be offered again once output
    /// has left, or a join was answered.
    #[must_use = "bytes not taken must be offered again"]
    pub fn handle_input(&mut self, now: Instant, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        while !self.side.is_held_up() {
            if self.side.is_over {
                return bytes.len();
            }
            let Some(came) = self.inward.next(&mut rest) else { break };
            let outcome = match came {
                Ok(Came::Record(record)) => self.side.handle_record(now, record).map_err(SessionEnd::from),
                Ok(Came::Join { session, record }) => {
                    self.side.handle_join(session, record).map_err(SessionEnd::from)
                }
                Ok(Came::Foreign { session }) => {
                    self.side.deny(now, session);
                    Ok(())
                }
                Ok(Came::Gap | Came::Lost) => Err(SessionEnd::Gap),
                Err(error) => Err(error.into()),
            };
            match outcome {
                Err(loss) => self.lose(now, loss),
                // The same life joins again, and is a member still.
                Ok(()) if self.side.member.is_some() => {
                    if let Some((session, _)) = self.side.asked.take() {
                        self.begin(now, session);
                    }
                }
                Ok(()) => {}
            }
        }
        // Credit may have come for what waits.
        self.side.deliver_waiting(now);
        bytes.len() - rest.len()
    }

    /// The stream has ended, and all that came was taken in. What was taken from the member is still sent to its
    /// peers: see [`has_unsent`](Self::has_unsent).
    pub fn handle_closed(&mut self, now: Instant) {
        if self.side.config.framing == Framing::Serial {
            return self.lose(now, SessionEnd::Closed);
        }
        let loss = if self.inward.is_amid() { TrunkError::CutShort.into() } else { SessionEnd::Closed };
        self.side.part();
        self.side.end_session(loss);
        self.side.is_over = true;
    }

    /// Whether bytes that the member sent have not been sent to its peers.
    pub fn has_unsent(&self) -> bool {
        self.side.links.has_unsent()
    }

    /// Takes something that happened.
    pub fn poll_event(&mut self) -> Option<RelayEvent> {
        self.side.events.pop_front()
    }

    /// Answers a join: the member has been made one, and this is its transport.
    ///
    /// A spurious call drops the transport, and so leaves the bus.
    pub fn join(&mut self, now: Instant, transport: T) {
        if let Some((session, request)) = self.side.asked.take() {
            self.side.member = Some(Member { transport, request, until: None, watches: false });
            self.begin(now, session);
        }
    }

    /// Answers a join: the member is not to be one. On a pipe nothing follows.
    pub fn refuse(&mut self, trouble: Trouble, detail: &str) {
        if let Some((session, _)) = self.side.asked.take() {
            self.side.refuse(session, trouble, detail);
        }
    }

    /// Moves what the member's transport has for the trunk. To be called when the transport is ready, and when output
    /// has left.
    pub fn turn(&mut self, now: Instant) {
        self.side.turn(now);
    }

    /// Whether so much waits to be written that nothing more is taken from the member's transport.
    pub fn is_full(&self) -> bool {
        self.side.is_full()
    }

    /// What is to be written.
    pub fn pending_output(&self) -> &[u8] {
        self.side.outward.pending()
    }

    /// The first `n` bytes of that were written.
    pub fn consume_output(&mut self, now: Instant, n: usize) {
        self.side.outward.consume(n);
        self.side.deliver_waiting(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do; `None` is never.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let side = &self.side;
        let lease = side.member.as_ref().and_then(|member| member.until);
        let is_timed = side.session.is_some() && side.config.silence > Duration::ZERO;
        let life = is_timed.then(|| side.pulse.min(side.heard + side.config.silence));
        earlier(lease, life)
    }

    /// Does what is due. To be called when all that has come was taken in.
    pub fn handle_timeout(&mut self, now: Instant) {
        let silence = self.side.config.silence;
        if self.side.session.is_some() && silence > Duration::ZERO {
            if self.side.heard + silence <= now {
                self.lose(now, SessionEnd::Silence(silence));
                self.side.leave();
            } else if self.side.pulse <= now {
                self.side.pulse = now + silence / PULSES;
                if !self.side.is_full() {
                    self.side.outward.push(&Record::Pulse);
                }
            }
        }
        let lease = self.side.member.as_ref().and_then(|member| member.until);
        if lease.is_some_and(|until| until <= now) {
            self.side.leave();
        }
    }

    /// Ends the membership: the member is told that the bus is gone.
    pub fn close(&mut self, detail: &str) {
        self.side.say_bus_gone(detail);
    }

    /// A session begins.
    fn begin(&mut self, now: Instant, session: u32) {
        self.inward.begin(session, 1, usize::from(self.side.config.limit));
        self.side.begin(now, session);
    }

    /// The session is over. On a serial line, the member is told to begin another.
    fn lose(&mut self, now: Instant, loss: SessionEnd) {
        let session = self.side.session;
        self.side.drop_links();
        self.side.end_session(loss);
        self.inward.end();
        match self.side.config.framing {
            Framing::Pipe => self.side.is_over = true,
            Framing::Serial => {
                if let Some(member) = &mut self.side.member {
                    member.until = Some(now + self.side.config.silence);
                }
                if let Some(session) = session {
                    self.side.outward.begin(session);
                    self.side.lost_again = now;
                    self.side.deny(now, session);
                }
            }
        }
    }
}

impl<T: Transport> Side<T> {
    /// Whether the trunk's input must wait: for output to leave, for the driver, or for an answer to be complete.
    fn is_held_up(&self) -> bool {
        self.asked.is_some() || self.listing.is_some() || self.is_full()
    }

    fn is_full(&self) -> bool {
        self.outward.pending().len() >= 2 * self.limit
    }

    fn handle_join(&mut self, session: u32, record: Record<'_>) -> Result<(), TrunkError> {
        let Record::Join(join) = record else { return Err(TrunkError::OutOfTurn) };
        if self.session.is_some() {
            self.drop_links();
            self.end_session(SessionEnd::Renewed);
        }
        if let Err((trouble, error)) = check(&join) {
            self.refuse(session, trouble, "");
            return Err(error);
        }
        (self.window, self.limit) = (join.window, usize::from(join.limit));
        let request =
            JoinRequest { name: join.name.to_owned(), incarnation: join.incarnation, kind: join.kind };
        if self.member.as_ref().is_some_and(|member| member.request != request) {
            // Another life: the one before is over.
            self.leave();
        }
        if self.member.is_none() {
            self.events.push_back(RelayEvent::Join(request.clone()));
        }
        self.asked = Some((session, request));
        Ok(())
    }

    fn begin(&mut self, now: Instant, session: u32) {
        if let Some(member) = &mut self.member {
            member.until = None;
        }
        let silence = self.config.silence;
        self.session = Some(session);
        (self.heard, self.pulse) = (now, now + silence / PULSES);
        self.outward.begin(session);
        self.outward.push(&Record::Joined {
            version: TRUNK_VERSION,
            window: self.config.window,
            limit: self.config.limit,
            silence: u16::try_from(silence.as_millis()).unwrap_or(u16::MAX),
        });
    }

    fn refuse(&mut self, session: u32, trouble: Trouble, detail: &str) {
        self.outward.begin(session);
        let detail = cut(detail, self.limit - 8);
        self.outward.push(&Record::Refused { trouble, version: TRUNK_VERSION, detail });
        self.is_over = self.config.framing == Framing::Pipe;
    }

    /// Tells one who speaks in a session that is none.
    fn deny(&mut self, now: Instant, session: u32) {
        if self.lost_again <= now && !self.is_full() {
            self.lost_again = now + self.config.silence / PULSES;
            self.outward.push_lost(session);
        }
    }

    /// Ends the session, whose links have been seen to.
    fn end_session(&mut self, loss: SessionEnd) {
        self.waiting.clear();
        self.listing = None;
        self.arrivals = Vec::new().into_iter();
        self.is_watching = false;
        self.session = None;
        self.events.push_back(RelayEvent::Ended(loss));
    }

    /// Ends the membership.
    fn leave(&mut self) {
        if self.member.take().is_some() {
            self.events.push_back(RelayEvent::Left);
        }
    }

    fn say_bus_gone(&mut self, detail: &str) {
        if self.session.is_some() {
            let detail = cut(detail, self.limit - 1);
            self.outward.push(&Record::BusGone { detail });
        }
        self.events.push_back(RelayEvent::BusGone);
    }
}

/// Whether a member can be spoken to.
fn check(join: &Join<'_>) -> Result<(), (Trouble, TrunkError)> {
    if join.version != TRUNK_VERSION {
        let error = TrunkError::Version { ours: TRUNK_VERSION, theirs: join.version };
        return Err((Trouble::Version, error));
    }
    if join.limit < LEAST_LIMIT || join.window == 0 {
        return Err((Trouble::Limits, TrunkError::TooSmall));
    }
    Ok(())
}
