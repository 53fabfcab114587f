//! Bytes through a relay: each link by its own window, and the trunk shared in turns.

use core::mem;

use super::records::{micros_until, told_state};
use super::*;
use crate::transport::{Progress, TransportEvent};
use crate::trunk::DATA_HEAD;
use crate::trunk::record::pack_name;

impl<T: Transport> Side<T> {
    pub(super) fn turn(&mut self, now: Instant) {
        self.deliver_waiting(now);
        let Some(member) = &mut self.member else { return };
        if self.outward.pending().len() >= 2 * self.limit {
            return;
        }
        member.transport.wait(Some(Instant::ZERO));
        while !self.is_full() {
            let Some(member) = &mut self.member else { return };
            let Some(event) = member.transport.poll_event() else { break };
            self.handle_event(now, event);
        }
    }

    fn handle_event(&mut self, now: Instant, event: TransportEvent) {
        match event {
            TransportEvent::Incoming => self.offer(),
            TransportEvent::Readable(id) => {
                if let Some(number) = self.links.number(id) {
                    self.receive(number);
                }
            }
            TransportEvent::Writable(id) => {
                if let Some(number) = self.links.number(id) {
                    self.send_waiting(number);
                }
            }
            TransportEvent::Suspended(id, until) => {
                if let Some(link) = self.links.number(id) {
                    let micros = micros_until(now, until);
                    self.outward.push(&Record::Suspended { link, micros });
                }
            }
            TransportEvent::Peer(change) => {
                let state = told_state(now, change.state);
                let (incarnation, name) = (change.incarnation, &*change.name);
                // A member that cannot take a name of that length cannot hear of it.
                if self.is_watching && name.len() + 26 <= self.limit {
                    self.outward.push(&Record::Peer { incarnation, state, name });
                }
            }
            TransportEvent::Woken => {}
            TransportEvent::BusGone => self.say_bus_gone("it was removed"),
        }
    }

    /// A peer begins a link: the member is asked whether it takes it.
    fn offer(&mut self) {
        let Some(member) = &mut self.member else { return };
        if self.session.is_none() || self.links.len() >= self.config.links {
            return member.transport.reject();
        }
        let number = self.links.next_offer();
        let id = self.links.insert(number, self.window);
        if !member.transport.accept(id) {
            self.links.remove(number);
            return;
        }
        member.transport.set_receiving(id, false);
        self.outward.push(&Record::Incoming { link: number });
    }

    pub(super) fn accept(&mut self, number: u32) {
        let Some(held) = self.links.get_mut(number).filter(|held| held.is_offered) else { return };
        held.is_offered = false;
        if let Some(member) = &mut self.member {
            member.transport.set_receiving(held.id, true);
        }
    }

    /// Takes one packet of a peer; what does not fit in the member's window waits, and no more is taken until it
    /// has left.
    fn receive(&mut self, number: u32) {
        let (Some(held), Some(member)) = (self.links.get_mut(number), &mut self.member) else { return };
        if held.is_offered || held.is_closing || !held.inbound.waiting().is_empty() {
            return;
        }
        if self.packet.is_empty() {
            self.packet = vec![0; T::BUFFER];
        }
        match member.transport.receive(held.id, &mut self.packet) {
            Progress::Moved(n) => {
                let packet = mem::take(&mut self.packet);
                self.deliver(number, &packet[..n]);
                self.packet = packet;
            }
            Progress::Blocked => {}
            Progress::Closed | Progress::Broken => {
                self.outward.push(&Record::Close { link: number });
                self.drop_link(number);
            }
        }
    }

    /// Sends a packet of a peer to the member, as far as its window goes.
    fn deliver(&mut self, number: u32, packet: &[u8]) {
        let Some(held) = self.links.get_mut(number) else { return };
        let mut rest = packet;
        while !rest.is_empty() && held.credit > 0 && self.outward.pending().len() < 2 * self.limit {
            let piece = rest.len().min(held.credit as usize).min(self.limit - DATA_HEAD);
            self.outward.push(&Record::Data { link: number, bytes: &rest[..piece] });
            held.credit -= piece as u32;
            rest = &rest[piece..];
        }
        if rest.is_empty() {
            return;
        }
        held.inbound.push(rest);
        let id = held.id;
        if let Some(member) = &mut self.member {
            member.transport.set_receiving(id, false);
        }
        self.queue(number);
    }

    /// Has a link's bytes wait for room on the trunk, if its window has room.
    fn queue(&mut self, number: u32) {
        if let Some(held) = self.links.get_mut(number)
            && held.credit > 0
            && !held.inbound.waiting().is_empty()
            && !mem::replace(&mut held.is_waiting, true)
        {
            self.waiting.push_back(number);
        }
    }

