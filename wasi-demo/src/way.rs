//! The two ways in, as one transport: so that all that runs on it is in the program once.

use std::fmt;
use std::time::Duration;

#[cfg(not(target_os = "wasi"))]
use ipcm::FdStream as Stdio;
#[cfg(target_os = "wasi")]
use ipcm::StdioStream as Stdio;
use ipcm::{BusTransport, Config, Info, InfoError, JoinError, Monotonic, PeerKind};
use ipcm_core::transport::{
    Area, Capabilities, ConnectError, Parting, PeerStatus, Progress, SuspendError, Transport, TransportEvent,
};
use ipcm_core::trunk::{Identity, MemberKind, TrunkConfig, TrunkEnd, TrunkTransport};
use ipcm_core::{Client, Clock, Endpoint, Incarnation, Instant, LinkId};

/// How long a gateway may take to let it in.
const PATIENCE: Duration = Duration::from_secs(10);

type Trunk = TrunkTransport<Stdio, Monotonic>;

/// The transport of a guest.
pub enum Way {
    /// The bus itself: message files in a preopened directory.
    Bus(BusTransport),
    /// A gateway at the other end of standard input and output.
    Gateway(Box<Trunk>),
}

/// Why there is no way in.
#[derive(Debug)]
pub enum NoWay {
    /// The info names no bus.
    Info(InfoError),
    /// The bus would not have the guest.
    Bus(JoinError),
    /// The gateway would not have it.
    Gateway(TrunkEnd),
    /// Standard input and output cannot be a trunk.
    Stdio(std::io::Error),
}

impl fmt::Display for NoWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Info(error) => error.fmt(f),
            Self::Bus(error) => error.fmt(f),
            Self::Gateway(error) => error.fmt(f),
            Self::Stdio(error) => error.fmt(f),
        }
    }
}

/// Joins as the service `name`: the bus of that info, or for `--gateway` that of the gateway.
///
/// # Errors
///
/// Why there is no way in.
pub fn join(way: &str, name: &str) -> Result<Client<Way, Monotonic>, NoWay> {
    let (incarnation, transport) = if way == "--gateway" {
        let incarnation = ipcm::random_incarnation();
        let identity = Identity { name, incarnation, kind: MemberKind::Service };
        let patience = Some(Monotonic.now() + PATIENCE);
        let trunk = TrunkTransport::join(stdio()?, Monotonic, identity, TrunkConfig::pipe(), patience);
        (incarnation, Way::Gateway(Box::new(trunk.map_err(NoWay::Gateway)?)))
    } else {
        let info: Info = way.parse().map_err(NoWay::Info)?;
        let bus = BusTransport::join(&info, name, PeerKind::Service, Config::default());
        let bus = bus.map_err(NoWay::Bus)?.into_transport();
        (bus.record().incarnation(), Way::Bus(bus))
    };
    Ok(Client::new(Endpoint::new(name, incarnation, Config::default()), transport, Monotonic))
}

#[cfg(target_os = "wasi")]
fn stdio() -> Result<Stdio, NoWay> {
    Ok(Stdio::new())
}

#[cfg(not(target_os = "wasi"))]
fn stdio() -> Result<Stdio, NoWay> {
    Stdio::stdio().map_err(NoWay::Stdio)
}

/// The same call of whichever transport it is.
macro_rules! each {
    ($self:expr, $transport:ident => $call:expr) => {
        match $self {
            Way::Bus($transport) => $call,
            Way::Gateway($transport) => $call,
        }
    };
}

/// The smaller and the larger of two.
const fn sorted(one: usize, other: usize) -> (usize, usize) {
    if one < other { (one, other) } else { (other, one) }
}

impl Transport for Way {
    const PACKET: usize = sorted(BusTransport::PACKET, Trunk::PACKET).0;
    const BUFFER: usize = sorted(BusTransport::BUFFER, Trunk::BUFFER).1;
    const LARGE: usize = BusTransport::LARGE;

    fn capabilities(&self) -> Capabilities {
        each!(self, transport => transport.capabilities())
    }

    fn connect(&mut self, link: LinkId, peer: &str) -> Result<PeerStatus, ConnectError> {
        each!(self, transport => transport.connect(link, peer))
    }

    fn accept(&mut self, link: LinkId) -> bool {
        each!(self, transport => transport.accept(link))
    }

    fn spent(&self, link: LinkId) -> u64 {
        each!(self, transport => transport.spent(link))
    }

    fn reject(&mut self) {
        each!(self, transport => transport.reject());
    }

    fn authenticate(&mut self, link: LinkId, name: &str, incarnation: Incarnation) -> bool {
        each!(self, transport => transport.authenticate(link, name, incarnation))
    }

    fn packet(&self, link: LinkId) -> usize {
        each!(self, transport => transport.packet(link))
    }

    fn send(&mut self, link: LinkId, bytes: &[u8]) -> Progress {
        each!(self, transport => transport.send(link, bytes))
    }

    fn room(&mut self, link: LinkId, len: usize) -> Option<&mut [u8]> {
        each!(self, transport => transport.room(link, len))
    }

    fn send_room(&mut self, link: LinkId, len: usize) -> Result<(), &[u8]> {
        each!(self, transport => transport.send_room(link, len))
    }

    fn receive(&mut self, link: LinkId, buffer: &mut [u8]) -> Progress {
        each!(self, transport => transport.receive(link, buffer))
    }

    fn take_area(&mut self, link: LinkId) -> Option<Area> {
        each!(self, transport => transport.take_area(link))
    }

    fn receive_or_wait(
        &mut self,
        link: LinkId,
        buffer: &mut [u8],
        now: Instant,
        deadline: Option<Instant>,
    ) -> Progress {
        each!(self, transport => transport.receive_or_wait(link, buffer, now, deadline))
    }

    fn set_receiving(&mut self, link: LinkId, receiving: bool) {
        each!(self, transport => transport.set_receiving(link, receiving));
    }

    fn close(&mut self, link: LinkId) {
        each!(self, transport => transport.close(link));
    }

    fn poll_event(&mut self) -> Option<TransportEvent> {
        each!(self, transport => transport.poll_event())
    }

    fn wait(&mut self, deadline: Option<Instant>) {
        each!(self, transport => transport.wait(deadline));
    }

    fn next_deadline(&self) -> Option<Instant> {
        each!(self, transport => transport.next_deadline())
    }

    fn suspend(&mut self, until: Instant, links: Vec<Parting>) -> Result<(), SuspendError> {
        each!(self, transport => transport.suspend(until, links))
    }

    fn keep(&mut self, note: &[u8]) -> Result<(), SuspendError> {
        each!(self, transport => transport.keep(note))
    }

    fn take_kept(&mut self) -> Result<Vec<Vec<u8>>, SuspendError> {
        each!(self, transport => transport.take_kept())
    }

    fn find(&mut self, peer: &str) -> Result<Option<PeerStatus>, ConnectError> {
        each!(self, transport => transport.find(peer))
    }

    fn peers(&mut self) -> Result<Vec<String>, ConnectError> {
        each!(self, transport => transport.peers())
    }

    fn watch(&mut self) -> Result<(), ConnectError> {
        each!(self, transport => transport.watch())
    }
}
