//! What goes out on a link: commands become frames in its outbox.

use core::ops::Range;

use super::*;
use crate::failure::cut;
use crate::message::{Hello, PROTOCOL_VERSION};
use crate::serving::Served;

/// Bytes of detail that a failure carries at most.
const MAX_DETAIL: usize = 4096;

impl Endpoint {
    /// Sends a request on a link; `body` writes its payload.
    ///
    /// # Errors
    ///
    /// [`SendError::WouldBlock`] before both hellos are said and while the peer's window is used up,
    /// [`SendError::TooManyInFlight`] when every slot is taken, [`SendError::TooLarge`] and
    /// [`SendError::Encode`] for the payload. Nothing was sent then.
    pub fn request(
        &mut self,
        now: Instant,
        link: LinkId,
        deadline: Option<Instant>,
        body: WriteBody<'_>,
    ) -> Result<RequestId, SendError> {
        self.request_in(now, link, deadline, body, None)
    }

    /// [`request`](Self::request); a large body may leave at once through the room of the transport.
    pub(crate) fn request_in(
        &mut self,
        now: Instant,
        link: LinkId,
        deadline: Option<Instant>,
        body: WriteBody<'_>,
        room: Option<Room<'_>>,
    ) -> Result<RequestId, SendError> {
        let position = self.writable(link)?.outbox.end();
        let limit = self.table.capacity();
        let id = self
            .table
            .insert(Entry { link, position, deadline })
            .ok_or(SendError::TooManyInFlight { limit })?;
        let budget = deadline.map(|deadline| now.micros_until(deadline));
        match self.push_in(link, &Head::Request { id, budget }, body, room) {
            Ok(size) => {
                if let Some(held) = self.link_mut(link) {
                    held.spend(size);
                    held.pending += 1;
                }
                Ok(id)
            }
            Err(error) => {
                self.table.remove(id);
                Err(self.encode_failed(link, error))
            }
        }
    }

    /// Sends a message on a link; `stamp` is microseconds of the Unix epoch. Returns the part of the link's
    /// stream of bytes that it takes.
    ///
    /// # Errors
    ///
    /// As for [`request`](Self::request).
    pub fn message(
        &mut self,
        link: LinkId,
        stamp: u64,
        broadcast: bool,
        body: WriteBody<'_>,
    ) -> Result<Range<u64>, SendError> {
        self.message_in(link, stamp, broadcast, body, None)
    }

    /// [`message`](Self::message); a large body may leave at once through the room of the transport.
    pub(crate) fn message_in(
        &mut self,
        link: LinkId,
        stamp: u64,
        broadcast: bool,
        body: WriteBody<'_>,
        room: Option<Room<'_>>,
    ) -> Result<Range<u64>, SendError> {
        let start = self.writable(link)?.outbox.end();
        let sequence = self.sequence + 1;
        match self.push_in(link, &Head::Message { sequence, stamp, broadcast }, body, room) {
            Ok(size) => {
                self.sequence = sequence;
                if let Some(held) = self.link_mut(link) {
                    held.spend(size);
                }
                Ok(start..start + size as u64)
            }
            Err(error) => Err(self.encode_failed(link, error)),
        }
    }

    /// Asks the peer to end. Does nothing on a link that is not open.
    pub fn terminate(&mut self, link: LinkId) {
        if self.is_open(link) {
            self.push(link, &Head::Terminate, &mut |_, _| Ok(())).unwrap_or_default();
        }
    }

    /// Gives up a request: it ends as cancelled, and the peer is told. False if it had ended.
    pub fn cancel(&mut self, id: RequestId) -> bool {
        let Some(entry) = self.table.remove(id) else { return false };
        self.end_on(entry.link);
        self.cancelled.push((id, entry.link));
        self.push(entry.link, &Head::Cancel { id }, &mut |_, _| Ok(())).unwrap_or_default();
        true
    }

    /// Whether anyone still waits for this answer: not cancelled, not late, the link not closed.
    pub fn is_wanted(&self, now: Instant, token: &ReplyToken) -> bool {
        self.serving.is_wanted(now, token)
    }

    /// When the caller of a request gives up, by this endpoint's clock.
    pub fn caller_deadline(&self, token: &ReplyToken) -> Option<Instant> {
        self.serving.deadline(token)
    }

