//! What a peer can do, a member at the end of a trunk can do.

use std::time::Duration;

use ipcm_core::transport::{PeerState, Transport};
use ipcm_core::trunk::{
    Framing, MemberKind, RelayConfig, RelayEvent, SessionEnd, Trouble, TrunkConfig, TrunkEnd,
};
use ipcm_core::{
    CallError, Config, GoneReason, Handle, RemoteError, RemoteErrorKind, RequestError, SendError,
};

use crate::line::Line;
use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);
const BOTH: [Framing; 2] = [Framing::Pipe, Framing::Serial];

fn gone(peer: &str) -> RequestError {
    RequestError::PeerGone { peer: peer.into(), reason: GoneReason::Closed }
}

/// Clauses H2, H3.
#[test]
fn a_handle_at_the_end_of_a_trunk_asks_a_service_of_the_bus() {
    for framing in BOTH {
        let world = World::new(framing);
        let service = world.serve_natively("echo");
        let mut handle = world.handle("guest", "echo");
        assert_eq!(handle.ready(), Ok(true));
        for size in [0, 1, 100, 5000, 100_000] {
            let body = vec![b'x'; size];
            let answer = handle.sync_request_bytes("echo", &body, SECOND).unwrap();
            assert!(answer.bytes() == body, "{size} bytes");
        }
        let answer: u64 = handle.sync_request("echo", &7u64, SECOND).unwrap();
        assert_eq!(answer, 7);
        let failed = handle.sync_request_bytes("echo", b"f", SECOND).unwrap_err();
        let error = RemoteError { kind: RemoteErrorKind::Failed, detail: "as asked".into() };
        assert_eq!(failed, CallError::Request(RequestError::Remote { peer: "echo".into(), error }));
        let absent = handle.sync_request_bytes("nobody", b"", SECOND).unwrap_err();
        assert_eq!(absent, CallError::Send(SendError::NoSuchPeer { peer: "nobody".into() }));
        assert!(service.borrow().script.callers.iter().all(|(from, _)| from == "guest"));
    }
}

/// Clauses H2, H3.
#[test]
fn a_service_at_the_end_of_a_trunk_answers_handles_of_the_bus() {
    for framing in BOTH {
        let world = World::new(framing);
        let _service = world.serve("guest");
        let mut handles: Vec<_> = (0..3)
            .map(|at| Handle::new(world.network.client(&format!("native {at}"), Config::default()), "guest"))
            .collect();
        for round in 0..3u8 {
            for handle in &mut handles {
                let body = vec![round; 1 + 3000 * usize::from(round)];
                let answer = handle.sync_request_bytes("guest", &body, SECOND);
                let events = world.events.borrow();
                assert!(answer.is_ok_and(|answer| answer.bytes() == body), "{framing:?} {round} {events:?}");
            }
        }
    }
}

/// Clause D5: the time that is left and the word that nobody waits pass the gateway as they are.
#[test]
fn deadlines_and_cancellation_reach_a_service_through_a_trunk() {
    for framing in BOTH {
        let world = World::new(framing);
        let service = world.serve_natively("echo");
        let mut handle = world.handle("guest", "echo");
        let id = handle.send_request_bytes("echo", b"d", 10 * SECOND).unwrap();
        world.settle();
        let (_, deadline) = service.borrow().script.callers[0].clone();
        assert!(deadline.unwrap() - world.now() > 9 * SECOND);
        assert!(handle.cancel(id));
        world.settle();
        assert_eq!(service.borrow().script.withdrawn, 1);
        let id = handle.send_request_bytes("echo", b"d", SECOND).unwrap();
        let timed_out = RequestError::TimedOut { peer: "echo".into() };
        assert_eq!(handle.await_response(id, None), Err(timed_out));
        world.settle();
        assert_eq!(service.borrow().script.withdrawn, 2);
    }
}

#[test]
fn messages_pass_a_trunk_both_ways_in_order() {
    for framing in BOTH {
        let world = World::new(framing);
        let service = world.serve_natively("echo");
        let mut guest = world.handle("guest", "echo");
        let mut native = Handle::new(world.network.client("native", Config::default()), "echo");
        for number in 0..20u32 {
            guest.send_message("echo", &number, SECOND).unwrap();
        }
        world.settle();
        let messages = std::mem::take(&mut service.borrow_mut().script.messages);
        let came: Vec<u32> = messages.iter().map(|message| message.decode().unwrap()).collect();
        assert_eq!(came, (0..20).collect::<Vec<_>>());
        let mut sent = 0u32;
        while sent < 20 {
            match native.try_send("guest", &sent) {
                Ok(()) => sent += 1,
                Err(SendError::WouldBlock { .. }) => {
                    world.step();
                    guest.poll(Duration::ZERO);
                }
                Err(error) => panic!("{error}"),
            }
        }
        let mut came: Vec<u32> = Vec::new();
        while came.len() < 20 {
            guest.poll(SECOND);
            let messages = guest.messages();
            assert!(messages.iter().all(|message| *message.from == *"native"));
            came.extend(messages.iter().map(|message| message.decode::<u32>().unwrap()));
        }
        assert_eq!(came, (0..20).collect::<Vec<_>>());
    }
}

