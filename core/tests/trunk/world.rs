//! A bus in memory, a gateway on it, and a line to a member that has no other way to the bus.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use ipcm_core::memory::{Clock, Memory, Network};
use ipcm_core::transport::{Progress, Transport};
use ipcm_core::trunk::{
    Framing, Identity, MemberKind, Relay, RelayConfig, RelayEvent, Stream, Trouble, TrunkConfig, TrunkEnd,
    TrunkTransport,
};
use ipcm_core::{
    Client, Clock as _, Config, Endpoint, Handle, Handler, Incarnation, Instant, Message, RemoteErrorKind,
    ReplyToken, Request, Service, time,
};

use crate::line::{Line, To};

pub(crate) type Trunk = TrunkTransport<End, Clock>;

/// A bus, a gateway and a line.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) network: Network,
    pub(crate) line: Line,
    pub(crate) relay: Rc<RefCell<Relay<Memory>>>,
    /// What the gateway was told, but for joins.
    pub(crate) events: Rc<RefCell<Vec<RelayEvent>>>,
    others: Rc<RefCell<Vec<Other>>>,
    framing: Framing,
    config: TrunkConfig,
    lives: Rc<Cell<u128>>,
    /// The gateway stands still.
    pub(crate) is_stopped: Rc<Cell<bool>>,
}

/// Someone who takes turns while another waits; says whether anything happened.
type Other = Box<dyn FnMut() -> bool>;

/// The member's end of the line.
pub(crate) struct End(World);

impl Stream for End {
    const PACKET: usize = 4096;

    fn read(&mut self, buffer: &mut [u8]) -> Progress {
        self.0.line.read(To::Member, buffer)
    }

    fn write(&mut self, bytes: &[u8]) -> Progress {
        self.0.line.write(To::Gateway, bytes)
    }

    fn wait(&mut self, to_write: bool, deadline: Option<Instant>) {
        let ready =
            |world: &World| world.line.has_bytes(To::Member) || to_write && world.line.has_room(To::Gateway);
        self.0.wait_until(ready, deadline);
    }
}

impl World {
    pub(crate) fn new(framing: Framing) -> Self {
        let (relay, config) = match framing {
            Framing::Pipe => (RelayConfig::pipe(), TrunkConfig::pipe()),
            Framing::Serial => (RelayConfig::serial(), TrunkConfig::serial()),
        };
        Self::with(relay, config, Line::new(usize::MAX, 64 * 1024))
    }

    pub(crate) fn with(relay: RelayConfig, config: TrunkConfig, line: Line) -> Self {
        Self {
            network: Network::new(),
            line,
            framing: relay.framing,
            relay: Rc::new(RefCell::new(Relay::new(relay))),
            events: Rc::default(),
            others: Rc::default(),
            config,
            lives: Rc::new(Cell::new(1 << 100)),
            is_stopped: Rc::default(),
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.network.clock().now()
    }

    /// Nobody takes turns any more.
    pub(crate) fn power_off(&self) {
        self.others.borrow_mut().clear();
    }

    /// Adds one who takes turns while others wait.
    pub(crate) fn add(&self, other: impl FnMut() -> bool + 'static) {
        self.others.borrow_mut().push(Box::new(other));
        let world = self.clone();
        // What runs while a member in memory waits.
        self.network.set_idle(move || {
            if !world.step() {
                world.network.advance(std::time::Duration::from_millis(1));
            }
            // The network sees that something happened, and does not let the rest of the wait pass at once.
            world.network.kill("nobody");
        });
    }

    /// A member at the end of the line.
    pub(crate) fn join(&self, name: &str, kind: MemberKind) -> Result<Client<Trunk, Clock>, TrunkEnd> {
        self.lives.set(self.lives.get() + 1);
        let incarnation = Incarnation::from_bits(self.lives.get() << 8);
        let identity = Identity { name, incarnation, kind };
        let deadline = self.now() + std::time::Duration::from_secs(5);
        let clock = self.network.clock();
        let transport = TrunkTransport::join(
            End(self.clone()),
            clock.clone(),
            identity,
            self.config.clone(),
            Some(deadline),
        )?;
        Ok(Client::new(Endpoint::new(name, incarnation, Config::default()), transport, clock))
    }

    pub(crate) fn handle(&self, name: &str, service: &str) -> Handle<Trunk, Clock> {
        Handle::new(self.join(name, MemberKind::Handle).unwrap(), service)
    }

    /// A service at the end of the line, which takes turns while others wait.
    pub(crate) fn serve(&self, name: &str) -> Rc<RefCell<Served<Trunk>>> {
        let served = Served::new(self.join(name, MemberKind::Service).unwrap());
        self.add_served(served)
    }

    /// A service on the bus itself.
    pub(crate) fn serve_natively(&self, name: &str) -> Rc<RefCell<Served<Memory>>> {
        self.add_served(Served::new(self.network.client(name, Config::default())))
    }

    fn add_served<T: Transport + 'static>(&self, served: Served<T>) -> Rc<RefCell<Served<T>>> {
        let shared = Rc::new(RefCell::new(served));
        let turns = shared.clone();
        self.add(move || turns.try_borrow_mut().is_ok_and(|mut served| served.settle()));
        shared
    }

