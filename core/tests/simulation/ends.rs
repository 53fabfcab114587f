//! How the ends of requests and the messages of members are collected and recorded.

use alloc::vec::Vec;
use core::time::Duration;

use ipcm_core::RequestId;

use crate::payload::Answer;
use crate::world::{Asking, Slot, World, client};

impl World {
    /// The requests of a member that have not been seen to end.
    pub(crate) fn asked_by(&self, at: usize) -> Vec<(u64, RequestId)> {
        let ledger = self.ledger.borrow();
        let asked = ledger.pending.iter().filter(|(_, asked)| asked.asker == self.names[at]);
        let mut asked: Vec<_> = asked.map(|(token, asked)| (*token, asked.id)).collect();
        asked.sort();
        asked
    }

    /// Awaits a request and records its end.
    pub(crate) fn collect(&self, asking: &mut Asking, token: u64, id: RequestId, timeout: Duration) {
        use ipcm_core::RequestError::{HasCallback, UnknownId};
        let hostile = self.ledger.borrow().fates.is_hostile(&self.ledger.borrow().pending[&token].peer);
        let end = asking.handle.await_response(id, timeout).map(|response| {
            let answer = response.decode::<Answer>();
            assert!(hostile || answer.is_ok(), "the response is as it was given");
            (response.peer().clone(), answer.ok())
        });
        self.note_expiry();
        let mut ledger = self.ledger.borrow_mut();
        match end {
            Ok((peer, Some(answer))) => ledger.response(token, &peer, &answer),
            Ok((_, None)) => ledger.forgotten(token),
            Err(HasCallback { .. }) => return,
            // Its callback ran before.
            Err(UnknownId { .. }) if asking.seen.lock().iter().any(|(seen, _)| *seen == token) => {
                return;
            }
            Err(error) => ledger.failed(self.now(), token, &error),
        }
        drop(ledger);
        self.check_unknown(asking, id);
    }

    /// What has ended does not end again.
    pub(crate) fn check_unknown(&self, asking: &mut Asking, id: RequestId) {
        let again = asking.handle.await_response(id, Duration::ZERO).map(drop);
        assert_eq!(again, Err(ipcm_core::RequestError::UnknownId { id }));
    }

    /// Reads the messages of a member.
    pub(crate) fn take_messages(&self, at: usize) {
        if let Some(client) = client(&mut self.slots[at].borrow_mut()) {
            client
                .messages()
                .iter()
                .for_each(|message| self.ledger.borrow_mut().read(&self.names[at], message));
        }
    }

    /// Records the ends that callbacks saw.
    pub(crate) fn take_seen(&self, at: usize) {
        if let Slot::Asker(asking) = &mut *self.slots[at].borrow_mut() {
            self.take_seen_of(asking);
        }
    }

    pub(crate) fn take_seen_of(&self, asking: &mut Asking) {
        for (token, end) in core::mem::take(&mut *asking.seen.lock()) {
            let mut ledger = self.ledger.borrow_mut();
            let peer = ledger.pending[&token].peer.clone();
            match end {
                Ok(Some(answer)) => ledger.response(token, &peer, &answer),
                Ok(None) if ledger.fates.is_hostile(&peer) => ledger.forgotten(token),
                Ok(None) => panic!("{token} was answered with something else"),
                Err(error) => ledger.failed(self.now(), token, &error),
            }
        }
    }
}
