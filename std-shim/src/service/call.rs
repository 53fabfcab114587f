//! A request as its handler sees it.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use ipcm_core::body::DecodeError;
use ipcm_core::transport::SuspendError;
use ipcm_core::{CallError, Client, Clock, Instant, Message, RemoteErrorKind, ReplyToken, SendError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::reply::{Answers, Reply};
use crate::clock::Monotonic;
use crate::log;
use crate::transport::BusTransport;

/// A request as its handler sees it: to be answered now, later, or with a failure.
///
/// A call that is dropped is answered with a failure, so that its caller is not left waiting.
pub struct Call<'c> {
    context: Context<'c>,
    from: &'c Arc<str>,
    body: &'c [u8],
    deadline: Option<Instant>,
    token: Option<ReplyToken>,
    answers: &'c Answers,
    expose_error_details: bool,
}

/// The service's own membership of the bus, to talk to other peers.
pub struct Context<'c> {
    client: &'c mut Client<BusTransport, Monotonic>,
    stop: &'c super::Stopper,
}

impl<'c> Context<'c> {
    pub(super) fn new(client: &'c mut Client<BusTransport, Monotonic>, stop: &'c super::Stopper) -> Self {
        Self { client, stop }
    }

    /// The service's name.
    pub fn name(&self) -> &str {
        self.client.endpoint().name()
    }

    /// Sends a request to another peer and awaits its response. The service takes in what comes meanwhile
    /// and deals with it afterwards.
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
        self.client.sync_request(peer, payload, timeout)
    }

    /// Sends a message and returns once it is handed to the transport, at the latest after `timeout`.
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    pub fn send_message(
        &mut self,
        peer: &str,
        payload: &(impl Serialize + ?Sized),
        timeout: impl Into<Option<Duration>>,
    ) -> Result<(), SendError> {
        let deadline = timeout.into().map(|span| self.client.now() + span);
        self.client.send_message(peer, false, deadline, &mut |out, limit| out.encode(payload, limit))
    }

    /// Sends a message if that needs no waiting.
    ///
    /// # Errors
    ///
    /// As for [`Handle::try_send`](crate::Handle::try_send).
    pub fn try_send(&mut self, peer: &str, payload: &(impl Serialize + ?Sized)) -> Result<(), SendError> {
        self.client.try_send(peer, &mut |out, limit| out.encode(payload, limit))
    }

    /// Puts a message that the service has taken in, and will not deal with, back for its next life: see
    /// [`Stopper::suspend`](crate::Stopper::suspend).
    ///
    /// # Errors
    ///
    /// [`SuspendError::Unsupported`] on Unix sockets.
    pub fn requeue_message(&mut self, message: &Message) -> Result<(), SuspendError> {
        self.client.requeue_message(message)
    }

    /// Ends the service after the present request.
    pub fn stop(&self) {
        self.stop.stop();
    }
}

impl<'c> Call<'c> {
    pub(super) fn new(
        context: Context<'c>,
        request: ipcm_core::Request<'c>,
        token: ReplyToken,
        answers: &'c Answers,
        expose_error_details: bool,
    ) -> Self {
        let ipcm_core::Request { from, deadline, body } = request;
        Self { context, from, body, deadline, token: Some(token), answers, expose_error_details }
    }

    /// Who asks: the name bound to the connection the request came on.
    pub fn from(&self) -> &str {
        self.from
    }

    /// The payload.
    pub fn body(&self) -> &'c [u8] {
        self.body
    }

    /// Decodes the payload.
    ///
    /// # Errors
    ///
    /// When it is not what `Q` encodes to.
    pub fn decode<Q: Deserialize<'c>>(&self) -> Result<Q, DecodeError> {
        ipcm_core::body::decode(self.body)
    }

    /// What is left of the time that the caller waits; `None` if it waits for ever.
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_since(Monotonic.now()))
    }

    /// The service's own membership of the bus, to talk to other peers.
    pub fn context(&mut self) -> &mut Context<'c> {
        &mut self.context
    }

    /// Answers. An answer that cannot be encoded, or is larger than the caller takes, becomes a failure.
    pub fn reply(mut self, answer: &(impl Serialize + ?Sized)) {
        if let Some(token) = self.token.take()
            && let Err(error) = self.context.client.respond(token, answer)
        {
            log::error!(service = self.context.name(), %error, "an answer could not be sent");
        }
    }

    /// Answers with plain bytes.
    pub fn reply_bytes(mut self, answer: &[u8]) {
        if let Some(token) = self.token.take()
            && let Err(error) = self.context.client.respond_bytes(token, answer)
        {
            log::error!(service = self.context.name(), %error, "an answer could not be sent");
        }
    }

    /// Answers with `len` bytes, which `write` writes to where they are sent from: for a large body that is memory
    /// shared with the caller, and saves a copy. It must write all of them: it finds zeros there, or what was sent to
    /// that peer before.
    pub fn reply_in(mut self, len: usize, write: impl FnMut(&mut [u8])) {
        if let Some(token) = self.token.take()
            && let Err(error) = self.context.client.respond_in(token, len, write)
        {
            log::error!(service = self.context.name(), %error, "an answer could not be sent");
        }
    }

    /// Answers with a failure whose kind and words are for the caller.
    pub fn fail(mut self, kind: RemoteErrorKind, detail: &str) {
        if let Some(token) = self.token.take() {
            self.context.client.fail(token, kind, detail);
        }
    }

    /// Answers with a failure, whose words are for the caller only where error details are exposed.
    pub fn fail_with(self, error: &(impl Display + ?Sized)) {
        log::error!(service = self.context.name(), from = %self.from, %error, "a request failed");
        if self.expose_error_details {
            self.fail(RemoteErrorKind::Failed, &error.to_string());
        } else {
            self.fail(RemoteErrorKind::Internal, "");
        }
    }

    /// Takes the right to answer away, to use it later and from any thread.
    pub fn defer(mut self) -> Reply {
        let token = self.token.take();
        let token = token.unwrap_or_else(|| unreachable!("only methods that consume the call take it"));
        self.answers.defer(token, self.deadline, self.expose_error_details)
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if let Some(token) = self.token.take() {
            let panics = std::thread::panicking();
            let kind = if panics { RemoteErrorKind::Internal } else { RemoteErrorKind::Unanswered };
            self.context.client.fail(token, kind, "");
        }
    }
}
