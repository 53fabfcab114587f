//! Services in processes of their own: ready when they are handed over, and never left behind. Here and not in the
//! suite, as no other system has them.

use std::fs;

use ipcm::Handle;
use ipcm_tests::{AMPLE, Ask, Peer, bus, obedient, proc, within};

/// The processes whose parent this one is.
fn children_of(pid: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok());
    let is_child = |child: &u32| {
        let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse().ok());
        parent == Some(pid)
    };
    pids.filter(is_child).collect()
}

/// Clause G1. Clause C5.
#[test]
fn a_service_in_a_process_is_ready_when_it_is_handed_over_and_ends_when_it_is_told_to() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut starter = Peer::start("start a process", bus.info(), "service");
    for _ in 0..2 {
        starter.tell("obey");
        let said = starter.hear().unwrap();
        let pid: u32 = said.strip_prefix("pid ").unwrap_or_else(|| panic!("{said}")).parse().unwrap();
        assert_eq!(children_of(starter.pid()), [pid]);
        let mut handle = Handle::new(bus.info(), "service");
        assert_eq!(handle.ready(), Ok(true));
        assert_eq!(handle.service_pid(), Ok(Some(pid)));
        assert_eq!(handle.child_pid(), None, "this handle has started nothing");
        assert_eq!(handle.sync_request("service", &Ask::Pid, AMPLE), Ok(u64::from(pid)));
        starter.tell("stop 0");
        starter.expect("Ok(ExitStatus(unix_wait_status(0)))");
        assert_eq!(children_of(starter.pid()), [0u32; 0]);
        assert_eq!(handle.ready(), Ok(false));
    }
}

/// Clause G1.
#[test]
fn a_start_that_fails_is_reported_with_its_reason_and_leaves_no_process() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut starter = Peer::start("start a process", bus.info(), "service");
    let mut fails = |entry: &str| {
        starter.tell(entry);
        let said = starter.hear().unwrap();
        assert_eq!(children_of(starter.pid()), [0u32; 0], "{said}");
        assert!(!bus.peer_exists("service").unwrap());
        said.strip_prefix("failed: the process of the service \"service\" ").unwrap_or(&said).to_owned()
    };
    assert_eq!(
        fails("fails to start"),
        "could not serve: the service \"service\" could not start: the cellar is flooded: the cellar is flooded"
    );
    assert_eq!(fails("dies in its start"), "ended before it was ready (exit status: 7)");
    assert_eq!(fails("panics in its start"), "ended before it was ready (exit status: 101)");
    assert_eq!(fails("an entry that is not there"), "ended before it was ready (exit status: 0)");
}

/// Clause G1. Clause A4.
#[test]
fn a_start_under_a_name_that_is_taken_fails_and_disturbs_nobody() {
    let _watchdog = within(30);
    let bus = bus!();
    let holder = obedient::service(bus.info(), "service", || {}).spawn().unwrap();
    let mut starter = Peer::start("start a process", bus.info(), "service");
    starter.tell("obey");
    let said = starter.hear().unwrap();
    assert!(said.contains("could not serve: the name \"service\" is taken by process"), "{said}");
    assert_eq!(children_of(starter.pid()), [0u32; 0]);
    assert_eq!(holder.handle().sync_request("service", &Ask::Number(1), AMPLE), Ok(1u64));
}

/// Clause G1: the time for it is 10 s.
#[test]
fn a_process_that_is_never_ready_is_given_up_and_killed() {
    let _watchdog = within(60);
    let bus = bus!();
    let mut starter = Peer::start("start a process", bus.info(), "service");
    starter.tell("is never ready");
    starter.expect("starting");
    starter.expect("failed: the service \"service\" was not ready in 10s");
    assert_eq!(children_of(starter.pid()), [0u32; 0]);
    assert!(!bus.peer_exists("service").unwrap());
    starter.tell("obey");
    assert!(starter.hear().unwrap().starts_with("pid "));
}

/// Clause G5. Clause G1.
#[test]
fn a_parent_that_is_killed_takes_its_service_with_it() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut starter = Peer::start("start a process", bus.info(), "service");
    starter.tell("obey");
    let said = starter.hear().unwrap();
    let pid: u32 = said.strip_prefix("pid ").unwrap().parse().unwrap();
    starter.kill();
    proc::await_end(pid);
    assert!(!bus.peer_exists("service").unwrap());
}

/// Clause G5. Clause G1.
#[test]
fn a_parent_that_is_killed_takes_a_service_with_it_that_is_still_starting() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut starter = Peer::start("start a process", bus.info(), "service");
    starter.tell("is never ready");
    starter.expect("starting");
    let children = children_of(starter.pid());
    assert_eq!(children.len(), 1);
    starter.kill();
    children.into_iter().for_each(proc::await_end);
    assert!(!bus.peer_exists("service").unwrap());
}

/// Clause G1: in another thread.
#[test]
fn a_service_in_a_thread_is_ready_when_it_is_handed_over() {
    let _watchdog = within(30);
    let bus = bus!();
    for round in 0..20u64 {
        let service = obedient::service(bus.info(), "service", || {}).spawn().unwrap();
        let mut handle = service.handle();
        assert_eq!(handle.ready(), Ok(true));
        assert_eq!(handle.sync_request("service", &Ask::Number(round), AMPLE), Ok(round));
        service.stop().unwrap();
        assert_eq!(handle.ready(), Ok(false));
    }
    let failing = obedient::service(bus.info(), "service", || {}).on_start(|_| Err("no ink".into()));
    assert_eq!(failing.spawn().unwrap_err().to_string(), "the service \"service\" could not start: no ink");
    assert!(!bus.peer_exists("service").unwrap());
}

/// Clause G1: a program without the entry that it starts itself for starts itself once, not for ever.
#[test]
fn a_child_that_has_no_such_entry_starts_no_further_child() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_misnamed"));
    let output = command.env("MISNAMED_BUS", bus.info().to_string()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let said: Vec<&str> = said.lines().collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("was to serve \"wrong\""), "{said:?}");
    assert!(said[1].contains("ended before it was ready"), "{said:?}");
}