/// Clause A5. Clause A10.
#[test]
fn a_member_at_the_end_of_a_trunk_sees_who_is_there_and_who_comes_and_goes() {
    for framing in BOTH {
        let world = World::new(framing);
        let early = world.network.client("early", Config::default());
        let mut guest = world.handle("guest", "early");
        let long = "n".repeat(200);
        let names: Vec<String> = (0..40).map(|at| format!("{at:02} {long}")).collect();
        let crowd: Vec<_> = names.iter().map(|name| world.network.client(name, Config::default())).collect();
        let transport = guest.client_mut().transport_mut();
        let mut expected: Vec<String> = names.clone();
        expected.push("early".into());
        assert_eq!(transport.peers().unwrap(), expected);
        let status = transport.find("early").unwrap().unwrap();
        assert_eq!((status.state, status.pid), (PeerState::Active, None));
        assert_eq!(transport.find("late"), Ok(None));
        drop(crowd);

        guest.watch_peers().unwrap();
        let late = world.network.client("late", Config::default());
        drop(early);
        drop(late);
        world.settle();
        guest.poll(Duration::ZERO);
        let changes = guest.peer_changes();
        let told: Vec<_> = changes.iter().map(|change| (&*change.name, change.state)).collect();
        let (active, left) = (PeerState::Active, PeerState::Gone);
        assert_eq!(told, [("early", active), ("late", active), ("early", left), ("late", left)]);
        assert_eq!(changes[0].incarnation, status.incarnation);
    }
}

/// Clause B1. Fault X23: the gateway knows who is at the other end, and the hello alone is not believed.
#[test]
fn a_peer_that_gives_a_false_name_is_not_let_in() {
    for framing in BOTH {
        let world = World::new(framing);
        let service = world.serve("guest");
        let honest = world.network.client("honest", Config::default());
        let false_life = honest.endpoint().incarnation();
        // It is "liar" to the network, and says that it is "honest".
        let transport = world.network.join("liar");
        let endpoint = ipcm_core::Endpoint::new("honest", false_life, Config::default());
        let client = ipcm_core::Client::new(endpoint, transport, world.network.clock());
        let mut liar = Handle::new(client, "guest");
        let refused = liar.sync_request_bytes("guest", b"let me in", SECOND).unwrap_err();
        let reason = GoneReason::Refused(ipcm_core::Refusal::Identity);
        assert_eq!(refused, CallError::Send(SendError::PeerGone { peer: "guest".into(), reason }));
        assert_eq!(service.borrow().script.handled, 0);
    }
}

/// Clause E4. Clause D1. Clause H2: whoever waits for the guest knows at once, without a timeout.
#[test]
fn the_end_of_a_guest_ends_what_its_callers_wait_for() {
    let world = World::new(Framing::Pipe);
    let service = world.serve("guest");
    let mut handle = Handle::new(world.network.client("native", Config::default()), "guest");
    let answered = handle.send_request_bytes("guest", b"answer me", None).unwrap();
    let held = handle.send_request_bytes("guest", b"d", None).unwrap();
    world.settle();
    assert_eq!(service.borrow().script.handled, 2);
    world.line.close();
    let died = world.now();
    assert_eq!(handle.await_response(held, None), Err(gone("guest")));
    assert!(world.now() - died < Duration::from_millis(1));
    assert_eq!(handle.await_response(answered, None).unwrap().bytes(), b"answer me", "clause E2");
    assert_eq!(*world.events.borrow(), [RelayEvent::Ended(SessionEnd::Closed)]);
}

/// Clause E4.
#[test]
fn the_end_of_a_peer_ends_what_the_guest_waits_for() {
    for framing in BOTH {
        let world = World::new(framing);
        let service = world.serve_natively("echo");
        let mut handle = world.handle("guest", "echo");
        let answered = handle.send_request_bytes("echo", b"answer me", None).unwrap();
        let held = handle.send_request_bytes("echo", b"d", None).unwrap();
        world.settle();
        assert_eq!(service.borrow().script.handled, 2);
        world.network.kill("echo");
        let died = world.now();
        assert_eq!(handle.await_response(held, None), Err(gone("echo")));
        assert!(world.now() - died < Duration::from_millis(1));
        assert_eq!(handle.await_response(answered, None).unwrap().bytes(), b"answer me", "clause E2");
    }
}

