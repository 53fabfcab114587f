//! The firmware in QEMU as a peer of a bus, by the command `ipcm gateway INFO --serial PATH`: a full peer that survives
//! noise, cuts and resets. `cargo xtask firmware` builds it and says where it is.
//! The bus is one of sockets alone: the board does not see what is behind its gateway.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ipcm::{Bus, CallError, Handle, RemoteErrorKind, RequestError, SendError, Service, ServiceThread};
use ipcm_tests::board::{Board, firmware};
use ipcm_tests::line::{Line, To};
use ipcm_tests::peer::program;
use ipcm_tests::{AMPLE, Peer, raw, within};
use tempfile::TempDir;

const SECOND: Duration = Duration::from_secs(1);

/// The folder of the firmware, and the turn of this test: boards that share a processor stand still for too long.
fn turn() -> Option<(PathBuf, MutexGuard<'static, ()>)> {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    firmware().map(|folder| (folder, turn))
}

/// The command, relaying between a bus and what is at this path.
fn gateway(bus: &Bus, path: &Path) -> Peer {
    let mut command = Command::new(program("ipcm"));
    command.arg("gateway").arg(bus.info().to_string()).arg("--serial").arg(path);
    Peer::launch(command)
}

/// A bus, a line with the gateway at its one end, and the device at the other. The bus goes last: it would wait for its
/// peers.
struct World {
    gateway: Peer,
    board: Board,
    line: Line,
    /// The device's end of the line.
    end: OwnedFd,
    device: PathBuf,
    bus: Bus,
    _folder: TempDir,
}

impl World {
    fn new(firmware: &Path) -> Self {
        let bus = Bus::spawn().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (line, end) = Line::new(folder.path());
        let gateway = gateway(&bus, line.path());
        let device = firmware.join("device");
        let board = Board::on_line(&device, &end);
        Self { gateway, board, line, end, device, bus, _folder: folder }
    }

    /// A handle that has found the device.
    fn handle(&self) -> Handle {
        let mut handle = Handle::builder(self.bus.info(), "device").name("native").build();
        handle.wait_ready(AMPLE).unwrap();
        handle
    }
}

/// What the device answers. Where the machine stood still for a second, the device counted as dead, and is asked again.
fn call(handle: &mut Handle, body: &[u8]) -> Result<Vec<u8>, CallError> {
    let until = Instant::now() + AMPLE;
    loop {
        match handle.sync_request_bytes("device", body, AMPLE) {
            Ok(answer) => return Ok(answer.bytes().to_vec()),
            Err(error) if is_lost(&error) && Instant::now() < until => drop(handle.wait_ready(AMPLE)),
            Err(error) => return Err(error),
        }
    }
}

fn told(handle: &mut Handle, body: &[u8]) -> Vec<u8> {
    call(handle, body).unwrap()
}

/// Whether a call ended by what became of the line.
fn is_lost(error: &CallError) -> bool {
    matches!(
        error,
        CallError::Send(
            SendError::NoSuchPeer { .. } | SendError::PeerGone { .. } | SendError::TimedOut { .. }
        ) | CallError::Request(
            RequestError::PeerGone { .. } | RequestError::NotSent { .. } | RequestError::TimedOut { .. }
        )
    )
}

/// Ends a call that the device has taken and that has no deadline, and finds the device again.
fn ends_in_a_call(world: &mut World, handle: &mut Handle, end: impl FnOnce(&mut World)) {
    let held = handle.send_request_bytes("device", b"wait", None).unwrap();
    // It has taken the request before this one.
    assert_eq!(told(handle, b"taken"), b"taken");
    end(world);
    assert!(raw::is_gone(&handle.await_response(held, None)));
    await_recovery(handle);
}

/// Calls until a call is answered.
fn await_recovery(handle: &mut Handle) {
    let until = Instant::now() + AMPLE;
    loop {
        let _ = handle.wait_ready(AMPLE);
        match handle.sync_request_bytes("device", b"again", 2 * SECOND) {
            Ok(answer) => return assert_eq!(answer.bytes(), b"again"),
            Err(error) => assert!(Instant::now() < until, "the line does not recover: {error}"),
        }
    }
}

/// An echo, and what it is asked.
fn echo(bus: &Bus) -> (ServiceThread, Receiver<Vec<u8>>) {
    let (asked, asks) = channel();
    let service = Service::new(bus.info(), "echo").on_call(move |call| {
        assert_eq!(call.from(), "device");
        let body = call.body().to_vec();
        let _ = asked.send(body.clone());
        call.reply_bytes(&body);
    });
    (service.spawn().unwrap(), asks)
}

