//! How a process becomes a member of a bus.

use std::io;

use ipcm_core::transport::SuspendError;
use ipcm_core::{Client, Config, Endpoint, Incarnation, SendError};

use crate::bus::news::with_sources;
use crate::bus::{BusDir, BusError, JoinError, Membership, PeerKind, Presence};
use crate::clock::Monotonic;
use crate::files::FilesTransport;
use crate::info::Info;
use crate::transport::BusTransport;
#[cfg(target_os = "linux")]
use crate::unix::UnixTransport;

/// An epoll, an inotify, a waker, and one to read with.
#[cfg(target_os = "linux")]
const RESERVE: usize = 4;

/// Which life of its member begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// The first one, of a name that is free.
    First,
    /// One that takes up a suspended one.
    Next,
}

/// Joins a bus as one of its members.
pub(crate) fn join(
    info: &Info,
    name: &str,
    kind: PeerKind,
    config: Config,
    life: Life,
) -> Result<Client<BusTransport, Monotonic>, JoinError> {
    let failed = |source| JoinError::Bus { name: name.to_owned(), source };
    let dir = BusDir::open(info).map_err(failed)?;
    let not_durable =
        |error: io::Error| BusError::NotDurable { path: info.route().to_owned(), source: error };
    dir.sync().map_err(not_durable).map_err(failed)?;
    let incarnation = random_incarnation();
    // A service notices the end of its bus. The watch is made first: see `UnixTransport::lift`.
    let presence = (kind == PeerKind::Service).then(|| dir.presence());
    // What a life that comes back needs is had before it does: what is kept for it must not be at stake.
    let reserve = match life {
        Life::First => Vec::new(),
        Life::Next => reserve(&dir).map_err(failed)?,
    };
    let membership = match life {
        Life::First => dir.join(name, kind, incarnation),
        Life::Next => dir.rejoin(name, kind, incarnation),
    }?;
    drop(reserve);
    let mut transport =
        transport(membership, presence).map_err(|error| failed(dir.error("joining", error)))?;
    transport.set_hello(|| hello(name, incarnation, &config));
    let endpoint = Endpoint::new(name, incarnation, config);
    let mut client = Client::new(endpoint, transport, Monotonic);
    if life == Life::Next {
        let detail = |error: SuspendError| io::Error::other(error.to_string());
        client.take_over().map_err(|error| failed(dir.error("joining the bus", detail(error))))?;
    }
    Ok(client)
}

/// As many descriptors as a member needs besides those of its membership.
#[cfg(target_os = "linux")]
fn reserve(dir: &BusDir) -> Result<Vec<std::os::fd::OwnedFd>, BusError> {
    let copy = |_| rustix::io::fcntl_dupfd_cloexec(dir, 0);
    (0..RESERVE).map(copy).collect::<Result<_, _>>().map_err(|error| dir.error("joining the bus", error))
}

/// A guest can hold none back.
#[cfg(not(target_os = "linux"))]
fn reserve(_: &BusDir) -> Result<Vec<()>, BusError> {
    Ok(Vec::new())
}

/// What a member says of itself at the beginning of a link.
fn hello(name: &str, incarnation: Incarnation, config: &Config) -> Vec<u8> {
    let mut config = config.clone();
    config.requests = 1;
    let mut endpoint = Endpoint::new(name, incarnation, config);
    let link = endpoint.open("anyone").expect("there is a link free");
    endpoint.pending_output(link, usize::MAX).to_vec()
}

/// The transport that the bus has.
#[cfg(target_os = "linux")]
fn transport(mut membership: Membership, presence: Option<Presence>) -> std::io::Result<BusTransport> {
    Ok(match membership.take_listener() {
        Some(listener) => BusTransport::Unix(Box::new(UnixTransport::new(membership, listener, presence)?)),
        None => BusTransport::Files(Box::new(FilesTransport::new(membership, presence)?)),
    })
}

/// The transport that the bus has: a guest has files alone.
#[cfg(not(target_os = "linux"))]
fn transport(membership: Membership, presence: Option<Presence>) -> std::io::Result<BusTransport> {
    Ok(BusTransport::Files(Box::new(FilesTransport::new(membership, presence)?)))
}

/// What a join that failed means to one who wanted to send.
pub(crate) fn join_failed(error: &JoinError) -> SendError {
    SendError::Bus { detail: with_sources(error) }
}

/// A life that no other has, from the randomness of the system.
#[cfg(not(target_os = "linux"))]
pub fn random_incarnation() -> Incarnation {
    use std::hash::{BuildHasher, RandomState};
    // Its keys are the one source of the host's randomness that the standard library has.
    let state = RandomState::new();
    let bits = u128::from(state.hash_one(0)) << 64 | u128::from(RandomState::new().hash_one(1));
    Incarnation::from_random(bits.to_ne_bytes())
}

/// A life that no other has, from the randomness of the system.
#[cfg(target_os = "linux")]
pub fn random_incarnation() -> Incarnation {
    let mut bytes = [0; 16];
    let mut filled = 0;
    while filled < bytes.len() {
        match rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty()) {
            Ok(n) => filled += n,
            Err(rustix::io::Errno::INTR) => {}
            // Linux has had getrandom since 3.17; without randomness there are no identities.
            Err(error) => panic!("the system gives no randomness: {error}"),
        }
    }
    Incarnation::from_random(bytes)
}
