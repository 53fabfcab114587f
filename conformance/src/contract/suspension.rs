//! Suspension: a member gives up its life, keeps its name, and its next life goes on with its links. A transport that
//! cannot says so.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use ipcm_core::transport::{Parting, PeerChange, PeerState, SuspendError, Transport};
use ipcm_core::{Config, Instant, LinkId};

use crate::ground::{Ground, Member};
use crate::pattern::{assert_same, pattern};
use crate::raw::{Linked, Raw};

const HOUR: Duration = Duration::from_secs(3600);

/// Clause A6.
pub fn a_transport_that_cannot_suspend_says_so_and_goes_on<G: Ground>() {
    let Linked { ground: _ground, mut caller, mut callee, out, back } = Linked::<G>::new();
    if caller.transport().capabilities().suspend {
        return;
    }
    let until = caller.now() + HOUR;
    assert_eq!(caller.transport().suspend(until, vec![]), Err(SuspendError::Unsupported));
    caller.say(out, &pattern(1, 40));
    assert_same(&callee.hear(back, 40), &pattern(1, 40), "after that");
}

/// Clause A6.
pub fn a_suspended_member_keeps_its_name<G: Ground>() {
    let mut ground = G::new();
    let mut watcher = Raw::join(&mut ground, "watcher");
    let sleeper = Raw::join(&mut ground, "sleeper");
    assert_eq!(watcher.transport().watch(), Ok(()));
    assert_eq!(watcher.await_change().state, PeerState::Active);
    let life = sleeper.incarnation();
    let Some(until) = put_to_sleep(sleeper.member, vec![]) else { return };
    let PeerChange { name, incarnation, state } = watcher.await_change();
    assert_eq!((&*name, incarnation), ("sleeper", life));
    assert!(is_about(state, until), "{state:?}");
    let status = watcher.transport().find("sleeper").expect("the bus is there").expect("it sleeps");
    assert!(status.incarnation == life && is_about(status.state, until), "{status:?}");
    assert_eq!(watcher.transport().peers(), Ok(vec![String::from("sleeper")]));
    assert!(ground.join("sleeper", Config::default()).is_none(), "the name is kept");
    let awake = ground.resume("sleeper", Config::default()).expect("it sleeps");
    assert_ne!(awake.endpoint().incarnation(), life);
    let change = watcher.await_change();
    assert_eq!((change.incarnation, change.state), (awake.endpoint().incarnation(), PeerState::Active));
    assert!(ground.resume("sleeper", Config::default()).is_none(), "it does not sleep any more");
}

/// Clauses A6, B2.
pub fn what_is_sent_to_a_suspended_member_comes_to_its_next_life_in_order<G: Ground>() {
    let Linked { mut ground, mut caller, mut callee, out, back } = Linked::<G>::new();
    caller.say(out, &pattern(1, 100));
    assert_same(&callee.hear(back, 100), &pattern(1, 100), "before");
    // It has come, and this life does not take it in.
    caller.say(out, &pattern(2, 100));
    callee.say(back, &pattern(3, 100));
    let parting = Parting {
        link: back,
        unsent: pattern(4, 100),
        hello: pattern(5, 60),
        partial: pattern(6, 30),
        asleep: None,
        spent: 123,
    };
    let Some(until) = put_to_sleep(callee.member, vec![parting]) else { return };
    let heard = caller.hear(out, 200);
    assert_same(&heard, &[pattern(3, 100), pattern(4, 100)].concat(), "what it had to say");
    let told = caller.await_suspension(out);
    assert!(is_near(told, until), "{told:?}");
    caller.say(out, &pattern(7, 100));
    let mut awake = resume(&mut ground, "callee");
    let again = awake.accept();
    assert_eq!(awake.member.transport().spent(again), 123, "of the peer's window");
    let words = [pattern(5, 60), pattern(6, 30), pattern(2, 100), pattern(7, 100)].concat();
    assert_same(&awake.hear(again, words.len()), &words, "the hello, the beginning of a frame, and the rest");
    awake.say(again, &pattern(8, 100));
    assert_same(&caller.hear(out, 100), &pattern(8, 100), "by the next life");
}