/// Clauses H1, H3: on a terminal as QEMU makes it, the device serves a native handle, asks native services, and says how
/// deep its stack has been.
#[test]
fn a_device_is_a_full_peer_by_the_command() {
    let Some((folder, _turn)) = turn() else { return };
    let _watchdog = within(120);
    let bus = Bus::spawn().unwrap();
    let (_echo, asks) = echo(&bus);
    let (_board, path) = Board::on_terminal(&folder.join("device"));
    let gateway = gateway(&bus, &path);
    let mut handle = on_terminal(&bus);
    assert_eq!(bus.peer_pid("device").unwrap(), Some(gateway.pid()), "the gateway's process");
    // It serves, up to the largest body.
    for len in [0, 1, 100, 253, 254, 320] {
        assert_eq!(told(&mut handle, &vec![b'x'; len]), vec![b'x'; len], "{len}");
    }
    let large = call(&mut handle, &[0; 353]);
    assert!(matches!(large, Err(CallError::Send(SendError::TooLarge { limit: 352, .. }))), "{large:?}");
    // It asks, and what goes wrong there is told.
    assert_eq!(told(&mut handle, b"ask echo"), b"the device asks");
    assert_eq!(asks.recv_timeout(AMPLE).unwrap(), b"the device asks");
    assert_eq!(failure(&mut handle, b"ask nobody"), "it is not there");
    // The goal P9 beside the sizes that were printed when it was built.
    let depth = String::from_utf8(told(&mut handle, b"stack")).unwrap();
    println!("firmware: the stack of `device` has been {depth} bytes deep");
    assert!((200..2048).contains(&depth.parse::<u32>().unwrap()), "{depth}");
}

/// A handle that has found the device at QEMU's own terminal. QEMU looks once a second whether somebody has opened that:
/// until then the device is deaf, and begins anew.
fn on_terminal(bus: &Bus) -> Handle {
    let mut handle = Handle::builder(bus.info(), "device").name("native").build();
    await_recovery(&mut handle);
    handle
}

/// What the device reports of a request in which it failed.
fn failure(handle: &mut Handle, body: &[u8]) -> String {
    match call(handle, body) {
        Err(CallError::Request(RequestError::Remote { error, .. }))
            if error.kind == RemoteErrorKind::Failed =>
        {
            error.detail
        }
        outcome => panic!("{outcome:?}"),
    }
}

/// Clauses H1, H3: the same machine as tasks: one serves, one asks and is answered again and again.
#[test]
fn a_device_of_tasks_is_a_full_peer_by_the_command() {
    let Some((folder, _turn)) = turn() else { return };
    let _watchdog = within(120);
    let bus = Bus::spawn().unwrap();
    let (_echo, asks) = echo(&bus);
    let (_board, path) = Board::on_terminal(&folder.join("executor"));
    let _gateway = gateway(&bus, &path);
    let mut handle = on_terminal(&bus);
    for len in [0, 1, 100, 253, 254, 320] {
        assert_eq!(told(&mut handle, &vec![b'x'; len]), vec![b'x'; len], "{len}");
    }
    // It asks with the next number once it was answered with the last.
    for number in 0..3 {
        assert_eq!(asks.recv_timeout(AMPLE).unwrap(), [number]);
    }
}

/// Clauses E1, E4: the process that the device asks is killed, and the device can say so: nothing has a deadline.
#[test]
fn the_death_of_a_peer_that_the_device_asks_ends_its_call() {
    let Some((folder, _turn)) = turn() else { return };
    let _watchdog = within(120);
    let world = World::new(&folder);
    let mut handle = world.handle();
    let mut victim = Peer::obedient(world.bus.info(), "victim");
    // It stands still, so that it does not answer.
    victim.pause();
    let asked = handle.send_request_bytes("device", b"ask victim", None).unwrap();
    assert_eq!(told(&mut handle, b"taken"), b"taken");
    victim.kill();
    let outcome = handle.await_response(asked, None).map(|_| ());
    assert!(matches!(outcome, Err(RequestError::Remote { .. })), "{outcome:?}");
}

