//! The in-memory transport, in virtual time.

use ipcm_conformance::{Act, Ground, Member, conformance_tests};
use ipcm_core::Config;
use ipcm_core::memory::{Clock, Memory, Network};

struct InMemory(Network);

impl Ground for InMemory {
    type Transport = Memory;
    type Clock = Clock;

    fn new() -> Self {
        Self(Network::new())
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

conformance_tests!(InMemory);
