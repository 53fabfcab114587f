//! What a handle asks, and how it is answered.

use super::*;

impl Handle {
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
        self.core()?.sync_request(peer, payload, timeout)
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
        self.core()?.sync_request_bytes(peer, payload, timeout)
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
        self.core()?.send_request(peer, payload, timeout)
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
        self.core()?.send_request_bytes(peer, payload, timeout)
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
        self.core()?.sync_request_in(peer, len, write, timeout)
    }

    /// Sends a request of `len` bytes, which `write` writes to where they are sent from: for a large body that is
    /// memory shared with the peer, and saves a copy.
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
        write: impl FnMut(&mut [u8]),
        timeout: impl Into<Option<Duration>>,
    ) -> Result<RequestId, SendError> {
        self.core()?.send_request_in(peer, len, write, timeout)
    }

    /// Sends a request whose end is given to `callback`, once, inside a later [`poll`](Self::poll) or await.
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
        callback: impl FnOnce(&mut CoreHandle, Result<Response<'_>, RequestError>) + Send + 'static,
    ) -> Result<RequestId, SendError> {
        self.core()?.send_request_with(peer, payload, timeout, callback)
    }

    /// Gathers the requests that `send` sends, many to a packet, and hands them to the transport at its end,
    /// or when it waits. Their timeouts run from the beginning of the batch.
    ///
    /// A request whose peer turns out to be gone is then not sent again to the peer's next life: it ends as
    /// [`RequestError::NotSent`].
    ///
    /// ```
    /// # use ipcm::{Bus, Handle, Service};
    /// # use std::time::Duration;
    /// # let bus = Bus::spawn()?;
    /// # let _echo = Service::echo(bus.info(), "echo").spawn()?;
    /// # let mut handle = Handle::new(bus.info(), "echo");
    /// let ids = handle.batch(|handle| {
    ///     let send = |number: u32| handle.send_request("echo", &number, Duration::from_secs(1));
    ///     (0..100).map(send).collect::<Result<Vec<_>, _>>()
    /// })??;
    /// handle.await_all_responses(None)?;
    /// assert_eq!(handle.await_response(ids[99], None)?.decode::<u32>()?, 99);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SendError::Bus`] and [`SendError::NotPermitted`] if the bus cannot be joined.
    pub fn batch<R>(&mut self, send: impl FnOnce(&mut CoreHandle) -> R) -> Result<R, SendError> {
        Ok(self.core()?.batch(send))
    }

    /// Awaits the response to a request, and forgets the request if it does not come in time.
    ///
    /// What has already arrived is returned, also with a timeout of zero.
    ///
    /// # Errors
    ///
    /// Why no response came, see [`RequestError`].
    pub fn await_response(
        &mut self,
        id: RequestId,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Response<'_>, RequestError> {
        match &mut self.joined {
            Some(joined) => joined.await_response(id, timeout),
            None => Err(RequestError::UnknownId { id }),
        }
    }

    /// Awaits the end of every pending request, but for those with callbacks, which run.
    ///
    /// The responses are kept for [`await_response`](Self::await_response).
    ///
    /// # Errors
    ///
    /// Every request that failed, with its reason; those that were not answered in time are forgotten.
    pub fn await_all_responses(&mut self, timeout: impl Into<Option<Duration>>) -> Result<(), AwaitAllError> {
        self.joined.as_mut().map_or(Ok(()), |joined| joined.await_all_responses(timeout))
    }

    /// Waits until one of these requests has ended and returns the one that ended first; its end is then to
    /// be collected by [`await_response`](Self::await_response). `None` if none does in time, or all are
    /// unknown.
    pub fn await_any(
        &mut self,
        ids: &[RequestId],
        timeout: impl Into<Option<Duration>>,
    ) -> Option<RequestId> {
        self.joined.as_mut()?.await_any(ids, timeout)
    }

    /// Gives up a request; false if it had ended. The service is told, and its response is dropped.
    pub fn cancel(&mut self, id: RequestId) -> bool {
        self.joined.as_mut().is_some_and(|joined| joined.cancel(id))
    }
}
