//! How a handle awaits the ends of its requests: of one, of all, of the first of several.

use super::*;

/// The requests that [`Handle::await_all_responses`] did not see answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} of the pending requests were not answered, the first: {}", failures.len(), failures[0].1)]
pub struct AwaitAllError {
    /// Every request that failed and why, in the order in which they ended; at least one.
    pub failures: Vec<(RequestId, RequestError)>,
}

impl<T: Transport, C: Clock> Handle<T, C> {
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
        if self.callbacks.contains_key(&id) {
            return Err(RequestError::HasCallback { id });
        }
        if self.callbacks.is_empty() && self.client.take_until_finished(id) {
            return self.client.collect(id).unwrap_or(Err(RequestError::UnknownId { id }));
        }
        let deadline = deadline_after(self.client.look_at_clock(), timeout.into());
        self.await_end(id, deadline)
    }

    pub(super) fn await_end(
        &mut self,
        id: RequestId,
        deadline: Option<Instant>,
    ) -> Result<Response<'_>, RequestError> {
        while !self.client.take_until_finished(id) {
            if !self.client.endpoint().is_pending(id) {
                return Err(RequestError::UnknownId { id });
            }
            let happened = self.client.advance(id, deadline);
            if !self.callbacks.is_empty() {
                self.client.take_rest();
                self.run_callbacks();
            }
            if self.client.is_over(deadline, happened) && !self.client.take_until_finished(id) {
                let peer = self.client.endpoint().request_peer(id).cloned();
                self.client.forget(id);
                return Err(RequestError::TimedOut { peer: peer.unwrap_or_else(|| self.service.clone()) });
            }
        }
        self.client.collect(id).unwrap_or(Err(RequestError::UnknownId { id }))
    }

    /// The end of a request that has ended, once; `None` while it is pending. Nothing is received.
    pub fn take_response(&mut self, id: RequestId) -> Option<Result<Response<'_>, RequestError>> {
        self.client.take_rest();
        if self.callbacks.contains_key(&id) {
            return Some(Err(RequestError::HasCallback { id }));
        }
        if self.client.endpoint().is_pending(id) {
            return None;
        }
        self.client.collect(id).or(Some(Err(RequestError::UnknownId { id })))
    }

    /// Awaits the end of every pending request, but for those with callbacks, which run.
    ///
    /// The responses are kept for [`await_response`](Self::await_response).
    ///
    /// # Errors
    ///
    /// Every request that failed, with its reason; those that were not answered in time are forgotten.
    pub fn await_all_responses(&mut self, timeout: impl Into<Option<Duration>>) -> Result<(), AwaitAllError> {
        let deadline = deadline_after(self.client.look_at_clock(), timeout.into());
        while self.client.endpoint().pending() > 0 {
            let happened = self.client.turn(deadline);
            self.run_callbacks();
            if self.client.is_over(deadline, happened) {
                let late: Vec<RequestId> = self.client.endpoint().pending_ids().collect();
                late.into_iter().for_each(|id| self.client.time_out(id));
                self.run_callbacks();
            }
        }
        let failures = self.client.collect_failures();
        if failures.is_empty() { Ok(()) } else { Err(AwaitAllError { failures }) }
    }

    /// Waits until one of these requests has ended and returns the one that ended first; the end is then
    /// to be collected by [`await_response`](Self::await_response). `None` if none does in time, or all
    /// are unknown.
    pub fn await_any(
        &mut self,
        ids: &[RequestId],
        timeout: impl Into<Option<Duration>>,
    ) -> Option<RequestId> {
        let deadline = deadline_after(self.client.look_at_clock(), timeout.into());
        loop {
            let ended = ids.iter().filter_map(|&id| self.client.end_order(id).map(|order| (order, id)));
            if let Some((_, id)) = ended.min() {
                return Some(id);
            }
            if !ids.iter().any(|&id| self.client.endpoint().is_pending(id)) {
                return None;
            }
            let happened = self.client.turn(deadline);
            self.run_callbacks();
            if self.client.is_over(deadline, happened) {
                return None;
            }
        }
    }
}
