//! The firmware in QEMU, on the serial line of a gateway whose bus is in memory: a full peer that survives noise and
//! resets. `cargo xtask firmware` builds it and says where it is.

use std::cell::{Cell, RefCell};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use ipcm_core::memory::{Memory, Network};
use ipcm_core::trunk::{Relay, RelayConfig, RelayEvent};
use ipcm_core::{
    CallError, Clock as _, Config, Handle, Handler, ReplyToken, Request, RequestError, SendError, Service,
};
use rustix::event::{PollFd, PollFlags, Timespec};

const SECOND: Duration = Duration::from_secs(1);
/// Longer than a board takes to come up on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// The folder with the firmware's programs, if they were built.
fn firmware() -> Option<PathBuf> {
    let folder = std::env::var_os("IPCM_FIRMWARE").map(PathBuf::from);
    if folder.is_none() {
        println!("SKIPPED: the firmware is not built; `cargo xtask firmware` does that");
    }
    folder
}

/// A bus in memory, its gateway, and a line on which a board can be.
#[derive(Clone)]
struct World {
    network: Network,
    relay: Rc<RefCell<Relay<Memory>>>,
    line: Rc<RefCell<Option<UnixStream>>>,
    /// Every so many bytes towards the board, and from it, one is spoiled; 0 for none.
    noise: Rc<Cell<usize>>,
    moved: Rc<Cell<usize>>,
    then: Rc<Cell<Instant>>,
}

impl World {
    fn new() -> Self {
        let world = Self {
            network: Network::new(),
            relay: Rc::new(RefCell::new(Relay::new(RelayConfig::serial()))),
            line: Rc::default(),
            noise: Rc::default(),
            moved: Rc::default(),
            then: Rc::new(Cell::new(Instant::now())),
        };
        let idle = world.clone();
        world.network.set_idle(move || idle.pump());
        world
    }

    /// Moves what can be moved, lets the bus's clock follow the real one, and waits a moment for more.
    fn pump(&self) {
        let passed = self.then.replace(Instant::now()).elapsed();
        self.network.advance(passed);
        let now = self.network.clock().now();
        let Ok(mut relay) = self.relay.try_borrow_mut() else { return };
        let mut line = self.line.borrow_mut();
        if let Some(stream) = line.as_mut() {
            let is_over = self.read(stream, &mut relay) || self.write(stream, &mut relay);
            if is_over {
                *line = None;
            }
        }
        relay.handle_timeout(now);
        relay.turn(now);
        self.answer(&mut relay);
        if let Some(stream) = line.as_mut() {
            self.write(stream, &mut relay);
            let wait = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
            let _ = rustix::event::poll(&mut [PollFd::new(stream, PollFlags::IN)], Some(&wait));
        }
        // The network sees that something happened, and does not let the rest of the wait pass at once.
        self.network.kill("nobody");
    }

    fn read(&self, stream: &mut UnixStream, relay: &mut Relay<Memory>) -> bool {
        let mut buffer = [0; 512];
        let n = match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(n) => n,
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        };
        self.spoil(&mut buffer[..n]);
        let mut rest = &buffer[..n];
        while !rest.is_empty() {
            rest = &rest[relay.handle_input(self.network.clock().now(), rest)..];
            self.answer(relay);
            self.write(stream, relay);
        }
        false
    }

    fn write(&self, stream: &mut UnixStream, relay: &mut Relay<Memory>) -> bool {
        while !relay.pending_output().is_empty() {
            let mut piece = relay.pending_output().to_vec();
            piece.truncate(512);
            self.spoil(&mut piece);
            match stream.write(&piece) {
                Ok(n) => relay.consume_output(self.network.clock().now(), n),
                Err(error) => return error.kind() != ErrorKind::WouldBlock,
            }
        }
        false
    }

    fn spoil(&self, bytes: &mut [u8]) {
        for byte in bytes {
            self.moved.set(self.moved.get() + 1);
            if self.noise.get() > 0 && self.moved.get().is_multiple_of(self.noise.get()) {
                *byte ^= 0x55;
            }
        }
    }

    fn answer(&self, relay: &mut Relay<Memory>) {
        while let Some(event) = relay.poll_event() {
            if let RelayEvent::Join(request) = event {
                let transport = self.network.join_as(&request.name, request.incarnation);
                relay.join(self.network.clock().now(), transport);
            }
        }
    }

    fn handle(&self) -> Handle<Memory, ipcm_core::memory::Clock> {
        Handle::new(self.network.client("native", Config::default()), "device")
    }
}

/// A board in QEMU. Dropping it is pulling its plug.
struct Board {
    qemu: Child,
    _folder: tempfile::TempDir,
}

