//! What can happen in one step of a seed.

use alloc::vec::Vec;
use core::time::Duration;

use ipcm_core::{Handle, Instant, RequestId, SendError};

use crate::ledger::{Accepted, Asked};
use crate::payload::{Answer, Ask, Note, Wish, pad};
use crate::world::{HOSTILE, Slot, World, client};

impl World {
    pub(crate) fn step(&self) {
        self.note_expiry();
        let (choice, at) = {
            let mut random = self.random.borrow_mut();
            (random.below(100), random.below(self.slots.len()))
        };
        match choice {
            0..=22 => drop(self.turn(at)),
            23..=46 => self.ask(at),
            47..=55 => self.send(at),
            56 => self.broadcast(at),
            57..=58 => self.cancel(at),
            59..=70 => self.await_some(at),
            71..=78 => self.answer_one(at),
            79..=89 => self.pass_time(),
            90 => self.change_faults(),
            91 => self.cut(at),
            92 => self.kill(at),
            93 => self.suspend(at),
            94..=95 => self.come_back(at),
            96..=97 => self.ask_from_service(at),
            _ => self.misbehave(at),
        }
        self.note_expiry();
        for at in 0..self.slots.len() {
            if self.random.borrow_mut().one_in(2) {
                self.take_messages(at);
            }
            self.take_seen(at);
        }
        self.note_links();
    }

    fn timeout(&self) -> Duration {
        let mut random = self.random.borrow_mut();
        match random.below(4) {
            0 => Duration::ZERO,
            1 => random.micros(0..2000),
            _ => random.micros(0..50_000),
        }
    }

    fn ask(&self, at: usize) {
        let peer = self.some_peer(at);
        let mut slot = self.slots[at].borrow_mut();
        let Slot::Asker(asking) = &mut *slot else { return };
        let (wish, len, with_callback, forever, tries) = {
            let mut random = self.random.borrow_mut();
            let wishes = [Wish::AtOnce, Wish::AtOnce, Wish::Later, Wish::Later, Wish::Failure, Wish::Never];
            let wish = if random.one_in(40) { Wish::TooLarge } else { random.pick(&wishes) };
            let len = if random.one_in(8) { random.below(3000) } else { random.below(60) };
            (wish, len, random.one_in(4), random.one_in(3), random.one_in(3))
        };
        let timeout = self.timeout();
        let token = self.number();
        let ask = Ask::new(token, wish, len);
        let handle = &mut asking.handle;
        // Without a deadline only if it need not wait to be sent.
        let deadline = (!forever).then(|| self.now() + timeout);
        let sent = if forever && with_callback {
            handle.batch(|handle| try_ask(handle, &peer, deadline, &ask))
        } else if forever || tries {
            try_ask(handle, &peer, deadline, &ask)
        } else if with_callback {
            let seen = asking.seen.clone();
            handle.send_request_with(&peer, &ask, timeout, move |_, end| {
                let end = end.map(|response| response.decode().ok());
                seen.lock().push((token, end));
            })
        } else {
            handle.send_request(&peer, &ask, timeout)
        };
        match sent {
            Ok(id) => {
                let since = self.link_began(asking.handle.client().endpoint(), &peer);
                let asker = self.names[at].clone();
                let asked =
                    Asked { id, asker, peer, wish, deadline, since, cancelled: false, given_up: false };
                self.ledger.borrow_mut().asked(token, asked);
            }
            Err(error) => self.check_refusal(at, &peer, &error),
        }
        self.check(&mut slot);
    }

    fn check_refusal(&self, at: usize, peer: &str, error: &SendError) {
        let hostile = self.ledger.borrow().fates.is_hostile(peer);
        match error {
            SendError::TimedOut { .. } | SendError::WouldBlock { .. } | SendError::NoSuchPeer { .. } => {}
            SendError::TooManyInFlight { limit } => assert_eq!(*limit, self.config.requests),
            SendError::TooManyLinks { limit } => assert!(self.few_links && *limit == self.config.links),
            SendError::PeerGone { .. } => {}
            SendError::TooLarge { .. } if hostile => {}
            error => panic!("{} to {peer}: {error:?}", self.names[at]),
        }
    }

    fn send(&self, at: usize) {
        let to = self.some_peer(at);
        let timeout = self.timeout();
        let (len, tries) = {
            let mut random = self.random.borrow_mut();
            (if random.one_in(8) { random.below(3000) } else { random.below(60) }, random.one_in(2))
        };
        let mut slot = self.slots[at].borrow_mut();
        let Some(client) = client(&mut slot) else { return };
        let number = self.number();
        let note = Note { number, pad: pad(number, len) };
        let body = &mut |out: &mut ipcm_core::Sink<'_>, limit| out.encode(&note, limit);
        self.ledger.borrow_mut().send(number, &self.names[at], &to);
        let (outcome, accepted) = if tries {
            // To someone who is dead, before that is known.
            let doomed = self.names.iter().position(|name| *name == to);
            let doomed = doomed.is_some_and(|to| matches!(*self.slots[to].borrow(), Slot::Absent));
            (client.try_send(&to, body), if doomed { Accepted::Perhaps } else { Accepted::Queued })
        } else {
            let deadline = Some(self.now() + timeout);
            (client.send_message(&to, false, deadline, body), Accepted::HandedOver)
        };
        self.ledger.borrow_mut().sent(number, &to, &outcome, accepted);
        if accepted == Accepted::Queued {
            let since = self.link_began(client.endpoint(), &to);
            self.ledger.borrow_mut().queued_since(number, &to, since);
        }
        if let Err(error) = outcome {
            self.check_refusal(at, &to, &error);
        }
        self.check(&mut slot);
    }

