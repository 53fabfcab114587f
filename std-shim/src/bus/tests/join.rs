//! Joining, leaving and finding each other.

use super::super::dir::BusDir;
use super::super::error::{ConnectError, JoinError};
use super::super::medium::Medium;
use super::super::record::PeerKind;
use super::super::users::Users;
use super::child::Child;
use super::{TestBus, fresh};
use crate::BusError;
use ipcm_core::name::NameError;
use rustix::net::{RecvFlags, SendFlags, accept, recv, send};
use std::io::ErrorKind::AlreadyExists;

/// Clause A3. Names of every kind, on a bus whose route is longer than a socket's address can be.
#[test]
fn any_name_works_on_a_long_route_and_is_reported_as_given() {
    let bus = TestBus::under(&format!("{}/{}", "r".repeat(200), "s".repeat(200)), Users::Owner);
    let long = "n".repeat(512);
    let wide = "é".repeat(256);
    let names = [
        "a", " ", ".", "..", ".join", "a/b", "../a", "a\\b", "a\nb", "\0", "h-1", "a.peer", "日本", &long,
        &wide,
    ];
    let members: Vec<_> = names.iter().map(|name| bus.join(name)).collect();

    let mut sorted = names.map(str::to_owned).to_vec();
    sorted.sort();
    assert_eq!(bus.names(), sorted);
    for member in &members {
        let found = bus.dir.lookup(member.name()).unwrap().unwrap();
        assert_eq!(&found, member.record());
        let ours = bus.dir.connect(&found).unwrap();
        let theirs = accept(member.listener()).unwrap();
        send(&ours, b"hello", SendFlags::empty()).unwrap();
        let mut bytes = [0; 8];
        let (_, length) = recv(&theirs, &mut bytes, RecvFlags::empty()).unwrap();
        assert_eq!(&bytes[..length], b"hello");
    }
    drop(members);
    assert_eq!(bus.remains(), [""; 0]);
}

