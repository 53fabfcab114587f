//! The links of an endpoint: how they begin, fall asleep and end, and on which of them a peer is spoken to.

use super::*;

impl Endpoint {
    /// Begins a link to `peer`, with a hello as its first output. The driver connects it.
    ///
    /// # Errors
    ///
    /// [`SendError::TooManyLinks`] when every link is in use.
    pub fn open(&mut self, peer: &str) -> Result<LinkId, SendError> {
        let peer: Arc<str> = peer.into();
        let link = self
            .add_link(Link::new(State::Calling, peer.clone(), &self.config))
            .ok_or(SendError::TooManyLinks { limit: self.config.links })?;
        self.set_route(peer, Some(link));
        self.say_hello(link);
        Ok(link)
    }

    /// Says which life of the peer a link must reach, and until when that is suspended if it is.
    pub fn expect(&mut self, link: LinkId, incarnation: Incarnation, suspended: Option<Instant>) {
        if let Some(held) = self.link_mut(link) {
            held.incarnation = Some(incarnation);
        }
        if let Some(until) = suspended {
            self.suspend(link, until);
        }
    }

    /// Gives up a link that could not be connected. No event reports it.
    pub fn abandon(&mut self, link: LinkId) {
        self.unroute(link);
        self.free(link);
    }

    /// Takes in a connection of a peer that has yet to say hello; `None` when every link is in use.
    pub fn accept(&mut self, now: Instant) -> Option<LinkId> {
        let link = self.add_link(Link::new(State::Answering, "".into(), &self.config))?;
        if self.greetings.len() > 2 * self.links.len() {
            // Connections come and go faster than their time runs out.
            let links = &self.links;
            self.greetings.retain(|&(_, link)| {
                let slot = &links[link.index()];
                slot.generation == link.generation && slot.link.is_some()
            });
        }
        self.greetings.push_back((now + self.config.greeting, link));
        Some(link)
    }

    /// The peer that said hello on this link is who it claims to be. A spurious call does nothing.
    pub fn welcome(&mut self, link: LinkId) {
        let Some(held) = self.link_mut(link) else { return };
        if !matches!(held.state, State::Judging) {
            return;
        }
        held.state = State::Open;
        let peer = held.peer.clone();
        // A peer that is already being spoken to keeps its link, for the order's sake. It may be suspended and
        // back, before the news of it; if it is dead, the link is found closed when it is used.
        let rival = self.routes.get(&peer).and_then(|&route| self.link(route));
        if rival.is_none_or(Link::is_closed) {
            self.set_route(peer, Some(link));
        }
        self.say_hello(link);
    }

    /// The peer that said hello on this link is not welcome: it is told why, and the link ends.
    pub fn refuse(&mut self, link: LinkId, reason: Refusal) {
        self.push(link, &Head::Refused { reason }, &mut |_, _| Ok(())).unwrap_or_default();
        self.close(link, GoneReason::Refused(reason));
    }

    /// The connection has ended and everything that had come on it was taken in.
    pub fn handle_closed(&mut self, link: LinkId) {
        self.close(link, GoneReason::Closed);
    }

    /// The peer broke a rule of the transport: the link ends.
    pub fn handle_broken(&mut self, link: LinkId) {
        if self.link(link).is_some_and(|held| !held.is_closed()) {
            self.violate(link, ProtocolError::BadPacket);
        }
    }

    /// The peer gave up its process and keeps its name until `until`.
    ///
    /// What is sent meanwhile is kept by the transport; the next life of the peer says hello on the same
    /// link.
    pub fn handle_suspended(&mut self, link: LinkId, until: Instant) {
        let Some(held) = self.link_mut(link) else { return };
        // The life has ended in the middle of a frame, if anything is left.
        held.reader = Reader::default();
        match held.state {
            State::Open | State::Suspended { .. } | State::Calling => self.suspend(link, until),
            // The hello is the next life's.
            State::Answering | State::Judging | State::Closed(_) => {}
        }
    }

    /// What the peer of this link would need to hear again if this endpoint were suspended now: its own
    /// hello and the beginning of a frame that had come.
    pub fn unread(&self, link: LinkId) -> (Vec<u8>, Vec<u8>) {
        let mut bytes = Vec::new();
        let Some(held) = self.link(link) else { return (bytes, Vec::new()) };
        if let Some(incarnation) = held.incarnation.filter(|_| held.takes_traffic()) {
            output::append_hello(&mut bytes, &held.peer, incarnation, held.body_limit, held.window);
        }
        (bytes, held.reader.partial().to_vec())
    }

