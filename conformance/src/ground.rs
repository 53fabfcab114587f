//! [`Ground`]: where a transport is put through the checks.

use ipcm_core::transport::Transport;
use ipcm_core::{Client, Clock, Config};

use crate::act::Act;

/// A member of a ground's bus, as the core's client.
pub type Member<G> = Client<<G as Ground>::Transport, <G as Ground>::Clock>;

/// A bus on which a transport is put through the checks: how its members come, go and wait.
///
/// Every check makes one of its own. What the ground itself cannot do, such as to make a directory, is a panic.
pub trait Ground: Sized {
    /// The transport.
    type Transport: Transport;
    /// The clock that its waits keep to; real or virtual. It goes on while members wait.
    type Clock: Clock;

    /// A new bus that has no members. It is dropped after all that join it.
    fn new() -> Self;

    /// Has a member join as [`Client::new`] does, in a life that no other has. `None` if an active or suspended
    /// member has the name.
    fn join(&mut self, name: &str, config: Config) -> Option<Member<Self>>;

    /// Begins the next life of a suspended member, which [takes over](Client::take_over) what the former one has kept;
    /// `None` if no suspended member has the name.
    ///
    /// Only asked of transports that [can suspend](ipcm_core::transport::Capabilities::suspend).
    fn resume(&mut self, name: &str, config: Config) -> Option<Member<Self>> {
        let _ = (name, config);
        None
    }

    /// Ends a member as suddenly as can be: as the death of its process would, where that can be had. By default
    /// it is dropped.
    fn crash(&mut self, member: Member<Self>) {
        drop(member);
    }

    /// Runs `wait`, in which a member waits, and `act` meanwhile, in which another one does something.
    ///
    /// With threads: `std::thread::scope(|scope| { scope.spawn(|| act.run()); wait(); })`, as an act is `Send` if the
    /// members are. In virtual time the act is run when the waiting member has nothing to do. It is to be dropped
    /// after the wait.
    fn meanwhile(&mut self, act: Act<Self>, wait: &mut dyn FnMut());
}
