//! Members that break the protocol, lie, flood, or say nothing: nobody else is disturbed.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use ipcm_core::transport::{Progress, Transport};
use ipcm_core::{
    Config, FrameError, GoneReason, Incarnation, Input, ProtocolError, Refusal, RequestError, SendError,
};

use super::greetings::closed;
use crate::ground::Ground;
use crate::pattern::pattern;
use crate::raw::Raw;
use crate::rogue::Rogue;
use crate::stage::Stage;

/// Clause B6. Faults X8, X9.
pub fn junk_cuts_its_link_and_is_counted_and_nobody_else_is_disturbed<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let length_of_4_gib = [&[0xff; 4][..], &[2], &[0; 27]].concat();
    let junk: [(&str, Vec<u8>); 5] = [
        ("zeros", vec![0; 64]),
        ("noise", pattern(99, 1000)),
        ("a length of 4 GiB", length_of_4_gib),
        ("a flood of tiny frames", [16u32.to_le_bytes().to_vec(), vec![1; 12]].concat().repeat(60)),
        ("a frame of no known kind", [&32u32.to_le_bytes()[..], &[2, 200], &[0; 26]].concat()),
    ];
    for (what, bytes) in junk {
        let mut raw = Raw::join(&mut stage.ground, "raw");
        let (link, _) = raw.connect("echo");
        let before = violations(&stage);
        raw.say(link, &bytes);
        stage.until("junk is counted", |stage| violations(stage) == before + 1);
        // Its link is cut.
        stage.settle();
        raw.hear_out(link);
        stage.call(0, what.as_bytes());
    }
}

/// Clause B6. Faults X8, X16: half a hello, and then nothing more.
pub fn one_who_dies_in_the_middle_of_its_first_words_disturbs_nobody<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    for len in [16, 20, 40] {
        let mut raw = Raw::join(&mut stage.ground, "raw");
        let (link, _) = raw.connect("echo");
        // A frame of 64 bytes, up to here.
        let frame = [&64u32.to_le_bytes()[..], &[1, 1], &[0; 58]].concat();
        raw.say(link, &frame[..len]);
        stage.settle();
        stage.ground.crash(raw.member);
        stage.settle();
        stage.call(0, b"still there");
    }
    assert_eq!(violations(&stage), 0, "to die is no offence");
}

/// Fault X9.
pub fn those_who_connect_and_say_nothing_disturb_nobody<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let mut raw = Raw::join(&mut stage.ground, "raw");
    let links: Vec<_> = (0..50).map(|_| raw.connect("echo").0).collect();
    for _ in 0..5 {
        stage.call(0, b"still there");
    }
    links.into_iter().for_each(|link| raw.transport().close(link));
    stage.settle();
    stage.call(0, b"still there");
}

/// Clauses D3, D1. Fault X13.
pub fn an_answer_that_is_given_twice_counts_once_and_disturbs_nothing<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let mut rogue = Rogue::new(Raw::join(&mut stage.ground, "rogue"));
    let waiting = stage.ask(0, "echo", b"d", None);
    let id = rogue.be_asked(&mut stage, b"once");
    let answer = rogue.prepare_answer(b"twice");
    // One that nobody asked for comes first.
    rogue.babble(&answer_to(&[3, 0], 12_345));
    rogue.babble(&answer);
    rogue.babble(&answer);
    assert_eq!(stage.end(0, id).as_deref(), Ok(&b"twice"[..]));
    stage.until("both others are counted", |stage| {
        stage.askers[0].client().endpoint().counters().stray_responses == 2
    });
    assert_eq!(stage.askers[0].client().endpoint().counters().violations, 0);
    assert!(stage.askers[0].client().endpoint().is_pending(waiting), "another call is as it was");
    assert!(stage.services[0].answer_one());
    assert_eq!(stage.end(0, waiting).as_deref(), Ok(&b"d"[..]));
}

/// Clause D3: nobody can answer what another was asked.
pub fn an_answer_by_another_than_was_asked_is_dropped<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let id = stage.ask(0, "echo", b"d", None);
    let mut rogue = Rogue::new(Raw::join(&mut stage.ground, "rogue"));
    let link = rogue.call("asker");
    stage.until("the link is open", |_| {
        rogue.step();
        rogue.endpoint.is_open(link)
    });
    // An id as it travels, from how it is written.
    let written = format!("{id}");
    let (slot, generation) = written.split_once('.').expect("a slot and a generation");
    let slot: u16 = slot.parse().expect("a number");
    rogue.babble(&answer_to(&slot.to_le_bytes(), generation.parse().expect("a number")));
    stage.until("it is counted", |stage| stage.askers[0].client().endpoint().counters().stray_responses == 1);
    assert!(stage.askers[0].client().endpoint().is_pending(id));
    stage.until("the request is taken", |stage| !stage.services[0].script.deferred.is_empty());
    assert!(stage.services[0].answer_one());
    assert_eq!(stage.end(0, id).as_deref(), Ok(&b"d"[..]));
}

/// An empty answer.
fn answer_to(slot: &[u8; 2], generation: u64) -> Vec<u8> {
    [&16u32.to_le_bytes()[..], &[1, 5], slot, &generation.to_le_bytes()].concat()
}

