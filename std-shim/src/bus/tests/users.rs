//! Several users on one machine. Only root can play them all.

use super::super::record::PeerRecord;
use super::super::users::Users;
use super::TestBus;
use super::child::{Child, Plan};
use crate::{Bus, BusError};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::PathBuf;

/// A user without any right of its own.
const NOBODY: u32 = 65534;

/// Whether this process may act as another user; says so loudly if not.
fn is_root(test: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("SKIPPED: {test} must be run as root to act as another user");
    }
    root
}

/// A bus in a directory that others may enter, and a copy of this test binary that others may run.
fn shared(users: Users) -> (TestBus, PathBuf) {
    let bus = TestBus::under("bus", users);
    fs::set_permissions(bus.parent.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let binary = bus.parent.path().join("tests");
    fs::copy(std::env::current_exe().unwrap(), &binary).unwrap();
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
    (bus, binary)
}

fn nobody(bus: &TestBus, binary: &std::path::Path) -> Child {
    Plan::of(binary, "join", &bus.route(), "x").uid(NOBODY).start()
}

/// Clause A1. Fault X23.
#[test]
fn a_private_bus_is_closed_to_another_user() {
    if !is_root("a_private_bus_is_closed_to_another_user") {
        return;
    }
    let (bus, binary) = shared(Users::Owner);
    let said = nobody(&bus, &binary).hear().unwrap();
    assert_eq!(said, format!("not opened: no permission for opening the bus at {}", bus.route().display()));
}

/// Clause A11.
#[test]
fn a_bus_made_for_another_user_lets_that_one_in() {
    if !is_root("a_bus_made_for_another_user_lets_that_one_in") {
        return;
    }
    for users in [Users::Any, Users::Only(vec![NOBODY])] {
        let (bus, binary) = shared(users);
        let mut child = nobody(&bus, &binary);
        child.expect("joined");
        let peer = bus.dir.lookup("x").unwrap().unwrap();
        assert_eq!((peer.uid(), peer.pid()), (NOBODY, child.pid()));
        bus.dir.connect(&peer).unwrap();
        child.kill();
        child.wait();
        let _member = bus.join("x");
        Plan::of(&binary, "connect", &bus.route(), "x").uid(NOBODY).start().expect("connected");
    }
}

/// Clause A11. Fault X23.
#[test]
fn a_bus_made_for_others_lets_no_one_else_in() {
    if !is_root("a_bus_made_for_others_lets_no_one_else_in") {
        return;
    }
    let (bus, binary) = shared(Users::Only(vec![1]));
    let said = nobody(&bus, &binary).hear().unwrap();
    assert!(said.starts_with("not opened: "), "{said}");

    // Nor does a record that this user has put there by other means count.
    let member = bus.join("x");
    let record = PeerRecord { uid: NOBODY, ..member.record().clone() };
    drop(member);
    let path = bus.route().join(PeerRecord::file("x"));
    fs::write(&path, record.to_text()).unwrap();
    chown(&path, Some(NOBODY), None).unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    assert!(crate::sys::ofd::try_write_lock(&file).unwrap());
    assert_eq!(bus.names(), [""; 0]);
}

/// Clause A11. Fault X23. The kernel's word on who listens outweighs the record's.
#[test]
fn a_peer_that_another_user_serves_is_an_impostor() {
    let bus = TestBus::new();
    let member = bus.join("x");
    let uid = rustix::process::geteuid().as_raw();
    let record = PeerRecord { uid: uid + 1, ..member.record().clone() };
    match bus.dir.connect(&record) {
        Err(crate::bus::ConnectError::Impostor { name, uid: found }) => {
            assert_eq!((name.as_str(), found), ("x", uid))
        }
        other => panic!("{other:?}"),
    }
}

/// Clause A1. Fault X23.
#[test]
fn a_directory_of_another_user_is_refused() {
    if !is_root("a_directory_of_another_user_is_refused") {
        return;
    }
    let bus = TestBus::new();
    chown(bus.route(), Some(NOBODY), None).unwrap();
    let error = Bus::open(bus.dir.info()).unwrap_err();
    assert!(matches!(error, BusError::ForeignOwner { owner: NOBODY, .. }), "{error:?}");
    let error = Bus::builder().path(bus.route()).create().unwrap_err();
    assert!(matches!(error, BusError::ForeignOwner { owner: NOBODY, .. }), "{error:?}");
}

/// Clause A1. Fault X20.
#[test]
fn a_private_bus_that_others_may_enter_is_refused() {
    let bus = TestBus::new();
    assert_eq!(fs::metadata(bus.route()).unwrap().mode() & 0o7777, 0o700);
    fs::set_permissions(bus.route(), fs::Permissions::from_mode(0o750)).unwrap();
    let error = Bus::open(bus.dir.info()).unwrap_err();
    assert!(matches!(error, BusError::Exposed { mode: 0o750, .. }), "{error:?}");
}
