//! [`Raw`]: a member of whom only the transport is used, by hand.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use ipcm_core::transport::{ConnectError, PeerChange, PeerStatus, Progress, Transport, TransportEvent};
use ipcm_core::{Config, Incarnation, Instant, LinkId};

use crate::ground::{Ground, Member};
use crate::patience::{PAUSE, Patience};

/// A member of whom only the transport is used, by hand.
pub(crate) struct Raw<G: Ground> {
    pub(crate) member: Member<G>,
    /// Links that were begun.
    links: u64,
    buffer: Vec<u8>,
    /// Links that were reported as readable and not received from since.
    ready: Vec<LinkId>,
    /// What else was reported.
    events: Vec<TransportEvent>,
}

impl<G: Ground> Raw<G> {
    #[track_caller]
    pub(crate) fn join(ground: &mut G, name: &str) -> Self {
        Self::of(ground.join(name, Config::default()).expect("the name is free"))
    }

    pub(crate) fn of(member: Member<G>) -> Self {
        let buffer = vec![0; G::Transport::BUFFER];
        Self { member, links: 0, buffer, ready: Vec::new(), events: Vec::new() }
    }

    pub(crate) fn transport(&mut self) -> &mut G::Transport {
        self.member.transport_mut()
    }

    pub(crate) fn incarnation(&self) -> Incarnation {
        self.member.endpoint().incarnation()
    }

    pub(crate) fn now(&self) -> Instant {
        self.member.now()
    }

    /// An id that no other link of this member has had.
    pub(crate) fn new_link(&mut self) -> LinkId {
        self.links += 1;
        LinkId::from_bits(1 << 32 | self.links)
    }

    /// Connects to a peer that is there.
    #[track_caller]
    pub(crate) fn connect(&mut self, peer: &str) -> (LinkId, PeerStatus) {
        let mut patience = Patience::new(self.now(), "a peer takes in a connection");
        loop {
            let link = self.new_link();
            match self.transport().connect(link, peer) {
                Ok(status) => return (link, status),
                Err(ConnectError::Busy) => self.wait(PAUSE),
                Err(error) => panic!("{peer:?} is there and cannot be reached: {error}"),
            }
            patience.spend(self.now());
        }
    }

    /// Awaits a connection and takes it in.
    #[track_caller]
    pub(crate) fn accept(&mut self) -> LinkId {
        let mut patience = Patience::new(self.now(), "a connection is announced and can be taken in");
        loop {
            self.await_event("a connection is announced", |event| *event == TransportEvent::Incoming);
            let link = self.new_link();
            if self.transport().accept(link) {
                return link;
            }
            patience.spend(self.now());
        }
    }

    /// Looks for what has happened, and waits for something for so long.
    pub(crate) fn wait(&mut self, span: Duration) {
        let until = self.now() + span;
        self.transport().wait(Some(until));
        while let Some(event) = self.transport().poll_event() {
            match event {
                TransportEvent::Readable(link) if self.ready.contains(&link) => {}
                TransportEvent::Readable(link) => self.ready.push(link),
                TransportEvent::Incoming if self.events.contains(&event) => {}
                event => self.events.push(event),
            }
        }
    }

    /// Lets so much time pass, for one to whom nothing comes.
    #[track_caller]
    pub(crate) fn idle(&mut self, span: Duration) {
        let until = self.now() + span;
        let mut patience = Patience::new(self.now(), "time passes");
        while self.now() < until {
            self.wait(until - self.now());
            patience.spend(self.now());
        }
    }

    /// Takes the first event of this kind if it has been reported.
    pub(crate) fn take_event(&mut self, is_it: impl Fn(&TransportEvent) -> bool) -> Option<TransportEvent> {
        let at = self.events.iter().position(is_it)?;
        Some(self.events.remove(at))
    }

    /// Awaits an event of this kind.
    #[track_caller]
    pub(crate) fn await_event(
        &mut self,
        what: &str,
        is_it: impl Fn(&TransportEvent) -> bool,
    ) -> TransportEvent {
        let mut patience = Patience::new(self.now(), what);
        loop {
            if let Some(event) = self.take_event(&is_it) {
                return event;
            }
            patience.spend(self.now());
            self.wait(PAUSE);
        }
    }

    /// Awaits news of a peer.
    #[track_caller]
    pub(crate) fn await_change(&mut self) -> PeerChange {
        match self
            .await_event("a change among the peers is told", |event| matches!(event, TransportEvent::Peer(_)))
        {
            TransportEvent::Peer(change) => change,
            other => unreachable!("{other:?} is no change"),
        }
    }