/// Clauses H3, D1, D7: whatever resets the board in mid-call, the caller hears of it, and the new life is reached.
#[test]
fn a_reset_in_mid_call_ends_the_call_and_the_next_life_is_reached() {
    let Some((folder, _turn)) = turn() else { return };
    let _watchdog = within(120);
    let mut world = World::new(&folder);
    let mut handle = world.handle();
    for _ in 0..3 {
        ends_in_a_call(&mut world, &mut handle, |world| world.board.reset());
    }
    // A panic of the firmware is a reset too.
    let panicked = handle.sync_request_bytes("device", b"panic", None).map(|_| ());
    assert!(matches!(panicked, Err(CallError::Request(RequestError::PeerGone { .. }))), "{panicked:?}");
    await_recovery(&mut handle);
    // So is the plug, which is pulled and put back.
    ends_in_a_call(&mut world, &mut handle, |world| {
        world.board = Board::on_line(&world.device, &world.end);
    });
}

/// Clauses H3, E1: a board without power is dead to its callers after the second in which it would have said that it
/// lives.
#[test]
fn a_board_without_power_is_noticed() {
    let Some((folder, _turn)) = turn() else { return };
    let _watchdog = within(120);
    let world = World::new(&folder);
    let mut handle = world.handle();
    let held = handle.send_request_bytes("device", b"wait", None).unwrap();
    assert_eq!(told(&mut handle, b"taken"), b"taken");
    drop(world.board);
    assert!(raw::is_gone(&handle.await_response(held, None)));
    // Its name goes behind its links. The watchdog bounds it.
    while handle.ready().unwrap() {
        handle.poll(Duration::from_millis(10)).unwrap();
    }
}

/// Clauses H3, D1, fault X8: a frame that loses its beginning, either way, ends the call, and the next one is served.
#[test]
fn a_frame_cut_short_ends_the_call_and_the_next_one_is_served() {
    let Some((folder, _turn)) = turn() else { return };
    let _watchdog = within(120);
    let mut world = World::new(&folder);
    let mut handle = world.handle();
    // The zero before a frame is worth nothing, if one ended the frame before.
    for to in [To::Gateway, To::Firmware] {
        for bytes in [2, 8, 100] {
            ends_in_a_call(&mut world, &mut handle, |world| world.line.lose(to, bytes));
        }
    }
}

/// Clauses H3, D1, fault X8: under noise every call ends with its own answer or a typed reason; afterwards all is well.
#[test]
fn under_noise_every_call_ends_and_the_line_recovers() {
    let Some((folder, _turn)) = turn() else { return };
    let _watchdog = within(180);
    let world = World::new(&folder);
    let mut handle = world.handle();
    let (mut answered, mut failed) = (0, 0);
    for round in 0..3 {
        world.line.set_noise(1500);
        for number in 0..60u8 {
            // Between two lives of the membership, a call would fail in no time.
            let _ = handle.wait_ready(2 * SECOND);
            let body = vec![number | 0x80; 60];
            match handle.sync_request_bytes("device", &body, 2 * SECOND) {
                Ok(answer) => {
                    assert_eq!(answer.bytes(), body);
                    answered += 1;
                }
                Err(error) if is_lost(&error) => failed += 1,
                Err(error) => panic!("round {round}: {error}"),
            }
        }
        world.line.set_noise(0);
        await_recovery(&mut handle);
    }
    assert!(answered > 20 && failed > 3 && world.line.touched() > 3, "{answered} {failed}");
}

/// Clauses H3, E1, A4: a gateway that is killed in mid-call ends the call, and the next gateway finds the device.
#[test]
fn a_gateway_that_is_killed_ends_the_call_and_the_next_one_finds_the_device() {
    let Some((folder, _turn)) = turn() else { return };
    let _watchdog = within(120);
    let mut world = World::new(&folder);
    let mut handle = world.handle();
    for _ in 0..3 {
        ends_in_a_call(&mut world, &mut handle, |world| {
            world.gateway.kill();
            world.gateway = gateway(&world.bus, world.line.path());
        });
    }
}

/// Clause H3: a cable that is pulled out in mid-call ends the call; once it is back, so is the device, which has not
/// been reset.
#[test]
fn a_cable_that_is_pulled_out_ends_the_call_and_is_used_again_when_it_is_back() {
    let Some((folder, _turn)) = turn() else { return };
    let _watchdog = within(120);
    let mut world = World::new(&folder);
    let mut handle = world.handle();
    for _ in 0..3 {
        let held = handle.send_request_bytes("device", b"wait", None).unwrap();
        assert_eq!(told(&mut handle, b"taken"), b"taken");
        world.line.pull_out();
        assert!(raw::is_gone(&handle.await_response(held, None)));
        world.line.plug_in();
        await_recovery(&mut handle);
    }
}
