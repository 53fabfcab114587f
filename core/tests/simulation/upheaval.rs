//! What befalls members and their links: time, cuts, deaths, sleep, bad company.

use core::time::Duration;

use crate::world::{Slot, World, client, into_client};

impl World {
    pub(crate) fn pass_time(&self) {
        let mut random = self.random.borrow_mut();
        let span = match random.below(40) {
            0 => random.micros(0..5_000_000),
            1..=12 => random.micros(0..30_000),
            _ => random.micros(0..1000),
        };
        self.network.advance(span);
    }

    pub(crate) fn misbehave(&self, at: usize) {
        if let Some(hostile) = self.hostile.borrow_mut().as_mut() {
            let present = !matches!(*self.slots[at].borrow(), Slot::Absent | Slot::Suspended(_));
            for _ in 0..4 {
                hostile.act(&mut self.random.borrow_mut(), &self.names[at], present);
            }
        }
    }

    pub(crate) fn cut(&self, at: usize) {
        let peer = self.some_peer(at);
        self.ledger.borrow_mut().fates.cut(&self.names[at], &peer);
        self.network.cut(&self.names[at], &peer);
    }

    pub(crate) fn kill(&self, at: usize) {
        let mut slot = self.slots[at].borrow_mut();
        let mut ended = core::mem::replace(&mut *slot, Slot::Absent);
        if matches!(ended, Slot::Absent) {
            return;
        }
        let flushes = self.random.borrow_mut().one_in(2);
        let now = self.now();
        if let Some(client) = client(&mut ended) {
            if flushes {
                client.flush_all(now);
            }
            let endpoint = client.endpoint();
            let mut ledger = self.ledger.borrow_mut();
            if endpoint.links().all(|link| endpoint.backlog(link) == 0) {
                ledger.left(endpoint.incarnation().as_bits());
            }
            ledger.totals.dropped += client.dropped_messages();
        }
        let mut ledger = self.ledger.borrow_mut();
        ledger.fates.died(&self.names[at]);
        ledger.orphan(&self.names[at]);
        drop(ledger);
        self.network.kill(&self.names[at]);
    }

    pub(crate) fn suspend(&self, at: usize) {
        if self.few_links {
            return;
        }
        self.take_seen(at);
        let mut slot = self.slots[at].borrow_mut();
        if client(&mut slot).is_none() {
            return;
        }
        let until = self.now()
            + self.random.borrow_mut().pick(&[
                Duration::from_millis(5),
                Duration::from_secs(10_000),
                Duration::from_secs(10_000),
            ]);
        let mut ledger = self.ledger.borrow_mut();
        ledger.totals.suspensions += 1;
        ledger.fates.suspended(&self.names[at], until);
        ledger.orphan(&self.names[at]);
        if let Some(mut client) = into_client(core::mem::replace(&mut *slot, Slot::Suspended(until))) {
            client.messages().iter().for_each(|message| ledger.read(&self.names[at], message));
            ledger.totals.dropped += client.dropped_messages();
            client.suspend(until).unwrap();
        }
    }

    pub(crate) fn come_back(&self, at: usize) {
        let resumes = match *self.slots[at].borrow() {
            // Its peers may count it as gone before they hear of its return.
            Slot::Suspended(until) if until < self.now() + Duration::from_secs(1000) => return,
            Slot::Suspended(_) => true,
            Slot::Absent => false,
            _ => return,
        };
        self.ledger.borrow_mut().totals.resumed += u64::from(resumes);
        self.join(at);
    }
}
