//! Members of a fixed size at the end of a serial line, driven by a superloop and by an executor.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use ipcm_core::fixed::{End, Endpoint, Event, LinkEnd, Loss, Member, Storage, Superloop, Wire};
use ipcm_core::memory::{Clock, Memory};
use ipcm_core::transport::Progress;
use ipcm_core::trunk::{Framing, MemberKind, RelayConfig, TrunkConfig};
use ipcm_core::{
    CallError, Config, Handle, Incarnation, LinkId, RemoteErrorKind, ReplyToken, RequestError, RequestId,
    body,
};

use crate::line::{Line, To};
use crate::lines::call;
use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// Three links, four requests pending, two to be answered on each link, bodies of 320 bytes.
type Ram = Storage<3, 4, 2, 512, 1152>;
type RamOfLine = Wire<3, 128>;

/// The member's end of the line as a serial port.
/// It counts what moves.
struct Port(Line, Rc<Cell<usize>>);

impl Port {
    fn count(&self, n: usize) -> usize {
        self.1.set(self.1.get() + n);
        n
    }
}

impl embedded_io::ErrorType for Port {
    type Error = Infallible;
}

impl embedded_io::ReadReady for Port {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(self.0.has_bytes(To::Member))
    }
}

impl embedded_io::Read for Port {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        match self.0.read(To::Member, buffer) {
            Progress::Moved(n) => Ok(self.count(n)),
            other => panic!("a read that would wait: {other:?}"),
        }
    }
}

impl embedded_io::WriteReady for Port {
    fn write_ready(&mut self) -> Result<bool, Infallible> {
        Ok(self.0.has_room(To::Gateway))
    }
}

impl embedded_io::Write for Port {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        match self.0.write(To::Gateway, bytes) {
            Progress::Moved(n) => Ok(self.count(n)),
            other => panic!("a write that would wait: {other:?}"),
        }
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// What a firmware has seen.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) joined: usize,
    pub(crate) left: Vec<Loss>,
    pub(crate) opened: Vec<LinkId>,
    pub(crate) ended: Vec<(RequestId, Option<Vec<u8>>)>,
    closed: Vec<(LinkId, LinkEnd)>,
    messages: Vec<Vec<u8>>,
    deferred: Vec<ReplyToken>,
    withdrawn: usize,
}

/// A device that echoes, and defers and fails as the first byte of a request says.
struct Firmware {
    moved: Rc<Cell<usize>>,
    line: Superloop<'static, Port, Clock>,
    seen: Seen,
}

type Device = Rc<RefCell<Firmware>>;

pub(crate) fn member(life: u128, kind: MemberKind) -> Member<'static> {
    let ram: &'static mut Ram = Box::leak(Box::default());
    let wire: &'static mut RamOfLine = Box::leak(Box::default());
    Member::new(ram.split("device", Incarnation::from_bits(life << 32 | life)), wire, kind)
}

impl Firmware {
    /// Turns the power on: the device takes turns while others wait.
    fn start(world: &World, life: u128) -> Device {
        let member = member(life, MemberKind::Service);
        let moved = Rc::new(Cell::new(0));
        let line = Superloop::new(member, Port(world.line.clone(), moved.clone()), world.network.clock());
        let device = Rc::new(RefCell::new(Self { moved, line, seen: Seen::default() }));
        let turns = device.clone();
        world.add(move || turns.try_borrow_mut().is_ok_and(|mut device| device.turn()));
        device
    }

    fn turn(&mut self) -> bool {
        let now = self.line.now();
        let moved = self.moved.get();
        let mut any = false;
        while let Ok(Some((event, endpoint))) = self.line.poll() {
            any = true;
            self.seen.take(now, event, endpoint);
        }
        any || self.moved.get() != moved
    }

    /// A link to a peer that is open.
    fn open(device: &Device, world: &World, peer: &str) -> LinkId {
        let link = device.borrow_mut().line.member().open(peer).unwrap();
        world.wait_until(|_| device.borrow().seen.opened.contains(&link), Some(world.now() + SECOND));
        link
    }

    fn ask(&mut self, link: LinkId, timeout: Duration, text: &str) -> RequestId {
        let now = self.line.now();
        let write = &mut |out: &mut [u8]| copy(text.as_bytes(), out);
        self.line.member().endpoint().request(now, link, Some(now + timeout), write).unwrap()
    }
}