    /// Takes one step of the gateway and of all others. Returns whether anything moved.
    pub(crate) fn step(&self) -> bool {
        let mut moved = !self.is_stopped.get() && self.step_gateway();
        if let Ok(mut others) = self.others.try_borrow_mut() {
            for other in others.iter_mut() {
                moved |= other();
            }
        }
        moved
    }

    fn step_gateway(&self) -> bool {
        let Ok(mut relay) = self.relay.try_borrow_mut() else { return false };
        let now = self.now();
        let mut moved = false;
        let mut buffer = [0; 1000];
        let mut pieces = 0;
        while !relay.is_full() && pieces < 100 {
            match self.line.read(To::Gateway, &mut buffer) {
                Progress::Moved(n) => self.feed(&mut relay, now, &buffer[..n]),
                Progress::Blocked => break,
                Progress::Closed | Progress::Broken => {
                    if relay.member().is_some() && self.framing == Framing::Pipe && relay.is_joined() {
                        relay.handle_closed(now);
                        moved = true;
                    }
                    if !relay.has_unsent() && self.framing == Framing::Pipe && relay.member().is_some() {
                        // As a gateway that ends does.
                        let name = relay.member().unwrap().name.clone();
                        self.network.kill(&name);
                    }
                    break;
                }
            }
            (moved, pieces) = (true, pieces + 1);
        }
        relay.handle_timeout(now);
        let before = relay.pending_output().len();
        relay.turn(now);
        moved |= relay.pending_output().len() != before;
        self.answer(&mut relay, now);
        moved | self.write_out(&mut relay)
    }

    /// Gives the relay all of some input, whatever it takes at once.
    fn feed(&self, relay: &mut Relay<Memory>, now: Instant, mut bytes: &[u8]) {
        let mut tries = 0;
        while !bytes.is_empty() {
            let taken = relay.handle_input(now, bytes);
            bytes = &bytes[taken..];
            self.answer(relay, now);
            self.write_out(relay);
            tries += 1;
            if tries > 10_000 {
                // The member reads nothing: in this world it need not be given more than it asked for.
                self.line.lose();
            }
        }
    }

    fn answer(&self, relay: &mut Relay<Memory>, now: Instant) {
        while let Some(event) = relay.poll_event() {
            match event {
                RelayEvent::Join(request) if request.name.starts_with("taken") => {
                    relay.refuse(Trouble::NameTaken, "somebody has the name");
                }
                RelayEvent::Join(request) => {
                    let transport = self.network.join_as(&request.name, request.incarnation);
                    relay.join(now, transport);
                }
                event => self.events.borrow_mut().push(event),
            }
        }
    }

