//! The network as a transport for one of its members.

use super::*;
use crate::transport::{Capabilities, ConnectError, PeerStatus, Progress, SuspendError, Transport};

impl Memory {
    /// Gives up the member's process, with what each link had to say and what its next life must hear first.
    fn depart(&mut self, until: Instant, mut links: Vec<Parting>) {
        let now = self.network.now.get();
        let mut net = self.network.net.borrow_mut();
        net.activity += 1;
        for connection in &mut net.connections {
            for side in [Side::Caller, Side::Callee] {
                let end = connection.end(side);
                if *end.member != *self.name || end.is_closed() {
                    continue;
                }
                let of_link = |parting: &Parting| Some(parting.link) == end.link;
                match links.iter().position(of_link).map(|at| links.swap_remove(at)) {
                    Some(parting) => connection.detach(side, now, until, parting),
                    None if end.link.is_none() => connection.detach_unaccepted(side, until),
                    None => connection.close(side),
                }
            }
        }
        if let Some(member) = net.members.get_mut(&self.name) {
            member.suspended = Some(until);
        }
        net.announce(&self.name, self.incarnation, PeerState::Suspended(until));
    }

    /// Whether this transport's life of the member goes on.
    fn is_alive(&self) -> bool {
        let net = self.network.net.borrow();
        let member = net.members.get(&self.name);
        member.is_some_and(|member| member.incarnation == self.incarnation && member.suspended.is_none())
    }

    /// Collects what has happened for this member into its events.
    fn look(&mut self) {
        let now = self.network.now.get();
        let net = &mut *self.network.net.borrow_mut();
        net.expire(now);
        let Some(member) = net.members.get_mut(&self.name) else { return };
        if member.incarnation != self.incarnation {
            return;
        }
        if !member.incoming.is_empty() {
            member.events.push_back(TransportEvent::Incoming);
        }
        let count = net.connections.len();
        member.turn = member.turn.wrapping_add(1);
        for at in (0..count).map(|at| (at + member.turn) % count) {
            let connection = &mut net.connections[at];
            if connection.is_over() {
                continue;
            }
            for side in [Side::Caller, Side::Callee] {
                let end = connection.end(side);
                let blocked = end.blocked;
                let Some(link) = end.link.filter(|_| *end.member == *self.name) else { continue };
                if connection.side(&self.name, link) != Some(side) {
                    continue;
                }
                if connection.is_readable(side, now) {
                    member.events.push_back(TransportEvent::Readable(link));
                }
                if let Some(until) = connection.find_news(side) {
                    member.events.push_back(TransportEvent::Suspended(link, until));
                }
                if blocked && connection.is_writable(side, net.faults.buffer) {
                    member.events.push_back(TransportEvent::Writable(link));
                }
            }
        }
    }

    /// Sends all of `bytes`, or nothing.
    fn send_whole(&mut self, link: LinkId, bytes: &[u8]) -> bool {
        let fits = {
            let net = &mut *self.network.net.borrow_mut();
            let found = net.find(&self.name, link);
            found.is_some_and(|(at, side)| net.connections[at].space(side, net.faults.buffer) >= bytes.len())
        };
        fits && self.send(link, bytes) == Progress::Moved(bytes.len())
    }

    fn has_events(&self) -> bool {
        let net = self.network.net.borrow();
        net.members.get(&self.name).is_some_and(|member| !member.events.is_empty())
    }
}

impl Net {
    fn find(&self, member: &str, link: LinkId) -> Option<(usize, Side)> {
        let side =
            |(at, connection): (usize, &Connection)| connection.side(member, link).map(|side| (at, side));
        self.connections.iter().enumerate().find_map(side)
    }

    /// Ends the members whose suspension is over.
    pub(super) fn expire(&mut self, now: Instant) {
        let due = |member: &Member| member.suspended.is_some_and(|until| until <= now);
        while let Some(name) =
            self.members.iter().find(|(_, member)| due(member)).map(|(name, _)| name.clone())
        {
            let Some(member) = self.members.remove(&name) else { return };
            self.connections.iter_mut().for_each(|connection| connection.leave(&name));
            self.announce(&name, member.incarnation, PeerState::Gone);
        }
    }

    /// Forgets connections that both ends have closed, where no index changes by it.
    fn prune(&mut self) {
        while self.connections.last().is_some_and(Connection::is_over) {
            self.connections.pop();
        }
    }
}

impl Transport for Memory {
    const PACKET: usize = 64 * 1024;
    const LARGE: usize = 256;

    fn capabilities(&self) -> Capabilities {
        Capabilities { suspend: true, prompt_death: true }
    }

    fn connect(&mut self, link: LinkId, peer: &str) -> Result<PeerStatus, ConnectError> {
        if !self.is_alive() {
            return Err(ConnectError::Bus("this member's life is over".into()));
        }
        let status = self.find(peer)?.ok_or(ConnectError::NoSuchPeer)?;
        let mut net = self.network.net.borrow_mut();
        net.prune();
        let at = net.connections.len();
        let (callee, _) = net.members.get_key_value(peer).ok_or(ConnectError::NoSuchPeer)?;
        let callee = (callee.clone(), status.incarnation);
        let connection = Connection::new((self.name.clone(), self.incarnation), link, callee);
        net.connections.push(connection);
        net.activity += 1;
        if let Some(member) = net.members.get_mut(peer).filter(|member| member.suspended.is_none()) {
            member.incoming.push_back((at, Side::Callee));
        }
        Ok(status)
    }

