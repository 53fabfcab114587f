//! What `ipcm` promises of every transport, as checks that anybody's [`Transport`] can be put through.
//!
//! Two kinds of checks: what a transport owes the core (links, streams of bytes, peers, waits, suspension), and what
//! handles, services and messages come to on it. Who has a transport says by a [`Ground`] how its members are made, and
//! has every check as a test by one line. Here is a full run, of the in-memory transport:
//!
//! ```
//! use ipcm_conformance::{Act, Ground, Member};
//! use ipcm_core::Config;
//! use ipcm_core::memory::{Clock, Memory, Network};
//!
//! struct InMemory(Network);
//!
//! impl Ground for InMemory {
//!     type Transport = Memory;
//!     type Clock = Clock;
//!
//!     fn new() -> Self {
//!         Self(Network::new())
//!     }
//!
//!     fn join(&mut self, name: &str, config: Config) -> Option<Member<Self>> {
//!         (!self.0.has(name)).then(|| self.0.client(name, config))
//!     }
//!
//!     fn resume(&mut self, name: &str, config: Config) -> Option<Member<Self>> {
//!         self.0.is_suspended(name).then(|| self.0.client(name, config))
//!     }
//!
//!     fn crash(&mut self, member: Member<Self>) {
//!         self.0.kill(member.endpoint().name());
//!     }
//!
//!     // There are no threads: the other one acts when time would pass.
//!     fn meanwhile(&mut self, mut act: Act<Self>, wait: &mut dyn FnMut()) {
//!         self.0.set_idle(move || act.run());
//!         wait();
//!         self.0.set_idle(|| {});
//!     }
//! }
//!
//! for check in ipcm_conformance::checks::<InMemory>() {
//!     check.run(); // panics where the transport does not keep a promise
//! }
//! ```
//!
//! In a test program, [`conformance_tests!`] makes each check a test of its own instead:
//!
//! ```
//! # use ipcm_conformance::{Act, Ground, Member};
//! # struct InMemory(ipcm_core::memory::Network);
//! # impl Ground for InMemory {
//! #     type Transport = ipcm_core::memory::Memory;
//! #     type Clock = ipcm_core::memory::Clock;
//! #     fn new() -> Self { Self(ipcm_core::memory::Network::new()) }
//! #     fn join(&mut self, name: &str, config: ipcm_core::Config) -> Option<Member<Self>> {
//! #         (!self.0.has(name)).then(|| self.0.client(name, config))
//! #     }
//! #     fn meanwhile(&mut self, act: Act<Self>, wait: &mut dyn FnMut()) {}
//! # }
//! ipcm_conformance::conformance_tests!(InMemory);
//! ```
//!
//! How it is done:
//!
//! * All members live in one thread and are stepped in turn, each without waiting, so that a run is the same every
//!   time and is possible where there are no threads. Where a check is about waiting, [`Ground::meanwhile`] has
//!   another member act while the one waits.
//! * Nothing depends on how fast anything is. What must come has 20 s of the ground's clock to come, and the check
//!   fails with a message if it has not.
//! * What a transport cannot do, it must say by its [`Capabilities`](ipcm_core::transport::Capabilities) and a typed
//!   error; then that is what is checked.
//!
//! Each check names the clauses of the project's promises, or the faults to survive, that it is about.
//!
//! [`Transport`]: ipcm_core::transport::Transport
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod act;
pub mod behaviour;
pub mod contract;
mod ground;
mod list;
mod patience;
mod pattern;
mod raw;
mod rogue;
mod script;
mod stage;
mod way;

pub use act::Act;
pub use ground::{Ground, Member};
pub use list::{Check, checks};
