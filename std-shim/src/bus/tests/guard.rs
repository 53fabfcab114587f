//! The bus as its users see it.

use super::child::Child;
use super::{TestBus, fresh};
use crate::{Bus, BusError, Info, PeerKind, ShutdownReport, Users};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Clause A1. Clause A2.
#[test]
fn a_temporary_bus_is_private_found_by_its_info_and_ends_with_its_guard() {
    let bus = Bus::spawn().unwrap();
    let route = bus.info().route().to_owned();
    let meta = fs::metadata(&route).unwrap();
    assert_eq!((meta.mode() & 0o7777, meta.uid()), (0o700, rustix::process::geteuid().as_raw()));

    let info: Info = bus.info().to_string().parse().unwrap();
    let same = Bus::open(&info).unwrap();
    let member = bus.dir.join("x", PeerKind::Handle, fresh()).unwrap();
    assert_eq!(same.peers().unwrap(), [member.record().clone()]);
    assert!(same.peer_exists("x").unwrap() && same.peer_active("x").unwrap());
    assert_eq!(same.peer_pid("x").unwrap(), Some(std::process::id()));
    assert_eq!((same.peer_exists("y").unwrap(), same.peer_pid("y").unwrap()), (false, None));
    drop(same);
    assert!(route.is_dir(), "who opened a bus does not end it");
    drop(bus);
    assert!(!route.exists(), "handles are not waited for");
    assert!(matches!(Bus::open(&info), Err(BusError::NoBus { path }) if path == route));
}

/// Clause A1.
#[test]
fn a_persistent_bus_outlives_its_maker_until_it_is_removed() {
    let parent = TempDir::new().unwrap();
    let route = parent.path().join("bus");
    let made = Bus::builder().path(&route).guard(false).create().unwrap();
    let info = made.info().clone();
    drop(made);
    let bus = Bus::open(&info).unwrap();
    let member = bus.dir.join("x", PeerKind::Handle, fresh()).unwrap();
    match Bus::remove(&info) {
        Err(BusError::InUse { peers, .. }) => assert_eq!(peers, ["x"]),
        other => panic!("{other:?}"),
    }
    let other_users = Bus::builder().path(&route).users(Users::Any).guard(false).create();
    assert!(matches!(other_users, Err(BusError::OtherUsers { .. })));
    let owner = Bus::builder().path(&route).create().unwrap();
    assert!(matches!(Bus::remove(&info), Err(BusError::Owned { pid, .. }) if pid == std::process::id()));
    assert!(matches!(Bus::builder().path(&route).create(), Err(BusError::Owned { .. })));
    assert!(bus.peer_exists("x").unwrap(), "the living stay when the bus gets an owner");
    std::mem::forget(owner);
    drop(member);
}

/// Clause A1.
#[test]
fn a_bus_that_nobody_uses_is_removed() {
    let bus = TestBus::new();
    let mut child = bus.child("x");
    child.kill();
    child.wait();
    Bus::remove(bus.dir.info()).unwrap();
    assert!(!bus.route().exists());
    assert!(matches!(Bus::remove(bus.dir.info()), Err(BusError::NoBus { .. })));
}

/// Clause A1. A directory with anything else in it is neither made a bus nor removed.
#[test]
fn a_directory_that_holds_something_else_is_left_alone() {
    let parent = TempDir::new().unwrap();
    fs::write(parent.path().join("letter"), "dear").unwrap();
    let error = Bus::builder().path(parent.path()).create().unwrap_err();
    assert!(matches!(&error, BusError::NotABus { found, .. } if found == "letter"), "{error:?}");
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);

    let bus = TestBus::new();
    fs::write(bus.route().join("letter"), "dear").unwrap();
    let error = Bus::remove(bus.dir.info()).unwrap_err();
    assert!(matches!(&error, BusError::NotABus { found, .. } if found == "letter"), "{error:?}");
    assert!(bus.route().join("letter").exists());
}

/// Clause A2.
#[test]
fn a_marker_that_is_damaged_or_newer_is_a_typed_error() {
    let bus = TestBus::new();
    let whole = fs::read_to_string(bus.route().join(".bus")).unwrap();
    assert_eq!(whole, "format 1\nusers owner\nowner none\n");
    let open = |text: &str| {
        fs::write(bus.route().join(".bus"), text).unwrap();
        Bus::open(bus.dir.info()).unwrap_err()
    };
    let newer = open("format 2\nnew shape\n");
    assert!(matches!(newer, BusError::NewerFormat { format: 2, supported: 1, .. }), "{newer:?}");
    let long = " ".repeat(100_000);
    let wrong =
        ["{}", "format x\n", "format 1\nusers all\nowner none\n", "format 1\nusers any\nowner 7\n", &long];
    let cut = (0..whole.len()).map(|end| &whole[..end]);
    for text in wrong.into_iter().chain(cut).chain([&*format!("{whole} ")]) {
        let error = open(text);
        assert!(matches!(error, BusError::BadMarker { .. }), "{error:?}");
        assert!(error.to_string().contains(bus.route().to_str().unwrap()));
    }
    fs::remove_file(bus.route().join(".bus")).unwrap();
    assert!(matches!(Bus::open(bus.dir.info()), Err(BusError::NoBus { .. })));
}

/// Clause A9. Told by the kernel, not looked for: the wait ends as the service does.
#[test]
fn a_shutdown_ends_when_the_last_service_has_left() {
    let bus = Bus::spawn().unwrap();
    let route = bus.info().route().to_owned();
    let mut killed = Child::joining(&route, "killed").start();
    let mut left = Child::joining(&route, "left").start();
    killed.expect("joined");
    left.expect("joined");
    let begun = Instant::now();
    let shutdown = std::thread::spawn(move || bus.shutdown(Duration::from_secs(60)));
    killed.kill();
    left.tell("leave");
    left.expect("left");
    assert_eq!(shutdown.join().unwrap().unwrap(), ShutdownReport::default());
    assert!(begun.elapsed() < Duration::from_secs(50));
    assert!(!route.exists());
}

/// Clause A9.
#[test]
fn a_stuck_service_is_named_and_not_waited_for_beyond_the_timeout() {
    let bus = Bus::spawn().unwrap();
    let route = bus.info().route().to_owned();
    let mut child = Child::joining(&route, "a/b").start();
    child.expect("joined");
    let begun = Instant::now();
    let report = bus.shutdown(Duration::from_millis(50)).unwrap();
    assert_eq!(report.stuck, ["a/b"]);
    assert!(begun.elapsed() >= Duration::from_millis(50));
    assert!(!route.exists());
    child.tell("leave");
    child.expect("left");
}

/// Clause A9.
#[test]
fn who_opened_a_bus_cannot_shut_it_down() {
    let bus = TestBus::new();
    let opened = Bus::open(bus.dir.info()).unwrap();
    assert!(matches!(opened.shutdown(Duration::ZERO), Err(BusError::NotOwner { .. })));
    assert!(bus.route().is_dir());
}

/// Fault X18. A lock that stays taken, as by a stopped process, is an error in bounded time.
#[test]
fn a_join_lock_that_stays_taken_is_an_error_that_names_the_bus() {
    let bus = TestBus::new();
    let lock = bus.dir.lock_joins().unwrap();
    let error = bus.dir.join("x", PeerKind::Handle, fresh()).unwrap_err();
    let expected = |error: &BusError| matches!(error, BusError::JoinLocked { path } if *path == bus.route());
    assert!(matches!(&error, crate::JoinError::Bus { source, .. } if expected(source)), "{error:?}");
    drop(lock);
    bus.join("x");
}
