//! What a trunk bears: members and gateways that do not read, do not behave, or speak of other things.

use std::time::Duration;

use ipcm_core::memory::{Memory, Network};
use ipcm_core::transport::Transport as _;
use ipcm_core::trunk::{
    Framing, Join, MemberKind, Record, Relay, RelayConfig, RelayEvent, SessionEnd, TRUNK_VERSION,
    TrunkConfig, TrunkEnd, TrunkError, pipe, serial,
};
use ipcm_core::{Config, Handle, Incarnation, Instant, SendError};

use crate::line::{Line, To, draw};
use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);
const NOW: Instant = Instant::from_nanos(1_000_000_000);

/// Clause B4. Fault X11: what a member does not read waits where it comes from.
#[test]
fn a_member_that_does_not_read_makes_nothing_grow() {
    for framing in [Framing::Pipe, Framing::Serial] {
        let world = World::new(framing);
        let service = world.serve_natively("echo");
        let mut guest = world.handle("guest", "echo");
        let id = guest.send_request_bytes("echo", b"d", None).unwrap();
        world.settle();
        let large = vec![7; 4_000_000];
        service.borrow_mut().answer_with(&large);
        let mut most = 0;
        while world.step() {
            most = most.max(world.relay.borrow().pending_output().len());
        }
        let limit = if framing == Framing::Pipe { 65535 } else { 256 };
        assert!(most <= 3 * limit, "{framing:?}: {most} bytes wait for the trunk");
        let backlog = service.borrow_mut().backlog();
        assert!(backlog > 3_000_000, "{framing:?}: only {backlog} bytes wait at the service");
        assert!(guest.await_response(id, None).unwrap().bytes() == large);
    }
}

/// Clause F6: a peer that takes nothing in holds up its own link, and no other.
#[test]
fn one_links_backlog_does_not_starve_another() {
    for framing in [Framing::Pipe, Framing::Serial] {
        let world = World::new(framing);
        world.network.set_faults(ipcm_core::memory::Faults { buffer: 4096, ..Default::default() });
        let _echo = world.serve_natively("echo");
        let stalled = world.serve_natively("stalled");
        let mut guest = world.handle("guest", "echo");
        assert!(guest.sync_request_bytes("stalled", b"hello", SECOND).is_ok());
        stalled.borrow_mut().is_stalled = true;
        let large = vec![b'x'; 500_000];
        let held = guest.send_request_bytes("stalled", &large, None).unwrap();
        for _ in 0..20 {
            let answer = guest.sync_request_bytes("echo", &[2; 3000], SECOND);
            assert!(answer.is_ok(), "{framing:?}: {answer:?}");
        }
        stalled.borrow_mut().is_stalled = false;
        assert!(guest.await_response(held, None).unwrap().bytes() == large);
    }
}

struct Guest {
    network: Network,
    relay: Relay<Memory>,
}

impl Guest {
    fn new(config: RelayConfig) -> Self {
        Self { network: Network::new(), relay: Relay::new(config) }
    }

    /// Gives the relay bytes, in pieces of `size`, and joins whoever asks. Returns what it told.
    fn say(&mut self, bytes: &[u8], size: usize) -> Vec<RelayEvent> {
        let mut events = Vec::new();
        for mut piece in bytes.chunks(size) {
            while !piece.is_empty() {
                piece = &piece[self.relay.handle_input(NOW, piece)..];
                while let Some(event) = self.relay.poll_event() {
                    if let RelayEvent::Join(request) = &event {
                        let taken = self.network.join_as(&request.name, request.incarnation);
                        self.relay.join(NOW, taken);
                    }
                    events.push(event);
                }
                let n = self.relay.pending_output().len();
                self.relay.consume_output(NOW, n);
            }
        }
        events
    }
}

fn on_pipe(records: &[Record<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for record in records {
        let mut out = vec![0; 70_000];
        let len = pipe::encode(record, &mut out).unwrap();
        bytes.extend_from_slice(&out[..len]);
    }
    bytes
}

fn join(version: u16, window: u32, limit: u16) -> Record<'static> {
    let incarnation = Incarnation::from_bits(7);
    Record::Join(Join { version, kind: MemberKind::Handle, incarnation, window, limit, name: "guest" })
}

