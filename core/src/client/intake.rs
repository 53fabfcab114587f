//! What comes in: packets become finished requests and buffered messages.

use super::*;

/// What a service finds after this long may have waited for as long.
const STALE: core::time::Duration = core::time::Duration::from_millis(10);
/// Packets taken in before a deadline that has passed is acted on.
const DRAIN_TURNS: usize = 1024;

impl<T: Transport, C: Clock> Client<T, C> {
    /// Handles what the transport found. Returns whether it found anything.
    pub(super) fn take_events(&mut self, each: EachPacket<'_, T, C>) -> bool {
        let mut any = false;
        while let Some(event) = self.transport.poll_event() {
            any |= self.take_event(event);
            each(self);
            self.flush();
        }
        any
    }

    /// Handles one event. Returns whether anything came of it; a transport may report too much.
    fn take_event(&mut self, event: TransportEvent) -> bool {
        self.take_rest();
        match event {
            TransportEvent::Incoming => return self.accept(),
            TransportEvent::Readable(link) => {
                let progress = self.receive(link);
                self.read_ahead(link);
                return progress != Progress::Blocked;
            }
            TransportEvent::Writable(link) => self.endpoint.handle_writable(link),
            TransportEvent::Suspended(link, until) => self.endpoint.handle_suspended(link, until),
            TransportEvent::Peer(change) => {
                if self.changes.len() == KEPT_CHANGES {
                    self.changes.pop_front();
                }
                self.changes.push_back(change);
                self.arrivals += 1;
            }
            TransportEvent::Woken => self.woken = true,
            TransportEvent::BusGone => {
                self.bus_gone = true;
                self.arrivals += 1;
            }
        }
        true
    }

    /// Takes in all that has come, so that a deadline ends nothing whose response is already here.
    pub(super) fn drain(&mut self, each: EachPacket<'_, T, C>) -> bool {
        let mut any = false;
        for _ in 0..DRAIN_TURNS {
            self.transport.wait(Some(Instant::ZERO));
            if !self.take_events(each) {
                break;
            }
            any = true;
        }
        any
    }

    /// Ends what is over: deadlines that have passed, links that have closed.
    pub(super) fn expire(&mut self) -> bool {
        let now = self.now();
        self.settle_events(now)
    }

    /// Ends what is over without regard to the time.
    pub(super) fn settle_ends(&mut self) -> bool {
        self.settle_events(Instant::ZERO)
    }

    fn settle_events(&mut self, now: Instant) -> bool {
        self.take_rest();
        let mut any = false;
        while let Some(event) = self.endpoint.poll_event(now) {
            any = true;
            self.handle_event(event, &[]);
        }
        any
    }

    fn accept(&mut self) -> bool {
        let now = self.now();
        let Some(link) = self.endpoint.accept(now) else {
            self.transport.reject();
            return true;
        };
        let accepted = self.transport.accept(link);
        if accepted {
            self.endpoint.charge(link, self.transport.spent(link));
        } else {
            self.endpoint.abandon(link);
        }
        accepted
    }

    /// Receives one packet of a link.
    pub(super) fn receive(&mut self, link: LinkId) -> Progress {
        self.prepare_packet();
        let progress = self.transport.receive(link, &mut self.packet);
        self.take_progress(link, progress)
    }

    pub(super) fn take_progress(&mut self, link: LinkId, progress: Progress) -> Progress {
        self.received += u64::from(progress != Progress::Blocked);
        match progress {
            Progress::Moved(n) => self.take_packet(link, n),
            Progress::Closed => {
                self.endpoint.handle_closed(link);
                self.settle_ends();
            }
            Progress::Broken => {
                self.endpoint.handle_broken(link);
                self.settle_ends();
            }
            Progress::Blocked => {}
        }
        progress
    }

    /// Takes in all that a peer has sent, if what it sent may have waited for long: a caller's time runs
    /// while its request waits, and the word that it has given up lies behind the request.
    pub(super) fn read_ahead(&mut self, link: LinkId) {
        if !self.serves || self.recent.saturating_since(self.looked) < STALE {
            return;
        }
        for _ in 0..DRAIN_TURNS {
            if !matches!(self.receive(link), Progress::Moved(_)) {
                break;
            }
        }
        self.take_rest();
    }

    /// Makes the packet buffer free for another packet.
    pub(super) fn prepare_packet(&mut self) {
        self.take_rest();
        if self.pinned.is_some() {
            let (packet, area) = (mem::take(&mut self.packet), self.area.take());
            self.unpin(area.as_deref().unwrap_or(&packet));
            self.packet = packet;
        }
        self.area = None;
        if self.packet.is_empty() {
            self.packet = mem::take(&mut self.spare_packet);
            if self.packet.is_empty() {
                self.packet = vec![0; T::BUFFER];
            }
        }
    }

