//! The members of one seed and how they take their turns.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::rc::Rc;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::time::Duration;

use ipcm_core::memory::{Faults, Network};
use ipcm_core::{Client, Config, Endpoint, Handle, Instant, LinkId, Overflow, RequestError, Service};

use crate::common::{Asker, Member, Server as Answering, now};
use crate::fates::Moment;
use crate::hostile::Hostile;
use crate::ledger::Ledger;
use crate::payload::Answer;
use crate::random::Random;
use crate::server::Server;

/// How a request ended, as its callback saw it.
pub(crate) type Seen = (u64, Result<Option<Answer>, RequestError>);

/// A handle and the ends that its callbacks saw.
pub(crate) struct Asking {
    pub(crate) handle: Asker,
    pub(crate) seen: Arc<spin::Mutex<Vec<Seen>>>,
}

pub(crate) enum Slot {
    Asker(Box<Asking>),
    Server(Box<Answering>, Server),
    Suspended(Instant),
    Absent,
}

pub(crate) struct World {
    pub(crate) network: Network,
    pub(crate) config: Config,
    pub(crate) random: RefCell<Random>,
    pub(crate) ledger: Rc<RefCell<Ledger>>,
    pub(crate) names: Vec<String>,
    pub(crate) slots: Vec<RefCell<Slot>>,
    pub(crate) hostile: RefCell<Option<Hostile>>,
    pub(crate) numbers: Cell<u64>,
    /// What had happened when each link of each life was first seen.
    pub(crate) links: RefCell<BTreeMap<(u128, LinkId), Moment>>,
    /// Lives that took over from one that was suspended, and links with it.
    pub(crate) resumed: RefCell<BTreeSet<u128>>,
    /// Links are so few that connections are refused.
    pub(crate) few_links: bool,
}

pub(crate) const HOSTILE: &str = "x";

impl World {
    pub(crate) fn new(seed: u64) -> Rc<Self> {
        let mut random = Random::new(seed);
        let network = Network::seeded(seed);
        let few_links = random.one_in(8);
        let mut config = Config::default();
        config.requests = random.pick(&[1, 2, 5, 64]);
        config.serving = random.pick(&[1, 3, 64, 64]);
        config.links = if few_links { random.pick(&[1, 2, 3]) } else { 64 };
        config.body_limit = 4096;
        config.window = random.pick(&[1, 300, 2000, 65_536]);
        config.greeting = Duration::from_secs(100_000);
        if random.one_in(6) {
            config.overflow = Overflow::DropOldest { capacity: random.pick(&[1, 3]) };
        }
        let servers = 1 + random.below(3);
        let askers = 1 + random.below(5);
        let mut names: Vec<String> = (0..servers).map(|n| format!("s{n}")).collect();
        names.extend((0..askers).map(|n| format!("h{n}")));
        let mut ledger = Ledger::default();
        let mut hostile = None;
        if random.one_in(4) {
            ledger.fates.hostile(HOSTILE);
            hostile = Some(Hostile::new(&network));
        }
        let world = Rc::new(Self {
            network,
            config,
            random: RefCell::new(random),
            ledger: Rc::new(RefCell::new(ledger)),
            slots: names.iter().map(|_| RefCell::new(Slot::Absent)).collect(),
            names,
            hostile: RefCell::new(hostile),
            numbers: Cell::new(0),
            links: RefCell::default(),
            resumed: RefCell::default(),
            few_links,
        });
        (0..world.names.len()).for_each(|at| world.join(at));
        let weak = Rc::downgrade(&world);
        world.network.set_idle(move || {
            if let Some(world) = weak.upgrade() {
                world.turn_all();
            }
        });
        world.change_faults();
        world
    }

    pub(crate) fn now(&self) -> Instant {
        now(&self.network)
    }

    /// A number that no other request or message of the seed has.
    pub(crate) fn number(&self) -> u64 {
        self.numbers.set(self.numbers.get() + 1);
        self.numbers.get()
    }

    pub(crate) fn is_server(&self, at: usize) -> bool {
        self.names[at].starts_with('s')
    }

    /// Someone to talk to, who may be absent.
    pub(crate) fn some_peer(&self, but: usize) -> String {
        let mut random = self.random.borrow_mut();
        if self.hostile.borrow().is_some() && random.one_in(8) {
            return HOSTILE.into();
        }
        let others: Vec<&String> = self.names.iter().filter(|name| **name != self.names[but]).collect();
        let servers: Vec<&String> = others.iter().copied().filter(|name| name.starts_with('s')).collect();
        let from = if servers.is_empty() || random.one_in(6) { others } else { servers };
        if from.is_empty() { "nobody".into() } else { random.pick(&from).clone() }
    }

