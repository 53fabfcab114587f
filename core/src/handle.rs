//! A handle: a client that asks a service.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use hashbrown::HashMap;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::{Client, Message, Response};
use crate::error::{CallError, RequestError, SendError};
use crate::id::RequestId;
use crate::sink::Sink;
use crate::time::{Clock, Instant, deadline_after};
use crate::transport::{ConnectError, PeerChange, PeerState, PeerStatus, SuspendError, Transport};

mod awaiting;
mod messages;

pub use awaiting::AwaitAllError;
pub use messages::Delivery;

/// What is called with the end of a request.
type Callback<T, C> = Box<dyn FnOnce(&mut Handle<T, C>, Result<Response<'_>, RequestError>) + Send>;

/// A client made to talk to one service; it can talk to the service's peers as well.
///
/// Timeouts are `Duration`s, or `None` to wait for ever. Payloads are whatever serde can serialize, or
/// plain bytes through the methods whose names end in `_bytes`.
pub struct Handle<T, C> {
    client: Client<T, C>,
    service: Arc<str>,
    callbacks: HashMap<RequestId, Callback<T, C>>,
}

impl<T: Transport, C: Clock> Handle<T, C> {
    /// A handle of the service `service` on the bus that `client` is a member of.
    pub fn new(client: Client<T, C>, service: &str) -> Self {
        Self { client, service: service.into(), callbacks: HashMap::new() }
    }

    /// The service's name.
    pub fn service_name(&self) -> &str {
        &self.service
    }

    /// This handle's own name.
    pub fn name(&self) -> &str {
        self.client.endpoint().name()
    }

    /// The client.
    pub fn client(&self) -> &Client<T, C> {
        &self.client
    }

    /// The client, for what only it can do.
    pub fn client_mut(&mut self) -> &mut Client<T, C> {
        &mut self.client
    }

    /// Gives up the handle and keeps the client.
    pub fn into_client(self) -> Client<T, C> {
        self.client
    }

    /// Whether the service is active now.
    ///
    /// # Errors
    ///
    /// [`SendError::Bus`] and [`SendError::NotPermitted`] if the bus cannot be looked at.
    pub fn ready(&mut self) -> Result<bool, SendError> {
        Ok(self.service_status()?.is_some_and(|status| status.state == PeerState::Active))
    }

    /// Waits until the service is active.
    ///
    /// # Errors
    ///
    /// [`SendError::TimedOut`], or as for [`ready`](Self::ready).
    pub fn wait_ready(&mut self, timeout: impl Into<Option<Duration>>) -> Result<(), SendError> {
        let deadline = deadline_after(self.client.look_at_clock(), timeout.into());
        // To end a watch takes the kernel 10 ms.
        if self.ready()? {
            return Ok(());
        }
        self.watch_peers()?;
        while !self.ready()? {
            if deadline.is_some_and(|deadline| deadline <= self.client.now()) {
                return Err(SendError::TimedOut { peer: self.service.clone() });
            }
            self.client.turn(deadline);
            self.run_callbacks();
        }
        Ok(())
    }

    /// The process id of the service's present life; `None` while it has none.
    ///
    /// # Errors
    ///
    /// As for [`ready`](Self::ready).
    pub fn service_pid(&mut self) -> Result<Option<u32>, SendError> {
        Ok(self.service_status()?.and_then(|status| status.pid))
    }

    /// Sends a request and awaits its response.
    ///
    /// # Errors
    ///
    /// [`CallError::Send`] if it could not be sent, [`CallError::Request`] if it ended without a response,
    /// [`CallError::Decode`] if the response is not an `A`.
    pub fn sync_request<A: DeserializeOwned>(
        &mut self,
        peer: &str,
        payload: &(impl Serialize + ?Sized),
        timeout: impl Into<Option<Duration>>,
    ) -> Result<A, CallError> {
        let id = self.send_request(peer, payload, timeout)?;
        let response = self.await_end(id, None)?;
        response.decode().map_err(|error| CallError::Decode { peer: response.peer().clone(), error })
    }

    /// [`sync_request`](Self::sync_request) with bytes for a payload and a response.
    ///
    /// # Errors
    ///
    /// As for `sync_request`, but for decoding.
    pub fn sync_request_bytes(
        &mut self,
        peer: &str,
        payload: &[u8],
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Response<'_>, CallError> {
        let id = self.send_request_bytes(peer, payload, timeout)?;
        Ok(self.await_end(id, None)?)
    }

    /// Sends a request that times out after `timeout`, and returns once it is handed to the transport.
    ///
    /// # Errors
    ///
    /// See [`SendError`]; the request was not sent then.
    pub fn send_request(
        &mut self,
        peer: &str,
        payload: &(impl Serialize + ?Sized),
        timeout: impl Into<Option<Duration>>,
    ) -> Result<RequestId, SendError> {
        let deadline = deadline_after(self.client.begin(), timeout.into());
        self.client.request_now(peer, deadline, &mut |out, limit| out.encode(payload, limit))
    }

    /// [`send_request`](Self::send_request) with bytes for a payload.
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    pub fn send_request_bytes(
        &mut self,
        peer: &str,
        payload: &[u8],
        timeout: impl Into<Option<Duration>>,
    ) -> Result<RequestId, SendError> {
        let deadline = deadline_after(self.client.begin(), timeout.into());
        self.client.request_now(peer, deadline, &mut |out, limit| out.append(payload, limit))
    }

    /// Sends a request of `len` bytes, which `write` writes to where they are sent from, and awaits its response.
    ///
    /// As for [`send_request_in`](Self::send_request_in).
    ///
    /// # Errors
    ///
    /// As for `sync_request`, but for decoding.
    pub fn sync_request_in(
        &mut self,
        peer: &str,
        len: usize,
        write: impl FnMut(&mut [u8]),
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Response<'_>, CallError> {
        let id = self.send_request_in(peer, len, write, timeout)?;
        Ok(self.await_end(id, None)?)
    }

    /// Sends a request of `len` bytes, which `write` writes to where they are sent from: that saves a copy.
    ///
    /// It must write all of them: it finds zeros there, or what was sent to that peer before. It is called again if
    /// the peer turns out to have come back in a new life.
    ///
    /// # Errors
    ///
    /// See [`SendError`]; the request was not sent then.
    pub fn send_request_in(
        &mut self,
        peer: &str,
        len: usize,
        mut write: impl FnMut(&mut [u8]),
        timeout: impl Into<Option<Duration>>,
    ) -> Result<RequestId, SendError> {
        let deadline = deadline_after(self.client.look_at_clock(), timeout.into());
        self.client.request_now(peer, deadline, &mut |out, limit| out.write_in(len, limit, &mut write))
    }

    /// Sends a request whose end is given to `callback`, once, inside a later `poll` or await.
    ///
    /// The callback may send requests and await them.
    ///
    /// # Errors
    ///
    /// See [`SendError`]; the callback is dropped then.
    pub fn send_request_with(
        &mut self,
        peer: &str,
        payload: &(impl Serialize + ?Sized),
        timeout: impl Into<Option<Duration>>,
        callback: impl FnOnce(&mut Self, Result<Response<'_>, RequestError>) + Send + 'static,
    ) -> Result<RequestId, SendError> {
        let id = self.send_request(peer, payload, timeout)?;
        self.client.announce(id);
        self.callbacks.insert(id, Box::new(callback));
        Ok(id)
    }

    /// Gathers the requests that `send` sends, many to a packet, and hands them to the transport at its end,
    /// or when it waits. Their timeouts run from the beginning of the batch.
    ///
    /// A request whose peer turns out to be gone is then not sent again to the peer's next life: it ends as
    /// [`RequestError::NotSent`].
    pub fn batch<R>(&mut self, send: impl FnOnce(&mut Self) -> R) -> R {
        self.client.set_corked(true);
        let done = send(self);
        self.client.set_corked(false);
        done
    }

    /// Gives up a request; false if it had ended. An end that was not collected is dropped.
    pub fn cancel(&mut self, id: RequestId) -> bool {
        let cancelled = self.client.cancel(id);
        if self.callbacks.contains_key(&id) {
            self.run_callbacks();
        } else {
            self.client.forget(id);
        }
        cancelled
    }

    /// Gives up every request that has no callback, and drops the ends that were not collected.
    pub fn cancel_all(&mut self) {
        let ids: Vec<RequestId> = self.client.request_ids().collect();
        for id in ids {
            if !self.callbacks.contains_key(&id) {
                self.client.forget(id);
            }
        }
    }

    /// Takes in what has arrived, waiting for something at most `timeout`, and returns how many requests
    /// ended, messages came and, where they are watched, peers changed. Callbacks run. A wish that this
    /// member end, and the end of the bus, count as well; to be woken by another thread ends the wait.
    pub fn poll(&mut self, timeout: impl Into<Option<Duration>>) -> usize {
        let deadline = deadline_after(self.client.look_at_clock(), timeout.into());
        let before = self.client.taken_in();
        loop {
            let happened = self.client.turn(deadline);
            self.run_callbacks();
            let taken = self.client.taken_in() - before;
            if taken > 0 || self.client.take_woken() || self.client.is_over(deadline, happened) {
                return usize::try_from(taken).unwrap_or(usize::MAX);
            }
        }
    }

    /// The names of all live and suspended peers but this one, sorted.
    ///
    /// # Errors
    ///
    /// As for [`ready`](Self::ready).
    pub fn peers(&mut self) -> Result<Vec<String>, SendError> {
        self.client.transport_mut().peers().map_err(|error| self.bus_error(error))
    }

    /// What is known of a peer; `None` if no live or suspended peer has this name.
    ///
    /// # Errors
    ///
    /// As for [`ready`](Self::ready).
    pub fn peer_status(&mut self, peer: &str) -> Result<Option<PeerStatus>, SendError> {
        self.client.transport_mut().find(peer).map_err(|error| self.bus_error(error))
    }

    /// Takes in from now on who comes and goes, beginning with those that are there, for
    /// [`peer_changes`](Self::peer_changes).
    ///
    /// # Errors
    ///
    /// As for [`ready`](Self::ready).
    pub fn watch_peers(&mut self) -> Result<(), SendError> {
        self.client.transport_mut().watch().map_err(|error| self.bus_error(error))
    }

    /// Who came and went, in order, as far as it was taken in by [`poll`](Self::poll) or an await.
    pub fn peer_changes(&mut self) -> Vec<PeerChange> {
        self.client.take_changes()
    }

    fn service_status(&mut self) -> Result<Option<PeerStatus>, SendError> {
        let service = self.service.clone();
        self.peer_status(&service)
    }

    fn bus_error(&self, error: ConnectError) -> SendError {
        crate::client::connect_failed(&self.service, error)
    }

    /// Runs the callbacks of the requests that have ended.
    fn run_callbacks(&mut self) {
        while let Some(id) = self.client.next_announced() {
            let Some(callback) = self.callbacks.remove(&id) else { continue };
            match self.client.collect_owned(id) {
                Some(Ok((peer, body))) => {
                    callback(self, Ok(Response::new(&peer, body.bytes())));
                    self.client.take_back(body);
                }
                Some(Err(error)) => callback(self, Err(error)),
                None => {}
            }
        }
    }
}