    /// Whether a link was reported as readable since the last look; it is then to be received from.
    pub(crate) fn take_ready(&mut self, link: LinkId) -> bool {
        let at = self.ready.iter().position(|ready| *ready == link);
        at.map(|at| self.ready.swap_remove(at)).is_some()
    }

    #[track_caller]
    pub(crate) fn await_readable(&mut self, link: LinkId) {
        let mut patience =
            Patience::new(self.now(), "a link on which something has come is reported as readable");
        while !self.take_ready(link) {
            patience.spend(self.now());
            self.wait(PAUSE);
        }
    }

    /// Awaits word that the peer of a link is suspended, behind all that it had said.
    #[track_caller]
    pub(crate) fn await_suspension(&mut self, link: LinkId) -> Instant {
        let mut patience = Patience::new(self.now(), "a peer's suspension is told");
        loop {
            let event =
                self.take_event(|event| matches!(event, TransportEvent::Suspended(of, _) if *of == link));
            if let Some(TransportEvent::Suspended(_, until)) = event {
                return until;
            }
            self.dismiss();
            patience.spend(self.now());
            self.wait(PAUSE);
        }
    }

    /// Receives from every link that was reported as readable too much: nothing is expected there.
    #[track_caller]
    pub(crate) fn dismiss(&mut self) {
        for link in core::mem::take(&mut self.ready) {
            let mut heard = Vec::new();
            let progress = self.receive(link, &mut heard);
            assert_eq!(progress, Progress::Blocked, "nothing was sent on this link, and {heard:?} came");
        }
    }

    /// Receives once, at the end of `into`.
    #[track_caller]
    pub(crate) fn receive(&mut self, link: LinkId, into: &mut Vec<u8>) -> Progress {
        let transport = self.member.transport_mut();
        let progress = transport.receive(link, &mut self.buffer);
        if let Progress::Moved(n) = progress {
            assert!((1..=self.buffer.len()).contains(&n), "{n} bytes in a buffer of {}", self.buffer.len());
            let area = if n >= G::Transport::LARGE { transport.take_area(link) } else { None };
            into.extend_from_slice(area.as_deref().map_or(&self.buffer[..n], |area| &area[..n]));
        }
        progress
    }

    /// Receives `len` bytes, once each time that the link is reported as readable.
    #[track_caller]
    pub(crate) fn hear(&mut self, link: LinkId, len: usize) -> Vec<u8> {
        let mut heard = Vec::new();
        let mut patience = Patience::new(self.now(), "all that was sent is received");
        while heard.len() < len {
            self.await_readable(link);
            let progress = self.receive(link, &mut heard);
            let has_ended = matches!(progress, Progress::Closed | Progress::Broken);
            assert!(!has_ended, "{progress:?} after {} of {len} bytes", heard.len());
            patience.spend(self.now());
        }
        heard
    }

    /// Receives all that comes, up to the end.
    #[track_caller]
    pub(crate) fn hear_out(&mut self, link: LinkId) -> Vec<u8> {
        let mut heard = Vec::new();
        let mut patience = Patience::new(self.now(), "a link ends");
        loop {
            self.await_readable(link);
            match self.receive(link, &mut heard) {
                Progress::Closed => return heard,
                Progress::Broken => panic!("the link is broken"),
                Progress::Moved(_) | Progress::Blocked => patience.spend(self.now()),
            }
        }
    }

    /// Sends a few bytes, at least 16, which a link takes at once.
    #[track_caller]
    pub(crate) fn say(&mut self, link: LinkId, bytes: &[u8]) {
        let mut sent = 0;
        let mut patience = Patience::new(self.now(), "a link takes a few bytes");
        while sent < bytes.len() {
            match self.transport().send(link, &bytes[sent..]) {
                Progress::Moved(n) => sent += n,
                Progress::Blocked => self.wait(PAUSE),
                end => panic!("a link takes nothing: {end:?}"),
            }
            patience.spend(self.now());
        }
    }
}

/// Two members, and a link from the first to the second.
pub(crate) struct Linked<G: Ground> {
    pub(crate) caller: Raw<G>,
    pub(crate) callee: Raw<G>,
    /// The link as the caller knows it.
    pub(crate) out: LinkId,
    /// The link as the other knows it.
    pub(crate) back: LinkId,
    pub(crate) ground: G,
}

impl<G: Ground> Linked<G> {
    #[track_caller]
    pub(crate) fn new() -> Self {
        let mut ground = G::new();
        let mut caller = Raw::join(&mut ground, "caller");
        let mut callee = Raw::join(&mut ground, "callee");
        let (out, _) = caller.connect("callee");
        let back = callee.accept();
        Self { caller, callee, out, back, ground }
    }
}