    /// A life of a member begins.
    pub(crate) fn join(&self, at: usize) {
        let client = self.network.client(&self.names[at], self.config.clone());
        if matches!(*self.slots[at].borrow(), Slot::Suspended(_)) {
            self.resumed.borrow_mut().insert(client.endpoint().incarnation().as_bits());
        }
        *self.slots[at].borrow_mut() = if self.is_server(at) {
            Slot::Server(Box::new(Service::new(client)), Server::new(self.ledger.clone()))
        } else {
            let handle = Handle::new(client, "s0");
            Slot::Asker(Box::new(Asking { handle, seen: Arc::default() }))
        };
    }

    pub(crate) fn change_faults(&self) {
        let mut random = self.random.borrow_mut();
        let longest = random.pick(&[0, 0, 500, 20_000]);
        self.network.set_faults(Faults {
            delay: Duration::ZERO..Duration::from_micros(longest),
            chunk: random.pick(&[1, 3, 17, 100, usize::MAX, usize::MAX]),
            buffer: random.pick(&[1, 20, 100, 1000, 262_144, 262_144]),
            room: random.pick(&[0, 600, 1500, 5000]),
        });
    }

    /// Every member that is not in the middle of something takes a turn. Whether anything happened.
    pub(crate) fn turn_all(&self) -> bool {
        let mut happened = false;
        for at in 0..self.slots.len() {
            happened |= self.turn(at);
        }
        if let Ok(mut hostile) = self.hostile.try_borrow_mut()
            && let Some(hostile) = hostile.as_mut()
        {
            hostile.turn();
        }
        happened
    }

    pub(crate) fn turn(&self, at: usize) -> bool {
        let Ok(mut slot) = self.slots[at].try_borrow_mut() else { return false };
        let now = Some(self.now());
        let happened = match &mut *slot {
            Slot::Asker(asking) => asking.handle.poll(Duration::ZERO) > 0,
            Slot::Server(service, server) => service.turn(now, server),
            Slot::Suspended(_) | Slot::Absent => false,
        };
        self.check(&mut slot);
        happened
    }

    /// Notes the links that are new.
    pub(crate) fn note_links(&self) {
        let moment = self.ledger.borrow().fates.moment();
        for slot in &self.slots {
            if let Some(client) = client(&mut slot.borrow_mut()) {
                let life = client.endpoint().incarnation().as_bits();
                for link in client.endpoint().links() {
                    self.links.borrow_mut().entry((life, link)).or_insert_with(|| moment.clone());
                }
            }
        }
    }

    /// What had happened when the link to a peer began.
    pub(crate) fn link_began(&self, endpoint: &Endpoint, peer: &str) -> Moment {
        if self.resumed.borrow().contains(&endpoint.incarnation().as_bits()) {
            return Moment::default();
        }
        let link = endpoint.route(peer);
        let key = link.map(|link| (endpoint.incarnation().as_bits(), link));
        let known = key.and_then(|key| self.links.borrow().get(&key).cloned());
        // A link that is new may be one that was left behind.
        known.unwrap_or_default()
    }

    /// What holds at all times.
    pub(crate) fn check(&self, slot: &mut Slot) {
        let Some(client) = client(slot) else { return };
        let endpoint: &Endpoint = client.endpoint();
        let config = endpoint.config();
        assert!(endpoint.pending() <= config.requests && endpoint.serving() <= config.serving);
        assert!(endpoint.links().count() <= config.links);
        assert!(endpoint.counters().violations == 0 || self.ledger.borrow().fates.is_hostile(HOSTILE));
        if let Slot::Asker(_) = slot {
            self.check_output(slot);
        }
    }

    /// A handle keeps at most a window and a frame for each peer, and small frames for as much of theirs.
    fn check_output(&self, slot: &mut Slot) {
        let Some(client) = client(slot) else { return };
        let endpoint = client.endpoint();
        let window = self.config.window as usize + self.config.body_limit as usize + 200;
        for link in endpoint.links() {
            let unsent = endpoint.pending_output(link, usize::MAX).len();
            assert!(unsent <= 3 * window, "{unsent} bytes for {:?}", endpoint.peer(link));
        }
    }

    /// Suspensions that have run out are deaths.
    pub(crate) fn note_expiry(&self) {
        for (at, slot) in self.slots.iter().enumerate() {
            let Ok(mut slot) = slot.try_borrow_mut() else { continue };
            if matches!(*slot, Slot::Suspended(until) if until <= self.now()) {
                *slot = Slot::Absent;
                self.ledger.borrow_mut().fates.died(&self.names[at]);
            }
        }
    }
}

/// The client of a member that is active.
pub(crate) fn client(slot: &mut Slot) -> Option<&mut Member> {
    match slot {
        Slot::Asker(asking) => Some(asking.handle.client_mut()),
        Slot::Server(service, _) => Some(service.client_mut()),
        Slot::Suspended(_) | Slot::Absent => None,
    }
}

/// The client of a member whose life ends.
pub(crate) fn into_client(slot: Slot) -> Option<Client<ipcm_core::memory::Memory, ipcm_core::memory::Clock>> {
    match slot {
        Slot::Asker(asking) => Some(asking.handle.into_client()),
        Slot::Server(service, _) => Some(service.into_client()),
        Slot::Suspended(_) | Slot::Absent => None,
    }
}
