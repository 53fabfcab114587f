//! First words that do not lead to a link: another version, another name, another one than was called.

use alloc::vec;
use alloc::vec::Vec;

use ipcm_core::transport::Transport;
use ipcm_core::{
    Config, Endpoint, Event, GoneReason, Incarnation, Input, Instant, PROTOCOL_VERSION, Refusal, SendError,
};

use crate::act::Act;
use crate::ground::Ground;
use crate::raw::Raw;
use crate::rogue::Rogue;
use crate::stage::{BOUNDED, Stage, try_send};

/// A version that no peer speaks.
const OTHER: u16 = 999;

/// Clause H4.
pub fn one_of_another_version_is_told_which_one_is_spoken<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let mut raw = Raw::join(&mut stage.ground, "raw");
    let mut endpoint = Endpoint::new("raw", raw.incarnation(), Config::default());
    let link = endpoint.open("echo").expect("there is room for a link");
    let (status, now) = (raw.transport().connect(link, "echo").expect("it is there"), raw.now());
    endpoint.expect(link, status.incarnation, None);
    raw.say(link, &head(1, OTHER));
    let mut heard = Vec::new();
    stage.until("it is refused", |_| {
        raw.wait(core::time::Duration::ZERO);
        if raw.take_ready(link) {
            raw.receive(link, &mut heard);
        }
        heard.len() >= head(2, 0).len()
    });
    let mut input = Input::new(&heard);
    while endpoint.poll_input(now, link, &mut input).is_some() {}
    let refused = GoneReason::Refused(Refusal::Version { version: PROTOCOL_VERSION });
    assert_eq!(closed(&mut endpoint, now), Some(refused));
    stage.call(0, b"and the others are served");
}

/// Clause H4: who called learns which two versions there are.
pub fn one_who_calls_a_peer_of_another_version_is_told_both<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let mut raw = Raw::join(&mut stage.ground, "raw");
    let begun = try_send(stage.askers[0].client_mut(), "raw", b"");
    assert_eq!(begun, Err(SendError::WouldBlock { peer: "raw".into() }));
    let back = raw.accept();
    let act = Act::<G>::new(raw.member, move |mut member| {
        member.transport_mut().send(back, &head(2, OTHER));
        Some(member)
    });
    let Stage { askers, ground, .. } = &mut stage;
    ground.meanwhile(act, &mut || {
        let refused = askers[0].send_request_bytes("raw", b"", BOUNDED).expect_err("it is refused");
        let reason = GoneReason::Refused(Refusal::Version { version: OTHER });
        let text = alloc::format!("{refused}");
        assert_eq!(refused, SendError::PeerGone { peer: "raw".into(), reason });
        assert!(text.contains("version 999") && text.contains("version 1"), "{text}");
    });
    stage.call(0, b"and the others are reached");
}

/// Clause B1: neither by its name nor by its life.
pub fn one_who_answers_as_another_is_not_spoken_to<G: Ground>() {
    for (name, is_own_life) in [("somebody else", true), ("rogue", false)] {
        let mut stage = Stage::<G>::pair();
        let raw = Raw::join(&mut stage.ground, "rogue");
        let life = if is_own_life { raw.incarnation() } else { Incarnation::from_bits(4242) };
        let mut rogue = Rogue::named(raw, name, life);
        let begun = try_send(stage.askers[0].client_mut(), "rogue", b"a secret");
        assert_eq!(begun, Err(SendError::WouldBlock { peer: "rogue".into() }));
        stage.until("the lie is found", |stage| {
            rogue.step();
            stage.askers[0].client().endpoint().counters().violations == 1
        });
        assert_eq!(stage.askers[0].client().endpoint().route("rogue"), None);
        stage.call(0, b"and the others are reached");
    }
}

/// Why the only link of an endpoint is over.
pub(super) fn closed(endpoint: &mut Endpoint, now: Instant) -> Option<GoneReason> {
    core::iter::from_fn(|| endpoint.poll_event(now)).find_map(|event| match event {
        Event::Closed { reason, .. } => Some(reason),
        _ => None,
    })
}

/// A frame without a body: its kind, and a version.
fn head(kind: u8, version: u16) -> Vec<u8> {
    let mut frame = vec![0; 16];
    frame[0] = 16;
    frame[4] = 1;
    frame[5] = kind;
    frame[6..8].copy_from_slice(&version.to_le_bytes());
    frame
}
