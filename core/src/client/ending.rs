//! How requests end for the one who asked: they are collected, announced, or given up.

use super::*;

impl<T: Transport, C: Clock> Client<T, C> {
    /// Ends a request as the caller wishes; false if it had ended.
    pub fn cancel(&mut self, id: RequestId) -> bool {
        self.take_rest();
        let cancelled = self.endpoint.cancel(id);
        self.settle_ends();
        self.flush();
        cancelled
    }

    /// Forgets a request, ended or not.
    pub(crate) fn forget(&mut self, id: RequestId) {
        self.announce.remove(&id);
        self.cancel(id);
        self.finished.remove(id);
    }

    /// The requests that have not ended, and those that were not collected.
    pub(crate) fn request_ids(&self) -> impl Iterator<Item = RequestId> + '_ {
        self.endpoint.pending_ids().chain(self.finished.ids())
    }

    /// Requests that have not ended or were not collected.
    pub(crate) fn in_flight(&self) -> usize {
        self.endpoint.pending() + self.finished.len()
    }

    pub(crate) fn is_finished(&self, id: RequestId) -> bool {
        self.finished.get(id).is_some()
    }

    /// When a finished request ended, in the order of ends.
    pub(crate) fn end_order(&self, id: RequestId) -> Option<u64> {
        self.finished.get(id).map(|ended| ended.order)
    }

    /// Announces the end of this request in [`next_announced`](Self::next_announced).
    pub(crate) fn announce(&mut self, id: RequestId) {
        self.announce.insert(id);
        if self.is_finished(id) {
            self.announced.push_back(id);
        }
    }

    pub(crate) fn next_announced(&mut self) -> Option<RequestId> {
        let id = self.announced.pop_front()?;
        self.announce.remove(&id);
        Some(id)
    }

    /// Collects the end of a request.
    pub(crate) fn collect(&mut self, id: RequestId) -> Option<Result<Response<'_>, RequestError>> {
        let Ended { link, peer, result, .. } = self.finished.remove(id)?;
        if let Some(peer) = peer {
            self.given_by = peer;
        }
        let bytes = match result {
            Err(error) => return Some(Err(*error)),
            Ok(Stored::InPacket(range)) => {
                self.pinned = None;
                &self.last_packet()[range]
            }
            Ok(Stored::Own { buffer, at }) => {
                let used = mem::replace(&mut self.given, buffer);
                self.keep_spare(used);
                &self.given[at..]
            }
        };
        Some(Ok(Response::new(self.endpoint.peer(link).unwrap_or(&self.given_by), bytes)))
    }

    /// Collects the end of a request with the buffer of its response.
    pub(crate) fn collect_owned(&mut self, id: RequestId) -> Option<Result<(Arc<str>, Lent), RequestError>> {
        let Ended { link, peer, result, .. } = self.finished.remove(id)?;
        let peer = peer.or_else(|| self.endpoint.peer(link).cloned()).unwrap_or_else(|| "".into());
        Some(result.map(|body| (peer, self.lend(body))).map_err(|error| *error))
    }

    /// Collects the requests that failed, in the order in which they ended.
    pub(crate) fn collect_failures(&mut self) -> Vec<(RequestId, RequestError)> {
        let mut failed = self.finished.remove_failed();
        failed.sort_by_key(|(_, ended)| ended.order);
        let error = |(id, ended): (RequestId, Ended)| ended.result.err().map(|error| (id, *error));
        failed.into_iter().filter_map(error).collect()
    }

    /// Ends a request as one that was not answered in time.
    pub(crate) fn time_out(&mut self, id: RequestId) {
        self.take_rest();
        let Some(peer) = self.endpoint.request_peer(id).cloned() else { return };
        self.cancel(id);
        if let Some(ended) = self.finished.get_mut(id) {
            ended.result = Err(Box::new(RequestError::TimedOut { peer }));
        }
    }

    pub(super) fn finish(&mut self, id: RequestId, link: LinkId, end: End<'_>, packet: &[u8]) {
        let result = match end {
            End::Response(body) => Ok(self.store(body, packet, Pin::Finished(id))),
            end => Err(Box::new(failure(self.name_of(link), end))),
        };
        self.ends += 1;
        self.finished.insert(id, Ended { order: self.ends, link, peer: None, result });
        if self.announce.contains(&id) {
            self.announced.push_back(id);
        }
    }
}

/// What a request comes to that was not answered.
#[cold]
fn failure(peer: Arc<str>, end: End<'_>) -> RequestError {
    match end {
        End::Failure { kind, detail } => {
            let detail = String::from_utf8_lossy(&detail).into_owned();
            RequestError::Remote { peer, error: RemoteError { kind, detail } }
        }
        End::TimedOut => RequestError::TimedOut { peer },
        End::Gone { reason, sent: true } => RequestError::PeerGone { peer, reason },
        End::Gone { reason, sent: false } => RequestError::NotSent { peer, reason },
        End::Cancelled => RequestError::Cancelled { peer },
        End::Response(_) => unreachable!("that is no failure"),
    }
}