    /// Until when the peer is suspended, if it is.
    pub(crate) fn suspended_until(&self, link: LinkId) -> Option<Instant> {
        match self.link(link)?.state {
            State::Suspended { until } => Some(until),
            _ => None,
        }
    }

    fn suspend(&mut self, link: LinkId, until: Instant) {
        if let Some(held) = self.link_mut(link) {
            held.state = State::Suspended { until };
            if !self.suspended.contains(&link) {
                self.suspended.push(link);
            }
        }
    }

    /// Closes the links whose time has run out.
    pub(super) fn expire_links(&mut self, now: Instant) {
        while let Some(&(deadline, link)) = self.greetings.front() {
            let waiting = self.link(link).is_some_and(|held| matches!(held.state, State::Answering));
            if waiting && deadline > now {
                break;
            }
            self.greetings.pop_front();
            if waiting {
                self.violate(link, ProtocolError::NoHello);
            }
        }
        let due = |until: Option<Instant>| until.is_none_or(|until| until <= now);
        while let Some(at) = self.suspended.iter().position(|&link| due(self.suspended_until(link))) {
            let link = self.suspended.swap_remove(at);
            if self.is_suspended(link) {
                self.close(link, GoneReason::SuspensionExpired);
            }
        }
    }

    /// Ends one request of a link that is over, or reports the link once none is left.
    pub(super) fn poll_closing(&mut self) -> Option<Event<'static>> {
        let &(link, from) = self.closing.front()?;
        let slot = &self.links[link.index()];
        let held = slot.link.as_ref()?;
        let State::Closed(reason) = &held.state else { return None };
        let reason = reason.clone();
        let left = held.outbox.sent();
        if held.pending > 0
            && let Some((id, entry)) = self.table.remove_on(link, from)
        {
            self.closing[0].1 = id.slot + 1;
            self.end_on(link);
            let end = End::Gone { reason, sent: entry.position < left };
            return Some(Event::Ended { id, link, end });
        }
        self.closing.pop_front();
        let held = self.free(link)?;
        let (sent, unsent) = (held.outbox.sent(), held.outbox.pending().len());
        Some(Event::Closed { link, peer: held.peer, reason, sent, unsent })
    }

    pub(super) fn close(&mut self, link: LinkId, reason: GoneReason) {
        let Some(held) = self.link_mut(link) else { return };
        if held.is_closed() {
            return;
        }
        held.state = State::Closed(reason);
        if mem::take(&mut held.serving) > 0 {
            self.serving.forget(link, &mut self.withdrawn);
        }
        self.unroute(link);
        self.closing.push_back((link, 0));
    }

    pub(super) fn violate(&mut self, link: LinkId, error: ProtocolError) {
        self.counters.violations += 1;
        self.close(link, error.into());
    }

    fn add_link(&mut self, link: Link) -> Option<LinkId> {
        let slot = match self.free_links.pop() {
            Some(slot) => slot,
            None if self.links.len() < self.config.links.max(1) => {
                self.links.push(LinkSlot { generation: 0, link: None });
                self.links.len() as u32 - 1
            }
            None => return None,
        };
        let held = &mut self.links[slot as usize];
        held.generation = held.generation.wrapping_add(1);
        held.link = Some(link);
        Some(LinkId { slot, generation: held.generation })
    }

    fn free(&mut self, link: LinkId) -> Option<Link> {
        let slot = self.links.get_mut(link.index()).filter(|slot| slot.generation == link.generation)?;
        let held = slot.link.take()?;
        self.free_links.push(link.slot);
        Some(held)
    }

    /// A link is over: its peer is spoken to on another one, if there is one.
    fn unroute(&mut self, link: LinkId) {
        let Some(peer) = self.peer(link).cloned() else { return };
        if self.routes.get(&peer) != Some(&link) {
            return;
        }
        let other = self
            .links()
            .find(|&other| other != link && self.peer(other) == Some(&peer) && self.is_open(other));
        self.set_route(peer, other);
    }

    /// Speaks to a peer on this link from now on, or on none.
    fn set_route(&mut self, peer: Arc<str>, link: Option<LinkId>) {
        match link {
            Some(link) => self.routes.insert(peer, link),
            None => self.routes.remove(&peer),
        };
        self.latest_route = link;
    }
}
