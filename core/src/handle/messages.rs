//! What a handle says to peers without a request, and what they say to it.

use super::*;

/// What came of a broadcast for one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The peer.
    pub peer: Arc<str>,
    /// Whether the message was handed to the transport.
    pub outcome: Result<(), SendError>,
}

impl<T: Transport, C: Clock> Handle<T, C> {
    /// The messages that have come, in order; the buffer is empty afterwards. Nothing is taken in.
    pub fn messages(&mut self) -> Vec<Message> {
        self.client.messages()
    }

    /// Puts a message that was collected back, for the life of this member that follows a
    /// [`suspend`](Client::suspend).
    ///
    /// # Errors
    ///
    /// See [`SuspendError`].
    pub fn requeue_message(&mut self, message: &Message) -> Result<(), SuspendError> {
        self.client.requeue_message(message)
    }

    /// Sends a message and returns once it is handed to the transport, at the latest after `timeout`.
    ///
    /// # Errors
    ///
    /// See [`SendError`]. After [`SendError::PeerGone`] the message may have been read, and after
    /// [`SendError::TimedOut`] it may still be.
    pub fn send_message(
        &mut self,
        peer: &str,
        payload: &(impl Serialize + ?Sized),
        timeout: impl Into<Option<Duration>>,
    ) -> Result<(), SendError> {
        let deadline = deadline_after(self.client.look_at_clock(), timeout.into());
        self.client.send_message(peer, false, deadline, &mut |out, limit| out.encode(payload, limit))
    }

    /// [`send_message`](Self::send_message) with bytes for a payload.
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    pub fn send_message_bytes(
        &mut self,
        peer: &str,
        payload: &[u8],
        timeout: impl Into<Option<Duration>>,
    ) -> Result<(), SendError> {
        let deadline = deadline_after(self.client.look_at_clock(), timeout.into());
        self.client.send_message(peer, false, deadline, &mut |out, limit| out.append(payload, limit))
    }

    /// Sends a message if that needs no waiting.
    ///
    /// # Errors
    ///
    /// [`SendError::WouldBlock`] while the peer is being reached or has not dealt with what was sent
    /// before; see [`SendError`] for the others. The payload is still the caller's.
    pub fn try_send(&mut self, peer: &str, payload: &(impl Serialize + ?Sized)) -> Result<(), SendError> {
        self.client.try_send(peer, &mut |out, limit| out.encode(payload, limit))
    }

    /// Sends a message to every peer, within `timeout` for all of them, and tells what came of each.
    ///
    /// # Errors
    ///
    /// [`SendError::Bus`] and [`SendError::NotPermitted`] if the peers cannot be listed.
    pub fn broadcast(
        &mut self,
        payload: &(impl Serialize + ?Sized),
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Vec<Delivery>, SendError> {
        let deadline = deadline_after(self.client.look_at_clock(), timeout.into());
        let peers = self.peers()?;
        let send = |peer: String| {
            let body = &mut |out: &mut Sink<'_>, limit| out.encode(payload, limit);
            let outcome = self.client.send_message(&peer, true, deadline, body);
            Delivery { peer: peer.into(), outcome }
        };
        Ok(peers.into_iter().map(send).collect())
    }

    /// Asks a peer to end.
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    pub fn terminate(&mut self, peer: &str, timeout: impl Into<Option<Duration>>) -> Result<(), SendError> {
        let deadline = deadline_after(self.client.look_at_clock(), timeout.into());
        self.client.terminate(peer, deadline)
    }
}