    /// Answers a request; `body` writes the payload. False if nobody waits for it any more: that is
    /// counted and otherwise harmless.
    ///
    /// # Errors
    ///
    /// What `body` returns. The caller is then told that the service failed.
    pub fn respond(
        &mut self,
        now: Instant,
        token: ReplyToken,
        body: WriteBody<'_>,
    ) -> Result<bool, EncodeError> {
        self.respond_in(now, token, body, None)
    }

    /// [`respond`](Self::respond); a large body may leave at once through the room of the transport.
    pub(crate) fn respond_in(
        &mut self,
        now: Instant,
        token: ReplyToken,
        body: WriteBody<'_>,
        room: Option<Room<'_>>,
    ) -> Result<bool, EncodeError> {
        let wanted = self.is_wanted(now, &token);
        let Some((link, id)) = self.take_served(&token, wanted) else { return Ok(false) };
        if let Err(error) = self.push_in(link, &Head::Response { id }, body, room) {
            let kind = RemoteErrorKind::of_answer(&error);
            self.push(link, &Head::Failure { id, kind }, &mut |_, _| Ok(())).unwrap_or_default();
            return Err(error);
        }
        Ok(true)
    }

    /// Answers a request with a failure. `detail` is cut at 4 KiB. False as for
    /// [`respond`](Self::respond).
    pub fn fail(&mut self, now: Instant, token: ReplyToken, kind: RemoteErrorKind, detail: &str) -> bool {
        let wanted = self.is_wanted(now, &token);
        let Some((link, id)) = self.take_served(&token, wanted) else { return false };
        let detail = cut(detail, MAX_DETAIL);
        let written = self.push(link, &Head::Failure { id, kind }, &mut |out, limit| {
            out.extend_from_slice(&detail.as_bytes()[..detail.len().min(limit)]);
            Ok(())
        });
        written.is_ok()
    }

    /// Lets go of a request whose caller has given up, without an answer.
    pub fn discard(&mut self, token: ReplyToken) {
        self.take_served(&token, false);
    }

    /// Answers every request that has no answer with this failure: this life ends, and the next one knows
    /// nothing of them.
    pub(crate) fn fail_all(&mut self, kind: RemoteErrorKind) {
        let mut from = 0;
        while let Some((slot, served)) = self.serving.remove_next(from) {
            let Served { link, id, cost, cancelled, .. } = served;
            from = slot + 1;
            if let Some(held) = self.link_mut(link) {
                held.serving -= 1;
            }
            self.settle(link, cost);
            if !cancelled {
                self.push(link, &Head::Failure { id, kind }, &mut |_, _| Ok(())).unwrap_or_default();
            }
        }
    }

    /// A message was dealt with: its sender may send as much anew.
    pub fn settle(&mut self, link: LinkId, cost: u32) {
        let slot = self.links.get_mut(link.index()).filter(|slot| slot.generation == link.generation);
        let Some(held) = slot.and_then(|slot| slot.link.as_mut()) else { return };
        if let Some(bytes) = held.settle(cost, &self.config) {
            self.announce(link, bytes);
        }
    }

    /// Gives a peer credit for all that has come from it, as its last words before this life is suspended.
    pub(crate) fn return_credit(&mut self, link: LinkId) {
        if let Some(held) = self.link_mut(link).filter(|held| held.takes_traffic()) {
            let bytes = held.settle_all();
            self.announce(link, bytes);
        }
    }

    fn announce(&mut self, link: LinkId, bytes: u32) {
        self.push(link, &Head::Credit { bytes }, &mut |_, _| Ok(())).unwrap_or_default();
        if let Some(held) = self.link_mut(link) {
            held.announce(bytes);
        }
    }

    /// Takes a link that has output the driver was not told of.
    pub fn poll_output(&mut self) -> Option<LinkId> {
        loop {
            let link = self.output.pop_front()?;
            if let Some(held) = self.link_mut(link) {
                held.queued = false;
                return Some(link);
            }
        }
    }

    /// What is to be sent on a link, cut so that whole frames fit in `packet` bytes, at least 32, where they can.
    /// Neither this nor what is left behind it is shorter than 16 bytes, if nothing was cut otherwise.
    pub fn pending_output(&self, link: LinkId, packet: usize) -> &[u8] {
        let pending = self.link(link).map_or(&[][..], |held| held.outbox.pending());
        &pending[..frame::whole_frames(pending, packet)]
    }

