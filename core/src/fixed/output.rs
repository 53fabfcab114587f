//! What goes out on a link: commands become frames in its outbox.

use super::endpoint::Endpoint;
use super::error::{LinkEnd, SendError};
use super::hello;
use super::link::State;
use crate::body::EncodeError;
use crate::failure::{Refusal, RemoteErrorKind, cut};
use crate::id::{LinkId, ReplyToken, RequestId};
use crate::layout::{OVERHEAD, UNIT, prefix};
use crate::message::{Head, Hello, PROTOCOL_VERSION};
use crate::table::Entry;
use crate::time::Instant;

/// The most that prefix and head of a frame with a payload take.
pub(super) const HEAD_ROOM: usize = 2 * UNIT;
/// What a request takes of a window at least.
const LEAST_COST: usize = UNIT + OVERHEAD;

/// How a body is written: into the front of the slice, returning its length. It may be called again when sending is
/// tried again.
pub type WriteBody<'a> = &'a mut dyn FnMut(&mut [u8]) -> Result<usize, EncodeError>;

/// Why a frame was not appended.
enum NotPushed {
    NoRoom,
    Body(EncodeError),
}

/// The size of the frame of a hello, at most.
pub(super) const fn hello_size(name: &str) -> usize {
    UNIT + hello::FIELDS + name.len()
}

