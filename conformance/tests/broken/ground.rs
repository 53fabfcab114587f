//! [`Broken`]: a bus in memory with a fault.

use ipcm_conformance::{Act, Ground, Member};
use ipcm_core::memory::{Faults, Network};
use ipcm_core::{Client, Config, Endpoint, Incarnation};

use super::fault::Fault;
use super::transport::{Faulty, Ticking};

/// A bus in memory with the fault of this thread.
pub(crate) struct Broken(Network);

impl Broken {
    fn begin(&self, name: &str, config: Config) -> Member<Self> {
        let of_name = name.bytes().fold(1u128, |bits, byte| bits.wrapping_mul(257).wrapping_add(byte.into()));
        let memory = match Fault::present() {
            Some(Fault::SameLife) => self.0.join_as(name, Incarnation::from_bits(of_name)),
            _ => self.0.join(name),
        };
        let endpoint = Endpoint::new(name, memory.incarnation(), config);
        let mut member = Client::new(endpoint, Faulty::new(memory, name), Ticking(self.0.clone()));
        member.take_over().expect("a network in memory has what it keeps");
        member
    }
}

impl Ground for Broken {
    type Transport = Faulty;
    type Clock = Ticking;

    fn new() -> Self {
        let network = Network::new();
        let mut faults = Faults::default();
        match Fault::present() {
            Some(Fault::NeverFull) => faults.buffer = usize::MAX,
            Some(Fault::ShortRoom) => faults.room = 200_000,
            _ => {}
        }
        network.set_faults(faults);
        Self(network)
    }

    fn join(&mut self, name: &str, config: Config) -> Option<Member<Self>> {
        match Fault::present() {
            Some(Fault::TwoOwners) if self.0.has(name) => self.join(&format!("{name} again"), config),
            Some(Fault::ShortNames) if name.len() > 100 => None,
            _ => (!self.0.has(name)).then(|| self.begin(name, config)),
        }
    }

    fn resume(&mut self, name: &str, config: Config) -> Option<Member<Self>> {
        self.0.is_suspended(name).then(|| self.begin(name, config))
    }

    fn crash(&mut self, mut member: Member<Self>) {
        match Fault::present() {
            Some(Fault::Undead) => std::mem::forget(member),
            Some(Fault::LosesLastWords) => {
                member.transport_mut().cut();
                self.0.kill(member.endpoint().name());
            }
            _ => self.0.kill(member.endpoint().name()),
        }
    }

    fn meanwhile(&mut self, mut act: Act<Self>, wait: &mut dyn FnMut()) {
        self.0.set_idle(move || act.run());
        wait();
        self.0.set_idle(|| {});
    }
}
