//! The end of a life that is not the end of its member, and the beginning of the next.

use super::*;
use crate::transport::{Parting, SuspendError};

impl<T: Transport, C: Clock> Client<T, C> {
    /// Gives up this life of the member and keeps its name until `until`: what is sent to it meanwhile is
    /// delivered to its next life.
    ///
    /// Messages that had come and were not collected are lost: call [`messages`](Self::messages) before.
    /// Requests that had come and were not answered fail as [`RemoteErrorKind::Unanswered`].
    ///
    /// # Errors
    ///
    /// See [`SuspendError`]. The member has then left, or goes on to the end of this value.
    pub fn suspend(mut self, until: Instant) -> Result<(), SuspendError> {
        if !self.transport.capabilities().suspend {
            return Err(SuspendError::Unsupported);
        }
        self.take_rest();
        self.endpoint.fail_all(RemoteErrorKind::Unanswered);
        let links: Vec<LinkId> = self.endpoint.links().collect();
        let part = |link| {
            self.endpoint.return_credit(link);
            let unsent = self.endpoint.pending_output(link, usize::MAX).to_vec();
            let (hello, partial) = self.endpoint.unread(link);
            Parting { link, unsent, hello, partial, asleep: self.endpoint.suspended_until(link) }
        };
        let links = links.into_iter().map(part).collect();
        self.transport.suspend(until, links)
    }

    /// Has a message that a former life had taken in, and not dealt with, come once more, behind those that
    /// have come.
    pub fn take_in(&mut self, message: Message) {
        let Message { from, incarnation, sequence, broadcast, stamp, content, .. } = message;
        // It came on no link of this life, and no window is charged for it.
        let link = LinkId { slot: u32::MAX, generation: 0 };
        let head = MessageHead { sequence, stamp, broadcast, cost: 0, incarnation: Some(incarnation) };
        let kind = InboundKind::Message(Box::new(head));
        let body = Stored::Own { buffer: content, at: 0 };
        self.arrivals += 1;
        self.inbox.push_back(Inbound { link, from, kind, body });
    }
}
