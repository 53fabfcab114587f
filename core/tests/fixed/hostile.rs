//! Peers that break the protocol, or say nothing.

use crate::pair::{BIG, Memory, SERVING};
use crate::wire::{self, Head};
use ipcm_core::fixed::{Endpoint, Event, Inbox, LinkEnd};
use ipcm_core::{FrameError, Incarnation, Instant, LinkId, PROTOCOL_VERSION, Refusal};
use std::time::Duration;

const AT: Instant = Instant::from_nanos(1);

/// Takes in bytes and events; returns why the link ended, if it did.
fn hear(
    endpoint: &mut Endpoint<'_>,
    inbox: &mut Inbox<'_>,
    link: LinkId,
    mut bytes: &[u8],
) -> Option<LinkEnd> {
    loop {
        let taken = endpoint.handle_input(inbox, link, bytes);
        bytes = &bytes[taken..];
        let mut any = taken > 0;
        while let Some(event) = endpoint.poll_event(AT, inbox) {
            any = true;
            match event {
                Event::Greeted { link, .. } => endpoint.welcome(link),
                Event::Closed { reason, .. } => return Some(reason),
                _ => {}
            }
        }
        if !any {
            assert!(bytes.is_empty(), "nothing is left lying");
            return None;
        }
    }
}

/// Clause B6, fault X8: whatever is malformed cuts that link, is counted, and disturbs no other.
#[test]
fn a_malformed_frame_cuts_that_link_and_is_counted() {
    let id = wire::request_id(0, 1);
    let first = |bytes: &[u8]| bytes.to_vec();
    let after = |bytes: &[u8]| [wire::hello(BIG, Incarnation::from_bits(2)), bytes.to_vec()].concat();
    let hello_body = |body: &[u8]| wire::frame(Head::Hello { version: PROTOCOL_VERSION }, body);
    let frame = LinkEnd::Frame;
    let flood = wire::frame(Head::Request { id, budget: None }, b"").repeat(SERVING + 1);
    let cases = [
        (after(&[0; 16]), frame(FrameError::TooShort { size: 0 })),
        (after(&u32::MAX.to_le_bytes()), frame(FrameError::TooLong { size: u32::MAX, limit: 576 })),
        (after(&577u32.to_le_bytes()), frame(FrameError::TooLong { size: 577, limit: 576 })),
        (after(&[&16u32.to_le_bytes()[..], &[0; 12]].concat()), frame(FrameError::HeadOutOfBounds)),
        (after(&[&16u32.to_le_bytes()[..], &[2; 12]].concat()), frame(FrameError::HeadOutOfBounds)),
        (after(&wire::frame_of(&[11], b"")), frame(FrameError::BadHead)),
        (after(&wire::frame_of(&[&[4][..], &[0; 25], &[1]].concat(), b"")), frame(FrameError::TrailingHead)),
        (after(&wire::hello(BIG, Incarnation::from_bits(77))), LinkEnd::OutOfTurn),
        (after(&wire::frame(Head::Refused { reason: Refusal::Full }, b"")), LinkEnd::OutOfTurn),
        (first(&wire::frame(Head::Request { id, budget: None }, b"x")), LinkEnd::OutOfTurn),
        (first(&hello_body(b"\0")), LinkEnd::BadHello),
        (first(&hello_body(&[0xff; 40])), LinkEnd::BadHello),
        (first(&hello_body(&[2, 0xff, 0xfe, 1, 1, 1])), LinkEnd::BadHello),
        (first(&hello_body(&[1, b'a', 1, 1, 1, 0])), LinkEnd::BadHello),
        (first(&wire::hello("_big", Incarnation::from_bits(1))), LinkEnd::BadHello),
        (after(&flood), LinkEnd::WindowExceeded),
    ];
    for (bytes, expected) in cases {
        let mut memory = Memory::new();
        let (mut endpoint, mut inbox) = memory.split("small", Incarnation::from_bits(1));
        let other = endpoint.open("other").unwrap();
        assert_eq!(
            hear(&mut endpoint, &mut inbox, other, &wire::hello("other", Incarnation::from_bits(3))),
            None
        );
        let link = endpoint.accept(AT).unwrap();
        assert_eq!(hear(&mut endpoint, &mut inbox, link, &bytes), Some(expected), "{bytes:?}");
        assert_eq!(endpoint.counters().violations, 1, "{bytes:?}");
        assert!(endpoint.is_open(other));
        // Nothing of it is left for whoever has the slot next.
        let next = endpoint.accept(AT).unwrap();
        assert_eq!(hear(&mut endpoint, &mut inbox, next, &wire::hello(BIG, Incarnation::from_bits(4))), None);
        assert!(endpoint.is_open(next));
    }
}