    /// Gives what waits its turn on the trunk: one record of each link after the other, then names.
    pub(super) fn deliver_waiting(&mut self, now: Instant) {
        while !self.is_full() {
            let Some(number) = self.waiting.pop_front() else { break };
            let Some(held) = self.links.get_mut(number) else { continue };
            held.is_waiting = false;
            let waiting = held.inbound.waiting();
            let piece = waiting.len().min(held.credit as usize).min(self.limit - DATA_HEAD);
            if piece == 0 {
                continue;
            }
            self.outward.push(&Record::Data { link: number, bytes: &waiting[..piece] });
            held.credit -= piece as u32;
            held.inbound.consume(piece);
            let (id, is_empty) = (held.id, held.inbound.waiting().is_empty());
            if is_empty && let Some(member) = &mut self.member {
                member.transport.set_receiving(id, true);
            }
            self.queue(number);
        }
        self.list_names();
        self.tell_arrivals(now);
    }

    /// Goes on with a list of names.
    fn list_names(&mut self) {
        while !self.is_full() {
            let Some(listing) = &mut self.listing else { return };
            let mut packed = vec![0; self.limit - 2];
            let mut len = 0;
            while let Some(name) = listing.as_slice().first() {
                match pack_name(name, &mut packed[len..]) {
                    Ok(taken) => len += taken,
                    Err(_) if len > 0 => break,
                    // A member that cannot take a name of that length cannot hear of it.
                    Err(_) => {}
                }
                listing.next();
            }
            let is_last = listing.as_slice().is_empty();
            self.outward.push(&Record::PeerList { is_last, packed: &packed[..len] });
            if is_last {
                self.listing = None;
            }
        }
    }

    /// Goes on telling who is there.
    fn tell_arrivals(&mut self, now: Instant) {
        while !self.is_full() {
            let Some(name) = self.arrivals.next() else { return };
            let Some(member) = &mut self.member else { return };
            if let Ok(Some(status)) = member.transport.find(&name)
                && name.len() + 26 <= self.limit
            {
                let (incarnation, state) = (status.incarnation, told_state(now, status.state));
                self.outward.push(&Record::Peer { incarnation, state, name: &name });
            }
        }
    }

    pub(super) fn handle_data(&mut self, number: u32, bytes: &[u8]) -> Result<(), TrunkError> {
        let Some(held) = self.links.get_mut(number) else { return Ok(()) };
        let window = self.config.window;
        let taken = held.outbound.waiting().len() + held.owed as usize + bytes.len();
        if taken > window as usize || held.is_offered {
            return Err(TrunkError::WindowExceeded { link: number, window });
        }
        if !held.is_deaf && !held.is_closing {
            held.outbound.push(bytes);
            self.send_waiting(number);
        }
        Ok(())
    }

    /// Sends what a peer takes of what the member has sent to it.
    fn send_waiting(&mut self, number: u32) {
        let (Some(held), Some(member)) = (self.links.get_mut(number), &mut self.member) else { return };
        let is_sent = loop {
            let waiting = held.outbound.waiting();
            let n = link::packet(held.cutter.sendable(waiting), T::PACKET);
            if n == 0 {
                break true;
            }
            match member.transport.send(held.id, &waiting[..n]) {
                Progress::Moved(n) => {
                    held.cutter.advance(waiting, n);
                    held.outbound.consume(n);
                    held.owed += n as u32;
                }
                Progress::Blocked => break false,
                // What the peer had said is still to be received, and its end behind it.
                Progress::Closed | Progress::Broken => {
                    held.is_deaf = true;
                    held.outbound = link::Queue::default();
                }
            }
        };
        if held.is_closing && is_sent {
            return self.drop_link(number);
        }
        if held.owed >= self.config.window.div_ceil(4) && !held.is_closing {
            let bytes = mem::take(&mut held.owed);
            self.outward.push(&Record::Credit { link: number, bytes });
        }
    }

    pub(super) fn handle_credit(&mut self, number: u32, bytes: u32) {
        if let Some(held) = self.links.get_mut(number) {
            // What is more than the window was never spent.
            held.credit = held.credit.saturating_add(bytes).min(self.window);
            self.queue(number);
        }
    }

    /// The member has done with a link: what it had sent before is still sent.
    pub(super) fn handle_close(&mut self, number: u32) {
        let Some(held) = self.links.get_mut(number) else { return };
        held.is_closing = true;
        held.inbound = link::Queue::default();
        let id = held.id;
        if let Some(member) = &mut self.member {
            member.transport.set_receiving(id, false);
        }
        // What is only the beginning of a frame is of no use to the peer.
        self.send_waiting(number);
    }

    /// Closes a link at once.
    pub(super) fn drop_link(&mut self, number: u32) {
        if let Some(held) = self.links.remove(number)
            && let Some(member) = &mut self.member
        {
            member.transport.close(held.id);
        }
    }

    /// Closes all links at once.
    pub(super) fn drop_links(&mut self) {
        for number in self.links.numbers() {
            self.drop_link(number);
        }
    }

    /// The member has gone in good order, as far as can be told: what it had sent is still sent.
    pub(super) fn part(&mut self) {
        for number in self.links.numbers() {
            self.handle_close(number);
        }
    }
}
