//! Members and gateways of different versions: each side names both, and nothing but the session is harmed.

use std::time::Duration;

use ipcm_core::memory::{Memory, Network};
use ipcm_core::trunk::{
    Framing, Join, MemberKind, Record, Relay, RelayConfig, RelayEvent, SessionEnd, TRUNK_VERSION, Trouble,
    TrunkEnd, TrunkError, pipe, serial,
};
use ipcm_core::{Incarnation, Instant};

use crate::line::To;
use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);
const NOW: Instant = Instant::from_nanos(1_000_000_000);
const BOTH: [Framing; 2] = [Framing::Pipe, Framing::Serial];
const NEWER: u16 = TRUNK_VERSION + 8;

/// The bytes of one record, the first of a session.
fn first(framing: Framing, session: u32, record: &Record<'_>) -> Vec<u8> {
    let mut out = [0; 200];
    let len = match framing {
        Framing::Pipe => pipe::encode(record, &mut out),
        Framing::Serial => serial::encode(session, 0, record, &mut out),
    };
    out[..len.unwrap()].to_vec()
}

fn join(version: u16) -> Record<'static> {
    let incarnation = Incarnation::from_bits(7);
    Record::Join(Join {
        version,
        kind: MemberKind::Handle,
        incarnation,
        window: 1000,
        limit: 100,
        name: "guest",
    })
}

/// Clause H4: a gateway that is newer, whether it says so by a refusal or takes the member in.
#[test]
fn a_member_of_a_newer_gateway_names_both_versions() {
    for framing in BOTH {
        for answer in [
            Record::Refused { trouble: Trouble::Version, version: NEWER, detail: "in words of version 9" },
            Record::Joined { version: NEWER, window: 1000, limit: 100, silence: 1000 },
        ] {
            let world = World::new(framing);
            world.is_stopped.set(true);
            // The session of the first member of this world.
            world.line.inject(To::Member, &first(framing, 257, &answer));
            let began = world.now();
            let end = world.join("guest", MemberKind::Handle).err().unwrap();
            assert_eq!(end, TrunkEnd::Version { ours: TRUNK_VERSION, theirs: NEWER }, "{framing:?}");
            let text = end.to_string();
            assert!(text.contains("version 9") && text.contains("version 1"), "{text}");
            assert_eq!(world.now(), began, "at once");
        }
    }
}

/// Clause H4: a member that is newer is told which version is spoken, and the gateway's driver which two there are;
/// one of this version joins on the same serial line afterwards.
#[test]
fn a_gateway_of_a_newer_member_names_both_versions_to_both() {
    for framing in BOTH {
        let config = if framing == Framing::Pipe { RelayConfig::pipe() } else { RelayConfig::serial() };
        let mut relay: Relay<Memory> = Relay::new(config);
        let newer = first(framing, 5, &join(NEWER));
        assert_eq!(relay.handle_input(NOW, &newer), newer.len());
        let refused = Record::Refused { trouble: Trouble::Version, version: TRUNK_VERSION, detail: "" };
        assert_eq!(relay.pending_output(), first(framing, 5, &refused));
        relay.consume_output(NOW, relay.pending_output().len());
        let error = TrunkError::Version { ours: TRUNK_VERSION, theirs: NEWER };
        assert_eq!(relay.poll_event(), Some(RelayEvent::Ended(SessionEnd::Broken(error))));
        assert_eq!((relay.poll_event(), relay.is_joined()), (None, false));
        let text = error.to_string();
        assert!(text.contains("version 9") && text.contains("version 1"), "{text}");
        if framing == Framing::Serial {
            let same = first(framing, 6, &join(TRUNK_VERSION));
            assert_eq!(relay.handle_input(NOW, &same), same.len());
            let Some(RelayEvent::Join(request)) = relay.poll_event() else { panic!("no join") };
            relay.join(NOW, Network::new().join_as(&request.name, request.incarnation));
            assert!(relay.is_joined());
        }
    }
}

/// Clause H4: on a serial line a member that is not of the gateway's version asks again, and is in once the gateway is
/// another.
#[test]
fn a_member_joins_once_the_gateway_is_of_its_version() {
    let world = World::new(Framing::Serial);
    let _echo = world.serve_natively("echo");
    let refused = Record::Refused { trouble: Trouble::Version, version: NEWER, detail: "" };
    let mut guest = world.handle("guest", "echo");
    // The gateway is replaced by a newer one, which has not heard of the session and does not take the member in.
    world.is_stopped.set(true);
    world.line.inject(To::Member, &first(Framing::Serial, 257, &Record::Lost));
    world.line.inject(To::Member, &first(Framing::Serial, 258, &refused));
    assert!(guest.sync_request_bytes("echo", b"x", SECOND).is_err());
    let end = guest.client().transport().end().cloned();
    assert_eq!(end, Some(TrunkEnd::Version { ours: TRUNK_VERSION, theirs: NEWER }));
    world.is_stopped.set(false);
    guest.client_mut().turn(Some(world.now() + 2 * SECOND));
    assert_eq!(guest.sync_request_bytes("echo", b"x", 5 * SECOND).unwrap().bytes(), b"x");
    assert_eq!(guest.client().transport().end(), None);
}