/// Clause H4: another version is refused in both roles, and told which one is spoken.
#[test]
fn another_version_is_refused_and_told_which_one_is_spoken() {
    let newer = wire::frame(Head::Hello { version: 9 }, b"whatever version 9 says");
    let told = wire::frame(Head::Refused { reason: Refusal::Version { version: PROTOCOL_VERSION } }, b"");
    for is_caller in [false, true] {
        let mut memory = Memory::new();
        let (mut endpoint, mut inbox) = memory.split("small", Incarnation::from_bits(1));
        let link = if is_caller { endpoint.open(BIG).unwrap() } else { endpoint.accept(AT).unwrap() };
        assert_eq!(hear(&mut endpoint, &mut inbox, link, &newer), None, "its last words have not left");
        let output = endpoint.pending_output(link).to_vec();
        assert!(output.ends_with(&told), "{output:?}");
        endpoint.consume_output(link, output.len());
        let end = hear(&mut endpoint, &mut inbox, link, b"");
        assert_eq!(end, Some(LinkEnd::Version { theirs: 9 }));
    }
}

/// Clause H4: the one who called learns why it is refused.
#[test]
fn a_caller_that_is_refused_gets_the_reason() {
    let mut memory = Memory::new();
    let (mut endpoint, mut inbox) = memory.split("small", Incarnation::from_bits(1));
    let link = endpoint.open(BIG).unwrap();
    let refused = wire::frame(Head::Refused { reason: Refusal::Full }, b"");
    assert_eq!(hear(&mut endpoint, &mut inbox, link, &refused), Some(LinkEnd::Refused(Refusal::Full)));
}

/// Clause B6: who was not called is not spoken to.
#[test]
fn a_callee_that_is_someone_else_is_not_spoken_to() {
    let mut memory = Memory::new();
    let (mut endpoint, mut inbox) = memory.split("small", Incarnation::from_bits(1));
    let link = endpoint.open(BIG).unwrap();
    let hello = wire::hello("bigger", Incarnation::from_bits(2));
    assert_eq!(hear(&mut endpoint, &mut inbox, link, &hello), Some(LinkEnd::WrongPeer));
}

/// Clause D3: a peer cannot answer what another was asked, nor anything twice.
#[test]
fn an_answer_on_another_link_and_a_second_answer_are_dropped_and_counted() {
    let mut memory = Memory::new();
    let (mut endpoint, mut inbox) = memory.split("small", Incarnation::from_bits(1));
    let links = [BIG, "other"].map(|peer| {
        let link = endpoint.open(peer).unwrap();
        assert_eq!(
            hear(&mut endpoint, &mut inbox, link, &wire::hello(peer, Incarnation::from_bits(2))),
            None
        );
        link
    });
    let id = endpoint.request(AT, links[0], None, &mut |_| Ok(0)).unwrap();
    let answer = wire::frame(Head::Response { id: wire::id_of(id) }, b"");
    assert_eq!(hear(&mut endpoint, &mut inbox, links[1], &answer), None);
    assert!(endpoint.is_pending(id));
    assert_eq!(hear(&mut endpoint, &mut inbox, links[0], &answer), None);
    assert!(!endpoint.is_pending(id));
    assert_eq!(hear(&mut endpoint, &mut inbox, links[0], &answer), None);
    assert_eq!(endpoint.counters().stray_responses, 2);
}

/// Clause A11: a peer that is not believed is told so, and its link ends once that has left or it does not listen.
#[test]
fn a_peer_that_is_refused_is_told_why() {
    for listens in [true, false] {
        let mut memory = Memory::new();
        let (mut endpoint, mut inbox) = memory.split("small", Incarnation::from_bits(1));
        let link = endpoint.accept(AT).unwrap();
        let hello = wire::hello(BIG, Incarnation::from_bits(2));
        assert_eq!(endpoint.handle_input(&mut inbox, link, &hello), hello.len());
        let greeted = endpoint.poll_event(AT, &mut inbox).unwrap();
        assert_eq!(greeted, Event::Greeted { link, peer: BIG, incarnation: Incarnation::from_bits(2) });
        endpoint.refuse(link, Refusal::Identity);
        assert_eq!(endpoint.poll_event(AT, &mut inbox), None);
        let told = endpoint.pending_output(link).to_vec();
        assert_eq!(told, wire::frame(Head::Refused { reason: Refusal::Identity }, b""));
        let mut at = AT;
        if listens {
            endpoint.consume_output(link, told.len());
        } else {
            at = endpoint.poll_timeout().unwrap();
        }
        let closed = endpoint.poll_event(at, &mut inbox);
        assert_eq!(closed, Some(Event::Closed { link, reason: LinkEnd::Unwelcome }));
    }
}

/// Fault X9: a connection that says nothing is given up in time.
#[test]
fn a_connection_without_a_hello_is_given_up_in_time() {
    let mut memory = Memory::new();
    let (mut endpoint, mut inbox) = memory.split("small", Incarnation::from_bits(1));
    let link = endpoint.accept(AT).unwrap();
    let deadline = endpoint.poll_timeout().unwrap();
    assert_eq!(deadline, AT + Duration::from_secs(10));
    assert_eq!(endpoint.poll_event(AT, &mut inbox), None);
    let closed = endpoint.poll_event(deadline, &mut inbox);
    assert_eq!(closed, Some(Event::Closed { link, reason: LinkEnd::NoHello }));
}
