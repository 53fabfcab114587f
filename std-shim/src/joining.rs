//! How a process becomes a member of a bus.

use ipcm_core::{Client, Config, Endpoint, Incarnation, SendError};

use crate::bus::{BusDir, JoinError, PeerKind};
use crate::clock::Monotonic;
use crate::info::Info;
use crate::unix::{UnixTransport, with_sources};

/// Joins a bus as one of its members.
pub(crate) fn join(
    info: &Info,
    name: &str,
    kind: PeerKind,
    config: Config,
) -> Result<Client<UnixTransport, Monotonic>, JoinError> {
    let failed = |source| JoinError::Bus { name: name.to_owned(), source };
    let dir = BusDir::open(info).map_err(failed)?;
    let incarnation = random_incarnation();
    // A service notices the end of its bus. The watch is made first: see `UnixTransport::lift`.
    let presence = (kind == PeerKind::Service).then(|| dir.presence()).flatten();
    let membership = dir.join(name, kind, incarnation)?;
    let transport =
        UnixTransport::new(membership, presence).map_err(|error| failed(dir.error("joining", error)))?;
    let endpoint = Endpoint::new(name, incarnation, config);
    Ok(Client::new(endpoint, transport, Monotonic))
}

/// What a join that failed means to one who wanted to send.
pub(crate) fn join_failed(error: &JoinError) -> SendError {
    SendError::Bus { detail: with_sources(error) }
}

/// A life that no other has.
pub(crate) fn random_incarnation() -> Incarnation {
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
