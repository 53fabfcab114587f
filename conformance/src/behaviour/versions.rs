//! Members of different versions: each is told which two there are, and nobody else is disturbed.

use alloc::string::ToString;

use ipcm_core::{GoneReason, PROTOCOL_VERSION, Refusal, SendError};

use crate::ground::Ground;
use crate::raw::Raw;
use crate::stage::{BOUNDED, Stage, try_send};

/// A version that is not spoken yet.
const NEWER: u16 = 9;

/// A frame without a body, by hand: a hello (1) or a refusal (2) of some version.
fn frame(kind: u8, version: u16) -> [u8; 16] {
    let mut frame = [0; 16];
    (frame[0], frame[4], frame[5]) = (16, 1, kind);
    frame[6..8].copy_from_slice(&version.to_le_bytes());
    frame
}

/// Clause H4: an older handle and a newer service.
pub fn a_caller_of_a_newer_member_names_both_versions<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let mut newer = Raw::join(&mut stage.ground, "newer");
    let refused = try_send(stage.askers[0].client_mut(), "newer", b"hello?");
    assert_eq!(refused, Err(SendError::WouldBlock { peer: "newer".into() }), "it is being reached");
    stage.askers[0].client_mut().flush();
    let link = newer.accept();
    let hello = newer.hear(link, 16);
    assert!(hello[0] > 16 && hello[1..8] == [0, 0, 0, 1, 1, PROTOCOL_VERSION as u8, 0], "{hello:?}");
    newer.say(link, &frame(2, NEWER));
    let ended = stage.askers[0].send_request_bytes("newer", b"1", BOUNDED).expect_err("it is refused");
    let reason = GoneReason::Refused(Refusal::Version { version: NEWER });
    assert_eq!(ended, SendError::PeerGone { peer: "newer".into(), reason });
    let text = ended.to_string();
    assert!(text.contains("version 9") && text.contains("version 1"), "{text}");
    stage.call(0, b"and the others are reached");
}

/// Clause H4: a newer handle and an older service, which counts it and serves the others.
pub fn a_newer_caller_is_told_which_version_is_spoken<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let mut newer = Raw::join(&mut stage.ground, "newer");
    let (link, _) = newer.connect("echo");
    newer.say(link, &frame(1, NEWER));
    stage.settle();
    assert_eq!(newer.hear_out(link), frame(2, PROTOCOL_VERSION));
    assert_eq!(stage.services[0].service.client().endpoint().counters().violations, 1);
    stage.call(0, b"the others are served");
}
