//! What comes in on a link, frame by frame.

use core::ops::Range;

use super::endpoint::{Endpoint, PATIENCE};
use super::error::LinkEnd;
use super::event::{End, Event};
use super::hello;
use super::inbox::Inbox;
use super::link::State;
use crate::failure::Refusal;
use crate::id::{LinkId, RequestId};
use crate::layout::{PREFIX, body_at, cost};
use crate::message::{Head, PROTOCOL_VERSION};
use crate::serving::Served;
use crate::time::Instant;

/// What one frame came to.
type Outcome = Result<Option<Event<'static>>, LinkEnd>;

impl Endpoint<'_> {
    /// Takes frames of one link until one of them is an event; also says where its body is.
    pub(super) fn poll_link(
        &mut self,
        now: Instant,
        at: usize,
        inbox: &mut Inbox<'_>,
    ) -> Option<(Event<'static>, Range<usize>)> {
        loop {
            let held = &self.links[at];
            let link = LinkId { slot: at as u32, generation: held.generation };
            match held.state {
                State::Free | State::Leaving(_) | State::Over(_) => {
                    inbox.clear(at);
                    return None;
                }
                // Nothing more is taken in before it is known from whom.
                State::Judging => return None,
                _ => {}
            }
            let size = match inbox.next(at, self.limits.frame_in) {
                Ok(size) => size?,
                Err(error) => {
                    self.violate(link, LinkEnd::Frame(error));
                    return None;
                }
            };
            inbox.give(at, size);
            let frame = &inbox.bytes(at)[..size];
            let event = body_at(frame).map_err(LinkEnd::Frame).and_then(|body_at| {
                let head = Head::decode(&frame[PREFIX..body_at]).map_err(LinkEnd::Frame)?;
                let event = self.handle_frame(now, link, head, size, &frame[body_at..])?;
                Ok(event.map(|event| (event, body_at..size)))
            });
            match event {
                Ok(None) => {}
                Ok(event) => return event,
                Err(reason) => {
                    self.violate(link, reason);
                    return None;
                }
            }
        }
    }

    fn handle_frame(&mut self, now: Instant, link: LinkId, head: Head, size: usize, body: &[u8]) -> Outcome {
        match (self.links[link.index()].state, head) {
            (State::Calling | State::Answering, Head::Hello { version }) => {
                return self.handle_hello(now, link, version, body);
            }
            (State::Calling, Head::Refused { reason }) => {
                self.end(link, LinkEnd::Refused(reason));
                return Ok(None);
            }
            (State::Open, _) => {}
            _ => return Err(LinkEnd::OutOfTurn),
        }
        match head {
            Head::Hello { .. } | Head::Refused { .. } => Err(LinkEnd::OutOfTurn),
            Head::Request { id, budget } => self.handle_request(now, link, id, budget, size),
            Head::Response { id } => Ok(self.handle_end(link, id, End::Response(&[]))),
            Head::Failure { id, kind } => Ok(self.handle_end(link, id, End::Failure { kind, detail: &[] })),
            Head::Cancel { id } => Ok(self.serving.cancel(link, id).map(|key| Event::Withdrawn { key })),
            Head::Message { sequence, stamp, broadcast } => {
                self.settle(link, cost(size));
                Ok(Some(Event::Message { link, sequence, stamp, broadcast, body: &[] }))
            }
            Head::Terminate => Ok(Some(Event::Terminate { link })),
            Head::Credit { bytes } => {
                self.links[link.index()].earn(bytes);
                Ok(None)
            }
        }
    }

    fn handle_hello(&mut self, now: Instant, link: LinkId, version: u16, body: &[u8]) -> Outcome {
        if version != PROTOCOL_VERSION {
            self.counters.violations = self.counters.violations.wrapping_add(1);
            let reason = Refusal::Version { version: PROTOCOL_VERSION };
            self.links[link.index()].patience = now.plus_micros(PATIENCE);
            self.say_refused(link, reason, LinkEnd::Version { theirs: version });
            return Ok(None);
        }
        let hello = hello::read(body).ok_or(LinkEnd::BadHello)?;
        let is_calling = matches!(self.links[link.index()].state, State::Calling);
        // Byte by byte, for the size: `memcmp` is more code.
        let is_called = |name: &[u8]| name.iter().eq(hello.name.as_bytes());
        if is_calling && !self.called(link).is_some_and(is_called) {
            return Err(LinkEnd::WrongPeer);
        }
        let held = &mut self.links[link.index()];
        held.earn(hello.window);
        held.body_limit = hello.body_limit;
        if is_calling {
            held.state = State::Open;
            return Ok(Some(Event::Opened { link }));
        }
        held.state = State::Judging;
        Ok(Some(Event::Greeted { link, peer: "", incarnation: hello.incarnation }))
    }

    fn handle_request(
        &mut self,
        now: Instant,
        link: LinkId,
        id: RequestId,
        budget: Option<u64>,
        size: usize,
    ) -> Outcome {
        let held = &mut self.links[link.index()];
        if usize::from(held.serving) == self.limits.serving {
            return Err(LinkEnd::WindowExceeded);
        }
        held.serving += 1;
        let deadline = budget.map(|micros| now.plus_micros(micros));
        let served = Served { link, id, deadline, cost: cost(size), cancelled: false };
        let token = self.serving.insert(served).ok_or(LinkEnd::WindowExceeded)?;
        Ok(Some(Event::Request { token, link, body: &[] }))
    }

    /// Ends the request with this id, unless it has ended or went out on another link.
    fn handle_end(&mut self, link: LinkId, id: RequestId, end: End<'static>) -> Option<Event<'static>> {
        if self.table.get(id).is_none_or(|entry| entry.link != link) {
            self.counters.stray_responses = self.counters.stray_responses.wrapping_add(1);
            return None;
        }
        self.table.remove(id);
        Some(Event::Ended { id, end })
    }
}
