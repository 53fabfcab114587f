//! How a member waits, and what ends that.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use ipcm_core::LinkId;
use ipcm_core::transport::{PeerChange, PeerState, Progress, Transport, TransportEvent};

use crate::act::Act;
use crate::ground::Ground;
use crate::patience::PATIENCE;
use crate::pattern::{assert_same, pattern};
use crate::raw::{Linked, Raw};
use crate::way::Way;

/// More than any transport may take for a peer that receives nothing.
const TOO_MUCH: usize = 16 * 1024 * 1024;
/// How long nothing happens.
const IDLE: Duration = Duration::from_millis(100);
/// How often a wait may return in that time, though there is nothing.
const RETURNS: u32 = 200;
/// Waits that a transport may give up early, one after the other.
const EARLY: u32 = 1000;

/// Clause E1: an idle wait costs nothing, and lasts no longer than it may.
pub fn a_wait_in_which_nothing_happens_ends_at_its_deadline<G: Ground>() {
    let Linked { ground: _ground, mut caller, mut callee, .. } = Linked::<G>::new();
    for raw in [&mut caller, &mut callee] {
        let began = raw.now();
        let mut returns = 0;
        while raw.now() < began + IDLE {
            raw.wait(began + IDLE - raw.now());
            raw.dismiss();
            returns += 1;
            assert!(returns <= RETURNS, "{returns} returns in {:?} of nothing", raw.now() - began);
        }
        assert!(raw.now() < began + IDLE + PATIENCE, "the wait does not end at its deadline");
    }
}

/// Clause C10.
pub fn a_wait_whose_deadline_has_passed_looks_and_returns<G: Ground>() {
    let Linked { ground: _ground, mut caller, mut callee, out, back } = Linked::<G>::new();
    caller.say(out, &pattern(1, 100));
    // It looks, though it must not wait.
    assert_same(&callee.hear(back, 100), &pattern(1, 100), "with a pause");
    caller.say(out, &pattern(2, 100));
    // Until it has come.
    caller.idle(IDLE);
    let mut looks = 0;
    while !callee.take_ready(back) {
        callee.wait(Duration::ZERO);
        looks += 1;
        assert!(looks < 100_000, "a look without a wait never finds anything");
    }
    let before = callee.now();
    for _ in 0..10 {
        callee.wait(Duration::ZERO);
    }
    assert!(callee.now() < before + PATIENCE, "a look without a wait waits");
}

/// Clause E1: bytes that come while a member waits end its wait.
pub fn bytes_end_a_wait<G: Ground>() {
    let Linked { mut ground, mut caller, callee, out, back } = Linked::<G>::new();
    let act = Act::<G>::new(callee.member, move |mut member| {
        member.transport_mut().send(back, &pattern(3, 64));
        Some(member)
    });
    ground.meanwhile(act, &mut || {
        assert_eq!(woken_by(&mut caller, |raw| raw.take_ready(out).then_some(out)), out);
        let mut heard = Vec::new();
        while heard.len() < 64 {
            assert!(matches!(caller.receive(out, &mut heard), Progress::Moved(_)));
        }
        assert_same(&heard, &pattern(3, 64), "while it waited");
    });
}

/// Clause E1: so does one who connects.
pub fn a_connection_ends_a_wait<G: Ground>() {
    let Linked { mut ground, caller, mut callee, .. } = Linked::<G>::new();
    let another = LinkId::from_bits(9 << 32 | 7);
    let act = Act::<G>::new(caller.member, move |mut member| {
        member.transport_mut().connect(another, "callee").map(|_| member).ok()
    });
    ground.meanwhile(act, &mut || {
        woken_by(&mut callee, |raw| raw.take_event(|event| *event == TransportEvent::Incoming));
    });
}

/// Clauses E1, E4: so does the death of a peer.
pub fn a_death_ends_a_wait<G: Ground>() {
    let Linked { mut ground, mut caller, callee, out, .. } = Linked::<G>::new();
    let act = Act::<G>::new(callee.member, |member| {
        drop(member);
        None
    });
    ground.meanwhile(act, &mut || {
        woken_by(&mut caller, |raw| raw.take_ready(out).then_some(()));
        assert_eq!(caller.receive(out, &mut Vec::new()), Progress::Closed);
    });
}

