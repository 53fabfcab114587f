//! A process that has run out of something.

use super::TestBus;
use super::child::{Child, say};
use super::fresh;
use crate::{Bus, Info, PeerKind};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::fs::File;

/// Takes every descriptor there is, then tries everything.
pub(super) fn play(route: &str, name: &str) {
    let bus = Bus::open(&Info::unix(route).unwrap()).unwrap();
    let peer = bus.dir.lookup(name).unwrap().unwrap();
    let mut watch = bus.dir.watch().unwrap();
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum: Some(64) }).unwrap();
    let mut taken = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        taken.push(file);
    }
    say(&bus.peers().unwrap_err().to_string());
    say(&bus.peer_exists(name).unwrap_err().to_string());
    say(&bus.dir.join("y", PeerKind::Handle, fresh()).unwrap_err().to_string());
    say(&bus.dir.connect(&peer).unwrap_err().to_string());
    say("starved");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let mut changes = Vec::new();
    say(&watch.changes(&mut changes).unwrap_err().to_string());
    taken.clear();
    watch.changes(&mut changes).unwrap();
    say(&format!("{} change", changes.len()));
    bus.dir.join("y", PeerKind::Handle, fresh()).unwrap();
}

/// Fault X20. An answer that cannot be had is an error, not "nobody is there", and no event is lost by it.
#[test]
fn without_descriptors_everything_is_a_typed_error_and_works_again_after() {
    let bus = TestBus::new();
    let _member = bus.join("x");
    let mut child = Child::playing("starve", &bus.route(), "x").start();
    for doing in
        ["listing the bus", "reading the record of a peer", "opening the lock", "connecting to a peer"]
    {
        let said = child.hear().unwrap();
        assert!(said.contains("no file descriptor left for") && said.contains(doing), "{said}");
    }
    child.expect("starved");
    let _arrival = bus.join("new");
    child.tell("go on");
    let said = child.hear().unwrap();
    assert!(said.contains("no file descriptor left for"), "{said}");
    child.expect("1 change");
    assert!(child.wait().success());
    assert_eq!(bus.remains().len(), 4, "{:?}", bus.remains());
}
