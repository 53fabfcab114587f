//! A bus in memory: no operating system, virtual time, and faults on demand.
//!
//! For tests of services and handles, this crate's and its users'. All members live on one thread. Time
//! passes when a member waits and nothing can happen: first the idle hook runs, in which the other members
//! take their turns; then the clock goes on to the next arrival or to the end of the wait.
//!
//! ```
//! use ipcm_core::memory::Network;
//! use ipcm_core::{Client, Config, Handle, Handler, ReplyToken, Request, Service};
//! use std::{cell::RefCell, rc::Rc, time::Duration};
//!
//! type Member = Client<ipcm_core::memory::Memory, ipcm_core::memory::Clock>;
//!
//! struct Doubler;
//! impl Handler<ipcm_core::memory::Memory, ipcm_core::memory::Clock> for Doubler {
//!     fn handle_request(&mut self, client: &mut Member, request: Request<'_>, token: ReplyToken) {
//!         let number: u32 = request.decode().unwrap();
//!         client.respond(token, &(number * 2)).unwrap();
//!     }
//! }
//!
//! let network = Network::new();
//! let service = Rc::new(RefCell::new(Service::new(network.client("doubler", Config::default()))));
//! let mut handle = Handle::new(network.client("asker", Config::default()), "doubler");
//!
//! let now = network.clock();
//! network.set_idle(move || {
//!     service.borrow_mut().turn(Some(now.now()), &mut Doubler);
//! });
//! # use ipcm_core::Clock as _;
//! let answer: u32 = handle.sync_request("doubler", &21u32, Duration::from_secs(1)).unwrap();
//! assert_eq!(answer, 42);
//! ```

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::rc::Rc;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::ops::Range;
use core::time::Duration;

use crate::client::Client;
use crate::config::Config;
use crate::endpoint::Endpoint;
use crate::id::{Incarnation, LinkId};
use crate::time::Instant;
use crate::transport::{Parting, PeerState, TransportEvent};

mod pipe;
mod transport;

use pipe::{Connection, Side};

/// What a network does to the bytes it carries.
#[derive(Clone, Debug)]
pub struct Faults {
    /// How long a packet is under way: a time drawn from this range, without overtaking.
    pub delay: Range<Duration>,
    /// The most bytes that one receive returns; at least 1.
    pub chunk: usize,
    /// The most bytes that are under way on a link in one direction before sending blocks; at least 1.
    pub buffer: usize,
    /// The largest run of bytes that is written straight into memory of the network, frames of 256 bytes and
    /// more: 0 for none.
    pub room: usize,
}

impl Default for Faults {
    fn default() -> Self {
        Self { delay: Duration::ZERO..Duration::ZERO, chunk: usize::MAX, buffer: 256 * 1024, room: 0 }
    }
}

/// A bus in memory.
#[derive(Clone)]
pub struct Network {
    net: Rc<RefCell<Net>>,
    now: Rc<Cell<Instant>>,
    idle: Rc<RefCell<Option<Idle>>>,
}

/// What runs while a member waits.
type Idle = Box<dyn FnMut()>;

/// The clock of a network.
#[derive(Clone, Debug)]
pub struct Clock(Rc<Cell<Instant>>);

impl crate::time::Clock for Clock {
    fn now(&self) -> Instant {
        self.0.get()
    }
}

/// One member's transport.
pub struct Memory {
    network: Network,
    name: Arc<str>,
    incarnation: Incarnation,
    room: Vec<u8>,
}

struct Net {
    members: BTreeMap<Arc<str>, Member>,
    connections: Vec<Connection>,
    faults: Faults,
    random: u64,
    /// Counts whatever members do, so that idleness can be told.
    activity: u64,
    incarnations: u128,
}

struct Member {
    incarnation: Incarnation,
    suspended: Option<Instant>,
    /// Ends of connections that were not accepted.
    incoming: VecDeque<(usize, Side)>,
    /// What the last wait found.
    events: VecDeque<TransportEvent>,
    watching: bool,
    /// What the member keeps for its next life.
    kept: Vec<Vec<u8>>,
    /// Ready links are reported in turn, beginning here.
    turn: usize,
}

impl Network {
    /// An empty network whose clock stands at one second.
    pub fn new() -> Self {
        Self::seeded(1)
    }

    /// An empty network whose faults and incarnations follow from `seed`.
    pub fn seeded(seed: u64) -> Self {
        let net = Net {
            members: BTreeMap::new(),
            connections: Vec::new(),
            faults: Faults::default(),
            random: seed.wrapping_mul(2).wrapping_add(1),
            activity: 0,
            incarnations: u128::from(seed) << 64,
        };
        let start = Instant::ZERO + Duration::from_secs(1);
        Self {
            net: Rc::new(RefCell::new(net)),
            now: Rc::new(Cell::new(start)),
            idle: Rc::new(RefCell::new(None)),
        }
    }

    /// The network's clock.
    pub fn clock(&self) -> Clock {
        Clock(self.now.clone())
    }

    /// Lets time pass.
    pub fn advance(&self, span: Duration) {
        self.now.set(self.now.get() + span);
    }

