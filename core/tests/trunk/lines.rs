//! Serial lines: noise, lost frames, a reset of the firmware, silence. Calls end, and links recover by themselves.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use ipcm_core::transport::{PeerState, Transport};
use ipcm_core::trunk::{Framing, MemberKind, Relay, RelayConfig, RelayEvent, SessionEnd};
use ipcm_core::{CallError, Config, GoneReason, Handle, RequestError, SendError};

use crate::line::{Line, To, draw};
use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

fn serial() -> World {
    World::new(Framing::Serial)
}

fn native(world: &World, service: &str) -> Handle<ipcm_core::memory::Memory, ipcm_core::memory::Clock> {
    Handle::new(world.network.client("native", Config::default()), service)
}

fn is_gone(outcome: Result<ipcm_core::Response<'_>, RequestError>) -> bool {
    matches!(outcome, Err(RequestError::PeerGone { reason: GoneReason::Closed, .. }))
}

/// A call that failed for the line's sake, and for no other.
fn is_the_lines_fault(error: &CallError) -> bool {
    use {CallError as C, RequestError as R, SendError as S};
    matches!(
        error,
        C::Request(R::PeerGone { .. } | R::NotSent { .. } | R::TimedOut { .. })
            | C::Send(S::PeerGone { .. } | S::TimedOut { .. } | S::NoSuchPeer { .. } | S::Bus { .. })
    )
}

/// Calls through `ask` under noise; then, without noise, until one is answered. Returns how many were, and were not.
pub(crate) fn call(
    world: &World,
    seed: u64,
    mut ask: impl FnMut(&[u8]) -> Result<Vec<u8>, CallError>,
) -> (u32, u32) {
    let mut random = seed * 2 + 1;
    let (mut answered, mut failed) = (0, 0);
    world.line.set_noise(200 + draw(&mut random) % 3000, seed);
    for number in 0..60u32 {
        let mut body = vec![number as u8; 1 + draw(&mut random) as usize % 300];
        body[0] = b'x';
        match ask(&body) {
            Ok(answer) => {
                assert_eq!(answer, body, "seed {seed}: an answer to something else");
                answered += 1;
            }
            Err(error) => {
                assert!(is_the_lines_fault(&error), "seed {seed}: {error}");
                failed += 1;
            }
        }
    }
    world.line.set_noise(0, seed);
    world.pass(2 * SECOND);
    let recovered = (0..3).any(|_| ask(b"are you there").is_ok());
    assert!(recovered, "seed {seed}: the links do not recover: {:?}", world.events.borrow());
    (answered, failed)
}

/// Clause H3. Clause D1: every call ends once, with its own answer or a reason.
#[test]
fn under_noise_every_call_of_the_member_ends_and_afterwards_all_is_well() {
    let (mut answered, mut failed, mut touched) = (0, 0, 0);
    for seed in 0..60 {
        let world = World::with(
            RelayConfig::serial(),
            ipcm_core::trunk::TrunkConfig::serial(),
            Line::new(1 + seed as usize % 50, 4096),
        );
        let _echo = world.serve_natively("echo");
        let mut handle = world.handle("guest", "echo");
        let (some, others) = call(&world, seed, |body| {
            handle.sync_request_bytes("echo", body, SECOND).map(|answer| answer.bytes().to_vec())
        });
        assert_eq!(handle.client().endpoint().pending(), 0);
        (answered, failed, touched) = (answered + some, failed + others, touched + world.line.touched());
    }
    assert!(answered > 1000 && failed > 100 && touched > 500, "{answered} {failed} {touched}");
}

/// Clause H3. Clause D1.
#[test]
fn under_noise_every_call_to_the_member_ends_and_afterwards_all_is_well() {
    let (mut answered, mut failed) = (0, 0);
    for seed in 0..60 {
        let world = serial();
        let _service = world.serve("guest");
        let mut handle = native(&world, "guest");
        let (some, others) = call(&world, seed, |body| {
            handle.sync_request_bytes("guest", body, SECOND).map(|answer| answer.bytes().to_vec())
        });
        assert_eq!(handle.client().endpoint().pending(), 0);
        (answered, failed) = (answered + some, failed + others);
    }
    assert!(answered > 1000 && failed > 100, "{answered} {failed}");
}

/// Clause H3. Clause D7: the caller is told at once, the new life is reached, and the name is that life's.
#[test]
fn a_reset_of_the_firmware_ends_the_calls_to_its_former_life() {
    let world = serial();
    let mut handle = native(&world, "guest");
    for _ in 0..5 {
        let service = world.serve("guest");
        let held = handle.send_request_bytes("guest", b"d", None).unwrap();
        world.settle();
        assert_eq!(service.borrow().script.handled, 1);
        world.power_off();
        // It comes up in the middle of what its former life had begun to say.
        world.line.inject(To::Gateway, &[1, 2, 3]);
        let _next = world.serve("guest");
        let began = world.now();
        assert!(is_gone(handle.await_response(held, None)));
        assert!(world.now() - began < 5 * MS);
        assert_eq!(handle.sync_request_bytes("guest", b"hello", SECOND).unwrap().bytes(), b"hello");
        world.power_off();
        drop(service);
    }
}

