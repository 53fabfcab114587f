//! What the bus directory tells, in the words of the core.

use super::change;
use super::error::BusError;
use super::record::PeerRecord;
use crate::clock::Monotonic;
use ipcm_core::transport::{ConnectError, PeerChange, PeerState, PeerStatus, TransportEvent};
use ipcm_core::{Clock, Instant};
use std::time::Duration;

/// What a record tells of its peer.
pub(crate) fn status(record: &PeerRecord) -> PeerStatus {
    let state = state(record);
    let pid = (state == PeerState::Active && !record.is_guest()).then_some(record.pid());
    PeerStatus { incarnation: record.incarnation(), state, pid }
}

/// A peer has come.
pub(crate) fn arrived(peer: &PeerRecord) -> TransportEvent {
    let (name, incarnation) = (peer.name().into(), peer.incarnation());
    TransportEvent::Peer(PeerChange { name, incarnation, state: state(peer) })
}

/// A peer has come or gone.
pub(crate) fn told(change: change::PeerChange) -> TransportEvent {
    match change {
        change::PeerChange::Arrived(peer) => arrived(&peer),
        change::PeerChange::Departed { name, incarnation } => {
            TransportEvent::Peer(PeerChange { name: name.into(), incarnation, state: PeerState::Gone })
        }
        change::PeerChange::BusGone => TransportEvent::BusGone,
    }
}

/// Why the bus cannot be used.
pub(crate) fn bus_error(error: BusError) -> ConnectError {
    let detail = with_sources(&error);
    match error {
        BusError::Permission { .. } | BusError::NotAdmitted { .. } => ConnectError::NotPermitted(detail),
        _ => ConnectError::Bus(detail),
    }
}

/// An error with what caused it, in one line.
pub(crate) fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// A moment of the wall clock, in microseconds of the Unix epoch, on the clock of waits: what the wall clock
/// does from now on does not move it.
pub(crate) fn from_wall(micros: u64) -> Instant {
    Monotonic.now() + Duration::from_micros(micros.saturating_sub(Monotonic.unix_micros()))
}

/// The same the other way round.
pub(crate) fn to_wall(moment: Instant) -> u64 {
    let left = moment.saturating_since(Monotonic.now());
    Monotonic.unix_micros().saturating_add(u64::try_from(left.as_micros()).unwrap_or(u64::MAX))
}

fn state(record: &PeerRecord) -> PeerState {
    record.suspended().map_or(PeerState::Active, |until| PeerState::Suspended(from_wall(until)))
}