    /// What is done to the bytes that are sent from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.net.borrow_mut().faults = faults;
    }

    /// What runs while a member waits: the turns of the others. It must not wait itself.
    pub fn set_idle(&self, idle: impl FnMut() + 'static) {
        *self.idle.borrow_mut() = Some(Box::new(idle));
    }

    /// Joins a member and returns its transport. A suspended member of that name comes back in a new life.
    ///
    /// # Panics
    ///
    /// If an active member has the name.
    pub fn join(&self, name: &str) -> Memory {
        let mut net = self.net.borrow_mut();
        net.incarnations += 1;
        let incarnation = Incarnation::from_bits(net.incarnations);
        drop(net);
        self.join_as(name, incarnation)
    }

    /// Joins a member in a life that was begun elsewhere.
    ///
    /// # Panics
    ///
    /// As [`join`](Self::join).
    pub fn join_as(&self, name: &str, incarnation: Incarnation) -> Memory {
        let mut net = self.net.borrow_mut();
        net.activity += 1;
        net.expire(self.now.get());
        let name: Arc<str> = name.into();
        let watching = false;
        let (incoming, kept) = match net.members.get_mut(&name) {
            None => (VecDeque::new(), Vec::new()),
            Some(member) => {
                assert!(member.suspended.is_some(), "{name:?} is an active member already");
                let kept = core::mem::take(&mut member.kept);
                (net.detached(&name), kept)
            }
        };
        let events = VecDeque::new();
        let member = Member { incarnation, suspended: None, incoming, events, watching, kept, turn: 0 };
        net.members.insert(name.clone(), member);
        net.announce(&name, incarnation, PeerState::Active);
        drop(net);
        Memory { network: self.clone(), name, incarnation, room: Vec::new() }
    }

    /// Joins a member and makes it a client.
    ///
    /// # Panics
    ///
    /// As [`join`](Self::join).
    pub fn client(&self, name: &str, config: Config) -> Client<Memory, Clock> {
        let transport = self.join(name);
        let endpoint = Endpoint::new(name, transport.incarnation, config);
        let mut client = Client::new(endpoint, transport, self.clock());
        client.take_over().expect("a network in memory has what it keeps");
        client
    }

    /// Whether a member has this name, active or suspended.
    pub fn has(&self, name: &str) -> bool {
        let mut net = self.net.borrow_mut();
        net.expire(self.now.get());
        net.members.contains_key(name)
    }

    /// Whether the member of this name is suspended.
    pub fn is_suspended(&self, name: &str) -> bool {
        let mut net = self.net.borrow_mut();
        net.expire(self.now.get());
        net.members.get(name).is_some_and(|member| member.suspended.is_some())
    }

    /// Ends a member as SIGKILL would: what it had sent arrives, then its links end.
    pub fn kill(&self, name: &str) {
        let mut net = self.net.borrow_mut();
        net.activity += 1;
        let Some((name, member)) = net.members.remove_entry(name) else { return };
        for connection in &mut net.connections {
            connection.leave(&name);
        }
        net.announce(&name, member.incarnation, PeerState::Gone);
    }

    /// Cuts every connection between two members: what is under way is lost, and both find the end.
    pub fn cut(&self, one: &str, other: &str) {
        let mut net = self.net.borrow_mut();
        net.activity += 1;
        for connection in net.connections.iter_mut().filter(|connection| connection.joins(one, other)) {
            connection.cut();
        }
    }

    /// When the next bytes arrive anywhere; `None` if none are under way.
    pub fn next_arrival(&self) -> Option<Instant> {
        let now = self.now.get();
        let net = self.net.borrow();
        net.connections.iter().filter_map(|connection| connection.next_arrival(now)).min()
    }

    /// Waits on behalf of a member: the others run, or time passes.
    fn idle(&self, deadline: Option<Instant>) {
        let before = self.net.borrow().activity;
        let idle = self.idle.borrow_mut().take();
        if let Some(mut idle) = idle {
            idle();
            self.idle.borrow_mut().get_or_insert(idle);
        }
        if self.net.borrow().activity != before {
            return;
        }
        let next = crate::time::earlier(self.next_arrival(), deadline);
        let next = next.expect("a member waits for ever and nothing is under way");
        self.now.set(next.max(self.now.get()));
    }
}

impl Default for Network {
    fn default() -> Self {
        Self::new()
    }
}

impl Memory {
    /// The network that this is a member of.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Which life of the member this is.
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }
}

impl Net {
    fn draw(&mut self, range: Range<Duration>) -> Duration {
        // xorshift64*, Vigna 2016.
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        let drawn = self.random.wrapping_mul(0x2545_f491_4f6c_dd1d);
        let span = u64::try_from(range.end.saturating_sub(range.start).as_nanos()).unwrap_or(u64::MAX);
        range.start + Duration::from_nanos(if span == 0 { 0 } else { drawn % span })
    }

    /// Tells every watching member of a change.
    fn announce(&mut self, name: &Arc<str>, incarnation: Incarnation, state: PeerState) {
        for (other, member) in &mut self.members {
            if member.watching && other != name {
                let change = crate::transport::PeerChange { name: name.clone(), incarnation, state };
                member.events.push_back(TransportEvent::Peer(change));
            }
        }
    }

    /// The ends of connections that a suspended member left behind, oldest first.
    fn detached(&self, name: &str) -> VecDeque<(usize, Side)> {
        let ends =
            |(at, connection): (usize, &Connection)| connection.detached_side(name).map(|side| (at, side));
        self.connections.iter().enumerate().filter_map(ends).collect()
    }

    /// The names of the members but one.
    fn others(&self, name: &str) -> Vec<String> {
        self.members.keys().filter(|other| &***other != name).map(|other| (&**other).into()).collect()
    }
}