    fn accept(&mut self, link: LinkId) -> bool {
        let mut net = self.network.net.borrow_mut();
        net.activity += 1;
        let Some(member) = net.members.get_mut(&self.name) else { return false };
        let Some((at, side)) = member.incoming.pop_front() else { return false };
        let end = net.connections[at].end(side);
        end.link = Some(link);
        if end.lives.last() != Some(&self.incarnation) {
            end.lives.push(self.incarnation);
        }
        true
    }

    fn spent(&self, link: LinkId) -> u64 {
        let mut net = self.network.net.borrow_mut();
        let found = net.find(&self.name, link);
        found.map_or(0, |(at, side)| net.connections[at].end(side).spent)
    }

    fn reject(&mut self) {
        let mut net = self.network.net.borrow_mut();
        let Some(member) = net.members.get_mut(&self.name) else { return };
        if let Some((at, side)) = member.incoming.pop_front() {
            net.connections[at].close(side);
        }
    }

    fn authenticate(&mut self, link: LinkId, name: &str, incarnation: Incarnation) -> bool {
        let mut net = self.network.net.borrow_mut();
        let Some((at, side)) = net.find(&self.name, link) else { return false };
        let end = net.connections[at].end(side.other());
        *end.member == *name && end.lives.contains(&incarnation)
    }

    fn send(&mut self, link: LinkId, bytes: &[u8]) -> Progress {
        let now = self.network.now.get();
        let net = &mut *self.network.net.borrow_mut();
        net.expire(now);
        let Some((at, side)) = net.find(&self.name, link) else { return Progress::Closed };
        net.activity += 1;
        let arrival = now + net.draw(net.faults.delay.clone());
        net.connections[at].send(side, arrival, bytes, net.faults.buffer)
    }

    fn room(&mut self, _: LinkId, len: usize) -> Option<&mut [u8]> {
        let most = self.network.net.borrow().faults.room;
        if len > most {
            return None;
        }
        self.room.resize(most, 0);
        Some(&mut self.room)
    }

    fn send_room(&mut self, link: LinkId, len: usize) -> Result<(), &[u8]> {
        let room = core::mem::take(&mut self.room);
        let sent = self.send_whole(link, &room[..len]);
        self.room = room;
        if sent { Ok(()) } else { Err(&self.room[..len]) }
    }

    fn receive(&mut self, link: LinkId, buffer: &mut [u8]) -> Progress {
        let now = self.network.now.get();
        let net = &mut *self.network.net.borrow_mut();
        let Some((at, side)) = net.find(&self.name, link) else { return Progress::Closed };
        net.activity += 1;
        net.connections[at].receive(side, now, buffer, net.faults.chunk)
    }

    fn close(&mut self, link: LinkId) {
        let mut net = self.network.net.borrow_mut();
        if let Some((at, side)) = net.find(&self.name, link) {
            net.activity += 1;
            net.connections[at].close(side);
        }
    }

    fn poll_event(&mut self) -> Option<TransportEvent> {
        let mut net = self.network.net.borrow_mut();
        let member = net.members.get_mut(&self.name)?;
        let event = (member.incarnation == self.incarnation).then(|| member.events.pop_front())??;
        if let TransportEvent::Suspended(link, _) = event
            && let Some((at, side)) = net.find(&self.name, link)
        {
            net.connections[at].pass_news(side);
        }
        Some(event)
    }

    fn wait(&mut self, deadline: Option<Instant>) {
        self.look();
        let now = self.network.now.get();
        if !self.has_events() && deadline.is_none_or(|deadline| deadline > now) && self.is_alive() {
            self.network.idle(deadline);
            self.look();
        }
    }

    fn suspend(&mut self, until: Instant, links: Vec<Parting>) -> Result<(), SuspendError> {
        self.depart(until, links);
        Ok(())
    }

    fn keep(&mut self, note: &[u8]) -> Result<(), SuspendError> {
        if let Some(member) = self.network.net.borrow_mut().members.get_mut(&self.name) {
            member.kept.push(note.to_vec());
        }
        Ok(())
    }

    fn take_kept(&mut self) -> Result<Vec<Vec<u8>>, SuspendError> {
        let mut net = self.network.net.borrow_mut();
        let member = net.members.get_mut(&self.name);
        Ok(member.map(|member| core::mem::take(&mut member.kept)).unwrap_or_default())
    }

    fn find(&mut self, peer: &str) -> Result<Option<PeerStatus>, ConnectError> {
        let now = self.network.now.get();
        let mut net = self.network.net.borrow_mut();
        net.expire(now);
        Ok(net.members.get(peer).map(|member| PeerStatus {
            incarnation: member.incarnation,
            state: member.suspended.map_or(PeerState::Active, PeerState::Suspended),
            pid: None,
        }))
    }

    fn peers(&mut self) -> Result<Vec<String>, ConnectError> {
        let now = self.network.now.get();
        let mut net = self.network.net.borrow_mut();
        net.expire(now);
        Ok(net.others(&self.name))
    }

    fn watch(&mut self) -> Result<(), ConnectError> {
        let net = &mut *self.network.net.borrow_mut();
        let present: Vec<TransportEvent> = net
            .members
            .iter()
            .filter(|(name, _)| **name != self.name)
            .map(|(name, member)| {
                let state = member.suspended.map_or(PeerState::Active, PeerState::Suspended);
                let (name, incarnation) = (name.clone(), member.incarnation);
                TransportEvent::Peer(crate::transport::PeerChange { name, incarnation, state })
            })
            .collect();
        if let Some(member) = net.members.get_mut(&self.name).filter(|member| !member.watching) {
            member.watching = true;
            member.events.extend(present);
        }
        Ok(())
    }
}

impl Drop for Memory {
    /// Leaves the network, unless the member is suspended or lives on in another life.
    fn drop(&mut self) {
        if self.is_alive() {
            self.network.kill(&self.name.clone());
        }
    }
}