    /// The first `n` bytes of the pending output were sent.
    pub fn consume_output(&mut self, link: LinkId, n: usize) {
        if let Some(large) = self.link_mut(link).and_then(|held| held.consume(n)) {
            self.recycle(large);
        }
    }

    /// A link whose output was blocked can take output again.
    pub fn handle_writable(&mut self, link: LinkId) {
        let Some(held) = self.link_mut(link) else { return };
        if !held.queued && !held.outbox.pending().is_empty() {
            held.queued = true;
            self.output.push_back(link);
        }
    }

    /// Frees the slot of a peer's request and returns where its answer goes, if it is wanted.
    fn take_served(&mut self, token: &ReplyToken, wanted: bool) -> Option<(LinkId, RequestId)> {
        let Some(served) = self.serving.remove(token) else {
            self.counters.stray_replies += 1;
            return None;
        };
        if let Some(held) = self.link_mut(served.link) {
            held.serving -= 1;
        }
        self.settle(served.link, served.cost);
        if !wanted {
            self.counters.stray_replies += 1;
            return None;
        }
        Some((served.link, served.id))
    }

    fn writable(&self, link: LinkId) -> Result<&Link, SendError> {
        let Some(held) = self.link(link) else {
            return Err(SendError::PeerGone { peer: "".into(), reason: GoneReason::Closed });
        };
        match &held.state {
            State::Closed(reason) => {
                Err(SendError::PeerGone { peer: held.peer.clone(), reason: reason.clone() })
            }
            _ if held.takes_traffic() && held.has_credit() => Ok(held),
            _ => Err(SendError::WouldBlock { peer: held.peer.clone() }),
        }
    }

    fn encode_failed(&self, link: LinkId, error: EncodeError) -> SendError {
        let peer = self.peer(link).cloned().unwrap_or_else(|| "".into());
        match error {
            EncodeError::TooLarge { limit } => SendError::TooLarge { peer, limit },
            error => SendError::Encode(error),
        }
    }

    pub(super) fn say_hello(&mut self, link: LinkId) {
        let (name, incarnation) = (self.name.clone(), self.incarnation);
        let (body_limit, window) = (self.config.body_limit, self.config.window);
        if let Some(held) = self.link_mut(link) {
            append_hello(held.outbox.buffer(), &name, incarnation, body_limit, window);
            self.handle_writable(link);
        }
    }

    /// Appends a frame to the outbox of a link and returns its size.
    pub(super) fn push(
        &mut self,
        link: LinkId,
        head: &Head,
        body: WriteBody<'_>,
    ) -> Result<usize, EncodeError> {
        self.push_in(link, head, body, None)
    }

    /// [`push`](Self::push), or, if the frame is large and there is room for it, sends the outbox and the frame.
    fn push_in(
        &mut self,
        link: LinkId,
        head: &Head,
        body: WriteBody<'_>,
        mut room: Option<Room<'_>>,
    ) -> Result<usize, EncodeError> {
        let slot = self.links.get_mut(link.index()).filter(|slot| slot.generation == link.generation);
        let Some(held) = slot.and_then(|slot| slot.link.as_mut()) else { return Ok(0) };
        let limit = held.body_limit as usize;
        let (out, first) = held.outbox.writer();
        if out.capacity() == 0 {
            mem::swap(out, &mut self.large);
        }
        let mut sink = Sink::new(out, first, link, room.as_mut());
        let size = head.encode(|head| frame::append(&mut sink, head, |out| body(out, limit)))?;
        let in_room = sink.in_room();
        if in_room > 0
            && let Some(room) = room
        {
            match room.send(link, in_room) {
                Ok(()) => held.skip(in_room),
                Err(unsent) => held.outbox.put_back(unsent),
            }
        }
        self.handle_writable(link);
        Ok(size)
    }
}

/// Appends a hello of the member `name` to `out`.
pub(super) fn append_hello(
    out: &mut Vec<u8>,
    name: &str,
    incarnation: Incarnation,
    body_limit: u32,
    window: u32,
) {
    let hello = Hello { name, incarnation, body_limit, window };
    let head = Head::Hello { version: PROTOCOL_VERSION };
    let mut out = Sink::from(out);
    head.encode(|head| frame::append(&mut out, head, |out| out.encode(&hello, usize::MAX)))
        .expect("a hello has nothing that postcard cannot encode");
}
