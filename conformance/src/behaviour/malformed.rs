//! Frames that no member of good will sends, before the hello and behind it, and frames that are cut short.

use alloc::vec;
use alloc::vec::Vec;

use ipcm_core::{Config, Endpoint, Incarnation};

use crate::ground::Ground;
use crate::raw::Raw;
use crate::rogue::Rogue;
use crate::stage::Stage;

/// Clause B6. Fault X8.
pub fn what_is_malformed_cuts_its_link_before_a_hello_and_behind_it<G: Ground>() {
    let behind: [(&str, Vec<u8>); 11] = [
        ("a size of zero", vec![0; 16]),
        ("a size of 15", [&15u32.to_le_bytes()[..], &[0; 12]].concat()),
        ("no head", [&16u32.to_le_bytes()[..], &[0; 12]].concat()),
        ("a head longer than its frame", [&16u32.to_le_bytes()[..], &[2; 12]].concat()),
        ("an unknown head", frame(&[11])),
        ("an empty head", frame(&[255; 3])),
        ("a head cut short", frame(&[4])),
        ("a head that is too long", frame(&[&[9][..], &[0; 26]].concat())),
        ("a refusal out of turn", frame(&[&[2][..], &[0; 2], &[2], &[0; 7]].concat())),
        ("a head with junk behind it", frame(&[&[4][..], &[0; 25], &[1]].concat())),
        ("a second hello of another life", hello("rogue", Incarnation::from_bits(77))),
    ];
    let before: [(&str, Vec<u8>); 7] = [
        ("a request", frame(&[&[3][..], &[0; 10]].concat())),
        ("a hello without a body", frame(&[1, 1, 0])),
        ("a hello without a name", hello_of(&[0])),
        ("a hello of junk", hello_of(&[0xff; 40])),
        ("an empty name", hello("", Incarnation::from_bits(1))),
        ("a reserved name", hello("_raw", Incarnation::from_bits(1))),
        ("a name of 513 bytes", hello(&"n".repeat(513), Incarnation::from_bits(1))),
    ];
    let mut stage = Stage::<G>::pair();
    let cases = behind.iter().map(|case| (case, true)).chain(before.iter().map(|case| (case, false)));
    for (number, ((what, bytes), is_behind)) in cases.enumerate() {
        let mut raw = Raw::join(&mut stage.ground, "rogue");
        if is_behind {
            let mut rogue = Rogue::new(raw);
            let link = rogue.call("echo");
            stage.until("the link is open", |_| {
                rogue.step();
                rogue.endpoint.is_open(link)
            });
            rogue.babble(bytes);
            raw = rogue.raw;
            judge(&mut stage, number, what);
            raw.hear_out(link);
        } else {
            let (link, _) = raw.connect("echo");
            raw.say(link, bytes);
            judge(&mut stage, number, what);
            raw.hear_out(link);
        }
        stage.call(0, what.as_bytes());
    }
}

/// The link is cut and that is counted, once.
#[track_caller]
fn judge<G: Ground>(stage: &mut Stage<G>, before: usize, what: &str) {
    stage.until(what, |stage| {
        stage.services[0].service.client().endpoint().counters().violations > before as u64
    });
    stage.settle();
    let endpoint = stage.services[0].service.client().endpoint();
    assert_eq!((endpoint.counters().violations, endpoint.links().count()), (before as u64 + 1, 1), "{what}");
}

/// Clause B6. Faults X8, X16.
pub fn half_a_frame_and_a_death_disturb_nobody<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    for cut in [16, 17, 31, 32, 60, 81] {
        let mut rogue = Rogue::new(Raw::join(&mut stage.ground, "rogue"));
        let link = rogue.call("echo");
        stage.until("the link is open", |_| {
            rogue.step();
            rogue.endpoint.is_open(link)
        });
        rogue
            .endpoint
            .message(link, 0, false, &mut |out, limit| out.append(&[1; 50], limit))
            .expect("there is room");
        let whole = rogue.endpoint.pending_output(link, usize::MAX).to_vec();
        assert_eq!(whole.len(), 82);
        rogue.babble(&whole[..cut]);
        stage.settle();
        stage.call(0, b"still there");
        stage.ground.crash(rogue.raw.member);
        stage.until("its end is found", |stage| {
            stage.services[0].service.client().endpoint().links().count() == 1
        });
        assert!(stage.services[0].script.messages.is_empty(), "cut at {cut}");
    }
    assert_eq!(
        stage.services[0].service.client().endpoint().counters().violations,
        0,
        "to die is no offence"
    );
}

/// A frame without a body whose head may be anything.
fn frame(head: &[u8]) -> Vec<u8> {
    let size = (5 + head.len()).next_multiple_of(16);
    let mut frame = [&(size as u32).to_le_bytes()[..], &[(size / 16) as u8], head].concat();
    frame.resize(size, 0);
    frame
}

/// A hello of this version, whose body may be anything.
fn hello_of(body: &[u8]) -> Vec<u8> {
    let mut hello = [&frame(&[1, 1, 0])[..], body].concat();
    hello[0] += body.len() as u8;
    hello
}

/// What a member of that name and life says first.
fn hello(name: &str, life: Incarnation) -> Vec<u8> {
    let mut endpoint = Endpoint::new(name, life, Config::default());
    let link = endpoint.open("echo").expect("there is room for a link");
    endpoint.expect(link, life, None);
    endpoint.pending_output(link, usize::MAX).to_vec()
}