/// Clause A6.
pub fn one_who_connects_to_a_suspended_member_is_taken_in_by_its_next_life<G: Ground>() {
    let mut ground = G::new();
    let (mut caller, sleeper) = (Raw::join(&mut ground, "caller"), Raw::join(&mut ground, "sleeper"));
    let Some(until) = put_to_sleep(sleeper.member, vec![]) else { return };
    let (out, status) = caller.connect("sleeper");
    // One whose hello was kept is heard first, and then falls asleep.
    if status.state == PeerState::Active {
        assert!(!caller.hear(out, 1).is_empty(), "its hello");
        let told = caller.await_suspension(out);
        assert!(is_near(told, until), "{told:?}");
    } else {
        assert!(is_about(status.state, until), "{status:?}");
    }
    caller.say(out, &pattern(1, 100));
    let mut awake = resume(&mut ground, "sleeper");
    let back = awake.accept();
    assert_same(&awake.hear(back, 100), &pattern(1, 100), "while it slept");
}

/// Clause E3.
pub fn a_link_without_a_parting_is_closed<G: Ground>() {
    let Linked { mut ground, mut caller, callee, out, .. } = Linked::<G>::new();
    if put_to_sleep(callee.member, vec![]).is_some() {
        assert_eq!(caller.hear_out(out), []);
        resume(&mut ground, "callee");
    }
}

/// Clauses E3, A4.
pub fn a_suspension_that_is_over_is_the_end<G: Ground>() {
    let mut ground = G::new();
    let (mut watcher, mut sleeper) = (Raw::join(&mut ground, "watcher"), Raw::join(&mut ground, "sleeper"));
    assert_eq!(watcher.transport().watch(), Ok(()));
    assert_eq!(watcher.await_change().state, PeerState::Active);
    if !sleeper.transport().capabilities().suspend {
        return;
    }
    let until = sleeper.now() + Duration::from_millis(200);
    sleeper.transport().suspend(until, vec![]).expect("it can be suspended");
    drop(sleeper);
    assert!(matches!(watcher.await_change().state, PeerState::Suspended(_)));
    assert_eq!(watcher.await_change().state, PeerState::Gone);
    assert_eq!(watcher.transport().find("sleeper"), Ok(None));
    assert!(ground.join("sleeper", Config::default()).is_some(), "the name is free");
}

/// Clause A6: both ends of a link, one after the other.
pub fn two_members_that_are_suspended_in_turn_lose_nothing<G: Ground>() {
    let Linked { mut ground, caller, callee, out, back } = Linked::<G>::new();
    let (mut one, mut two, mut of_one, mut of_two) = (caller, callee, out, back);
    for round in 0..3u64 {
        one.say(of_one, &pattern(round, 50));
        if put_to_sleep(one.member, vec![parting(of_one)]).is_none() {
            return;
        }
        assert_same(&two.hear(of_two, 50), &pattern(round, 50), "by one who sleeps");
        two.await_suspension(of_two);
        two.say(of_two, &pattern(round + 100, 50));
        one = resume(&mut ground, if round % 2 == 0 { "caller" } else { "callee" });
        of_one = one.accept();
        assert_same(&one.hear(of_one, 50), &pattern(round + 100, 50), "while it slept");
        one.say(of_one, &pattern(round + 200, 50));
        assert_same(&two.hear(of_two, 50), &pattern(round + 200, 50), "by its next life");
        (one, two, of_one, of_two) = (two, one, of_two, of_one);
    }
}

fn parting(link: LinkId) -> Parting {
    Parting { link, unsent: Vec::new(), hello: Vec::new(), partial: Vec::new(), asleep: None, spent: 0 }
}

/// Suspends a member for an hour, or sees that it cannot be. Until when it sleeps.
#[track_caller]
fn put_to_sleep<T: Transport, C: ipcm_core::Clock>(
    mut member: ipcm_core::Client<T, C>,
    partings: Vec<Parting>,
) -> Option<Instant> {
    let until = member.now() + HOUR;
    if member.transport().capabilities().suspend {
        member.transport_mut().suspend(until, partings).expect("it can be suspended");
        return Some(until);
    }
    let refused = member.transport_mut().suspend(until, partings);
    assert_eq!(refused, Err(SuspendError::Unsupported));
    None
}

#[track_caller]
fn resume<G: Ground>(ground: &mut G, name: &str) -> Raw<G> {
    let member: Member<G> = ground.resume(name, Config::default()).expect("a suspended member can come back");
    Raw::of(member)
}

/// Whether that is suspended until about then: the moment may have gone through the wall clock.
fn is_about(state: PeerState, until: Instant) -> bool {
    matches!(state, PeerState::Suspended(when) if is_near(when, until))
}

fn is_near(when: Instant, until: Instant) -> bool {
    when.saturating_since(until).max(until.saturating_since(when)) < Duration::from_secs(60)
}
