//! Who counts as alive.

use super::super::change::PeerChange;
use super::super::process_id::ProcessId;
use super::super::record::{MAX_SIZE, PeerRecord};
use super::{TestBus, fresh, wait_readable};
use crate::Users;
use crate::sys::ofd;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::fs::{self, File};

/// Spoils a record that is otherwise that of the user with this id.
type Change = fn(&mut PeerRecord, u32);

/// Puts a record in place that is this process's but for what `change` does; locked or not.
fn forge(bus: &TestBus, locked: bool, change: impl FnOnce(&mut PeerRecord)) -> File {
    let member = bus.join("x");
    let mut record = member.record().clone();
    drop(member);
    change(&mut record);
    let draft = bus.route().join(".draft");
    fs::write(&draft, record.to_text()).unwrap();
    let file = File::options().write(true).open(&draft).unwrap();
    if locked {
        assert!(ofd::try_write_lock(&file).unwrap());
    }
    fs::rename(&draft, bus.route().join("x.peer")).unwrap();
    file
}

fn assert_not_alive_and_free(bus: &TestBus) {
    assert_eq!(bus.names(), [""; 0]);
    assert_eq!(bus.dir.lookup("x").unwrap(), None);
    bus.join("x");
}

/// Fault X3. Clause A5.
#[test]
fn a_zombie_is_not_alive() {
    let bus = TestBus::new();
    let mut child = bus.child("x");
    child.kill_to_zombie();
    assert_not_alive_and_free(&bus);
}

/// Fault X3. Fault X17.
#[test]
fn a_zombie_whose_child_has_inherited_the_lock_is_not_alive() {
    let bus = TestBus::new();
    let mut child = bus.child("x");
    child.tell("share");
    assert!(child.hear().unwrap().starts_with("shared "));
    assert_eq!(bus.names(), ["x"]);
    child.kill_to_zombie();
    let record = File::open(bus.route().join("x.peer")).unwrap();
    assert!(ofd::is_write_locked(&record).unwrap(), "the test must leave the lock taken");
    assert_not_alive_and_free(&bus);
}

/// Fault X17. Clause A5.
#[test]
fn a_lock_inherited_by_a_child_does_not_keep_a_dead_peer_alive() {
    let bus = TestBus::new();
    let mut child = bus.child("x");
    let mut watch = bus.dir.watch().unwrap();
    child.tell("share");
    let said = child.hear().unwrap();
    let heir = said.strip_prefix("shared ").unwrap();
    let incarnation = bus.dir.lookup("x").unwrap().unwrap().incarnation();
    child.kill();
    child.wait();
    let record = File::open(bus.route().join("x.peer")).unwrap();
    assert!(ofd::is_write_locked(&record).unwrap(), "the test must leave the lock taken");

    let mut changes = Vec::new();
    watch.rescan(&mut changes).unwrap();
    assert_eq!(changes, [PeerChange::Departed { name: "x".to_owned(), incarnation }]);
    assert_not_alive_and_free(&bus);

    // The end of that child, which closes the former record, is nobody's departure.
    let next = bus.join("x");
    let heir = pidfd_open(Pid::from_raw(heir.parse().unwrap()).unwrap(), PidfdFlags::empty()).unwrap();
    child.end_input();
    wait_readable(&heir);
    assert!(!ofd::is_write_locked(&record).unwrap());
    let other = bus.join("y");
    changes.clear();
    while !changes.contains(&PeerChange::Arrived(other.record().clone())) {
        wait_readable(watch.fd().unwrap());
        watch.changes(&mut changes).unwrap();
    }
    let expected = [next.record(), other.record()].map(|peer| PeerChange::Arrived(peer.clone()));
    assert_eq!(changes, expected);
}

/// Fault X7. Clause A5.
#[test]
fn an_unlocked_record_of_a_live_process_is_not_alive() {
    let bus = TestBus::new();
    let _file = forge(&bus, false, |_| {});
    assert_not_alive_and_free(&bus);
}