    fn broadcast(&self, at: usize) {
        let timeout = self.timeout();
        let mut slot = self.slots[at].borrow_mut();
        let Slot::Asker(asking) = &mut *slot else { return };
        let number = self.number();
        let peers = self.names.iter().map(|name| &**name).chain([HOSTILE]);
        for to in peers.filter(|to| *to != self.names[at]) {
            self.ledger.borrow_mut().send(number, &self.names[at], to);
        }
        let outcomes = asking.handle.broadcast(&Note { number, pad: pad(number, 30) }, timeout).unwrap();
        assert!(outcomes.is_sorted_by(|a, b| a.peer < b.peer), "every peer once, in order");
        for ipcm_core::Delivery { peer: to, outcome } in outcomes {
            self.ledger.borrow_mut().sent(number, &to, &outcome, Accepted::HandedOver);
        }
    }

    fn some_request(&self, at: usize) -> Option<(u64, RequestId)> {
        let asked = self.asked_by(at);
        (!asked.is_empty()).then(|| self.random.borrow_mut().pick(&asked))
    }

    fn cancel(&self, at: usize) {
        let Some((token, id)) = self.some_request(at) else { return };
        let mut slot = self.slots[at].borrow_mut();
        let Slot::Asker(asking) = &mut *slot else { return };
        self.ledger.borrow_mut().cancelled(token);
        asking.handle.cancel(id);
        if !asking.seen.lock().iter().any(|(seen, _)| *seen == token) {
            self.ledger.borrow_mut().forgotten(token);
        }
        self.check_unknown(asking, id);
    }

    fn await_some(&self, at: usize) {
        let Some((token, id)) = self.some_request(at) else { return };
        let timeout = self.timeout();
        let kind = self.random.borrow_mut().below(4);
        let mut slot = self.slots[at].borrow_mut();
        let Slot::Asker(asking) = &mut *slot else { return };
        match kind {
            0 => {
                let ids: Vec<_> = self.asked_by(at).into_iter().map(|(_, id)| id).collect();
                if let Some(id) = asking.handle.await_any(&ids, timeout) {
                    let ended = self.asked_by(at).into_iter().find(|(_, other)| *other == id).unwrap();
                    self.collect(asking, ended.0, id, Duration::ZERO);
                }
            }
            1 => {
                self.ledger.borrow_mut().give_up(&self.names[at], true);
                let outcome = asking.handle.await_all_responses(timeout);
                self.note_expiry();
                for (id, error) in outcome.err().map(|error| error.failures).unwrap_or_default() {
                    let token = self.asked_by(at).into_iter().find(|(_, other)| *other == id).unwrap().0;
                    self.ledger.borrow_mut().failed(self.now(), token, &error);
                }
                assert_eq!(asking.handle.client().endpoint().pending(), 0);
                self.take_seen_of(asking);
                self.ledger.borrow_mut().give_up(&self.names[at], false);
            }
            _ => {
                self.ledger.borrow_mut().pending.get_mut(&token).unwrap().given_up = true;
                self.collect(asking, token, id, timeout);
                if let Some(asked) = self.ledger.borrow_mut().pending.get_mut(&token) {
                    asked.given_up = false;
                }
            }
        }
    }

    fn answer_one(&self, at: usize) {
        let mut slot = self.slots[at].borrow_mut();
        let Slot::Server(service, server) = &mut *slot else { return };
        if !server.deferred.is_empty() {
            let which = self.random.borrow_mut().below(server.deferred.len());
            let (ask, token) = server.deferred.remove(which);
            server.answer(service.client_mut(), &ask, token);
        }
    }

    fn ask_from_service(&self, at: usize) {
        let peer = self.some_peer(at);
        let timeout = self.timeout();
        let mut slot = self.slots[at].borrow_mut();
        let Slot::Server(service, _) = &mut *slot else { return };
        let ask = Ask::new(self.number(), Wish::AtOnce, 20);
        if let Ok(answer) = service.client_mut().sync_request::<Answer>(&peer, &ask, timeout) {
            assert_eq!(answer, ask.answer(answer.life));
        }
        self.check(&mut slot);
    }
}

fn try_ask(
    handle: &mut Handle<ipcm_core::memory::Memory, ipcm_core::memory::Clock>,
    peer: &str,
    deadline: Option<Instant>,
    ask: &Ask,
) -> Result<RequestId, SendError> {
    let body = &mut |out: &mut ipcm_core::Sink<'_>, limit| out.encode(ask, limit);
    handle.client_mut().try_request(peer, deadline, body)
}