/// Fault X5.
#[test]
fn a_restarted_peer_is_reached_by_the_next_request_through_a_trunk() {
    for framing in BOTH {
        let world = World::new(framing);
        let mut handle = world.handle("guest", "echo");
        for _ in 0..3 {
            let service = world.serve_natively("echo");
            assert_eq!(handle.sync_request_bytes("echo", b"hello", SECOND).unwrap().bytes(), b"hello");
            world.network.kill("echo");
            world.settle();
            world.network.advance(Duration::from_millis(2));
            drop(service);
        }
    }
}

/// The guest's calls end too, and it is told that there is no bus any more.
#[test]
fn the_end_of_the_gateway_is_the_end_of_the_bus_to_a_guest() {
    let world = World::new(Framing::Pipe);
    let service = world.serve_natively("echo");
    let mut handle = world.handle("guest", "echo");
    let held = handle.send_request_bytes("echo", b"d", None).unwrap();
    world.settle();
    world.line.close();
    assert_eq!(handle.await_response(held, None), Err(gone("echo")));
    assert!(handle.client().is_bus_gone());
    assert_eq!(handle.client().transport().end(), Some(&TrunkEnd::Closed));
    let detail = TrunkEnd::Closed.to_string();
    assert_eq!(handle.sync_request_bytes("echo", b"", None), Err(CallError::Send(SendError::Bus { detail })));
    drop(service);
}

/// Clause A4.
#[test]
fn a_name_that_is_taken_is_refused_with_the_reason() {
    for framing in BOTH {
        let world = World::new(framing);
        let refused = world.join("taken", MemberKind::Handle).err();
        let detail = "somebody has the name".into();
        assert_eq!(refused, Some(TrunkEnd::Refused { trouble: Trouble::NameTaken, detail }));
    }
}

#[test]
fn a_gateway_that_is_not_there_is_told_in_time() {
    for framing in BOTH {
        let world = World::new(framing);
        world.is_stopped.set(true);
        let began = world.now();
        assert_eq!(world.join("guest", MemberKind::Handle).err(), Some(TrunkEnd::TimedOut));
        assert_eq!(world.now() - began, 5 * SECOND);
    }
}

/// Clause D1: a gateway that stands still holds no question up for longer than the patience, and what it answers
/// later is not taken for the answer to another question.
#[test]
fn a_late_answer_of_the_gateway_is_not_taken_for_another() {
    let world = World::new(Framing::Pipe);
    let _service = world.serve_natively("echo");
    let mut handle = world.handle("guest", "echo");
    world.is_stopped.set(true);
    let late = handle.ready().unwrap_err();
    assert_eq!(late, SendError::Bus { detail: "the gateway does not answer".into() });
    let late = handle.sync_request_bytes("echo", b"", None).unwrap_err();
    assert_eq!(late, CallError::Send(SendError::Bus { detail: "the gateway does not answer".into() }));
    world.is_stopped.set(false);
    assert_eq!(handle.client_mut().transport_mut().find("nobody"), Ok(None));
    assert_eq!(handle.sync_request_bytes("echo", b"now", SECOND).unwrap().bytes(), b"now");
    world.settle();
    assert_eq!(world.relay.borrow().links(), 1, "the link that came too late is closed");
}

/// Clauses H2, H3: whatever pieces the line cuts the stream into, and however little either side takes at once.
#[test]
fn pieces_and_windows_of_every_size_change_nothing() {
    for framing in BOTH {
        for (chunk, capacity, window) in [(1, 1, 1), (1, 100, 7), (3, 64, 64), (7, 1000, 300), (61, 61, 2000)]
        {
            let (mut relay, mut config) = match framing {
                Framing::Pipe => (RelayConfig::pipe(), TrunkConfig::pipe()),
                Framing::Serial => (RelayConfig::serial(), TrunkConfig::serial()),
            };
            (relay.window, relay.limit) = (window, 64);
            (config.window, config.limit) = (window, 64);
            relay.silence = Duration::ZERO;
            let world = World::with(relay, config, Line::new(chunk, capacity));
            let _echo = world.serve_natively("echo");
            let mut handle = world.handle("guest", "echo");
            let body: Vec<u8> = (0..3000u32).map(|at| at as u8).collect();
            for size in [1, 500, 3000] {
                let answer = handle.sync_request_bytes("echo", &body[..size], 100 * SECOND).unwrap();
                assert!(answer.bytes() == &body[..size], "{size} in pieces of {chunk}");
            }
        }
    }
}