/// Clause E5: and that of a peer that is watched, without any link to it.
pub fn the_death_of_one_who_is_watched_ends_a_wait<G: Ground>() {
    let mut ground = G::new();
    let (mut watcher, other) = (Raw::join(&mut ground, "watcher"), Raw::join(&mut ground, "other"));
    assert_eq!(watcher.transport().watch(), Ok(()));
    let life = other.incarnation();
    assert_eq!(watcher.await_change().state, PeerState::Active);
    let act = Act::<G>::new(other.member, |member| {
        drop(member);
        None
    });
    let expected = PeerChange { name: "other".into(), incarnation: life, state: PeerState::Gone };
    let expected = TransportEvent::Peer(expected);
    ground.meanwhile(act, &mut || {
        woken_by(&mut watcher, |raw| raw.take_event(|event| *event == expected));
    });
}

/// Clause B4: room on a link that was full ends the wait of one who has more to send.
pub fn room_on_a_full_link_ends_a_wait<G: Ground>() {
    let Linked { mut ground, mut caller, callee, out, back } = Linked::<G>::new();
    let bytes = pattern(4, TOO_MUCH);
    let mut way = Way::new(out, back, &bytes);
    way.fill(&mut caller);
    assert!(way.sent() < TOO_MUCH, "the link is never full");
    while caller.take_event(|_| true).is_some() {}
    let act = Act::<G>::new(callee.member, move |mut member| {
        let mut buffer = vec![0; G::Transport::BUFFER];
        for _ in 0..100_000 {
            if member.transport_mut().receive(back, &mut buffer) == Progress::Blocked {
                break;
            }
        }
        Some(member)
    });
    ground.meanwhile(act, &mut || {
        woken_by(&mut caller, |raw| raw.take_event(|event| *event == TransportEvent::Writable(out)));
        assert!(matches!(caller.transport().send(out, &bytes[..32]), Progress::Moved(_)));
    });
}

/// Clause C7: a wait for one link alone finds what is there, and gives up at its deadline.
pub fn a_wait_for_one_link_finds_what_is_there_and_gives_up_in_time<G: Ground>() {
    let Linked { ground: _ground, mut caller, mut callee, out, back } = Linked::<G>::new();
    caller.say(out, &pattern(5, 48));
    let mut buffer = vec![0; G::Transport::BUFFER];
    let mut heard = Vec::new();
    let mut waits = 0;
    while heard.len() < 48 {
        let now = callee.now();
        let until = Some(now + PATIENCE);
        match callee.transport().receive_or_wait(back, &mut buffer, now, until) {
            Progress::Moved(n) => heard.extend_from_slice(&buffer[..n]),
            // It may leave that to `wait`.
            Progress::Blocked => callee.wait(Duration::from_millis(1)),
            end => panic!("the link ended as {end:?}"),
        }
        waits += 1;
        assert!(waits < EARLY, "what was sent does not come");
    }
    assert_same(&heard, &pattern(5, 48), "by a wait for one link");
    let now = callee.now();
    let progress = callee.transport().receive_or_wait(back, &mut buffer, now, Some(now + IDLE));
    assert_eq!(progress, Progress::Blocked);
    assert!(callee.now() < now + IDLE + PATIENCE, "the wait does not end at its deadline");
    caller.transport().close(out);
    let mut waits = 0;
    loop {
        let now = callee.now();
        match callee.transport().receive_or_wait(back, &mut buffer, now, Some(now + PATIENCE)) {
            Progress::Closed => break,
            Progress::Blocked => callee.wait(Duration::from_millis(1)),
            other => panic!("after the end: {other:?}"),
        }
        waits += 1;
        assert!(waits < EARLY, "the end does not come");
    }
}

/// Waits as one who has nothing else to do, until there is something.
#[track_caller]
fn woken_by<G: Ground, R>(raw: &mut Raw<G>, mut get: impl FnMut(&mut Raw<G>) -> Option<R>) -> R {
    let until = raw.now() + PATIENCE;
    for _ in 0..EARLY {
        raw.wait(until - raw.now());
        assert!(raw.now() < until, "the wait goes on over what has come");
        if let Some(got) = get(raw) {
            return got;
        }
        raw.dismiss();
    }
    panic!("the wait is given up again and again before anything comes");
}
