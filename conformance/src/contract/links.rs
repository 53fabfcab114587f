//! How links begin and end, and whom they are with.

use alloc::vec::Vec;
use core::time::Duration;

use ipcm_core::Incarnation;
use ipcm_core::transport::{ConnectError, PeerState, Progress, Transport, TransportEvent};

use crate::ground::Ground;
use crate::patience::PAUSE;
use crate::pattern::{assert_same, pattern};
use crate::raw::{Linked, Raw};

/// How long what was said is on its way, where that is simulated.
const SOON: Duration = Duration::from_millis(20);

/// Clause B3.
pub fn a_connection_to_nobody_is_refused<G: Ground>() {
    let mut ground = G::new();
    let mut raw = Raw::join(&mut ground, "lonely");
    let link = raw.new_link();
    assert_eq!(raw.transport().connect(link, "nobody"), Err(ConnectError::NoSuchPeer));
    assert!(!matches!(raw.transport().send(link, &[0; 32]), Progress::Moved(_)), "there is no such link");
}

/// Clause B3.
pub fn a_connection_to_one_who_has_left_is_refused<G: Ground>() {
    let mut ground = G::new();
    let mut raw = Raw::join(&mut ground, "raw");
    let gone = Raw::join(&mut ground, "gone");
    ground.crash(gone.member);
    let link = raw.new_link();
    assert_eq!(raw.transport().connect(link, "gone"), Err(ConnectError::NoSuchPeer));
}

/// Clause B1.
pub fn a_connection_is_announced_and_carries_bytes_both_ways<G: Ground>() {
    let mut ground = G::new();
    let (mut caller, mut callee) = (Raw::join(&mut ground, "caller"), Raw::join(&mut ground, "callee"));
    let (out, status) = caller.connect("callee");
    assert_eq!((status.incarnation, status.state), (callee.incarnation(), PeerState::Active));
    let back = callee.accept();
    caller.say(out, b"what the caller says");
    assert_same(&callee.hear(back, 20), b"what the caller says", "to the callee");
    callee.say(back, b"and the other replies");
    assert_same(&caller.hear(out, 21), b"and the other replies", "to the caller");
}

/// Clause B1: what is said before the other one has taken the connection in waits for it.
pub fn what_is_said_before_the_connection_is_taken_in_is_heard<G: Ground>() {
    let mut ground = G::new();
    let (mut caller, mut callee) = (Raw::join(&mut ground, "caller"), Raw::join(&mut ground, "callee"));
    let (out, _) = caller.connect("callee");
    caller.say(out, &pattern(1, 500));
    let back = callee.accept();
    assert_same(&callee.hear(back, 500), &pattern(1, 500), "before the connection was taken in");
}

/// Clause D1.
pub fn a_connection_that_is_rejected_ends<G: Ground>() {
    let mut ground = G::new();
    let (mut caller, mut callee) = (Raw::join(&mut ground, "caller"), Raw::join(&mut ground, "callee"));
    let (out, _) = caller.connect("callee");
    callee.await_event("a connection is announced", |event| *event == TransportEvent::Incoming);
    callee.transport().reject();
    // What is to be said of that may go with its next turn.
    callee.wait(PAUSE);
    assert_eq!(caller.hear_out(out), []);
    // That was the one, and the next is another.
    let (out, _) = caller.connect("callee");
    let back = callee.accept();
    caller.say(out, &pattern(2, 40));
    assert_same(&callee.hear(back, 40), &pattern(2, 40), "on the next link");
}

/// What is reported too often does no harm.
///
/// Clause D1.
pub fn nothing_is_taken_in_where_nobody_connects<G: Ground>() {
    let mut ground = G::new();
    let mut raw = Raw::join(&mut ground, "lonely");
    let link = raw.new_link();
    assert!(!raw.transport().accept(link));
    raw.transport().reject();
}

/// It is heard out, or was never there.
///
/// Clause E2. Fault X16.
pub fn one_who_connects_and_dies_leaves_what_it_said_or_nothing<G: Ground>() {
    let Linked { mut ground, mut caller, mut callee, out, back } = Linked::<G>::new();
    let mut hasty = Raw::join(&mut ground, "hasty");
    let (theirs, _) = hasty.connect("callee");
    hasty.say(theirs, &pattern(3, 100));
    ground.crash(hasty.member);
    for _ in 0..100 {
        callee.wait(PAUSE);
        if callee.take_event(|event| *event == TransportEvent::Incoming).is_some() {
            let link = callee.new_link();
            if callee.transport().accept(link) {
                assert_same(&callee.hear_out(link), &pattern(3, 100), "by one who has died");
                break;
            }
        }
    }
    // And the others are as they were.
    callee.say(back, &pattern(4, 100));
    assert_same(&caller.hear(out, 100), &pattern(4, 100), "to another");
}