impl Board {
    fn start(world: &World, program: PathBuf) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("line");
        let listener = UnixListener::bind(&path).unwrap();
        let qemu = Command::new("qemu-system-arm")
            .args("-cpu cortex-m3 -machine lm3s6965evb -nographic -monitor none".split(' '))
            .args(["-semihosting-config", "enable=on,target=native", "-serial"])
            .arg(format!("unix:{}", path.display()))
            .arg("-kernel")
            .arg(program)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("qemu-system-arm is installed");
        let board = Self { qemu, _folder: folder };
        let (stream, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        *world.line.borrow_mut() = Some(stream);
        board
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// Answers with what it was asked and its own name.
struct Native;

impl Handler<Memory, ipcm_core::memory::Clock> for Native {
    fn handle_request(
        &mut self,
        client: &mut ipcm_core::Client<Memory, ipcm_core::memory::Clock>,
        request: Request<'_>,
        token: ReplyToken,
    ) {
        client.respond_bytes(token, &[request.body, b" echo"].concat()).unwrap();
    }
}

/// Clauses H1, H3: the device serves a native handle, asks a native service, and says how deep its stack has been.
#[test]
fn a_device_in_qemu_is_a_full_peer() {
    let Some(folder) = firmware() else { return };
    for program in ["device", "executor"] {
        let world = World::new();
        let service = RefCell::new(Service::new(world.network.client("echo", Config::default())));
        let (pump, idle) = (world.clone(), world.network.clone());
        idle.set_idle(move || {
            if let Ok(mut service) = service.try_borrow_mut() {
                while service.turn(Some(ipcm_core::Instant::ZERO), &mut Native) {}
            }
            pump.pump();
        });
        let _board = Board::start(&world, folder.join(program));
        let mut handle = world.handle();
        handle.wait_ready(PATIENCE).unwrap();
        for len in [0, 1, 100, 253, 254, 320] {
            let body = vec![b'x'; len];
            assert_eq!(
                handle.sync_request_bytes("device", &body, 5 * SECOND).unwrap().bytes(),
                body,
                "{len}"
            );
        }
        if program == "device" {
            let answer = handle.sync_request_bytes("device", b"ask echo", 5 * SECOND).unwrap();
            assert_eq!(answer.bytes(), b"the device asks echo");
            let answer = handle.sync_request_bytes("device", b"ask nobody", 5 * SECOND).map(|_| ());
            assert!(matches!(answer, Err(CallError::Request(RequestError::Remote { .. }))), "{answer:?}");
            let depth = handle.sync_request_bytes("device", b"stack", 5 * SECOND).unwrap().bytes().to_vec();
            let depth: usize = String::from_utf8(depth).unwrap().parse().unwrap();
            println!("firmware: the stack of `device` has been {depth} bytes deep");
            assert!((200..8192).contains(&depth), "{depth}");
        }
    }
}

/// Clauses H3, D1: a reset in mid-call ends the caller's wait at once, and the new life is reached.
#[test]
fn a_reset_in_mid_call_ends_the_call_and_the_next_one_is_served() {
    let Some(folder) = firmware() else { return };
    let world = World::new();
    let mut handle = world.handle();
    let mut board = Board::start(&world, folder.join("device"));
    for _ in 0..3 {
        handle.wait_ready(PATIENCE).unwrap();
        assert_eq!(handle.sync_request_bytes("device", b"x", 5 * SECOND).unwrap().bytes(), b"x");
        let held = handle.send_request_bytes("device", b"wait", 60 * SECOND).unwrap();
        handle.poll(SECOND / 10);
        drop(board);
        board = Board::start(&world, folder.join("device"));
        let outcome = handle.await_response(held, PATIENCE).map(|_| ());
        assert!(matches!(outcome, Err(RequestError::PeerGone { .. })), "{outcome:?}");
    }
}

/// Clauses H3, D1, fault X8: under noise every call ends with its own answer or a typed reason; afterwards all is well.
#[test]
fn under_noise_every_call_ends_and_the_line_recovers() {
    let Some(folder) = firmware() else { return };
    let world = World::new();
    let mut handle = world.handle();
    let _board = Board::start(&world, folder.join("device"));
    handle.wait_ready(PATIENCE).unwrap();
    world.noise.set(1501);
    let (mut answered, mut failed) = (0, 0);
    for number in 0..60u8 {
        let body = vec![number | 0x80; 60];
        match handle.sync_request_bytes("device", &body, SECOND / 2) {
            Ok(answer) => {
                assert_eq!(answer.bytes(), body);
                answered += 1;
            }
            Err(CallError::Request(
                RequestError::PeerGone { .. } | RequestError::NotSent { .. } | RequestError::TimedOut { .. },
            )) => failed += 1,
            Err(CallError::Send(
                SendError::PeerGone { .. } | SendError::TimedOut { .. } | SendError::NoSuchPeer { .. },
            )) => failed += 1,
            Err(error) => panic!("{error}"),
        }
    }
    world.noise.set(0);
    // What noise has left on the line may cost the first calls.
    let until = Instant::now() + PATIENCE;
    while handle.sync_request_bytes("device", b"x", SECOND).is_err() {
        assert!(Instant::now() < until, "the line does not recover");
    }
    assert!(answered > 0 && failed > 0, "{answered} answered, {failed} failed");
}