/// Clause A3.
#[test]
fn a_bad_name_is_refused_by_kind() {
    let bus = TestBus::new();
    for (name, expected) in [
        ("", NameError::Empty),
        ("_x", NameError::Reserved),
        (&"x".repeat(513), NameError::TooLong { len: 513 }),
    ] {
        match bus.dir.join(name, PeerKind::Handle, fresh()) {
            Err(JoinError::Name { name: given, source }) => {
                assert_eq!((given.as_str(), source), (name, expected))
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(bus.dir.lookup(name).unwrap(), None);
    }
}

/// Clause A4.
#[test]
fn a_name_that_a_live_peer_has_is_taken_also_within_one_process() {
    let bus = TestBus::new();
    let child = bus.child("x");
    match bus.dir.join("x", PeerKind::Handle, fresh()) {
        Err(JoinError::NameTaken { name, pid, path }) => {
            assert_eq!((name.as_str(), pid, path), ("x", child.pid(), bus.route()));
        }
        other => panic!("{other:?}"),
    }
    let own = bus.join("y");
    let again = bus.dir.join("y", PeerKind::Handle, fresh()).unwrap_err();
    assert!(matches!(&again, JoinError::NameTaken { pid, .. } if *pid == std::process::id()));
    let text = again.to_string();
    assert!(text.contains("\"y\"") && text.contains(bus.route().to_str().unwrap()), "{text}");
    drop(own);
    bus.join("y");
}

/// Clause A4. Clause A5.
#[test]
fn a_name_is_taken_over_from_a_killed_process_in_a_new_incarnation() {
    let bus = TestBus::new();
    let mut child = bus.child("x");
    let before = bus.dir.lookup("x").unwrap().unwrap();
    assert_eq!((before.pid(), before.kind()), (child.pid(), PeerKind::Service));
    child.kill();
    child.wait();

    assert_eq!(bus.dir.lookup("x").unwrap(), None);
    assert_eq!(bus.names(), [""; 0]);
    let gone = bus.dir.connect(&before).unwrap_err();
    assert!(matches!(&gone, ConnectError::Gone { name } if name == "x"), "{gone:?}");

    let member = bus.join("x");
    assert_ne!(member.record().incarnation(), before.incarnation());
    assert_eq!(bus.remains().len(), 2, "one record and one socket: {:?}", bus.remains());
    assert!(matches!(bus.dir.connect(&before), Err(ConnectError::Gone { .. })), "the former life stays gone");
    drop(member);
    assert_eq!(bus.remains(), [""; 0]);
}

/// Clause A4. Fault X19.
#[test]
fn of_50_processes_that_race_for_a_dead_peers_name_one_wins() {
    let bus = TestBus::new();
    let mut dead = bus.child("x");
    dead.kill();
    dead.wait();
    let start = |_| Child::joining(&bus.route(), "x").env("IPCM_TEST_WAIT", "1").start();
    let mut racers: Vec<_> = (0..50).map(start).collect();
    racers.iter_mut().for_each(|racer| racer.expect("ready"));
    racers.iter_mut().for_each(|racer| racer.tell("go"));
    let outcomes: Vec<_> = racers.iter_mut().map(|racer| racer.hear().unwrap()).collect();

    let winners: Vec<_> = (0..50).filter(|i| outcomes[*i] == "joined").collect();
    assert_eq!(winners.len(), 1, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|said| *said == "taken").count(), 49, "{outcomes:?}");
    assert_eq!(bus.dir.lookup("x").unwrap().unwrap().pid(), racers[winners[0]].pid());
}

/// Fault X17.
#[test]
fn a_forked_child_that_drops_its_copy_leaves_the_parent_joined() {
    let bus = TestBus::new();
    let mut child = bus.child("x");
    child.tell("fork");
    child.expect("forked 7");
    let peer = bus.dir.lookup("x").unwrap().unwrap();
    assert_eq!(peer.pid(), child.pid());
    bus.dir.connect(&peer).unwrap();
}

/// Clause A4. An orderly leave frees the name while the process lives on.
#[test]
fn a_peer_that_leaves_takes_its_files_along() {
    let bus = TestBus::new();
    let mut child = bus.child("x");
    child.tell("leave");
    child.expect("left");
    assert_eq!(bus.remains(), [""; 0]);
    bus.join("x");
}

/// Fault X10. A peer that accepts nothing makes no caller wait.
#[test]
fn a_full_backlog_is_an_error_at_once() {
    let bus = TestBus::new();
    let member = bus.join("x");
    rustix::net::listen(member.listener(), 0).unwrap();
    let _waiting = bus.dir.connect(member.record()).unwrap();
    match bus.dir.connect(member.record()) {
        Err(ConnectError::Backlog { name }) => assert_eq!(name, "x"),
        other => panic!("{other:?}"),
    }
}

/// Fault X17. Every descriptor is closed by exec; the socket handed out waits in reads.
#[test]
fn descriptors_close_on_exec_and_a_connection_blocks() {
    let bus = TestBus::new();
    let member = bus.join("x");
    let watch = bus.dir.watch().unwrap();
    let socket = bus.dir.connect(member.record()).unwrap();
    use std::os::fd::AsFd;
    for fd in [bus.dir.as_fd(), member.listener(), member.record_file(), watch.fd().unwrap(), socket.as_fd()]
    {
        assert!(rustix::io::fcntl_getfd(fd).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
    }
    assert!(!rustix::fs::fcntl_getfl(&socket).unwrap().contains(rustix::fs::OFlags::NONBLOCK));
}

/// Fault X20.
#[test]
fn a_bus_that_has_vanished_is_a_typed_error_that_names_it() {
    let bus = TestBus::new();
    let member = bus.join("here");
    let peer = member.record().clone();
    std::fs::remove_dir_all(bus.route()).unwrap();
    let is_no_bus = |error: &BusError| matches!(error, BusError::NoBus { path } if *path == bus.route());
    assert!(is_no_bus(&bus.dir.peers().unwrap_err()));
    assert!(is_no_bus(&bus.dir.lookup("x").unwrap_err()));
    assert!(is_no_bus(&bus.dir.sweep().unwrap_err()));
    assert!(is_no_bus(&bus.dir.watch().unwrap_err()));
    assert!(is_no_bus(&BusDir::open(bus.dir.info()).unwrap_err()));
    let error = bus.dir.join("x", PeerKind::Handle, fresh()).unwrap_err();
    assert!(matches!(&error, JoinError::Bus { name, source } if name == "x" && is_no_bus(source)));
    assert!(error.to_string().contains(bus.route().to_str().unwrap()));
    assert!(matches!(bus.dir.connect(&peer), Err(ConnectError::Gone { .. })));
}

/// A guest, who takes no lock, may come between a look and a join.
///
/// Clause A4.
#[test]
fn a_join_takes_no_name_from_one_who_came_behind_its_look() {
    let parent = tempfile::TempDir::new().unwrap();
    let bus = BusDir::create(parent.path(), &Users::Owner, (Medium::Files, true), false).unwrap().dir;
    let path = |file: &str| bus.path().join(file);
    let member = bus.join("x", PeerKind::Handle, fresh()).unwrap();
    let life = member.record().incarnation();
    let text = std::fs::read(path("x.peer")).unwrap();
    for (found, takes) in
        [(None, false), (Some(None), false), (Some(Some(fresh())), false), (Some(Some(life)), true)]
    {
        std::fs::write(path("draft"), "another").unwrap();
        let placed = bus.place("draft", "x.peer", found);
        assert_eq!(placed.map_err(|error| error.kind()), if takes { Ok(()) } else { Err(AlreadyExists) });
        assert_eq!(std::fs::read(path("x.peer")).unwrap() == text, !takes, "{found:?}");
    }
    std::fs::remove_file(path("x.peer")).unwrap();
    std::fs::write(path("draft"), "another").unwrap();
    assert_eq!(bus.place("draft", "x.peer", Some(None)).unwrap_err().kind(), AlreadyExists);
    bus.place("draft", "x.peer", None).unwrap();
}