/// Clause B6. Clause H4. Fault X8: each breach has its name, and ends the session and nothing else.
#[test]
fn whatever_breaks_the_rules_is_told_by_name() {
    let good = join(TRUNK_VERSION, 1000, 100);
    // The beginning of a large frame.
    let mut bytes = [0; 4000];
    bytes[2] = 1;
    let data = Record::Data { link: 0, bytes: &bytes };
    let cases: [(&[Record<'_>], TrunkError); 10] = [
        (
            &[join(TRUNK_VERSION + 1, 0, 0)],
            TrunkError::Version { ours: TRUNK_VERSION, theirs: TRUNK_VERSION + 1 },
        ),
        (&[join(TRUNK_VERSION, 0, 100)], TrunkError::TooSmall),
        (&[join(TRUNK_VERSION, 1, 63)], TrunkError::TooSmall),
        (&[Record::Peers], TrunkError::OutOfTurn),
        (&[good, good], TrunkError::OutOfTurn),
        (&[good, Record::Incoming { link: 1 }], TrunkError::OutOfTurn),
        (&[good, Record::Connect { link: 1, peer: "other" }], TrunkError::Link { link: 1 }),
        (
            &[good, Record::Connect { link: 0, peer: "other" }, Record::Connect { link: 0, peer: "other" }],
            TrunkError::Link { link: 0 },
        ),
        (
            &[good, Record::Connect { link: 0, peer: "other" }, data, data],
            TrunkError::WindowExceeded { link: 0, window: 4096 },
        ),
        (
            &[good, Record::Find { peer: &"n".repeat(1023) }],
            TrunkError::TooLong(pipe::TooLong { len: 1024, limit: 1023 }),
        ),
    ];
    for (records, error) in cases {
        for size in [1, 3, 10_000] {
            let mut config = RelayConfig::pipe();
            config.window = 4096;
            if matches!(error, TrunkError::TooLong(_)) {
                config.limit = 1023;
            } else {
                config.limit = 5000;
            }
            let mut guest = Guest::new(config);
            let _other = guest.network.join("other");
            // Its buffer is full at once.
            guest.network.set_faults(ipcm_core::memory::Faults { buffer: 1, ..Default::default() });
            let mut events = guest.say(&on_pipe(records), size);
            let last = events.pop();
            assert_eq!(
                last,
                Some(RelayEvent::Ended(SessionEnd::Broken(error))),
                "{records:?} in pieces of {size}"
            );
            assert_eq!((guest.relay.is_joined(), guest.relay.links()), (false, 0));
        }
    }
}

/// What waits for a member's window goes on by its credit alone: the bus has nothing new to tell.
#[test]
fn credit_alone_sets_going_what_waits() {
    let mut config = RelayConfig::pipe();
    config.limit = 1000;
    let mut guest = Guest::new(config);
    let _other = guest.network.join("other");
    let link = Record::Connect { link: 0, peer: "other" };
    guest.say(&on_pipe(&[join(TRUNK_VERSION, 10, 100), link]), 1000);
    // The other says 25 bytes on the link that it takes in.
    let mut other = _other;
    let id = ipcm_core::LinkId::from_bits(1);
    assert!(other.accept(id));
    assert_eq!(other.send(id, &[7; 25]), ipcm_core::transport::Progress::Moved(25));
    guest.relay.turn(NOW);
    let mut came = Vec::new();
    for _ in 0..4 {
        came.push(guest.relay.pending_output().to_vec());
        let n = guest.relay.pending_output().len();
        guest.relay.consume_output(NOW, n);
        let credit = on_pipe(&[Record::Credit { link: 0, bytes: 10 }]);
        assert_eq!(guest.relay.handle_input(NOW, &credit), credit.len());
    }
    let data = |bytes: &[u8]| on_pipe(&[Record::Data { link: 0, bytes }]);
    assert_eq!(came, [data(&[7; 10]), data(&[7; 10]), data(&[7; 5]), Vec::new()]);
}

/// Fault X8: a program that prints something instead.
#[test]
fn text_is_not_taken_for_a_trunk() {
    let mut guest = Guest::new(RelayConfig::pipe());
    let events = guest.say(b"Hello, world!\n", 1);
    let error = TrunkError::TooLong(pipe::TooLong { len: 0x6548, limit: ipcm_core::trunk::MAX_JOIN });
    assert_eq!(events, [RelayEvent::Ended(SessionEnd::Broken(error))]);
}

/// Clause B6. Fault X8: whatever comes, before a join or after it, nothing panics and nothing grows.
#[test]
fn junk_never_breaks_a_relay() {
    for seed in 0..2000u64 {
        let mut random = seed * 2 + 1;
        let framing = if seed % 2 == 0 { Framing::Pipe } else { Framing::Serial };
        let config = if framing == Framing::Pipe { RelayConfig::pipe() } else { RelayConfig::serial() };
        let mut guest = Guest::new(config);
        let _other = guest.network.join("other");
        let mut bytes = Vec::new();
        for number in 0..20u16 {
            let mut body = [0; 40];
            body.iter_mut().for_each(|byte| *byte = draw(&mut random) as u8 % 8);
            body[0] =
                [1, 2, 3, 4, 5, 6, 7, 8, 0x40, 0x41, 0x42, 0x43, 0x81, 0x8d][draw(&mut random) as usize % 14];
            let len = 1 + draw(&mut random) as usize % 39;
            let record = if number == 0 { join(TRUNK_VERSION, 100, 100) } else { Record::Pulse };
            let record = match Record::decode(&body[..len]) {
                Ok(made_up) if number > 0 => made_up,
                _ => record,
            };
            let mut out = [0; 200];
            let len = match framing {
                Framing::Pipe => pipe::encode(&record, &mut out).unwrap(),
                Framing::Serial => serial::encode(5, number, &record, &mut out).unwrap(),
            };
            bytes.extend_from_slice(&out[..len]);
        }
        if seed % 3 == 0 {
            let at = draw(&mut random) as usize % bytes.len();
            bytes[at] ^= 1 << (seed % 8);
        }
        guest.say(&bytes, 1 + seed as usize % 50);
        guest.relay.turn(NOW);
        guest.relay.handle_timeout(NOW + 10 * SECOND);
    }
}

/// Clause B6: the other way round.
#[test]
fn junk_never_breaks_a_member() {
    for seed in 0..500u64 {
        let mut random = seed * 2 + 1;
        let framing = if seed % 2 == 0 { Framing::Pipe } else { Framing::Serial };
        let world = World::new(framing);
        if seed % 4 < 2 {
            world.is_stopped.set(true);
            let junk: Vec<u8> = (0..200).map(|_| draw(&mut random) as u8).collect();
            world.line.inject(To::Member, &junk);
            let end = world.join("guest", MemberKind::Handle).err().unwrap();
            assert!(matches!(end, TrunkEnd::TimedOut | TrunkEnd::Broken(_)), "seed {seed}: {end}");
            continue;
        }
        let _echo = world.serve_natively("echo");
        let mut guest = world.handle("guest", "echo");
        let _ = guest.sync_request_bytes("echo", b"hello", SECOND);
        let mut junk: Vec<u8> = (0..200).map(|_| draw(&mut random) as u8).collect();
        junk[1] = 0;
        junk[0] %= 60;
        world.line.inject(To::Member, &junk);
        let _ = guest.sync_request_bytes("echo", b"hello", SECOND);
        let _ = guest.client_mut().transport_mut().peers();
        assert_eq!(guest.client().endpoint().pending(), 0, "seed {seed}");
    }
}

/// The gateway's own bound on links is told as "later".
#[test]
fn more_links_than_the_gateway_bears_are_refused() {
    let mut relay = RelayConfig::pipe();
    relay.links = 2;
    let world = World::with(relay, TrunkConfig::pipe(), Line::new(usize::MAX, 65536));
    let _services: Vec<_> = ["a", "b", "c"].map(|name| world.serve_natively(name)).into();
    let mut guest = world.handle("guest", "a");
    for peer in ["a", "b"] {
        assert!(guest.sync_request_bytes(peer, b"hello", SECOND).is_ok());
    }
    let refused = guest.sync_request_bytes("c", b"hello", SECOND).unwrap_err();
    assert_eq!(refused, ipcm_core::CallError::Send(SendError::TimedOut { peer: "c".into() }));
    let mut native = Handle::new(world.network.client("native", Config::default()), "guest");
    assert!(native.sync_request_bytes("guest", b"hello", SECOND).is_err());
}