impl Endpoint<'_> {
    /// Sends a request on a link; `body` writes its payload.
    ///
    /// # Errors
    ///
    /// Why it was not sent; nothing has happened then.
    pub fn request(
        &mut self,
        now: Instant,
        link: LinkId,
        deadline: Option<Instant>,
        body: WriteBody<'_>,
    ) -> Result<RequestId, SendError> {
        let position = self.writable(link)?;
        let limit = self.table.capacity();
        let id = self
            .table
            .insert(Entry { link, position, deadline })
            .ok_or(SendError::TooManyInFlight { limit })?;
        let budget = deadline.map(|deadline| now.micros_until(deadline));
        let sent = self.push_own(link, &Head::Request { id, budget }, body);
        if sent.is_err() {
            self.table.remove(id);
        }
        sent.map(|()| id)
    }

    /// Sends a message on a link; `stamp` is microseconds of the Unix epoch, zero where they are not known.
    ///
    /// # Errors
    ///
    /// As for [`request`](Self::request).
    pub fn message(&mut self, link: LinkId, stamp: u64, body: WriteBody<'_>) -> Result<(), SendError> {
        self.writable(link)?;
        let sequence = self.sequence + 1;
        self.push_own(link, &Head::Message { sequence, stamp, broadcast: false }, body)?;
        self.sequence = sequence;
        Ok(())
    }

    /// Asks the peer to end.
    ///
    /// # Errors
    ///
    /// As for [`request`](Self::request).
    pub fn terminate(&mut self, link: LinkId) -> Result<(), SendError> {
        self.writable(link)?;
        self.push_own(link, &Head::Terminate, &mut |_| Ok(0))
    }

    /// Gives up a request, and tells the peer. This is its end: no event follows. False if it had ended.
    pub fn cancel(&mut self, id: RequestId) -> bool {
        let Some(entry) = self.table.remove(id) else { return false };
        self.push_control(entry.link, &Head::Cancel { id });
        true
    }

    /// Answers a request; `body` writes the payload. False if nobody waits for it any more: that is counted and
    /// otherwise harmless.
    ///
    /// # Errors
    ///
    /// What `body` returns, or [`EncodeError::TooLarge`] for more than the peer takes. The caller is then told that
    /// the service failed.
    pub fn respond(
        &mut self,
        now: Instant,
        token: ReplyToken,
        body: WriteBody<'_>,
    ) -> Result<bool, EncodeError> {
        let Some((link, id)) = self.take_served(now, token, true) else { return Ok(false) };
        let pushed = self.push(link, &Head::Response { id }, self.limits.outbox, body);
        let outcome = match pushed {
            Ok(_) => Ok(true),
            Err(NotPushed::Body(error)) => Err(error),
            // Not to be: room for it was kept.
            Err(NotPushed::NoRoom) => Err(EncodeError::TooLarge { limit: self.largest_body() }),
        };
        if let Err(error) = &outcome {
            let kind = RemoteErrorKind::of_answer(error);
            self.push_control(link, &Head::Failure { id, kind });
        }
        self.announce(link);
        outcome
    }

    /// Answers a request with a failure. `detail` is cut to what there is room for. False as for
    /// [`respond`](Self::respond).
    pub fn fail(&mut self, now: Instant, token: ReplyToken, kind: RemoteErrorKind, detail: &str) -> bool {
        let Some((link, id)) = self.take_served(now, token, true) else { return false };
        let written = self.push(link, &Head::Failure { id, kind }, self.limits.outbox, &mut |out| {
            let detail = cut(detail, out.len());
            out[..detail.len()].copy_from_slice(detail.as_bytes());
            Ok(detail.len())
        });
        self.announce(link);
        written.is_ok()
    }

    /// Lets go of a request whose caller has given up, without an answer.
    pub fn discard(&mut self, now: Instant, token: ReplyToken) {
        if let Some((link, _)) = self.take_served(now, token, false) {
            self.announce(link);
        }
    }

    /// What is to be sent on a link.
    pub fn pending_output(&self, link: LinkId) -> &[u8] {
        match self.link(link) {
            Some(held) if !matches!(held.state, State::Over(_)) => {
                &self.outboxes[link.index() * self.limits.outbox..][held.pending()]
            }
            _ => &[],
        }
    }

    /// The first `n` bytes of the pending output were sent.
    pub fn consume_output(&mut self, link: LinkId, n: usize) {
        if let Some(held) = self.link_mut(link) {
            held.consume(n);
            self.announce(link);
        }
    }

    /// What came was dealt with: its sender may send as much anew.
    pub(super) fn settle(&mut self, link: LinkId, cost: u32) {
        if let Some(held) = self.link_mut(link) {
            held.consumed = held.consumed.saturating_add(cost);
            self.announce(link);
        }
    }

    /// Gives the peer credit for what was dealt with, if that is worth a frame and there is room for it.
    fn announce(&mut self, link: LinkId) {
        let worth = self.window() / 4;
        let Some(held) = self.link(link) else { return };
        let bytes = held.consumed;
        if matches!(held.state, State::Open)
            && bytes >= worth
            && self.push_control(link, &Head::Credit { bytes })
        {
            self.links[link.index()].consumed = 0;
        }
    }

    /// The window of each link: no more than `SERVING` requests fit in it, however small they are.
    fn window(&self) -> u32 {
        (self.limits.serving * LEAST_COST) as u32
    }

    /// Frees the slot of a peer's request and returns where its answer goes, if it is wanted.
    fn take_served(
        &mut self,
        now: Instant,
        token: ReplyToken,
        is_answer: bool,
    ) -> Option<(LinkId, RequestId)> {
        let wanted = !is_answer || self.is_wanted(now, &token);
        let served = self.serving.remove(&token);
        if is_answer && (served.is_none() || !wanted) {
            self.counters.stray_replies = self.counters.stray_replies.wrapping_add(1);
        }
        let served = served?;
        let held = self.link_mut(served.link)?;
        held.serving -= 1;
        // The answer goes first: with the credit, the peer may send the next request that needs room for its own.
        held.consumed = held.consumed.saturating_add(served.cost);
        if !wanted {
            self.announce(served.link);
            return None;
        }
        Some((served.link, served.id))
    }

    /// The position in the stream of a link that takes traffic.
    fn writable(&self, link: LinkId) -> Result<u64, SendError> {
        match self.link(link) {
            None => Err(SendError::LinkOver),
            Some(held) => match held.state {
                State::Leaving(_) | State::Over(_) => Err(SendError::LinkOver),
                State::Open if held.has_credit() => Ok(held.appended()),
                _ => Err(SendError::WouldBlock),
            },
        }
    }

    /// Appends a frame of this member's own accord, which leaves the room that answers need.
    fn push_own(&mut self, link: LinkId, head: &Head, body: WriteBody<'_>) -> Result<(), SendError> {
        match self.push(link, head, self.limits.frame_out, body) {
            Ok(size) => {
                self.links[link.index()].spend(size);
                Ok(())
            }
            Err(NotPushed::NoRoom) => Err(SendError::WouldBlock),
            Err(NotPushed::Body(EncodeError::TooLarge { limit })) => Err(SendError::TooLarge { limit }),
            Err(NotPushed::Body(error)) => Err(SendError::Encode(error)),
        }
    }

    /// Appends a frame without a body; false if there is no room.
    pub(super) fn push_control(&mut self, link: LinkId, head: &Head) -> bool {
        let outbox = self.limits.outbox;
        self.link(link).is_some() && self.push(link, head, outbox, &mut |_| Ok(0)).is_ok()
    }

    /// Appends a frame that leaves at most `fill` bytes in the outbox, and returns its size.
    fn push(
        &mut self,
        link: LinkId,
        head: &Head,
        fill: usize,
        body: WriteBody<'_>,
    ) -> Result<usize, NotPushed> {
        let held = &mut self.links[link.index()];
        let outbox = &mut self.outboxes[link.index() * self.limits.outbox..][..self.limits.outbox];
        let start = held.compact(outbox);
        let room = outbox.get_mut(start..fill).ok_or(NotPushed::NoRoom)?;
        let body_limit = held.body_limit as usize;
        let body_at = head.units() * UNIT;
        let (front, room) = room.split_at_mut_checked(body_at).ok_or(NotPushed::NoRoom)?;
        let limit = body_limit.min(self.limits.frame_out.saturating_sub(body_at));
        let given = limit.min(room.len());
        let len = match body(&mut room[..given]) {
            // It would fit if the outbox were empty.
            Err(EncodeError::TooLarge { .. }) if given < limit => return Err(NotPushed::NoRoom),
            Err(EncodeError::TooLarge { .. }) => {
                return Err(NotPushed::Body(EncodeError::TooLarge { limit }));
            }
            Err(error) => return Err(NotPushed::Body(error)),
            Ok(len) => len.min(given),
        };
        let size = body_at + len;
        write_front(front, head, size);
        held.extend(size);
        Ok(size)
    }

    pub(super) fn say_hello(&mut self, link: LinkId) {
        let hello = Hello {
            name: self.name,
            incarnation: self.incarnation,
            body_limit: (self.limits.frame_in - HEAD_ROOM) as u32,
            window: self.window(),
        };
        let start = link.index() * self.limits.outbox;
        let outbox = &mut self.outboxes[start..start + self.limits.outbox];
        // The storage was made with room for it.
        let (front, room) = outbox.split_at_mut(UNIT);
        let len = hello::write(&hello, room);
        write_front(front, &Head::Hello { version: PROTOCOL_VERSION }, UNIT + len);
        self.links[link.index()].extend(UNIT + len);
    }

    /// Tells a peer why there is no link with it, and ends the link once that has left.
    pub(super) fn say_refused(&mut self, link: LinkId, reason: Refusal, end: LinkEnd) {
        self.push_control(link, &Head::Refused { reason });
        self.links[link.index()].state = State::Leaving(end);
    }
}

/// Writes what precedes the body of a frame of `size` bytes into all of `front`.
#[inline(never)]
fn write_front(front: &mut [u8], head: &Head, size: usize) {
    let (body_at, prefixed) = (front.len(), front.split_first_chunk_mut());
    let Some((first, rest)) = prefixed else { return };
    *first = prefix(size, body_at);
    head.encode(|head| {
        for (place, &byte) in rest.iter_mut().zip(head) {
            *place = byte;
        }
    });
}
