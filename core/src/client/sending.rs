//! What goes out: a peer is reached, and what is for it is handed to the transport.

use core::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::*;
use crate::body::EncodeError;
use crate::endpoint::WriteBody;
use crate::error::CallError;
use crate::sink::Room;
use crate::time::deadline_after;

/// Packets taken in at once from a peer that nothing can be sent to; what is left comes in its turn.
const LAST_PACKETS: usize = 4096;
/// How long a peer that takes in no connection is left alone.
const BUSY_PAUSE: Duration = Duration::from_millis(1);

impl<T: Transport, C: Clock> Client<T, C> {
    /// Sends a request and returns once it is handed to the transport, at the latest at `deadline`, which
    /// is also when it times out.
    ///
    /// # Errors
    ///
    /// See [`SendError`]; the request was not sent then.
    pub fn request(
        &mut self,
        peer: &str,
        deadline: Option<Instant>,
        body: WriteBody<'_>,
    ) -> Result<RequestId, SendError> {
        self.look_at_clock();
        self.request_now(peer, deadline, body)
    }

    /// [`request`](Self::request) by one who has just looked at the clock.
    pub(crate) fn request_now(
        &mut self,
        peer: &str,
        deadline: Option<Instant>,
        body: WriteBody<'_>,
    ) -> Result<RequestId, SendError> {
        loop {
            let link = self.reach(peer, deadline)?;
            match self.attempt_request(link, deadline, body) {
                Ok(Some(id)) => return Ok(id),
                // The link had died unnoticed: the peer may have come back in a new life.
                Ok(None) => {}
                Err(SendError::WouldBlock { .. }) => self.pause(peer, deadline)?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends a request and awaits its response.
    ///
    /// # Errors
    ///
    /// As for [`Handle::sync_request`](crate::Handle::sync_request).
    pub fn sync_request<A: DeserializeOwned>(
        &mut self,
        peer: &str,
        payload: &(impl Serialize + ?Sized),
        timeout: impl Into<Option<Duration>>,
    ) -> Result<A, CallError> {
        let deadline = deadline_after(self.look_at_clock(), timeout.into());
        let id = self.request_now(peer, deadline, &mut |out, limit| out.encode(payload, limit))?;
        while !self.take_until_finished(id) {
            self.advance(id, deadline);
        }
        let response = self.collect(id).unwrap_or(Err(RequestError::UnknownId { id }))?;
        response.decode().map_err(|error| CallError::Decode { peer: response.peer().clone(), error })
    }

    /// Sends a request if that needs no waiting.
    ///
    /// # Errors
    ///
    /// [`SendError::WouldBlock`] while the peer is being reached or has not dealt with what was sent
    /// before; see [`SendError`] for the others. The request was not sent then.
    pub fn try_request(
        &mut self,
        peer: &str,
        deadline: Option<Instant>,
        body: WriteBody<'_>,
    ) -> Result<RequestId, SendError> {
        self.take_rest();
        self.look_at_clock();
        let link = self.route(peer)?;
        let sent = self.attempt_request(link, deadline, body)?;
        sent.ok_or_else(|| SendError::WouldBlock { peer: peer.into() })
    }

    /// Sends a request if that needs no waiting; `None` if the link proved to be dead.
    fn attempt_request(
        &mut self,
        link: LinkId,
        deadline: Option<Instant>,
        body: WriteBody<'_>,
    ) -> Result<Option<RequestId>, SendError> {
        let limit = self.endpoint.config().requests;
        if self.in_flight() >= limit {
            self.take_rest();
        }
        if self.in_flight() >= limit {
            return Err(SendError::TooManyInFlight { limit });
        }
        let now = self.recent;
        let id = self.endpoint.request_in(now, link, deadline, body, Some(Room::of(&mut self.transport)))?;
        if !self.corked || self.endpoint.backlog(link) >= T::PACKET {
            self.flush();
        }
        if self.finished.get(id).is_some_and(Ended::was_not_sent) {
            self.finished.remove(id);
            return Ok(None);
        }
        Ok(Some(id))
    }

    /// Sends a message and returns once it is handed to the transport, at the latest at `deadline`.
    ///
    /// # Errors
    ///
    /// See [`SendError`]. After [`SendError::PeerGone`] the message may have been read, and after
    /// [`SendError::TimedOut`] it may still be.
    pub fn send_message(
        &mut self,
        peer: &str,
        broadcast: bool,
        deadline: Option<Instant>,
        body: WriteBody<'_>,
    ) -> Result<(), SendError> {
        loop {
            let link = self.reach(peer, deadline)?;
            let stamp = self.clock.unix_micros();
            match self.endpoint.message_in(link, stamp, broadcast, body, Some(Room::of(&mut self.transport)))
            {
                Err(SendError::WouldBlock { .. }) => self.pause(peer, deadline)?,
                Err(error) => return Err(error),
                Ok(position) => {
                    self.watch_link(link);
                    if self.hand_over(peer, link, position, deadline)? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Sends a message if that needs no waiting.
    ///
    /// # Errors
    ///
    /// [`SendError::WouldBlock`] while the peer is being reached or has not dealt with what was sent
    /// before; see [`SendError`] for the others. The message was not sent then.
    pub fn try_send(&mut self, peer: &str, body: WriteBody<'_>) -> Result<(), SendError> {
        self.turn(Some(Instant::ZERO));
        let link = self.route(peer)?;
        let stamp = self.clock.unix_micros();
        let position =
            self.endpoint.message_in(link, stamp, false, body, Some(Room::of(&mut self.transport)))?;
        self.watch_link(link);
        self.flush();
        match self.watched_end.take() {
            Some((sent, reason)) if sent < position.end => {
                Err(SendError::PeerGone { peer: peer.into(), reason })
            }
            _ => Ok(()),
        }
    }

    /// Answers a request.
    pub(crate) fn respond_with(
        &mut self,
        token: ReplyToken,
        body: WriteBody<'_>,
    ) -> Result<bool, EncodeError> {
        let now = self.recent;
        self.endpoint.respond_in(now, token, body, Some(Room::of(&mut self.transport)))
    }

    /// Asks a peer to end.
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    pub fn terminate(&mut self, peer: &str, deadline: Option<Instant>) -> Result<(), SendError> {
        self.reach(peer, deadline)?;
        self.try_terminate(peer)
    }

    /// Asks a peer to end if that needs no waiting.
    ///
    /// # Errors
    ///
    /// [`SendError::WouldBlock`] while the peer is being reached; see [`SendError`] for the others.
    pub fn try_terminate(&mut self, peer: &str) -> Result<(), SendError> {
        let link = self.route(peer)?;
        if !self.endpoint.is_open(link) {
            return Err(SendError::WouldBlock { peer: peer.into() });
        }
        self.endpoint.terminate(link);
        self.flush();
        Ok(())
    }

    /// Waits until everything that was accepted has been handed to the transport, at the latest at
    /// `deadline`. Returns whether it has.
    pub fn flush_all(&mut self, deadline: Instant) -> bool {
        loop {
            self.flush();
            let waiting = self.endpoint.links().any(|link| self.endpoint.backlog(link) > 0);
            if !waiting || self.now() >= deadline {
                return !waiting;
            }
            self.turn(Some(deadline));
        }
    }

    /// A link to a peer, open or opening.
    fn route(&mut self, peer: &str) -> Result<LinkId, SendError> {
        match self.endpoint.route(peer) {
            Some(link) => Ok(link),
            None => self.connect(peer),
        }
    }

    /// An open link to a peer.
    pub(crate) fn reach(&mut self, peer: &str, deadline: Option<Instant>) -> Result<LinkId, SendError> {
        loop {
            let link = match self.endpoint.route(peer) {
                Some(link) if self.endpoint.is_open(link) => return Ok(link),
                Some(link) => link,
                None => match self.connect(peer) {
                    Ok(link) => link,
                    Err(SendError::WouldBlock { .. }) => {
                        let soon = self.now() + BUSY_PAUSE;
                        let happened = self.turn(earlier(deadline, Some(soon)));
                        self.give_up(peer, deadline, happened)?;
                        continue;
                    }
                    Err(error) => return Err(error),
                },
            };
            self.await_hello(peer, link, deadline)?;
        }
    }

    /// Waits for the hello of a peer that is being reached.
    fn await_hello(&mut self, peer: &str, link: LinkId, deadline: Option<Instant>) -> Result<(), SendError> {
        self.watched = Some(link);
        loop {
            self.take_rest();
            if self.endpoint.is_open(link) {
                return Ok(());
            }
            // One that has refused need not hang up.
            self.settle_ends();
            if self.endpoint.peer(link).is_none() {
                let (_, reason) = self.watched_end.take().unwrap_or((0, GoneReason::Closed));
                return Err(SendError::PeerGone { peer: peer.into(), reason });
            }
            self.flush();
            let until = earlier(deadline, self.endpoint.poll_timeout());
            if self.receive_or_wait(link, until) == Progress::Blocked {
                self.pause(peer, deadline)?;
            }
        }
    }

    /// Keeps the end of this link from now on.
    fn watch_link(&mut self, link: LinkId) {
        self.watched = Some(link);
        self.watched_end = None;
    }

    /// Begins a link to a peer.
    fn connect(&mut self, peer: &str) -> Result<LinkId, SendError> {
        let link = self.endpoint.open(peer)?;
        self.watch_link(link);
        match self.transport.connect(link, peer) {
            Ok(status) => {
                let suspended = match status.state {
                    crate::transport::PeerState::Suspended(until) => Some(until),
                    _ => None,
                };
                self.endpoint.expect(link, status.incarnation, suspended);
                self.flush();
                Ok(link)
            }
            Err(error) => {
                self.endpoint.abandon(link);
                Err(connect_failed(peer, error))
            }
        }
    }

    /// Waits until the bytes up to a position of a link's stream are handed to the transport; false if
    /// the link ended before any of them were.
    fn hand_over(
        &mut self,
        peer: &str,
        link: LinkId,
        position: Range<u64>,
        deadline: Option<Instant>,
    ) -> Result<bool, SendError> {
        loop {
            self.flush();
            if let Some((sent, reason)) = self.watched_end.take() {
                if sent >= position.end {
                    return Ok(true);
                }
                if sent <= position.start {
                    return Ok(false);
                }
                return Err(SendError::PeerGone { peer: peer.into(), reason });
            }
            if self.endpoint.sent(link).is_none_or(|sent| sent >= position.end) {
                return Ok(true);
            }
            self.pause(peer, deadline)?;
        }
    }

    /// One turn, unless the time is up.
    fn pause(&mut self, peer: &str, deadline: Option<Instant>) -> Result<(), SendError> {
        if self.rest.is_some() {
            // What is waited for, as credit, may have come behind an answer.
            self.take_rest();
            return Ok(());
        }
        let happened = self.turn(deadline);
        self.give_up(peer, deadline, happened)
    }

    fn give_up(&self, peer: &str, deadline: Option<Instant>, happened: bool) -> Result<(), SendError> {
        if self.is_over(deadline, happened) {
            return Err(SendError::TimedOut { peer: peer.into() });
        }
        Ok(())
    }

    /// Sends the output of a link until it blocks.
    pub(super) fn send_link(&mut self, link: LinkId) {
        loop {
            let mut output = self.endpoint.pending_output(link, T::PACKET);
            if output.len() >= T::LARGE {
                output = self.endpoint.pending_output(link, self.transport.packet(link));
            }
            if output.is_empty() {
                return;
            }
            match self.transport.send(link, output) {
                Progress::Moved(n) => self.endpoint.consume_output(link, n),
                Progress::Blocked => return,
                Progress::Closed | Progress::Broken => return self.hear_out(link),
            }
        }
    }

    /// Nothing more can be sent to a peer: what it had sent is taken in before it counts as gone.
    fn hear_out(&mut self, link: LinkId) {
        // Blocked: its last words are under way, and its end comes behind them.
        for _ in 0..LAST_PACKETS {
            if !matches!(self.receive(link), Progress::Moved(_)) {
                break;
            }
        }
        self.take_rest();
    }
}

pub(crate) fn connect_failed(peer: &str, error: ConnectError) -> SendError {
    let peer = peer.into();
    match error {
        ConnectError::NoSuchPeer => SendError::NoSuchPeer { peer },
        ConnectError::Busy => SendError::WouldBlock { peer },
        ConnectError::NotPermitted(detail) => SendError::NotPermitted { peer, detail },
        ConnectError::Bus(detail) => SendError::Bus { detail },
    }
}
