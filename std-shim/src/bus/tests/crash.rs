//! Processes that die in the middle of a change on disk.

use super::super::dir::BusDir;
use super::super::join_lock::SWEEP_AFTER;
use super::super::medium::Medium;
use super::super::users::Users;
use super::child::Child;
use super::{TestBus, fresh};
use crate::{Bus, PeerKind};
use std::os::unix::process::ExitStatusExt;
use tempfile::TempDir;

/// Every step of joining and leaving after which something is left.
const STEPS: [&str; 9] =
    ["locked", "swept", "created", "half written", "written", "bound", "listening", "renamed", "leaving"];

/// A child that dies at this step of joining or leaving under this name.
fn crash(bus: &TestBus, name: &str, step: &str) {
    let mut child = Child::joining(&bus.route(), name).crashing(step).start();
    if step == "leaving" {
        child.expect("joined");
        child.tell("leave");
    }
    assert_eq!(child.hear(), None, "{step}");
    assert_eq!(child.wait().signal(), Some(9), "{step}");
}

/// Fault X6. Clause A4.
#[test]
fn a_crash_at_any_step_of_joining_leaves_no_ghost_and_the_next_owner_clears_it() {
    for name in ["x", "a/b"] {
        let bus = TestBus::new();
        for step in STEPS {
            crash(&bus, name, step);
            assert_eq!(bus.names(), [""; 0], "{step}");
            assert_eq!(bus.dir.lookup(name).unwrap(), None, "{step}");
            let member = bus.dir.join(name, PeerKind::Handle, fresh()).unwrap();
            assert_eq!(bus.names(), [name], "{step}");
            drop(member);
            assert_eq!(bus.remains(), [""; 0], "{step}");
        }
    }
}

/// Fault X6.
#[test]
fn a_sweep_clears_what_crashes_left_and_nothing_of_the_living() {
    let bus = TestBus::new();
    for step in STEPS {
        crash(&bus, &format!("dead {step}"), step);
    }
    let alive = bus.child("alive");
    assert!(bus.remains().len() > 2 + STEPS.len() / 2, "{:?}", bus.remains());
    let swept = bus.dir.sweep().unwrap();
    assert!(swept > STEPS.len() / 2);
    assert_eq!(bus.remains().len(), 2, "{:?}", bus.remains());
    assert_eq!(bus.dir.sweep().unwrap(), 0);
    let peer = bus.dir.lookup("alive").unwrap().unwrap();
    assert_eq!(peer.pid(), alive.pid());
    bus.dir.connect(&peer).unwrap();
}

/// Fault X18.
#[test]
fn a_bus_whose_owner_died_at_any_step_is_taken_over_by_the_next() {
    let parent = TempDir::new().unwrap();
    let route = parent.path().join("bus");
    for step in ["made", "unmarked yet", "marked", "unmarked", "emptied", ""] {
        let mut child = Child::playing("own", &route, "").crashing(step).start();
        match step {
            "unmarked" | "emptied" => {
                child.expect("owner");
                child.end_input();
            }
            "" => {
                child.expect("owner");
                child.kill();
            }
            _ => {}
        }
        assert_eq!(child.hear(), None, "{step}");
        assert_eq!(child.wait().signal(), Some(9), "{step}");
        assert!(route.is_dir(), "the test must leave something behind at {step:?}");
        let bus = Bus::builder().path(&route).create().unwrap();
        assert_eq!(bus.peers().unwrap(), [], "{step}");
        drop(bus);
        assert!(!route.exists(), "{step}");
    }
}

/// Fault X19. Fault X18.
#[test]
fn of_50_processes_that_make_the_same_bus_one_owns_it() {
    let parent = TempDir::new().unwrap();
    let route = parent.path().join("bus");
    let start = |_| Child::playing("own", &route, "").env("IPCM_TEST_WAIT", "1").start();
    let mut racers: Vec<_> = (0..50).map(start).collect();
    racers.iter_mut().for_each(|racer| racer.expect("ready"));
    racers.iter_mut().for_each(|racer| racer.tell("go"));
    let outcomes: Vec<_> = racers.iter_mut().map(|racer| racer.hear().unwrap()).collect();
    assert_eq!(outcomes.iter().filter(|said| *said == "owner").count(), 1, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|said| *said == "owned").count(), 49, "{outcomes:?}");

    let owner = outcomes.iter().position(|said| said == "owner").unwrap();
    racers[owner].end_input();
    racers[owner].expect("ended");
    assert!(!route.exists());
}

/// Fault X18.
#[test]
fn the_next_temporary_bus_clears_away_those_whose_owners_were_killed() {
    let base = TempDir::new().unwrap();
    let spawn = || Child::playing("spawn", base.path(), "").env("XDG_RUNTIME_DIR", base.path()).start();
    let mut killed = spawn();
    let abandoned = killed.hear().unwrap();
    let mut alive = spawn();
    let kept = alive.hear().unwrap();
    killed.kill();
    killed.wait();
    let in_use =
        TempDir::with_prefix_in(format!("ipcm-{}-", rustix::process::geteuid().as_raw()), base.path())
            .unwrap();
    let persistent =
        BusDir::create(&in_use.path().join("../other"), &Users::Owner, (Medium::Unix, false), false)
            .unwrap()
            .dir;

    let mut next = spawn();
    let new = next.hear().unwrap();
    assert!(abandoned.starts_with(base.path().to_str().unwrap()));
    assert!(!std::path::Path::new(&abandoned).exists());
    assert!(!in_use.path().exists(), "an empty directory is one that was never finished");
    for route in [&kept, &new] {
        assert!(std::path::Path::new(route).is_dir());
    }
    assert_eq!(persistent.peers().unwrap(), []);
}

/// Clients have names that nobody takes again.
///
/// Fault X6.
#[test]
fn what_the_dead_leave_does_not_grow_while_others_come_and_go() {
    let bus = TestBus::new();
    for name in ["one", "two", "three"] {
        crash(&bus, name, "renamed");
    }
    assert_eq!(bus.remains().len(), 6);
    for _ in 0..SWEEP_AFTER {
        drop(bus.join("comes and goes"));
    }
    assert_eq!(bus.remains(), [""; 0]);
}