/// Clause B2.
pub fn links_between_the_same_two_are_apart<G: Ground>() {
    let Linked { mut ground, mut caller, mut callee, out, back } = Linked::<G>::new();
    let (second_out, _) = caller.connect("callee");
    let second_back = callee.accept();
    let (third_out, _) = callee.connect("caller");
    let third_back = caller.accept();
    caller.say(out, &pattern(1, 100));
    caller.say(second_out, &pattern(2, 100));
    callee.say(third_out, &pattern(3, 100));
    // Until all of that has come: one who does not receive from one link cannot wait for another.
    Raw::join(&mut ground, "bystander").idle(SOON);
    assert_same(&callee.hear(second_back, 100), &pattern(2, 100), "on the second link");
    assert_same(&callee.hear(back, 100), &pattern(1, 100), "on the first link");
    assert_same(&caller.hear(third_back, 100), &pattern(3, 100), "on the third link");
    // One ends, and the others go on.
    caller.transport().close(second_out);
    assert_eq!(callee.hear_out(second_back), []);
    callee.transport().close(second_back);
    caller.say(out, &pattern(4, 100));
    assert_same(&callee.hear(back, 100), &pattern(4, 100), "on the first link again");
}

/// Clause B1.
pub fn two_who_connect_to_each_other_at_once_have_two_links<G: Ground>() {
    let mut ground = G::new();
    let (mut one, mut two) = (Raw::join(&mut ground, "one"), Raw::join(&mut ground, "two"));
    let (of_one, of_two) = (one.connect("two").0, two.connect("one").0);
    one.say(of_one, &pattern(1, 64));
    two.say(of_two, &pattern(2, 64));
    let (at_one, at_two) = (one.accept(), two.accept());
    assert_same(&one.hear(at_one, 64), &pattern(2, 64), "to the one");
    assert_same(&two.hear(at_two, 64), &pattern(1, 64), "to the other");
}

/// Clause B1. Fault X23.
pub fn only_the_name_and_life_of_who_connected_are_genuine<G: Ground>() {
    let Linked { mut ground, caller, mut callee, back, .. } = Linked::<G>::new();
    let other = Raw::join(&mut ground, "other");
    let (life, another) = (caller.incarnation(), other.incarnation());
    let stranger = callee.new_link();
    let transport = callee.transport();
    assert!(transport.authenticate(back, "caller", life), "it is genuine");
    assert!(!transport.authenticate(back, "caller", another), "the life is another's");
    assert!(!transport.authenticate(back, "caller", Incarnation::from_bits(7)), "the life is nobody's");
    assert!(!transport.authenticate(back, "other", life), "the name is another's");
    assert!(!transport.authenticate(back, "nobody", life), "the name is nobody's");
    assert!(!transport.authenticate(stranger, "caller", life), "there is no such link");
}

/// Clause E2: the end comes behind all that was said before it.
pub fn the_end_of_a_link_comes_behind_what_was_sent<G: Ground>() {
    let Linked { ground: _ground, mut caller, mut callee, out, back } = Linked::<G>::new();
    let words = pattern(5, 2000);
    for word in words.chunks(100) {
        caller.say(out, word);
    }
    caller.transport().close(out);
    assert_same(&callee.hear_out(back), &words, "before the end");
    let mut more = Vec::new();
    assert_eq!(callee.receive(back, &mut more), Progress::Closed, "the end stays the end");
    callee.transport().close(back);
}

/// Clause E2. Fault X2: to find a peer gone by sending loses nothing that it had said.
pub fn one_who_sends_to_a_closed_link_still_hears_what_had_come<G: Ground>() {
    let Linked { ground: _ground, mut caller, mut callee, out, back } = Linked::<G>::new();
    callee.say(back, &pattern(6, 300));
    callee.transport().close(back);
    // What is sent may get lost with the peer, and that may be said at once or later.
    for _ in 0..20 {
        let progress = caller.transport().send(out, &[9; 64]);
        assert_ne!(progress, Progress::Broken);
    }
    assert_same(&caller.hear_out(out), &pattern(6, 300), "before the end");
}

/// Clauses E1, E4.
pub fn the_death_of_a_member_ends_its_links_behind_what_it_sent<G: Ground>() {
    let Linked { mut ground, mut caller, mut callee, out, back } = Linked::<G>::new();
    let mut third = Raw::join(&mut ground, "third");
    let (spare, _) = third.connect("callee");
    let theirs = callee.accept();
    callee.say(back, &pattern(7, 700));
    callee.say(theirs, &pattern(8, 100));
    ground.crash(callee.member);
    assert_same(&caller.hear_out(out), &pattern(7, 700), "by one who has died");
    assert_same(&third.hear_out(spare), &pattern(8, 100), "to another");
}

/// Clause D1.
pub fn a_link_that_this_end_has_closed_is_no_more<G: Ground>() {
    let Linked { ground: _ground, mut caller, mut callee, out, back } = Linked::<G>::new();
    callee.say(back, &pattern(9, 50));
    caller.transport().close(out);
    assert_eq!(caller.transport().send(out, &[0; 32]), Progress::Closed);
    assert!(!matches!(caller.receive(out, &mut Vec::new()), Progress::Moved(_)), "what had come is dropped");
    for _ in 0..10 {
        caller.wait(PAUSE);
        assert!(!caller.take_ready(out), "nothing is told of it");
    }
    // Twice is once.
    caller.transport().close(out);
    callee.hear_out(back);
}