    /// The packet that came last.
    pub(super) fn last_packet(&self) -> &[u8] {
        self.area.as_deref().unwrap_or(&self.packet)
    }

    /// A packet of `n` bytes is to be taken in.
    fn take_packet(&mut self, link: LinkId, n: usize) {
        self.last_link = Some(link);
        // Only a service has use for the time at which a packet came. One who waits on looks at the clock then.
        let came = if self.serves { self.look_at_clock() } else { self.recent };
        self.is_stale = !self.serves;
        self.area = if n >= T::LARGE { self.transport.take_area(link) } else { None };
        self.rest = Some(Rest { link, came, taken: 0, len: n });
        if self.eager {
            self.take_rest();
        }
    }

    /// Takes in all that is left of the packet.
    #[inline]
    pub(crate) fn take_rest(&mut self) {
        while self.take_next() {}
    }

    /// Takes in the next of what is left of the packet; false if nothing is.
    #[inline]
    pub(crate) fn take_next(&mut self) -> bool {
        let Some(rest) = self.rest else { return false };
        if let Some(area) = self.area.take() {
            return self.take_next_of_area(rest, area);
        }
        let packet = mem::take(&mut self.packet);
        let any = self.take_frame(rest, &packet);
        self.packet = packet;
        any
    }

    #[cold]
    fn take_next_of_area(&mut self, rest: Rest, area: Area) -> bool {
        let any = self.take_frame(rest, &area);
        self.area = Some(area).filter(|_| self.pinned.is_some() || self.rest.is_some());
        any
    }

    /// Takes in the next frame of a packet, and what else has no event of its own before it; false if none is left.
    #[inline]
    fn take_frame(&mut self, rest: Rest, packet: &[u8]) -> bool {
        let mut input = Input::go_on(&packet[..rest.len], rest.taken);
        let event = self.endpoint.poll_input(rest.came, rest.link, &mut input);
        let taken = input.taken();
        self.rest = (event.is_some() && taken < rest.len).then_some(Rest { taken, ..rest });
        match event {
            Some(event) => {
                self.handle_event(event, packet);
                true
            }
            None => false,
        }
    }

    /// Takes in what is left of the packet until this request has ended; false if it has not by then.
    #[inline]
    pub(crate) fn take_until_finished(&mut self, id: RequestId) -> bool {
        loop {
            if self.is_finished(id) {
                return true;
            }
            if !self.take_next() {
                return false;
            }
        }
    }

    fn handle_event(&mut self, event: Event<'_>, packet: &[u8]) {
        match event {
            Event::Ended { id, link, end } => self.finish(id, link, end, packet),
            Event::Request { token, link, body } if self.serves => {
                self.push_inbound(link, InboundKind::Request(token), body, packet);
            }
            Event::Request { token, .. } => {
                let now = self.now();
                self.endpoint.fail(now, token, RemoteErrorKind::NotAService, "");
            }
            Event::Message { link, sequence, stamp, broadcast, cost, body } => {
                let incarnation = self.endpoint.peer_incarnation(link);
                let head = MessageHead { sequence, stamp, broadcast, cost, incarnation };
                let kind = InboundKind::Message(Box::new(head));
                self.push_inbound(link, kind, body, packet);
                self.bound_inbox();
            }
            Event::Greeted { link } => self.judge(link),
            Event::Opened { .. } => {}
            Event::Terminate { .. } => {
                self.terminated = true;
                self.arrivals += 1;
            }
            Event::Closed { link, peer, sent, reason, .. } => {
                self.transport.close(link);
                self.finished.keep_name(link, &peer);
                if self.watched == Some(link) {
                    self.watched_end = Some((sent, reason));
                }
            }
        }
    }

    fn judge(&mut self, link: LinkId) {
        let peer = self.endpoint.peer(link).cloned();
        let (Some(name), Some(incarnation)) = (peer, self.endpoint.peer_incarnation(link)) else { return };
        if self.transport.authenticate(link, &name, incarnation) {
            self.endpoint.welcome(link);
        } else {
            self.endpoint.refuse(link, Refusal::Identity);
        }
    }

    /// Who is at the other end of a link.
    pub(super) fn name_of(&self, link: LinkId) -> Arc<str> {
        self.endpoint.peer(link).cloned().unwrap_or_else(|| "".into())
    }
}
