//! The endpoint by itself: what only shows without a transport and a driver, and so is no check of the conformance suite.

mod common;

use common::SECOND;
use common::wire::{self, Head};
use ipcm_core::{
    Config, Endpoint, Event, GoneReason, Incarnation, Input, Instant, LinkId, PROTOCOL_VERSION, ProtocolError,
};

const AT: Instant = Instant::from_nanos(1);

fn asker() -> Endpoint {
    Endpoint::new("asker", Incarnation::from_bits(1), Config::default())
}

/// Takes in bytes in which at most a hello is an event.
fn hear(endpoint: &mut Endpoint, link: LinkId, bytes: &[u8]) {
    let mut input = Input::new(bytes);
    while let Some(event) = endpoint.poll_input(AT, link, &mut input) {
        assert!(matches!(event, Event::Opened { .. }), "{event:?}");
    }
}

/// A link to a life of a peer that takes in `window` bytes ahead.
fn open(endpoint: &mut Endpoint, peer: &str, window: u32) -> LinkId {
    let link = endpoint.open(peer).unwrap();
    hear(endpoint, link, &wire::hello_of(peer, Incarnation::from_bits(2), 1 << 20, window));
    link
}

/// Clause E3: a life that ends in the middle of a frame does not spoil the link for the next one.
#[test]
fn half_a_frame_of_a_former_life_is_dropped() {
    let mut endpoint = asker();
    let link = open(&mut endpoint, "echo", 1000);
    hear(&mut endpoint, link, &wire::frame(Head::Terminate, b"the rest does not come")[..20]);
    endpoint.handle_suspended(link, AT + SECOND);
    assert!(endpoint.is_suspended(link));
    hear(&mut endpoint, link, &wire::hello("echo", Incarnation::from_bits(3)));
    assert_eq!(endpoint.peer_incarnation(link), Some(Incarnation::from_bits(3)));
    assert!(endpoint.is_open(link) && !endpoint.is_suspended(link));
}

/// Clause B4: what a sleeping peer has not taken in counts against the window of its next life.
#[test]
fn a_window_that_is_used_up_stays_so_over_a_suspension() {
    let mut endpoint = asker();
    let link = open(&mut endpoint, "echo", 300);
    let body = &mut |out: &mut ipcm_core::Sink<'_>, _| {
        out.extend_from_slice(&[0; 300]);
        Ok(())
    };
    endpoint.message(link, 0, false, body).unwrap();
    assert!(!endpoint.has_credit(link));
    for life in 3..10 {
        endpoint.handle_suspended(link, AT + SECOND);
        hear(&mut endpoint, link, &wire::hello_of("echo", Incarnation::from_bits(life), 1 << 20, 300));
        assert!(!endpoint.has_credit(link), "life {life}");
    }
    hear(&mut endpoint, link, &wire::frame(Head::Credit { bytes: 380 }, b""));
    assert!(endpoint.has_credit(link));
    endpoint.message(link, 0, false, body).unwrap();
    assert!(!endpoint.has_credit(link));
}

/// Clause D1: whatever ends a request, its link counts one less.
#[test]
fn a_request_that_has_ended_does_not_count_for_its_link() {
    let mut endpoint = asker();
    let [one, other] = ["one", "other"].map(|peer| open(&mut endpoint, peer, 1000));
    let nothing = &mut |_: &mut ipcm_core::Sink<'_>, _| Ok(());
    let stays = endpoint.request(AT, one, None, nothing).unwrap();
    for deadline in [None, Some(AT)] {
        let ends = endpoint.request(AT, other, deadline, nothing).unwrap();
        assert_eq!(endpoint.sole_link(stays), None);
        if deadline.is_none() {
            assert!(endpoint.cancel(ends));
        }
        while endpoint.poll_event(AT).is_some() {}
        assert_eq!(endpoint.sole_link(stays), Some(one));
        let again = endpoint.request(AT, one, None, nothing).unwrap();
        assert!(endpoint.cancel(again));
        while endpoint.poll_event(AT).is_some() {}
        assert_eq!(endpoint.sole_link(stays), Some(one));
    }
    endpoint.handle_closed(one);
    assert!(matches!(endpoint.poll_event(AT), Some(Event::Ended { id, .. }) if id == stays));
    assert!(matches!(endpoint.poll_event(AT), Some(Event::Closed { link, .. }) if link == one));
    assert!(endpoint.poll_event(AT).is_none());
}

/// Clause H4: the machine that was called names both versions.
#[test]
fn the_one_who_is_called_by_another_version_names_both() {
    let now = AT;
    let mut endpoint = Endpoint::new("echo", Incarnation::from_bits(1), Config::default());
    let link = endpoint.accept(now).unwrap();
    let hello = wire::frame(Head::Hello { version: 9 }, b"whatever version 9 says");
    assert!(endpoint.poll_input(now, link, &mut Input::new(&hello)).is_none());
    let Some(Event::Closed { reason, .. }) = endpoint.poll_event(now) else { panic!("it is not closed") };
    let error = ProtocolError::Version { ours: PROTOCOL_VERSION, theirs: 9 };
    assert_eq!(reason, GoneReason::Protocol(error));
    let text = reason.to_string();
    assert!(text.contains("version 9") && text.contains("version 1"), "{text}");
}