/// Fault X7. Clause A5.
#[test]
fn a_locked_record_whose_pid_is_another_process_now_is_not_alive() {
    let bus = TestBus::new();
    let file = forge(&bus, true, |_| {});
    assert_eq!(bus.names(), ["x"], "the forgery must be good but for the change under test");
    drop(file);
    let _file = forge(&bus, true, |record| record.process.start += 1);
    assert_not_alive_and_free(&bus);
}

/// Clause A5. Pids of another namespace prove nothing, so the lock alone decides.
#[test]
fn a_locked_record_of_another_pid_namespace_is_alive() {
    let bus = TestBus::new();
    let _file = forge(&bus, true, |record| {
        record.process.pid_ns = 1;
        record.process.start = 1;
    });
    assert_eq!(bus.names(), ["x"]);
}

/// Fault X6. Fault X23.
#[test]
fn what_is_no_record_of_its_name_and_user_is_not_a_peer_and_blocks_no_name() {
    let bus = TestBus::new();
    let uid = rustix::process::geteuid().as_raw();
    let cases: [(&str, Change); 3] = [
        ("another name", |record, _| record.name = "y".to_owned()),
        ("a bad name", |record, _| record.name = "".to_owned()),
        ("another user", |record, uid| record.uid = uid + 1),
    ];
    for (case, change) in cases {
        let _file = forge(&bus, true, |record| change(record, uid));
        assert_eq!(bus.names(), [""; 0], "{case}");
        assert_not_alive_and_free(&bus);
    }
    let good = bus.join("x").record().to_text();
    let wrong =
        [&b"{}"[..], b"\xff\xfe", &[b' '; 100_000], b"kind other\n", &[good.as_bytes(), b"\n"].concat()];
    let cut = (0..good.len()).map(|end| &good.as_bytes()[..end]);
    for bytes in wrong.into_iter().chain(cut) {
        fs::write(bus.route().join("x.peer"), bytes).unwrap();
        assert_not_alive_and_free(&bus);
    }
    std::os::unix::fs::symlink("/dev/zero", bus.route().join("x.peer")).unwrap();
    assert_not_alive_and_free(&bus);
    std::os::unix::net::UnixListener::bind(bus.route().join("x.peer")).unwrap();
    assert_not_alive_and_free(&bus);
}

/// Fault X23. Clause A11. Who may join may do so in no one else's name.
#[test]
fn a_record_that_names_another_user_than_its_owner_is_not_a_peer() {
    let bus = TestBus::under("bus", Users::Any);
    let _file = forge(&bus, true, |_| {});
    assert_eq!(bus.names(), ["x"], "the forgery must be good but for the change under test");
    let bus = TestBus::under("bus", Users::Any);
    let uid = rustix::process::geteuid().as_raw();
    let _file = forge(&bus, true, |record| record.uid = uid + 1);
    assert_not_alive_and_free(&bus);
}

/// Clause A5.
#[test]
fn a_record_survives_the_trip_through_its_file() {
    let bus = TestBus::new();
    let member = bus.join("näme\nof \"lines\"\n");
    let text = fs::read_to_string(bus.route().join(PeerRecord::file(member.name()))).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "kind handle");
    assert!(lines[1].starts_with(&format!("process {} ", std::process::id())), "{text:?}");
    assert_eq!(lines[3], format!("incarnation {:032x}", member.record().incarnation().as_bits()));
    assert_eq!(lines[4..], ["name näme", "of \"lines\"", ""]);
    assert_eq!(PeerRecord::from_text(text.as_bytes()).as_ref(), Some(member.record()));
    assert_eq!(bus.dir.lookup(member.name()).unwrap().as_ref(), Some(member.record()));
    assert_ne!(fresh(), fresh());
}

/// Clause A5. The longest name fits.
#[test]
fn the_longest_record_is_read() {
    let bus = TestBus::new();
    let member = bus.join(&"n".repeat(512));
    let mut record = member.record().clone();
    record.uid = u32::MAX;
    record.process = ProcessId { pid: u32::MAX, start: u64::MAX, pid_ns: u64::MAX, time_ns: u64::MAX };
    assert!(record.to_text().len() as u64 <= MAX_SIZE);
}
