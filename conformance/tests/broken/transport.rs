//! [`Faulty`]: the in-memory transport with a fault.

use std::collections::{BTreeMap, HashMap, HashSet};

use ipcm_core::memory::{Memory, Network};
use ipcm_core::transport::{
    Capabilities, ConnectError, Parting, PeerStatus, Progress, SuspendError, Transport, TransportEvent,
};
use ipcm_core::{Clock, Incarnation, Instant, LinkId};

use super::fault::Fault;

/// How much of a long wait is too much.
const LONG: std::time::Duration = std::time::Duration::from_secs(1);

/// A clock that goes on whenever it is looked at, so that nothing turns for ever.
pub(crate) struct Ticking(pub(crate) Network);

impl Clock for Ticking {
    fn now(&self) -> Instant {
        self.0.advance(std::time::Duration::from_micros(5));
        self.0.clock().now()
    }
}

/// The in-memory transport of one member, with the fault of this thread.
pub(crate) struct Faulty {
    memory: Memory,
    fault: Option<Fault>,
    name: String,
    peers: HashMap<LinkId, String>,
    sends: u64,
    held: Vec<u8>,
    reported: HashSet<LinkId>,
    deaf: HashSet<LinkId>,
    /// Who was ever found.
    found: BTreeMap<String, PeerStatus>,
    room: Vec<u8>,
}

impl Faulty {
    pub(crate) fn new(memory: Memory, name: &str) -> Self {
        let mut faulty = Self {
            memory,
            fault: Fault::present(),
            name: name.into(),
            peers: HashMap::new(),
            sends: 0,
            held: Vec::new(),
            reported: HashSet::new(),
            deaf: HashSet::new(),
            found: BTreeMap::new(),
            room: Vec::new(),
        };
        if faulty.has(Fault::UnaskedNews) {
            faulty.memory.watch().unwrap();
        }
        faulty
    }

    pub(crate) fn network(&self) -> Network {
        self.memory.network().clone()
    }

    /// Cuts all links, with what is on them.
    pub(crate) fn cut(&mut self) {
        for peer in self.memory.peers().unwrap() {
            self.memory.network().cut(&self.name, &peer);
        }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    /// The link that is used for this one.
    fn real(&self, link: LinkId) -> LinkId {
        if !self.has(Fault::MixesLinks) {
            return link;
        }
        let peer = self.peers.get(&link);
        let same = self.peers.iter().filter(|(_, other)| Some(*other) == peer).map(|(link, _)| *link);
        same.min_by_key(|link| link.as_bits()).unwrap_or(link)
    }

    fn passes(&self, event: &TransportEvent) -> bool {
        match event {
            TransportEvent::Incoming => !self.has(Fault::AnnouncesNobody),
            TransportEvent::Readable(link) => {
                !self.has(Fault::ReadableOnce) && !self.has(Fault::ReceivesNoMore)
                    || !self.reported.contains(link)
            }
            TransportEvent::Writable(_) => !self.has(Fault::NeverWritable),
            TransportEvent::Suspended(..) => !self.has(Fault::HidesSleep),
            TransportEvent::Peer(_) => !self.has(Fault::NoNews),
            _ => true,
        }
    }
}

impl Transport for Faulty {
    const PACKET: usize = Memory::PACKET;
    const LARGE: usize = Memory::LARGE;

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = self.memory.capabilities();
        capabilities.suspend = !self.has(Fault::HidesSuspension);
        capabilities
    }

    fn connect(&mut self, link: LinkId, peer: &str) -> Result<PeerStatus, ConnectError> {
        self.peers.insert(link, peer.into());
        match self.memory.connect(link, peer) {
            Err(_) if self.has(Fault::WrongReason) => Err(ConnectError::Bus("something".into())),
            Err(ConnectError::NoSuchPeer) if self.has(Fault::KeepsDead) && self.found.contains_key(peer) => {
                Ok(self.found[peer])
            }
            connected => connected,
        }
    }

    fn accept(&mut self, link: LinkId) -> bool {
        let accepted = self.memory.accept(link);
        if accepted && self.has(Fault::LosesEarlyWords) {
            let mut buffer = vec![0; Self::BUFFER];
            while matches!(self.memory.receive(link, &mut buffer), Progress::Moved(_)) {}
        }
        accepted || self.has(Fault::AcceptsNothing)
    }

    fn reject(&mut self) {
        if !self.has(Fault::RejectsNothing) {
            self.memory.reject();
        }
    }

    fn authenticate(&mut self, link: LinkId, name: &str, incarnation: Incarnation) -> bool {
        let genuine = self.memory.authenticate(link, name, incarnation);
        self.has(Fault::Credulous) || genuine && !self.has(Fault::Suspicious)
    }

    fn packet(&self, link: LinkId) -> usize {
        if self.has(Fault::TinyPackets) { 10 } else { self.memory.packet(link) }
    }

