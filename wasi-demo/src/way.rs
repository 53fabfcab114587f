//! The two ways in, as one transport: so that all that runs on it is in the program once.

use std::fmt;
use std::time::Duration;

#[cfg(not(target_os = "wasi"))]
use ipcm::FdStream as Stdio;
#[cfg(target_os = "wasi")]
use ipcm::StdioStream as Stdio;
use ipcm::{BusError, BusTransport, Config, Info, InfoError, JoinError, Monotonic, PeerKind};
use ipcm_core::transport::{Transport, hand_on};
use ipcm_core::trunk::{Identity, MemberKind, TrunkConfig, TrunkEnd, TrunkTransport};
use ipcm_core::{Client, Clock, Endpoint};

/// What a guest that finds no bus may lack.
const NO_DIRECTORY: &str = match cfg!(target_os = "wasi") {
    true => ", or the directory was not given to this guest under that path: wasmtime run --dir PATH",
    false => "",
};

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
            Self::Bus(error) => {
                error.fmt(f)?;
                match error {
                    JoinError::Bus { source: BusError::NoBus { .. }, .. } => f.write_str(NO_DIRECTORY),
                    JoinError::Bus { source: BusError::Io { source, .. }, .. } => write!(f, ": {source}"),
                    _ => Ok(()),
                }
            }
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
    ($self:ident.$($call:tt)+) => {
        match $self {
            Way::Bus(transport) => transport.$($call)+,
            Way::Gateway(transport) => transport.$($call)+,
        }
    };
}

/// The smaller and the larger of two.
const fn sorted(one: usize, other: usize) -> (usize, usize) {
    if one < other { (one, other) } else { (other, one) }
}

#[deny(clippy::missing_trait_methods)]
impl Transport for Way {
    const PACKET: usize = sorted(BusTransport::PACKET, Trunk::PACKET).0;
    const BUFFER: usize = sorted(BusTransport::BUFFER, Trunk::BUFFER).1;
    const LARGE: usize = BusTransport::LARGE;

    hand_on!(each);
}