pub(crate) fn copy(bytes: &[u8], out: &mut [u8]) -> Result<usize, body::EncodeError> {
    let limit = out.len();
    out.get_mut(..bytes.len()).ok_or(body::EncodeError::TooLarge { limit })?.copy_from_slice(bytes);
    Ok(bytes.len())
}

impl Seen {
    pub(crate) fn take(&mut self, now: ipcm_core::Instant, event: Event<'_>, endpoint: &mut Endpoint<'_>) {
        match event {
            Event::Joined => self.joined += 1,
            Event::Left { loss } => self.left.push(loss),
            Event::Opened { link } => self.opened.push(link),
            Event::Closed { link, reason } => self.closed.push((link, reason)),
            Event::Request { token, body: [b'd', ..], .. } => self.deferred.push(token),
            Event::Request { token, body: [b'f', ..], .. } => {
                endpoint.fail(now, token, RemoteErrorKind::Failed, "as asked");
            }
            Event::Request { token, body, .. } => {
                endpoint.respond(now, token, &mut |out| copy(body, out)).unwrap_or_default();
            }
            Event::Withdrawn { .. } => self.withdrawn += 1,
            Event::Message { body, .. } => self.messages.push(body.to_vec()),
            Event::Ended { id, end } => {
                let body = if let End::Response(body) = end { Some(body.to_vec()) } else { None };
                self.ended.push((id, body));
            }
            other => panic!("{other:?}"),
        }
    }
}

fn serial() -> World {
    World::new(Framing::Serial)
}

fn with_line(chunk: usize, capacity: usize) -> World {
    World::with(RelayConfig::serial(), TrunkConfig::serial(), Line::new(chunk, capacity))
}

pub(crate) fn native(world: &World) -> Handle<Memory, Clock> {
    Handle::new(world.network.client("native", Config::default()), "device")
}

/// Clauses H1, H3: a native handle is served, in pieces of every size, with bodies up to the largest.
#[test]
fn a_device_serves_a_native_handle() {
    for chunk in 1..40 {
        let world = with_line(chunk, 64);
        let device = Firmware::start(&world, 1);
        let mut handle = native(&world);
        handle.wait_ready(SECOND).unwrap();
        for len in [0, 1, 100, 253, 254, 255, 320] {
            let body = vec![b'x'; len];
            assert_eq!(handle.sync_request_bytes("device", &body, SECOND).unwrap().bytes(), body, "{len}");
        }
        let failed = handle.sync_request_bytes("device", b"f", SECOND).map(|_| ());
        let Err(CallError::Request(RequestError::Remote { error, .. })) = failed else {
            panic!("{failed:?}")
        };
        assert_eq!((error.kind, &*error.detail), (RemoteErrorKind::Failed, "as asked"));
        assert_eq!(device.borrow().seen.joined, 1);
        assert_eq!(device.borrow().seen.left, []);
    }
}

/// Clause D1: a body that the device cannot take is refused where it is sent.
#[test]
fn a_body_that_is_too_large_for_a_device_is_a_typed_error_at_its_sender() {
    let world = serial();
    let _device = Firmware::start(&world, 1);
    let mut handle = native(&world);
    handle.wait_ready(SECOND).unwrap();
    let sent = handle.sync_request_bytes("device", &[0; 353], SECOND).map(|_| ());
    assert!(
        matches!(sent, Err(CallError::Send(ipcm_core::SendError::TooLarge { limit: 352, .. }))),
        "{sent:?}"
    );
    // One that it can take and not give back is the service's failure.
    let sent = handle.sync_request_bytes("device", &[0; 340], SECOND).map(|_| ());
    let Err(CallError::Request(RequestError::Remote { error, .. })) = sent else { panic!("{sent:?}") };
    assert_eq!(error.kind, RemoteErrorKind::ResponseTooLarge);
}

