//! The ground of message files in WebAssembly. `cargo xtask wasi` gives the guest a directory with a bus that was made for
//! guests, `IPCM_BUS`; each check has a bus of its own beside it, which is made by a copy of what says so.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs};

use ipcm::{BusTransport, Info, JoinError, Monotonic, PeerKind};
use ipcm_conformance::{Act, Ground, Member};
use ipcm_core::transport::{Transport, hand_on};
use ipcm_core::{Client, Config, Endpoint, Instant, Message};

/// Buses that were made.
static MADE: AtomicU32 = AtomicU32::new(0);

thread_local! {
    /// What the other one does while a member waits.
    static ACT: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

/// Message files in whose waits another member acts: there are no threads.
pub(crate) struct Yielding(BusTransport);

impl Yielding {
    fn wait(&mut self, deadline: Option<Instant>) {
        if let Some(act) = ACT.take() {
            act();
        }
        self.0.wait(deadline);
    }
}

macro_rules! yielding {
    ($self:ident.wait($deadline:ident)) => { Yielding::wait($self, $deadline) };
    ($self:ident.$($call:tt)+) => { $self.0.$($call)+ };
}

impl Transport for Yielding {
    const PACKET: usize = BusTransport::PACKET;
    const BUFFER: usize = BusTransport::BUFFER;
    const LARGE: usize = BusTransport::LARGE;

    hand_on!(yielding);
}

/// A bus of message files whose members are all in this guest.
pub(crate) struct Files(Info);

impl Ground for Files {
    type Transport = Yielding;
    type Clock = Monotonic;

    fn new() -> Self {
        let pattern: Info =
            env::var("IPCM_BUS").expect("`cargo xtask wasi` makes a bus").parse().expect("an info");
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = pattern.route().with_file_name(format!("bus-{number}"));
        fs::create_dir(&path).expect("a directory can be made");
        fs::copy(pattern.route().join(".bus"), path.join(".bus")).expect("a bus can be copied");
        Self(Info::files(path).expect("a path that an info can have"))
    }

    fn join(&mut self, name: &str, config: Config) -> Option<Member<Self>> {
        match BusTransport::join(&self.0, name, PeerKind::Service, config.clone()) {
            Ok(member) => Some(yielding(member, config)),
            Err(JoinError::NameTaken { .. } | JoinError::NameSuspended { .. }) => None,
            Err(error) => panic!("{name:?} cannot join: {error}"),
        }
    }

    fn resume(&mut self, name: &str, config: Config) -> Option<Member<Self>> {
        match BusTransport::rejoin(&self.0, name, PeerKind::Service, config.clone()) {
            Ok(mut member) => {
                let kept: Vec<Message> = member.messages();
                kept.iter().for_each(|message| member.requeue_message(message).expect("it is kept again"));
                let mut member = yielding(member, config);
                member.take_over().expect("it was kept");
                Some(member)
            }
            Err(JoinError::NotSuspended { .. } | JoinError::NameTaken { .. }) => None,
            Err(error) => panic!("{name:?} cannot come back: {error}"),
        }
    }

    fn meanwhile(&mut self, act: Act<Self>, wait: &mut dyn FnMut()) {
        let act = std::rc::Rc::new(RefCell::new(act));
        let acting = act.clone();
        ACT.set(Some(Box::new(move || acting.borrow_mut().run())));
        wait();
        drop(ACT.take());
    }
}

/// The same member, in whose waits another one acts.
fn yielding(member: Client<BusTransport, Monotonic>, config: Config) -> Member<Files> {
    let (name, incarnation) = (member.endpoint().name().clone(), member.endpoint().incarnation());
    let transport = Yielding(member.into_transport());
    Client::new(Endpoint::new(&name, incarnation, config), transport, Monotonic)
}

impl Drop for Files {
    fn drop(&mut self) {
        fs::remove_dir_all(self.0.route()).expect("a bus can be removed");
    }
}
