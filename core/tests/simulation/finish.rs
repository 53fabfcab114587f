//! One seed: steps, then quiet, then what must hold.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::time::Duration;

use ipcm_core::SendError;
use ipcm_core::memory::Faults;

use crate::ledger::Asked;
use crate::payload::{Ask, Wish};
use crate::totals::Totals;
use crate::world::{Slot, World, client};

const STEPS: usize = 200;
/// Turns without anything happening after which nothing more will.
const QUIET: usize = 4;

pub(crate) fn run(seed: u64) -> Totals {
    let world = World::new(seed);
    for _ in 0..STEPS {
        world.step();
    }
    world.network.set_faults(Faults::default());
    // The short suspensions run out, the long ones end.
    world.network.advance(Duration::from_millis(10));
    (0..world.slots.len()).for_each(|at| world.come_back_if_suspended(at));
    world.settle();
    world.check_settled();

    world.network.advance(Duration::from_secs(3600));
    world.settle();
    world.check_pending(|asked| asked.deadline.is_none(), "its deadline has passed");

    world.answer_kept();
    world.settle();
    world.check_pending(|asked| world.may_never_end(asked), "everything was answered");
    world.end_services();
    world.check_pending(|_| false, "its peer has left");
    world.check_slots(seed);
    world.ledger.borrow().totals
}

impl World {
    fn come_back_if_suspended(&self, at: usize) {
        self.note_expiry();
        if matches!(*self.slots[at].borrow(), Slot::Suspended(_)) {
            self.come_back(at);
        }
    }

    /// Turns until nothing happens, with everything answered that is to be answered.
    fn settle(&self) {
        let mut quiet = 0;
        for _ in 0..100_000 {
            self.network.advance(Duration::from_micros(10));
            self.note_expiry();
            let mut happened = self.turn_all();
            for at in 0..self.slots.len() {
                happened |= self.answer_deferred(at);
                self.take_messages(at);
                self.collect_ended(at);
            }
            happened |= self.network.next_arrival().is_some();
            quiet = if happened { 0 } else { quiet + 1 };
            if quiet > QUIET {
                return;
            }
        }
        panic!("it does not come to rest");
    }

    fn answer_deferred(&self, at: usize) -> bool {
        let mut slot = self.slots[at].borrow_mut();
        let Slot::Server(service, server) = &mut *slot else { return false };
        let deferred = core::mem::take(&mut server.deferred);
        let any = !deferred.is_empty();
        for (ask, token) in deferred {
            server.answer(service.client_mut(), &ask, token);
        }
        any
    }

    fn answer_kept(&self) {
        for slot in &self.slots {
            if let Slot::Server(_, server) = &mut *slot.borrow_mut() {
                server.deferred.append(&mut server.kept);
            }
        }
    }

    /// Collects what has ended, and nothing else.
    fn collect_ended(&self, at: usize) {
        self.take_seen(at);
        let mut slot = self.slots[at].borrow_mut();
        let Slot::Asker(asking) = &mut *slot else { return };
        for (token, id) in self.asked_by(at) {
            if asking.handle.await_any(&[id], Duration::ZERO).is_some() {
                self.collect(asking, token, id, Duration::ZERO);
            }
        }
    }

    /// What may still be pending, of the requests without a deadline, while its peer lives.
    fn may_never_end(&self, asked: &Asked) -> bool {
        let ledger = self.ledger.borrow();
        let fates = &ledger.fates;
        fates.is_hostile(&asked.peer)
    }

    fn check_pending(&self, may_be: impl Fn(&Asked) -> bool, why: &str) {
        let pending: Vec<_> = self.ledger.borrow().pending.values().cloned().collect();
        for asked in pending {
            assert!(may_be(&asked), "{why}: {asked:?} is pending");
        }
    }

    fn check_settled(&self) {
        let now = self.now();
        self.check_pending(
            |asked| {
                let waits = asked.deadline.is_none_or(|deadline| deadline > now);
                waits && (asked.wish == Wish::Never || self.may_never_end(asked))
            },
            "the network is quiet",
        );
        for (at, slot) in self.slots.iter().enumerate() {
            let slot = &mut *slot.borrow_mut();
            let Some(client) = client(slot) else { continue };
            let dropped = client.dropped_messages();
            let endpoint = client.endpoint();
            assert!(
                endpoint.links().all(|link| endpoint.backlog(link) == 0 || self.is_stuck(link, endpoint))
            );
            self.ledger.borrow_mut().totals.dropped += dropped;
            if let Slot::Server(service, server) = slot {
                let (serving, kept) = (service.client().endpoint().serving(), server.kept.len());
                assert!(serving <= kept, "{}: {serving} served, {kept} kept", self.names[at]);
            }
        }
        self.ledger.borrow().check_messages();
    }

    /// Output for a peer that is not there to take it.
    fn is_stuck(&self, link: ipcm_core::LinkId, endpoint: &ipcm_core::Endpoint) -> bool {
        endpoint.is_suspended(link)
    }

    /// Services leave, and the hostile peer: what waits for them ends.
    fn end_services(self: &Rc<Self>) {
        *self.hostile.borrow_mut() = None;
        for at in 0..self.slots.len() {
            if self.is_server(at) {
                self.kill(at);
            }
        }
        self.settle();
    }

    /// Every slot of every handle is free, and no link leaks.
    fn check_slots(&self, seed: u64) {
        let keep = (0..self.slots.len()).find(|&at| matches!(*self.slots[at].borrow(), Slot::Asker(_)));
        let Some(keep) = keep else { return };
        (0..self.slots.len()).filter(|&at| at != keep).for_each(|at| self.kill(at));
        self.settle();
        let fresh = (0..self.slots.len()).find(|&at| self.is_server(at)).expect("there is a service");
        self.join(fresh);
        let peer = self.names[fresh].clone();
        let mut slot = self.slots[keep].borrow_mut();
        let Slot::Asker(asking) = &mut *slot else { return };
        let endpoint = asking.handle.client().endpoint();
        assert_eq!((endpoint.pending(), endpoint.links().count()), (0, 0), "seed {seed}");
        for _ in 0..self.config.requests.min(self.config.serving) {
            let ask = Ask::new(self.number(), Wish::Never, 0);
            match asking.handle.send_request(&peer, &ask, Duration::from_secs(1)) {
                Ok(_) => {}
                // A window for one.
                Err(SendError::TimedOut { .. }) if self.config.window < 10_000 => return,
                Err(error) => panic!("{error:?}"),
            }
        }
        if self.config.requests <= self.config.serving {
            let limit = self.config.requests;
            let one_more = asking.handle.send_request(&peer, &Ask::new(0, Wish::Never, 0), Duration::ZERO);
            assert_eq!(one_more, Err(SendError::TooManyInFlight { limit }));
        }
    }
}