/// Clause H3: it is a full peer: it asks native services, and messages go both ways.
#[test]
fn a_device_asks_a_native_service_and_sends_and_gets_messages() {
    let world = serial();
    let echo = world.serve_natively("echo");
    let device = Firmware::start(&world, 1);
    world.pass(50 * MS);
    let link = Firmware::open(&device, &world, "echo");
    let id = device.borrow_mut().ask(link, SECOND, "by the device");
    world.wait_until(|_| !device.borrow().seen.ended.is_empty(), Some(world.now() + SECOND));
    assert_eq!(device.borrow().seen.ended, [(id, Some(b"by the device".to_vec()))]);
    let note = &mut |out: &mut [u8]| copy(b"a note", out);
    device.borrow_mut().line.member().endpoint().message(link, 0, note).unwrap();
    world.pass(50 * MS);
    assert_eq!(echo.borrow().script.messages.len(), 1);
    let mut handle = native(&world);
    handle.wait_ready(SECOND).unwrap();
    for number in 0..20u8 {
        handle.send_message("device", &[number; 100][..], SECOND).unwrap();
    }
    world.pass(SECOND);
    assert_eq!(device.borrow().seen.messages.len(), 20);
}

/// Clause D1: a link to nobody is closed with the reason.
#[test]
fn a_link_to_nobody_is_closed_with_the_reason() {
    let world = serial();
    let device = Firmware::start(&world, 1);
    world.pass(50 * MS);
    let link = device.borrow_mut().line.member().open("nobody").unwrap();
    world.pass(50 * MS);
    let reason = LinkEnd::Unreachable(ipcm_core::trunk::Trouble::NoSuchPeer);
    assert_eq!(device.borrow().seen.closed, [(link, reason)]);
}

/// Clauses D1, D5: timeouts on both sides, and the service hears that nobody waits any more.
#[test]
fn calls_that_time_out_are_withdrawn_at_the_other_end() {
    let world = serial();
    let echo = world.serve_natively("echo");
    let device = Firmware::start(&world, 1);
    let mut handle = native(&world);
    handle.wait_ready(SECOND).unwrap();
    let outcome = handle.sync_request_bytes("device", b"d", 50 * MS).map(|_| ());
    assert!(matches!(outcome, Err(CallError::Request(RequestError::TimedOut { .. }))), "{outcome:?}");
    world.pass(100 * MS);
    assert_eq!((device.borrow().seen.deferred.len(), device.borrow().seen.withdrawn), (1, 1));
    let link = Firmware::open(&device, &world, "echo");
    let id = device.borrow_mut().ask(link, 50 * MS, "d");
    world.pass(100 * MS);
    assert_eq!(device.borrow().seen.ended, [(id, None)]);
    assert_eq!(echo.borrow().script.withdrawn, 1);
}

/// Clauses D6, X25: peers beyond the number of links are turned away, and the others are served on.
#[test]
fn a_peer_for_whom_there_is_no_link_is_turned_away() {
    let world = serial();
    let device = Firmware::start(&world, 1);
    let mut handles: Vec<_> = (0..4)
        .map(|at| Handle::new(world.network.client(&format!("native {at}"), Config::default()), "device"))
        .collect();
    handles[0].wait_ready(SECOND).unwrap();
    let served =
        |handle: &mut Handle<Memory, Clock>| handle.sync_request_bytes("device", b"x", SECOND).is_ok();
    let outcomes: Vec<_> = handles.iter_mut().map(served).collect();
    assert_eq!(outcomes, [true, true, true, false]);
    // One leaves, and there is room again.
    handles.remove(0);
    world.pass(100 * MS);
    assert!(handles.iter_mut().all(served));
    assert_eq!(device.borrow().seen.left, []);
}

/// Clauses H3, D7: a reset in mid-call ends the caller's wait at once, and the new life is reached.
#[test]
fn a_reset_of_a_device_in_mid_call_ends_the_call_and_the_next_one_is_served() {
    let world = serial();
    let mut handle = native(&world);
    for life in 1..6 {
        let device = Firmware::start(&world, life);
        let deadline = world.now() + SECOND;
        world.wait_until(|_| device.borrow().seen.joined == 1, Some(deadline));
        let held = handle.send_request_bytes("device", b"d", 10 * SECOND).unwrap();
        world.wait_until(|_| device.borrow().seen.deferred.len() == 1, Some(world.now() + SECOND));
        world.power_off();
        let next = Firmware::start(&world, life + 100);
        let asked = world.now();
        let outcome = handle.await_response(held, None).map(|_| ());
        assert!(matches!(outcome, Err(RequestError::PeerGone { .. })), "{outcome:?}");
        assert!(world.now() - asked < SECOND, "at once, not at the deadline");
        world.wait_until(|_| next.borrow().seen.joined == 1, Some(world.now() + SECOND));
        assert_eq!(handle.sync_request_bytes("device", b"x", SECOND).unwrap().bytes(), b"x");
        world.power_off();
    }
}

