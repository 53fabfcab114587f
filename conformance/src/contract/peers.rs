//! Who is on the bus, who comes and who goes.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use ipcm_core::Config;
use ipcm_core::transport::{PeerChange, PeerState, Transport, TransportEvent};

use crate::ground::Ground;
use crate::patience::PAUSE;
use crate::raw::Raw;

/// Clause A5.
pub fn the_others_are_listed_sorted_and_found_by_their_names<G: Ground>() {
    let mut ground = G::new();
    let mut raw = Raw::join(&mut ground, "me");
    assert_eq!(raw.transport().peers(), Ok(vec![]));
    assert_eq!(raw.transport().find("one"), Ok(None));
    let others = ["one", "another", "zoe"].map(|name| Raw::join(&mut ground, name));
    assert_eq!(raw.transport().peers(), Ok(["another", "one", "zoe"].map(String::from).to_vec()));
    for other in &others {
        let name = other.member.endpoint().name();
        let status = raw.transport().find(name).expect("the bus is there").expect("it is there");
        assert_eq!((status.incarnation, status.state), (other.incarnation(), PeerState::Active));
    }
    let [one, ..] = others;
    ground.crash(one.member);
    assert_eq!(raw.transport().find("one"), Ok(None));
    assert_eq!(raw.transport().peers(), Ok(["another", "zoe"].map(String::from).to_vec()));
}

/// Clause A3.
pub fn a_name_may_be_any_text_of_up_to_512_bytes<G: Ground>() {
    let mut ground = G::new();
    let mut raw = Raw::join(&mut ground, "me");
    let mut names = vec![
        "a/b".into(),
        "..".into(),
        " with\nlines and\0zeros ".into(),
        "ÅΩ漢字".into(),
        "n".repeat(512),
        "-x*?[]{}'\"\\".into(),
        String::from("UPPER"),
        "upper".into(),
    ];
    let others: Vec<_> = names.iter().map(|name| Raw::join(&mut ground, name)).collect();
    for other in &others {
        let name = other.member.endpoint().name();
        let status = raw.transport().find(name).expect("the bus is there").expect("it is there");
        assert_eq!(status.incarnation, other.incarnation(), "{name:?}");
        raw.connect(name);
    }
    names.sort_unstable();
    assert_eq!(raw.transport().peers(), Ok(names));
}

/// Clause A4. Fault X19.
pub fn a_name_has_one_owner_and_is_free_when_that_one_is_gone<G: Ground>() {
    let mut ground = G::new();
    let owner = ground.join("name", Config::default()).expect("the name is free");
    assert!(ground.join("name", Config::default()).is_none(), "the name is taken");
    let life = owner.endpoint().incarnation();
    drop(owner);
    let next = ground.join("name", Config::default()).expect("its owner has left");
    assert_ne!(next.endpoint().incarnation(), life);
    assert!(ground.join("name", Config::default()).is_none(), "the name is taken again");
    ground.crash(next);
    assert!(ground.join("name", Config::default()).is_some(), "its owner has died");
}

/// Clauses A4, D7.
pub fn every_life_has_an_incarnation_of_its_own<G: Ground>() {
    let mut ground = G::new();
    let mut lives = Vec::new();
    for _ in 0..10 {
        let (one, two) = (Raw::join(&mut ground, "one"), Raw::join(&mut ground, "two"));
        lives.extend([one.incarnation(), two.incarnation()]);
        ground.crash(one.member);
    }
    lives.sort_unstable();
    lives.dedup();
    assert_eq!(lives.len(), 20);
}

/// Clauses A10, E5.
pub fn one_who_watches_is_told_who_is_there_who_comes_and_who_goes<G: Ground>() {
    let mut ground = G::new();
    let early = Raw::join(&mut ground, "early");
    let mut watcher = Raw::join(&mut ground, "watcher");
    assert_eq!(watcher.transport().watch(), Ok(()));
    let is = |name: &str, incarnation, state| PeerChange { name: name.into(), incarnation, state };
    assert_eq!(watcher.await_change(), is("early", early.incarnation(), PeerState::Active));
    let late = Raw::join(&mut ground, "late");
    assert_eq!(watcher.await_change(), is("late", late.incarnation(), PeerState::Active));
    let life = early.incarnation();
    ground.crash(early.member);
    assert_eq!(watcher.await_change(), is("early", life, PeerState::Gone));
    let life = late.incarnation();
    drop(late);
    assert_eq!(watcher.await_change(), is("late", life, PeerState::Gone));
    let again = Raw::join(&mut ground, "early");
    assert_eq!(watcher.await_change(), is("early", again.incarnation(), PeerState::Active));
    // To watch once more changes nothing.
    assert_eq!(watcher.transport().watch(), Ok(()));
    for _ in 0..10 {
        watcher.wait(PAUSE);
    }
    assert_eq!(watcher.take_event(|event| matches!(event, TransportEvent::Peer(_))), None);
}

/// Clause E5.
pub fn one_who_does_not_watch_is_told_nothing<G: Ground>() {
    let mut ground = G::new();
    let mut raw = Raw::join(&mut ground, "raw");
    let other = Raw::join(&mut ground, "other");
    raw.wait(PAUSE);
    ground.crash(other.member);
    for _ in 0..10 {
        raw.wait(PAUSE);
    }
    assert_eq!(raw.take_event(|_| true), None);
}
