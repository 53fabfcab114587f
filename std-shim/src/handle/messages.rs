//! What a handle says to peers without a request, and what they say to it.

use super::*;

impl Handle {
    /// The messages that have come, in order; the buffer is empty afterwards.
    pub fn messages(&mut self) -> Vec<Message> {
        self.joined.as_mut().map(|joined| joined.messages()).unwrap_or_default()
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
        self.core()?.send_message(peer, payload, timeout)
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
        self.core()?.send_message_bytes(peer, payload, timeout)
    }

    /// Sends a message if that needs no waiting.
    ///
    /// # Errors
    ///
    /// [`SendError::WouldBlock`] while the peer is being reached or has not dealt with what was sent
    /// before; see [`SendError`] for the others. The payload is still the caller's.
    pub fn try_send(&mut self, peer: &str, payload: &(impl Serialize + ?Sized)) -> Result<(), SendError> {
        self.core()?.try_send(peer, payload)
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
        self.core()?.broadcast(payload, timeout)
    }

    /// Puts a message that was collected back, for the life of this member that follows a
    /// [`suspend`](Self::suspend).
    ///
    /// # Errors
    ///
    /// [`SuspendError::Unsupported`] on Unix sockets.
    pub fn requeue_message(&mut self, message: &Message) -> Result<(), SuspendError> {
        self.join_to_suspend()?.requeue_message(message)
    }

    /// Asks a peer to end.
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    pub fn terminate(&mut self, peer: &str, timeout: impl Into<Option<Duration>>) -> Result<(), SendError> {
        self.core()?.terminate(peer, timeout)
    }
}