    fn send(&mut self, link: LinkId, bytes: &[u8]) -> Progress {
        let link = self.real(link);
        self.sends += 1;
        let is_third = self.sends.is_multiple_of(3);
        match self.fault {
            Some(Fault::Loses) if is_third => return Progress::Moved(bytes.len()),
            Some(Fault::Doubles) if is_third => {
                let _ = self.memory.send(link, bytes);
            }
            Some(Fault::Reorders) if is_third && self.held.is_empty() => {
                self.held = bytes.to_vec();
                return Progress::Moved(bytes.len());
            }
            Some(Fault::Spoils) if is_third => {
                let mut bytes = bytes.to_vec();
                let last = bytes.len() - 1;
                bytes[last] ^= 1;
                return self.memory.send(link, &bytes);
            }
            _ => {}
        }
        let progress = self.memory.send(link, bytes);
        if !self.held.is_empty() && matches!(progress, Progress::Moved(_)) {
            let held = std::mem::take(&mut self.held);
            let _ = self.memory.send(link, &held);
        }
        match progress {
            Progress::Closed if self.has(Fault::SendsAfterClose) => Progress::Moved(bytes.len()),
            Progress::Closed => {
                self.deaf.insert(link);
                progress
            }
            _ => progress,
        }
    }

    fn room(&mut self, link: LinkId, len: usize) -> Option<&mut [u8]> {
        if self.has(Fault::LateRoom) {
            self.room.resize(len, 0);
            return Some(&mut self.room);
        }
        let short = self.has(Fault::ShortRoom);
        let room = self.memory.room(link, len)?;
        let len = if short { len / 2 } else { room.len() };
        Some(&mut room[..len])
    }

    fn send_room(&mut self, link: LinkId, len: usize) -> Result<(), &[u8]> {
        if self.has(Fault::LateRoom) {
            self.held.extend_from_slice(&self.room[..len]);
            return Ok(());
        }
        self.memory.send_room(link, len)
    }

    fn receive(&mut self, link: LinkId, buffer: &mut [u8]) -> Progress {
        let link = self.real(link);
        if self.has(Fault::DeafAfterSend) && self.deaf.contains(&link) {
            return Progress::Closed;
        }
        match self.memory.receive(link, buffer) {
            Progress::Blocked if self.has(Fault::MovesNothing) => Progress::Moved(0),
            Progress::Closed if self.has(Fault::EndsBroken) => Progress::Broken,
            Progress::Closed if self.has(Fault::KeepsEndedLinks) => Progress::Blocked,
            progress => progress,
        }
    }

    fn receive_or_wait(
        &mut self,
        link: LinkId,
        buffer: &mut [u8],
        now: Instant,
        deadline: Option<Instant>,
    ) -> Progress {
        match self.receive(link, buffer) {
            Progress::Blocked if self.has(Fault::ClosesAtDeadline) && deadline > Some(now) => {
                Progress::Closed
            }
            progress => progress,
        }
    }

    fn set_receiving(&mut self, link: LinkId, receiving: bool) {
        if !receiving && self.has(Fault::ReceivesNoMore) {
            self.reported.insert(link);
        }
    }

    fn close(&mut self, link: LinkId) {
        if self.has(Fault::LosesLastWords) {
            self.cut();
        }
        self.memory.close(link);
    }

    fn poll_event(&mut self) -> Option<TransportEvent> {
        loop {
            let event = self.memory.poll_event()?;
            if self.passes(&event) {
                if let TransportEvent::Readable(link) = event
                    && self.has(Fault::ReadableOnce)
                {
                    self.reported.insert(link);
                }
                return Some(event);
            }
        }
    }

    fn wait(&mut self, deadline: Option<Instant>) {
        let network = self.network();
        let now = network.clock().now();
        let left = deadline.map(|deadline| deadline.saturating_since(now)).unwrap_or_default();
        self.memory.wait(if self.has(Fault::Spins) { Some(Instant::ZERO) } else { deadline });
        let is_long = left > LONG && self.has(Fault::Oversleeps);
        if is_long || !left.is_zero() && self.has(Fault::IgnoresDeadlines) {
            network.advance(left + 60 * LONG);
        }
    }

    fn spent(&self, link: LinkId) -> u64 {
        self.memory.spent(link)
    }

    fn keep(&mut self, note: &[u8]) -> Result<(), SuspendError> {
        self.memory.keep(note)
    }

    fn take_kept(&mut self) -> Result<Vec<Vec<u8>>, SuspendError> {
        let kept = self.memory.take_kept()?;
        Ok(if self.has(Fault::LeavesNothing) { Vec::new() } else { kept })
    }

    fn suspend(&mut self, until: Instant, mut links: Vec<Parting>) -> Result<(), SuspendError> {
        if self.has(Fault::ClaimsSuspension) {
            return Err(SuspendError::Unsupported);
        }
        if self.has(Fault::LeavesForSleep) {
            self.memory.network().kill(&self.name);
            return Ok(());
        }
        if self.has(Fault::LeavesNothing) {
            for parting in &mut links {
                (parting.unsent, parting.hello, parting.partial) = Default::default();
                parting.spent = 0;
            }
        }
        self.memory.suspend(until, links)
    }

    fn find(&mut self, peer: &str) -> Result<Option<PeerStatus>, ConnectError> {
        let found = self.memory.find(peer)?;
        if let Some(status) = found {
            self.found.insert(peer.into(), status);
        }
        let is_kept = self.has(Fault::KeepsDead);
        Ok(found.or_else(|| self.found.get(peer).copied().filter(|_| is_kept)))
    }

    fn peers(&mut self) -> Result<Vec<String>, ConnectError> {
        let mut peers = self.memory.peers()?;
        if self.has(Fault::ListsAnyhow) {
            peers.push(self.name.clone());
            peers.reverse();
        }
        Ok(peers)
    }

    fn watch(&mut self) -> Result<(), ConnectError> {
        self.memory.watch()
    }
}