    fn write_out(&self, relay: &mut Relay<Memory>) -> bool {
        let mut moved = false;
        while !relay.pending_output().is_empty() {
            match self.line.write(To::Member, relay.pending_output()) {
                Progress::Moved(n) => relay.consume_output(self.now(), n),
                _ => break,
            }
            moved = true;
        }
        moved
    }

    /// Takes steps until something is so, or nothing can bring it about by `deadline`. Time passes where nothing
    /// moves.
    pub(crate) fn wait_until(&self, ready: impl Fn(&Self) -> bool, deadline: Option<Instant>) {
        for _ in 0..100_000 {
            if ready(self) || deadline.is_some_and(|deadline| deadline <= self.now()) {
                return;
            }
            if !self.step() {
                let tick = self.now() + std::time::Duration::from_millis(1);
                let relay = self.relay.try_borrow().ok().and_then(|relay| relay.poll_timeout());
                let next = time::earlier(time::earlier(deadline, relay), self.network.next_arrival());
                let next = next.unwrap_or(tick).max(self.now() + std::time::Duration::from_micros(1));
                self.network.advance(next - self.now());
            }
        }
        panic!("nothing ends this wait");
    }

    /// Lets time pass for all who take turns.
    pub(crate) fn pass(&self, span: std::time::Duration) {
        let until = self.now() + span;
        while self.now() < until {
            if !self.step() {
                self.network.advance(std::time::Duration::from_millis(5));
            }
        }
    }

    /// Takes steps until nothing moves.
    pub(crate) fn settle(&self) {
        for _ in 0..100_000 {
            if !self.step() {
                return;
            }
        }
        panic!("it does not come to rest");
    }
}

/// A service that echoes, fails and defers, as the first byte says.
pub(crate) struct Served<T> {
    service: Service<T, Clock>,
    pub(crate) script: Script,
    /// It takes no turns.
    pub(crate) is_stalled: bool,
}

#[derive(Default)]
pub(crate) struct Script {
    pub(crate) deferred: Vec<(Vec<u8>, ReplyToken)>,
    pub(crate) handled: usize,
    pub(crate) messages: Vec<Message>,
    pub(crate) withdrawn: usize,
    pub(crate) callers: Vec<(String, Option<Instant>)>,
}

impl<T: Transport> Served<T> {
    fn new(client: Client<T, Clock>) -> Self {
        Self { service: Service::new(client), script: Script::default(), is_stalled: false }
    }

    pub(crate) fn client(&mut self) -> &mut Client<T, Clock> {
        self.service.client_mut()
    }

    fn settle(&mut self) -> bool {
        let mut any = false;
        while !self.is_stalled && self.service.turn(Some(Instant::ZERO), &mut self.script) {
            any = true;
        }
        any
    }

    /// Answers what was deferred.
    pub(crate) fn answer_with(&mut self, body: &[u8]) {
        for (_, token) in std::mem::take(&mut self.script.deferred) {
            self.service.client_mut().respond_bytes(token, body).unwrap();
        }
        self.service.client_mut().flush();
    }

    /// Bytes that its links have not taken.
    pub(crate) fn backlog(&mut self) -> usize {
        let endpoint = self.service.client_mut().endpoint();
        endpoint.links().map(|link| endpoint.backlog(link)).sum()
    }
}

impl<T: Transport> Handler<T, Clock> for Script {
    fn handle_request(&mut self, client: &mut Client<T, Clock>, request: Request<'_>, token: ReplyToken) {
        self.handled += 1;
        self.callers.push((request.from.to_string(), request.deadline));
        match request.body.first() {
            Some(b'd') => self.deferred.push((request.body.to_vec(), token)),
            Some(b'f') => {
                client.fail(token, RemoteErrorKind::Failed, "as asked");
            }
            _ => {
                client.respond_bytes(token, request.body).unwrap();
            }
        }
    }

    fn handle_message(&mut self, _: &mut Client<T, Clock>, message: Message) {
        self.messages.push(message);
    }

    fn handle_withdrawn(&mut self, _: u64) {
        self.withdrawn += 1;
    }
}
