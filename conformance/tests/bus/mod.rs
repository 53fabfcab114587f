//! The grounds of this system's buses: Unix sockets and message files.
// Each test program uses one.
#![allow(dead_code)]

use std::thread;

use ipcm::{Bus, BusTransport, JoinError, Monotonic, PeerKind, TransportKind};
use ipcm_conformance::{Act, Ground, Member};
use ipcm_core::Config;

/// A bus of Unix sockets.
pub(crate) struct Sockets(Bus);

/// A bus of message files.
pub(crate) struct Files(Bus);

fn create(transport: TransportKind) -> Bus {
    Bus::builder().transport(transport).create().expect("a bus can be made")
}

fn join<G: Ground<Transport = BusTransport, Clock = Monotonic>>(
    bus: &Bus,
    name: &str,
    config: Config,
) -> Option<Member<G>> {
    // A service is told of the end of its bus as well.
    match BusTransport::join(bus.info(), name, PeerKind::Service, config) {
        Ok(member) => Some(member),
        Err(JoinError::NameTaken { .. } | JoinError::NameSuspended { .. }) => None,
        Err(error) => panic!("{name:?} cannot join: {error}"),
    }
}

/// One waits here, and the other acts in a thread of its own.
fn in_threads<G: Ground>(mut act: Act<G>, wait: &mut dyn FnMut())
where
    Act<G>: Send,
{
    thread::scope(|scope| {
        scope.spawn(|| act.run());
        wait();
    });
}

impl Ground for Sockets {
    type Transport = BusTransport;
    type Clock = Monotonic;

    fn new() -> Self {
        Self(create(TransportKind::Unix))
    }

    fn join(&mut self, name: &str, config: Config) -> Option<Member<Self>> {
        join::<Self>(&self.0, name, config)
    }

    fn meanwhile(&mut self, act: Act<Self>, wait: &mut dyn FnMut()) {
        in_threads(act, wait);
    }
}

impl Ground for Files {
    type Transport = BusTransport;
    type Clock = Monotonic;

    fn new() -> Self {
        Self(create(TransportKind::Files))
    }

    fn join(&mut self, name: &str, config: Config) -> Option<Member<Self>> {
        join::<Self>(&self.0, name, config)
    }

    fn resume(&mut self, name: &str, config: Config) -> Option<Member<Self>> {
        match BusTransport::rejoin(self.0.info(), name, PeerKind::Service, config) {
            Ok(member) => Some(member),
            Err(JoinError::NotSuspended { .. } | JoinError::NameTaken { .. }) => None,
            Err(error) => panic!("{name:?} cannot come back: {error}"),
        }
    }

    fn meanwhile(&mut self, act: Act<Self>, wait: &mut dyn FnMut()) {
        in_threads(act, wait);
    }
}
