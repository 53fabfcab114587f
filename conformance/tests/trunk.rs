//! Trunks: every member is at the end of a line of its own, whose gateway is on a bus in memory. It is a pipe, or a line
//! in serial framing, which loses nothing here: a session that is lost ends links, so hardly a check could hold.

#[path = "trunk/gateway.rs"]
mod gateway;
#[path = "trunk/line.rs"]
mod line;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use gateway::Gateway;
use ipcm_conformance::{Act, Ground, Member, conformance_tests};
use ipcm_core::memory::{Clock, Network};
use ipcm_core::trunk::{Identity, MemberKind, RelayConfig, Trouble, TrunkConfig, TrunkEnd, TrunkTransport};
use ipcm_core::{Client, Clock as _, Config, Endpoint, Incarnation, Instant};
use line::End;

/// How much time passes where nothing moves.
const TICK: Duration = Duration::from_micros(500);
/// Steps that nothing takes longer than.
const STEPS: u32 = 1_000_000;

/// A bus in memory, and a gateway for each member, at the other end of a pipe or of a serial line.
struct Trunks<const SERIAL: bool>(Rc<World>);

/// What runs while a member waits.
pub(crate) struct World {
    network: Network,
    gateways: RefCell<Vec<Gateway>>,
    act: RefCell<Option<Box<dyn FnMut()>>>,
    lives: Cell<u128>,
}

impl World {
    /// One step of every gateway; whether anything moved.
    pub(crate) fn step(&self) -> bool {
        // None is stepped from within a step.
        let Ok(mut gateways) = self.gateways.try_borrow_mut() else { return false };
        let mut moved = false;
        gateways.retain_mut(|gateway| {
            moved |= gateway.step(&self.network);
            !gateway.is_over()
        });
        moved
    }

    /// Steps until nothing moves.
    pub(crate) fn settle(&self) {
        for _ in 0..STEPS {
            if !self.step() {
                return;
            }
        }
        panic!("the gateways do not come to rest");
    }

    /// Steps until something is so, but not beyond `deadline`. Time passes where nothing moves.
    pub(crate) fn wait_until(&self, is_so: impl Fn() -> bool, deadline: Option<Instant>) {
        for _ in 0..STEPS {
            let now = self.network.clock().now();
            if is_so() || deadline.is_some_and(|deadline| deadline <= now) {
                return;
            }
            if self.step() {
                continue;
            }
            // Another member acts while this one has nothing to do.
            let act = self.act.borrow_mut().take();
            if let Some(mut act) = act {
                act();
                *self.act.borrow_mut() = Some(act);
            }
            if !self.step() {
                let left = deadline.map_or(TICK, |deadline| deadline - now);
                self.network.advance(left.min(TICK));
            }
        }
        panic!("nothing ends this wait");
    }
}

impl<const SERIAL: bool> Ground for Trunks<SERIAL> {
    type Transport = TrunkTransport<End, Clock>;
    type Clock = Clock;

    fn new() -> Self {
        let (gateways, act, lives) = (RefCell::default(), RefCell::default(), Cell::new(1 << 64));
        Self(Rc::new(World { network: Network::new(), gateways, act, lives }))
    }

    fn join(&mut self, name: &str, config: Config) -> Option<Member<Self>> {
        self.0.lives.set(self.0.lives.get() + 1);
        let incarnation = Incarnation::from_bits(self.0.lives.get());
        let (trunk, relay) = match SERIAL {
            true => {
                let mut trunk = TrunkConfig::serial();
                // The longest name there may be fits in a record.
                trunk.limit = 1024;
                (trunk, RelayConfig::serial())
            }
            false => (TrunkConfig::pipe(), RelayConfig::pipe()),
        };
        let (end, gateway) = line::line(&self.0, relay);
        self.0.gateways.borrow_mut().push(gateway);
        let identity = Identity { name, incarnation, kind: MemberKind::Service };
        let clock = self.0.network.clock();
        let deadline = Some(clock.now() + Duration::from_secs(5));
        match TrunkTransport::join(end, clock.clone(), identity, trunk, deadline) {
            Ok(transport) => Some(Client::new(Endpoint::new(name, incarnation, config), transport, clock)),
            Err(TrunkEnd::Refused { trouble: Trouble::NameTaken, .. }) => None,
            Err(error) => panic!("{name:?} cannot join: {error}"),
        }
    }

    fn meanwhile(&mut self, mut act: Act<Self>, wait: &mut dyn FnMut()) {
        *self.0.act.borrow_mut() = Some(Box::new(move || act.run()));
        wait();
        let act = self.0.act.borrow_mut().take();
        drop(act);
    }
}

mod pipe {
    use super::*;
    conformance_tests!(Trunks<false>);
}

mod serial {
    use super::*;
    conformance_tests!(Trunks<true>);
}