/// Clause B1. Fault X23.
pub fn one_who_says_that_it_is_another_is_not_let_in<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    for (name, is_own_life) in [("asker", true), ("liar", false)] {
        let raw = Raw::join(&mut stage.ground, "liar");
        let life = if is_own_life { raw.incarnation() } else { Incarnation::from_bits(4242) };
        let mut liar = Rogue::named(raw, name, life);
        let link = liar.call("echo");
        let mut heard = Vec::new();
        stage.until("the liar is cut off", |stage| {
            stage.step();
            liar.raw.wait(core::time::Duration::ZERO);
            liar.raw.take_ready(link) && is_over(liar.raw.receive(link, &mut heard))
        });
        // It was told why: the endpoint that takes that in gives up.
        let mut input = Input::new(&heard);
        let now = liar.raw.now();
        while liar.endpoint.poll_input(now, link, &mut input).is_some() {}
        assert_eq!(closed(&mut liar.endpoint, now), Some(GoneReason::Refused(Refusal::Identity)));
    }
    stage.call(0, b"the real one is served");
}

/// Clause B6: one whose peer breaks the protocol is told so.
pub fn a_request_to_one_who_breaks_the_protocol_ends<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let mut rogue = Rogue::new(Raw::join(&mut stage.ground, "rogue"));
    let id = rogue.be_asked(&mut stage, b"speak");
    rogue.babble(&[0; 64]);
    let ended = stage.end(0, id);
    let reason = GoneReason::Protocol(ProtocolError::Frame(FrameError::TooShort { size: 0 }));
    assert_eq!(ended, Err(RequestError::PeerGone { peer: "rogue".into(), reason }));
    stage.call(0, b"and the others are reached");
}

/// Junk for a hello, junk behind a hello, and frames of the right size whose heads are junk.
///
/// Clause B6. Fault X8.
pub fn junk_of_any_length_before_a_hello_or_behind_it_cuts_no_other_link<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    for round in 0..30u64 {
        let junk = pattern(round, 16 + round as usize * 37 % 500);
        let mut rogue = Rogue::new(Raw::join(&mut stage.ground, "raw"));
        match round % 3 {
            0 => {
                let link = rogue.call("echo");
                rogue.raw.say(link, &junk);
            }
            1 => {
                let (link, _) = rogue.raw.connect("echo");
                rogue.raw.say(link, &junk);
            }
            _ => {
                let (link, _) = rogue.raw.connect("echo");
                let size = (junk.len() as u32 + 5).to_le_bytes();
                rogue.raw.say(link, &[&size[..], &[1], &junk].concat());
            }
        }
        stage.step();
        stage.call(0, b"still there");
        stage.ground.crash(rogue.raw.member);
    }
    stage.settle();
    stage.call(0, b"still there");
    let links = stage.services[0].service.client().endpoint().links().count();
    assert_eq!(links, 1, "those of the rogues have ended");
}

/// Clause B6. Fault X8.
pub fn a_frame_without_sense_is_counted_and_cuts_its_link<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let deeds: [(&str, [u8; 7]); 6] = [
        ("shorter than a frame", [15, 0, 0, 0, 1, 0, 0]),
        ("a head of no length", [16, 0, 0, 0, 0, 0, 0]),
        ("a head beyond the frame", [16, 0, 0, 0, 2, 0, 0]),
        ("an unknown head", [16, 0, 0, 0, 1, 99, 0]),
        ("half a head", [16, 0, 0, 0, 1, 0, 1]),
        ("no length", [0, 0, 0, 0, 1, 0, 0]),
    ];
    for (at, (what, deed)) in deeds.iter().enumerate() {
        let mut raw = Raw::join(&mut stage.ground, "raw");
        let (link, _) = raw.connect("echo");
        raw.say(link, &[&deed[..], &[0; 9]].concat());
        stage.until(what, |stage| violations(stage) == at as u64 + 1);
        stage.settle();
        raw.hear_out(link);
    }
    stage.call(0, b"still there");
}

/// Clause B6. Fault X8.
pub fn a_flood_of_empty_requests_is_answered_and_starves_nobody<G: Ground>() {
    let (mut many, mut small) = (Config::default(), Config::default());
    many.requests = 4096;
    small.window = 100_000;
    let mut stage = Stage::<G>::pair_with(Config::default(), small);
    let flooder = stage.add_asker("flooder", many);
    stage.meet(flooder, "echo");
    for _ in 0..3 {
        let mut ids = Vec::new();
        let refused = loop {
            match stage.askers[flooder].client_mut().try_request("echo", None, &mut |_, _| Ok(())) {
                Ok(id) => ids.push(id),
                Err(refused) => break refused,
            }
        };
        assert_eq!(refused, SendError::WouldBlock { peer: "echo".into() });
        assert!(ids.len() > 100, "{} requests in a window of 100 000 bytes", ids.len());
        stage.call(0, b"and the others are served");
        for id in ids {
            assert_eq!(stage.end(flooder, id).as_deref(), Ok(&b""[..]));
        }
    }
}

fn violations<G: Ground>(stage: &Stage<G>) -> u64 {
    stage.services[0].service.client().endpoint().counters().violations
}

fn is_over(progress: Progress) -> bool {
    matches!(progress, Progress::Closed | Progress::Broken)
}