/// Clause H3. Clause E1: a firmware that says nothing is dead, and that is found out in the time that is stated.
#[test]
fn a_silent_firmware_is_dead_after_the_silence_that_is_stated() {
    let world = serial();
    let _service = world.serve("guest");
    let mut handle = native(&world, "guest");
    handle.watch_peers().unwrap();
    let held = handle.send_request_bytes("guest", b"d", None).unwrap();
    world.settle();
    world.network.advance(10 * MS);
    world.power_off();
    let silent = world.now();
    assert!(is_gone(handle.await_response(held, None)));
    assert!(world.now() - silent <= SECOND + 2 * MS, "{:?}", world.now() - silent);
    assert_eq!(*world.events.borrow(), [RelayEvent::Ended(SessionEnd::Silence(SECOND)), RelayEvent::Left]);
    let absent = handle.sync_request_bytes("guest", b"", None).unwrap_err();
    assert_eq!(absent, CallError::Send(SendError::NoSuchPeer { peer: "guest".into() }));
    let last = handle.peer_changes().pop().unwrap();
    assert_eq!((&*last.name, last.state), ("guest", PeerState::Gone));
}

/// Signs of life keep an idle line up, in both directions.
#[test]
fn an_idle_line_is_not_taken_for_a_dead_one() {
    let world = serial();
    let service = world.serve("guest");
    world.pass(20 * SECOND);
    assert_eq!(*world.events.borrow(), []);
    assert_eq!(service.borrow_mut().client().transport().end(), None);
    assert!(native(&world, "guest").sync_request_bytes("guest", b"still here", SECOND).is_ok());
}

/// Clause E5: what a lost frame ends is the links; the life goes on, and with it the membership.
#[test]
fn a_lost_frame_ends_the_links_and_not_the_membership() {
    let world = serial();
    let service = world.serve("guest");
    let mut handle = native(&world, "guest");
    handle.watch_peers().unwrap();
    handle.poll(Duration::ZERO);
    assert_eq!(handle.sync_request_bytes("guest", b"hello", SECOND).unwrap().bytes(), b"hello");
    handle.peer_changes();
    let life = service.borrow_mut().client().endpoint().incarnation();
    for to in [To::Gateway, To::Member] {
        let held = handle.send_request_bytes("guest", b"d", None).unwrap();
        world.settle();
        world.line.drop_next(to);
        let began = world.now();
        assert!(is_gone(handle.await_response(held, None)), "{to:?}");
        assert!(world.now() - began <= 600 * MS, "{to:?}: {:?}", world.now() - began);
        assert_eq!(handle.sync_request_bytes("guest", b"again", SECOND).unwrap().bytes(), b"again");
    }
    assert_eq!(handle.peer_changes(), [], "it never left");
    let status = handle.client_mut().transport_mut().find("guest").unwrap().unwrap();
    assert_eq!(status.incarnation, life);
    assert!(!world.events.borrow().contains(&RelayEvent::Left));
}

/// A gateway that is started anew knows nothing of the session; the member begins another.
#[test]
fn a_member_outlives_its_gateway_on_a_serial_line() {
    let world = serial();
    let _service = world.serve("guest");
    let mut handle = native(&world, "guest");
    assert!(handle.sync_request_bytes("guest", b"hello", SECOND).is_ok());
    *world.relay.borrow_mut() = Relay::new(RelayConfig::serial());
    world.network.kill("guest");
    world.pass(500 * MS);
    assert_eq!(handle.sync_request_bytes("guest", b"hello", SECOND).unwrap().bytes(), b"hello");
}

/// The peers are told of anew: those that are gone for the time being, and those that are there again.
#[test]
fn a_member_that_watches_is_told_anew_after_a_lost_session() {
    let world = serial();
    let stays = world.network.client("stays", Config::default());
    let leaves = world.network.client("leaves", Config::default());
    let guest = Rc::new(RefCell::new(world.handle("guest", "stays")));
    guest.borrow_mut().watch_peers().unwrap();
    world.settle();
    guest.borrow_mut().poll(Duration::ZERO);
    assert_eq!(guest.borrow_mut().peer_changes().len(), 2);
    world.line.drop_next(To::Gateway);
    drop(leaves);
    let until = world.now() + 3 * SECOND;
    while world.now() < until {
        guest.borrow_mut().poll(50 * MS);
    }
    let changes = guest.borrow_mut().peer_changes();
    let last =
        |name: &str| changes.iter().rev().find(|change| *change.name == *name).map(|change| change.state);
    assert_eq!(last("stays"), Some(PeerState::Active), "{changes:?}");
    assert_eq!(last("leaves"), Some(PeerState::Gone), "{changes:?}");
    drop(stays);
}

/// A wish to watch that falls between two sessions is not lost.
#[test]
fn a_watch_that_is_asked_for_while_the_line_is_down_begins_with_the_next_session() {
    let world = serial();
    let _stays = world.network.client("stays", Config::default());
    let mut guest = world.handle("guest", "stays");
    world.line.drop_next(To::Gateway);
    guest.watch_peers().unwrap();
    for _ in 0..40 {
        guest.poll(50 * MS);
    }
    let told: Vec<_> =
        guest.peer_changes().iter().map(|change| (change.name.to_string(), change.state)).collect();
    assert_eq!(told, [("stays".to_owned(), PeerState::Active)]);
}

/// Clause A4: the name is taken while the firmware comes up; the next attempt is that of a user of the transport.
#[test]
fn a_refused_firmware_may_try_again() {
    let world = serial();
    assert!(world.join("taken", MemberKind::Service).is_err());
    assert!(world.join("guest", MemberKind::Service).is_ok());
}
