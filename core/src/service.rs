//! A service: a client that answers.

use alloc::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::body::{DecodeError, EncodeError};
use crate::client::{Client, Inbound, InboundKind, Message};
use crate::failure::RemoteErrorKind;
use crate::id::ReplyToken;
use crate::time::{Clock, Instant};
use crate::transport::Transport;

/// A request of a peer, in the buffers of the service that received it.
#[derive(Clone, Debug)]
pub struct Request<'s> {
    /// Who asks: the name bound to the connection it came on.
    pub from: &'s Arc<str>,
    /// When the caller gives up, by the service's clock; `None` if it does not.
    pub deadline: Option<Instant>,
    /// The payload.
    pub body: &'s [u8],
}

impl<'s> Request<'s> {
    /// Decodes the payload.
    ///
    /// # Errors
    ///
    /// When it is not what `Q` encodes to.
    pub fn decode<Q: Deserialize<'s>>(&self) -> Result<Q, DecodeError> {
        crate::body::decode(self.body)
    }
}

/// What a service does with what comes.
pub trait Handler<T: Transport, C: Clock> {
    /// A peer asks. The answer is given by [`Client::respond`] or [`Client::fail`], now or later.
    ///
    /// Requests whose caller has given up are not handled.
    fn handle_request(&mut self, client: &mut Client<T, C>, request: Request<'_>, token: ReplyToken);

    /// A peer sent a message. Ignored by default.
    fn handle_message(&mut self, client: &mut Client<T, C>, message: Message) {
        let _ = (client, message);
    }

    /// The caller of a request that was handled and not yet answered has given up, or is gone. `key` is its
    /// token's [`key`](ReplyToken::key). Ignored by default.
    fn handle_withdrawn(&mut self, key: u64) {
        let _ = key;
    }
}

/// A client that answers the requests of its peers.
pub struct Service<T, C> {
    client: Client<T, C>,
}

impl<T: Transport, C: Clock> Service<T, C> {
    /// A service under the name of `client`.
    pub fn new(mut client: Client<T, C>) -> Self {
        client.serve();
        Self { client }
    }

    /// The client.
    pub fn client(&self) -> &Client<T, C> {
        &self.client
    }

    /// The client, for answers and requests of the service's own.
    pub fn client_mut(&mut self) -> &mut Client<T, C> {
        &mut self.client
    }

    /// Gives up the service and keeps the client, which then refuses requests. Those that had come and were not handled
    /// fail as [`RemoteErrorKind::Unanswered`].
    pub fn into_client(mut self) -> Client<T, C> {
        self.client.serve_no_more();
        self.client
    }

    /// One turn of the loop: waits until something comes but not beyond `deadline`, and has `handler`
    /// deal with it. Returns whether anything happened.
    ///
    /// One packet of each peer that has sent is dealt with, so that no peer waits for another's backlog.
    pub fn turn(&mut self, deadline: Option<Instant>, handler: &mut impl Handler<T, C>) -> bool {
        if let Some(happened) = self.client.turn_on_busy_link(deadline) {
            deal_with_all(&mut self.client, handler);
            self.client.flush();
            return happened;
        }
        self.client.turn_with(deadline, &mut |client| deal_with_all(client, handler))
    }
}

/// Has `handler` deal with everything that has come.
fn deal_with_all<T: Transport, C: Clock>(client: &mut Client<T, C>, handler: &mut impl Handler<T, C>) {
    loop {
        // What a peer says behind its word that it gives a request up is not to find that request still wanted.
        while let Some(key) = client.endpoint_mut().poll_withdrawn() {
            handler.handle_withdrawn(key);
        }
        let Some(item) = client.next_inbound() else { return };
        dispatch(client, item, handler);
    }
}

fn dispatch<T: Transport, C: Clock>(
    client: &mut Client<T, C>,
    item: Inbound,
    handler: &mut impl Handler<T, C>,
) {
    let token = match item.kind {
        InboundKind::Request(token) => token,
        InboundKind::Message(_) => {
            if let Some(message) = client.open_message(item) {
                handler.handle_message(client, message);
            }
            return;
        }
    };
    let now = client.recent();
    if !client.endpoint().is_wanted(now, &token) {
        client.endpoint_mut().discard(token);
        return client.release(item.body);
    }
    let deadline = client.endpoint().caller_deadline(&token);
    let body = client.lend(item.body);
    handler.handle_request(client, Request { from: &item.from, deadline, body: body.bytes() }, token);
    client.take_back(body);
    client.keep_sender(item.link, item.from);
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// Answers a request. False if nobody waits for the answer any more.
    ///
    /// # Errors
    ///
    /// If the payload cannot be encoded or is larger than the caller takes; the caller is told.
    pub fn respond(
        &mut self,
        token: ReplyToken,
        payload: &(impl Serialize + ?Sized),
    ) -> Result<bool, EncodeError> {
        self.respond_with(token, &mut |out, limit| out.encode(payload, limit))
    }

    /// [`respond`](Self::respond) with bytes for a payload.
    ///
    /// # Errors
    ///
    /// If it is larger than the caller takes; the caller is told.
    pub fn respond_bytes(&mut self, token: ReplyToken, payload: &[u8]) -> Result<bool, EncodeError> {
        self.respond_with(token, &mut |out, limit| out.append(payload, limit))
    }

    /// Answers with `len` bytes, which `write` writes to where they are sent from. It must write all of them: it
    /// finds zeros there, or what was sent to that peer before.
    ///
    /// # Errors
    ///
    /// If it is larger than the caller takes; the caller is told.
    pub fn respond_in(
        &mut self,
        token: ReplyToken,
        len: usize,
        mut write: impl FnMut(&mut [u8]),
    ) -> Result<bool, EncodeError> {
        self.respond_with(token, &mut |out, limit| out.write_in(len, limit, &mut write))
    }

    /// Answers a request with a failure. False if nobody waits for the answer any more.
    pub fn fail(&mut self, token: ReplyToken, kind: RemoteErrorKind, detail: &str) -> bool {
        let now = self.recent();
        self.endpoint_mut().fail(now, token, kind, detail)
    }
}
