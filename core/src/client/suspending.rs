//! The end of a life that is not the end of its member, and the beginning of the next.

use alloc::string::ToString;

use serde::{Deserialize, Serialize};

use super::*;
use crate::transport::{Parting, SuspendError};

/// Turns in which what a former life has left is taken up: one to accept, one to hear each hello, where it comes in
/// one piece; more where it does not. What others send meanwhile does not hold up the one who comes back.
const TAKE_UP_TURNS: usize = 16;

/// A message as it is kept for the next life.
#[derive(Serialize, Deserialize)]
struct Kept<'m> {
    from: &'m str,
    incarnation: Incarnation,
    to: &'m str,
    sequence: u64,
    broadcast: bool,
    stamp: u64,
    content: &'m [u8],
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// Gives up this life of the member and keeps its name until `until`: what is sent to it meanwhile is
    /// delivered to its next life.
    ///
    /// Messages that had come and were not collected are put back. Requests that had come and were not answered fail
    /// as [`RemoteErrorKind::Unanswered`].
    ///
    /// # Errors
    ///
    /// See [`SuspendError`]. The member has then left, or goes on to the end of this value.
    pub fn suspend(mut self, until: Instant) -> Result<(), SuspendError> {
        if !self.transport.capabilities().suspend {
            return Err(SuspendError::Unsupported);
        }
        for message in self.messages() {
            self.requeue_message(&message)?;
        }
        self.endpoint.fail_all(RemoteErrorKind::Unanswered);
        let links: Vec<LinkId> = self.endpoint.links().collect();
        let part = |link| {
            self.endpoint.return_credit(link);
            let unsent = self.endpoint.pending_output(link, usize::MAX).to_vec();
            let (hello, partial) = self.endpoint.unread(link);
            let (asleep, spent) = (self.endpoint.suspended_until(link), self.endpoint.spent(link));
            Parting { link, unsent, hello, partial, asleep, spent }
        };
        let links = links.into_iter().map(part).collect();
        self.transport.suspend(until, links)
    }

    /// Puts a message that was taken in, and not dealt with, back for the next life of this member: it comes before
    /// all that is sent meanwhile, behind those that were put back before it.
    ///
    /// # Errors
    ///
    /// See [`SuspendError`].
    pub fn requeue_message(&mut self, message: &Message) -> Result<(), SuspendError> {
        let Message { from, incarnation, sequence, to, broadcast, stamp, content } = message;
        let (incarnation, sequence, broadcast, stamp) = (*incarnation, *sequence, *broadcast, *stamp);
        let kept = Kept { from, incarnation, to, sequence, broadcast, stamp, content };
        let mut note = Vec::new();
        crate::body::encode_into(&kept, &mut note, usize::MAX)
            .map_err(|error| SuspendError::Bus(error.to_string()))?;
        self.transport.keep(&note)
    }

    /// Takes in what the former life of this member has put back. For whoever brings a suspended member back, before
    /// anything else.
    ///
    /// # Errors
    ///
    /// See [`SuspendError`]; it is all still there then.
    pub fn take_over(&mut self) -> Result<(), SuspendError> {
        for note in self.transport.take_kept()? {
            // What is no message was kept by no life of ours.
            let Ok(kept) = crate::body::decode::<Kept<'_>>(&note) else { continue };
            let Kept { from, incarnation, sequence, broadcast, stamp, content, .. } = kept;
            // It came on no link of this life, and no window is charged for it.
            let link = LinkId { slot: u32::MAX, generation: 0 };
            let head = MessageHead { sequence, stamp, broadcast, cost: 0, incarnation: Some(incarnation) };
            let kind = InboundKind::Message(Box::new(head));
            let body = Stored::Own { buffer: content.to_vec(), at: 0 };
            self.arrivals += 1;
            self.inbox.push_back(Inbound { link, from: from.into(), kind, body });
        }
        Ok(())
    }

    /// Takes up the links that the former life of this member has left, so that what is sent from now on follows what
    /// that one had sent. Returns how much has come by now.
    pub fn take_up_links(&mut self) -> usize {
        let now = self.now();
        let mut turns = 0..TAKE_UP_TURNS;
        while turns.next().is_some() && self.turn(Some(now)) {}
        usize::try_from(self.taken_in()).unwrap_or(usize::MAX)
    }
}
