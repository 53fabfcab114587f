//! The in-memory transport, in virtual time: as it is, and where it makes everything as hard as it may.

use ipcm_conformance::{Act, Ground, Member, conformance_tests};
use ipcm_core::Config;
use ipcm_core::memory::{Clock, Faults, Memory, Network};
use std::time::Duration;

/// A bus in memory; a hard one delays what it carries, and takes and gives little at a time.
struct InMemory<const HARD: bool>(Network);

impl<const HARD: bool> Ground for InMemory<HARD> {
    type Transport = Memory;
    type Clock = Clock;

    fn new() -> Self {
        let network = Network::new();
        if HARD {
            let delay = Duration::ZERO..Duration::from_millis(2);
            network.set_faults(Faults { delay, chunk: 61, buffer: 5000, room: 3000 });
        }
        Self(network)
    }

    fn join(&mut self, name: &str, config: Config) -> Option<Member<Self>> {
        (!self.0.has(name)).then(|| self.0.client(name, config))
    }

    fn resume(&mut self, name: &str, config: Config) -> Option<Member<Self>> {
        self.0.is_suspended(name).then(|| self.0.client(name, config))
    }

    fn crash(&mut self, member: Member<Self>) {
        self.0.kill(member.endpoint().name());
    }

    fn meanwhile(&mut self, mut act: Act<Self>, wait: &mut dyn FnMut()) {
        self.0.set_idle(move || act.run());
        wait();
        self.0.set_idle(|| {});
    }
}

mod plain {
    use super::*;
    conformance_tests!(InMemory<false>);
}

mod hard {
    use super::*;
    conformance_tests!(InMemory<true>);
}
