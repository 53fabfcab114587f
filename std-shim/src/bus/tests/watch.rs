//! Changes among peers, told by the kernel.

use super::super::change::PeerChange;
use super::super::membership::Membership;
use super::super::watch::PeerWatch;
use super::{TestBus, wait_readable};
use std::fs;

/// The changes until there are this many, each waited for.
fn await_changes(watch: &mut PeerWatch, count: usize) -> Vec<PeerChange> {
    let mut changes = Vec::new();
    while changes.len() < count {
        wait_readable(watch.fd().unwrap());
        watch.changes(&mut changes).unwrap();
    }
    changes
}

fn changes_now(watch: &mut PeerWatch) -> Vec<PeerChange> {
    let mut changes = Vec::new();
    watch.changes(&mut changes).unwrap();
    changes
}

fn arrived(member: &Membership) -> PeerChange {
    PeerChange::Arrived(member.record().clone())
}

fn departed(name: &str, incarnation: ipcm_core::Incarnation) -> PeerChange {
    PeerChange::Departed { name: name.to_owned(), incarnation }
}

/// Clause A10.
#[test]
fn arrivals_and_departures_are_told_by_a_descriptor() {
    let bus = TestBus::new();
    let before = bus.join("before");
    let mut watch = bus.dir.watch().unwrap();
    assert!(!watch.waits_by_polling());
    assert_eq!(watch.known().collect::<Vec<_>>(), [before.record()]);
    assert_eq!(changes_now(&mut watch), []);

    let member = bus.join("a/b");
    assert_eq!(await_changes(&mut watch, 1), [arrived(&member)]);
    let incarnation = member.record().incarnation();
    drop(member);
    assert_eq!(await_changes(&mut watch, 1), [departed("a/b", incarnation)]);
    assert_eq!(changes_now(&mut watch), []);
    assert_eq!(watch.known().count(), 1);
}

/// Clause A10. Clause E5.
#[test]
fn a_killed_process_departs_before_it_is_reaped() {
    let bus = TestBus::new();
    let mut watch = bus.dir.watch().unwrap();
    let mut child = bus.child("x");
    let peer = bus.dir.lookup("x").unwrap().unwrap();
    assert_eq!(await_changes(&mut watch, 1), [PeerChange::Arrived(peer.clone())]);
    child.kill();
    assert_eq!(await_changes(&mut watch, 1), [departed("x", peer.incarnation())]);
    child.wait();
    let next = bus.join("x");
    assert_eq!(await_changes(&mut watch, 1), [arrived(&next)]);
    drop(child);
    assert_eq!(changes_now(&mut watch), []);
}

/// Clause A10. Restarts that the watcher looks at late, and a scan that sees what events tell later.
#[test]
fn a_name_that_changed_hands_unseen_is_one_departure_and_one_arrival() {
    let bus = TestBus::new();
    let first = bus.join("x");
    let mut watch = bus.dir.watch().unwrap();
    let incarnation = first.record().incarnation();
    drop(first);
    for _ in 0..3 {
        let mut child = bus.child("x");
        child.kill();
        child.wait();
    }
    let last = bus.join("x");
    assert_eq!(await_changes(&mut watch, 2), [departed("x", incarnation), arrived(&last)]);
    assert_eq!(changes_now(&mut watch), []);
}

/// Clause A10. A reader of records, or one who takes a read lock on them, ends nobody.
#[test]
fn looking_at_a_peer_is_not_a_departure() {
    let bus = TestBus::new();
    let _child = bus.child("x");
    let mut watch = bus.dir.watch().unwrap();
    assert_eq!(bus.names(), ["x"]);
    let member = bus.join("y");
    assert_eq!(await_changes(&mut watch, 1), [arrived(&member)]);
    assert_eq!(watch.known().count(), 2);
}

/// Clause A10. Fault X20. When the kernel drops events, the directory is compared.
#[test]
fn an_overflow_of_the_event_queue_loses_no_change() {
    let bus = TestBus::new();
    let leaving = bus.join("leaving");
    let mut watch = bus.dir.watch().unwrap();
    let incarnation = leaving.record().incarnation();
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let (a, b) = (bus.route().join("junk-a.peer"), bus.route().join("junk-b.peer"));
    fs::write(&a, "").unwrap();
    for _ in 0..limit.trim().parse::<usize>().unwrap() / 4 + 1 {
        fs::rename(&a, &b).unwrap();
        fs::rename(&b, &a).unwrap();
    }
    drop(leaving);
    let arriving = bus.join("arriving");
    assert_eq!(changes_now(&mut watch), [departed("leaving", incarnation), arrived(&arriving)]);
}

/// Clause A10. Fault X20. Where the system has no watch left, each call scans.
#[test]
fn a_watch_without_inotify_tells_the_same_when_asked() {
    let bus = TestBus::new();
    let before = bus.join("before");
    let mut watch = PeerWatch::start(bus.dir.clone(), None).unwrap();
    assert!(watch.waits_by_polling() && watch.fd().is_none());
    let mut child = bus.child("x");
    let peer = bus.dir.lookup("x").unwrap().unwrap();
    assert_eq!(changes_now(&mut watch), [PeerChange::Arrived(peer.clone())]);
    child.kill();
    child.wait();
    assert_eq!(changes_now(&mut watch), [departed("x", peer.incarnation())]);
    let incarnation = before.record().incarnation();
    drop(before);
    let next = bus.join("before");
    assert_eq!(changes_now(&mut watch), [departed("before", incarnation), arrived(&next)]);
    fs::remove_dir_all(bus.route()).unwrap();
    assert_eq!(
        changes_now(&mut watch),
        [departed("before", next.record().incarnation()), PeerChange::BusGone]
    );
    assert_eq!(changes_now(&mut watch), []);
}

/// Clause A10. Fault X20.
#[test]
fn the_end_of_the_bus_is_told_once() {
    let bus = TestBus::new();
    let member = bus.join("x");
    let mut watch = bus.dir.watch().unwrap();
    fs::remove_dir_all(bus.route()).unwrap();
    let mut changes = await_changes(&mut watch, 2);
    changes.sort_by_key(|change| *change == PeerChange::BusGone);
    assert_eq!(changes, [departed("x", member.record().incarnation()), PeerChange::BusGone]);
    assert_eq!(changes_now(&mut watch), []);
}

/// Clause A10. Fault X20.
#[test]
fn a_bus_that_was_moved_away_is_gone() {
    let bus = TestBus::new();
    let mut watch = bus.dir.watch().unwrap();
    fs::rename(bus.route(), bus.parent.path().join("elsewhere")).unwrap();
    assert_eq!(await_changes(&mut watch, 1), [PeerChange::BusGone]);
}