/// Clauses D1, E1: a gateway that falls silent ends what the device has asked; when it is back, so is the device.
#[test]
fn a_gateway_that_falls_silent_ends_every_request_and_is_joined_again() {
    let world = serial();
    let _echo = world.serve_natively("echo");
    let device = Firmware::start(&world, 1);
    world.pass(50 * MS);
    let link = Firmware::open(&device, &world, "echo");
    let id = device.borrow_mut().ask(link, 100 * SECOND, "d");
    world.pass(50 * MS);
    world.is_stopped.set(true);
    world.pass(2 * SECOND);
    assert_eq!(device.borrow().seen.left, [Loss::Silence]);
    assert_eq!(device.borrow().seen.ended, [(id, None)]);
    assert_eq!(device.borrow().seen.closed, [(link, LinkEnd::Closed)]);
    world.is_stopped.set(false);
    world.pass(2 * SECOND);
    assert!(device.borrow_mut().line.member().is_joined());
    let link = Firmware::open(&device, &world, "echo");
    let id = device.borrow_mut().ask(link, SECOND, "back");
    world.pass(100 * MS);
    assert_eq!(device.borrow().seen.ended[1..], [(id, Some(b"back".to_vec()))]);
}

/// Clauses H3, D1, fault X8: noise ends calls and nothing else; afterwards all is well.
#[test]
fn under_noise_every_call_to_a_device_ends_and_afterwards_all_is_well() {
    let (mut answered, mut failed) = (0, 0);
    for seed in 0..60 {
        let world = with_line(1 + seed as usize % 50, 4096);
        let _device = Firmware::start(&world, 1);
        let mut handle = native(&world);
        handle.wait_ready(SECOND).unwrap();
        let (some, others) = call(&world, seed, |body| {
            handle.sync_request_bytes("device", body, SECOND).map(|answer| answer.bytes().to_vec())
        });
        assert_eq!(handle.client().endpoint().pending(), 0);
        (answered, failed) = (answered + some, failed + others);
    }
    assert!(answered > 1000 && failed > 100, "{answered} {failed}");
}

/// Clauses H3, D1: the same for what the device asks.
#[test]
fn under_noise_every_call_of_a_device_ends_once() {
    let (mut answered, mut failed) = (0, 0);
    for seed in 1..60 {
        let world = with_line(1 + seed as usize % 50, 4096);
        let _echo = world.serve_natively("echo");
        let device = Firmware::start(&world, 1);
        world.pass(50 * MS);
        world.line.set_noise(300 + seed * 37 % 2000, seed);
        let mut pending = Vec::new();
        for _ in 0..80 {
            let mut held = device.borrow_mut();
            let now = held.line.now();
            let link =
                held.seen.opened.last().copied().filter(|&link| held.line.member().endpoint().is_open(link));
            match link {
                Some(link) => {
                    let write = &mut |out: &mut [u8]| copy(b"are you there", out);
                    let asked = held.line.member().endpoint().request(now, link, Some(now + SECOND), write);
                    pending.extend(asked.ok());
                }
                None => drop(held.line.member().open("echo")),
            }
            drop(held);
            world.pass(20 * MS);
            for (id, body) in std::mem::take(&mut device.borrow_mut().seen.ended) {
                let at = pending.iter().position(|&asked| asked == id).expect("a request ends once");
                pending.remove(at);
                match body {
                    Some(body) => answered += usize::from(body == b"are you there"),
                    None => failed += 1,
                }
            }
        }
        world.line.set_noise(0, seed);
        world.pass(3 * SECOND);
        pending.retain(|id| !device.borrow().seen.ended.iter().any(|(ended, _)| ended == id));
        assert_eq!(pending, [], "seed {seed}");
        assert_eq!(device.borrow_mut().line.member().endpoint().pending(), 0);
        assert!(device.borrow_mut().line.member().is_joined(), "seed {seed}");
    }
    assert!(answered > 1000 && failed > 30, "{answered} {failed}");
}
