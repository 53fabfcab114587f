//! A process dies: its callers know at once, and what it had answered still counts. Here and not in the suite, as the
//! kernel tells of a death, and of descriptors that outlive it.

use std::time::Duration;

use ipcm::Handle;
use ipcm_core::{CallError, GoneReason, RequestError, SendError};
use ipcm_tests::peer::Orphan;
use ipcm_tests::raw;
use ipcm_tests::{AMPLE, Ask, Peer, bus, obedient, proc, within};

/// No timeout anywhere: what ends these waits is the news of the death.
///
/// Clause E1. Clause E4. Clause D1.
#[test]
fn a_blocked_await_ends_when_its_service_is_killed() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut service = Peer::obedient(bus.info(), "service");
    let mut handle = Handle::new(bus.info(), "service");
    let id = handle.send_request("service", &Ask::Hold(1), None).unwrap();
    // It has taken the request once it answers the one behind it.
    let number: u64 = handle.sync_request("service", &Ask::Number(2), None).unwrap();
    assert_eq!(number, 2);
    let killer = std::thread::spawn(move || {
        service.kill();
        service
    });
    let ended = handle.await_response(id, None).unwrap_err();
    assert_eq!(ended, RequestError::PeerGone { peer: "service".into(), reason: GoneReason::Closed });
    drop(killer.join());
}

/// Clause E1: the same for one who waits for all, for any, and for whatever comes.
#[test]
fn every_way_to_wait_ends_when_the_service_is_killed() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut handle = Handle::new(bus.info(), "service");
    for way in 0..3 {
        let mut service = Peer::obedient(bus.info(), "service");
        let id = handle.send_request("service", &Ask::Hold(1), None).unwrap();
        let number: u64 = handle.sync_request("service", &Ask::Number(2), None).unwrap();
        assert_eq!(number, 2);
        let killer = std::thread::spawn(move || {
            service.kill();
            service
        });
        match way {
            0 => {
                let failures = handle.await_all_responses(None).unwrap_err().failures;
                assert!(matches!(&failures[..], [(failed, RequestError::PeerGone { .. })] if *failed == id));
            }
            1 => {
                assert_eq!(handle.await_any(&[id], None), Some(id));
                assert!(raw::is_gone(&handle.await_response(id, Duration::ZERO)));
            }
            _ => {
                assert_eq!(handle.poll(None), Ok(1));
                assert!(raw::is_gone(&handle.await_response(id, Duration::ZERO)));
            }
        }
        drop(killer.join());
    }
}

/// Clause E1: a wait of 10 ms and one of half a second take the same few switches.
#[test]
fn an_idle_wait_does_not_wake_up_again_and_again() {
    let _watchdog = within(30);
    let bus = bus!();
    let _service = Peer::obedient(bus.info(), "service");
    let mut caller = Peer::start("call", bus.info(), "service");
    caller.tell("wait 500");
    let waits: i64 = caller.hear().unwrap().parse().unwrap();
    assert!(waits <= 6, "{waits} context switches in an idle wait of 500 ms");
}

/// The service is a child of this process, and dead but not reaped.
///
/// Fault X3. Clause A4. Clause A5.
#[test]
fn a_zombie_is_dead() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut service = Peer::obedient(bus.info(), "service");
    let mut handle = Handle::new(bus.info(), "service");
    let id = handle.send_request("service", &Ask::Hold(1), None).unwrap();
    assert!(handle.ready().unwrap());
    service.kill();
    assert!(raw::is_gone(&handle.await_response(id, None)));
    assert!(!handle.ready().unwrap());
    assert_eq!(handle.service_pid(), Ok(None));
    assert_eq!(bus.peer_pid("service").unwrap(), None);
    assert!(!bus.peer_exists("service").unwrap() && !bus.peer_active("service").unwrap());
    let again = Peer::obedient(bus.info(), "service");
    assert_eq!(bus.peer_pid("service").unwrap(), Some(again.pid()));
    drop(service);
}

/// Clause E2. Fault X15.
#[test]
fn an_answer_counts_though_its_service_has_exited_before_the_caller_looks() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut service = Peer::obedient(bus.info(), "service");
    let mut handle = Handle::new(bus.info(), "service");
    let id = handle.send_request("service", &Ask::AnswerAndStop(7), None).unwrap();
    service.expect("ended");
    service.await_zombie();
    let answer = handle.await_response(id, Duration::ZERO).unwrap().decode::<u64>();
    assert_eq!(answer, Ok(7));
}

/// Requests that the service has not read when it dies make the socket say ECONNRESET before it gives the
/// answer out, to a reader and to a writer alike.
///
/// Clause E2. Fault X15.
#[test]
fn an_answer_counts_though_its_service_died_with_requests_unread() {
    let _watchdog = within(60);
    let bus = bus!();
    for writes_first in [false, true] {
        let mut service = Peer::obedient(bus.info(), "service");
        let mut handle = Handle::new(bus.info(), "service");
        let id = handle.send_request("service", &Ask::Number(7), None).unwrap();
        // It is answered before the next one comes: a service that was idle takes in all that is there first.
        let mut other = Handle::new(bus.info(), "service");
        assert_eq!(other.sync_request("service", &Ask::Number(1), AMPLE), Ok(1u64));
        let stall = handle.send_request("service", &Ask::Stall, None).unwrap();
        service.expect("waiting");
        let unread = handle.send_request("service", &Ask::Number(8), None).unwrap();
        service.kill();
        if writes_first {
            // Nobody is there: what is said is why, and what was answered is not lost over it.
            let refused = handle.send_request("service", &Ask::Number(9), None).unwrap_err();
            assert_eq!(refused, SendError::NoSuchPeer { peer: "service".into() });
        }
        let answer = handle.await_response(id, Duration::ZERO).unwrap().decode::<u64>();
        assert_eq!(answer, Ok(7));
        assert!(raw::is_gone(&handle.await_response(stall, None)));
        assert!(raw::is_gone(&handle.await_response(unread, None)));
    }
}

/// An answer of many packets is in the socket, whole, when its service exits.
///
/// Clause E2.
#[test]
fn what_fits_in_the_socket_of_a_large_answer_is_not_taken_for_the_answer() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut service = Peer::obedient(bus.info(), "service");
    let mut handle = Handle::new(bus.info(), "service");
    let small = handle.send_request("service", &Ask::Swell(50_000), None).unwrap();
    let large = handle.send_request("service", &Ask::Swell(8 << 20), None).unwrap();
    // The service serves others, so that both answers are under way.
    let mut other = Handle::new(bus.info(), "service");
    let number: u64 = other.sync_request("service", &Ask::Number(1), AMPLE).unwrap();
    assert_eq!(number, 1);
    service.kill();
    assert_eq!(handle.await_response(small, None).unwrap().bytes().len(), 50_000);
    assert!(raw::is_gone(&handle.await_response(large, None)));
}

/// Fault X1: ten clients each, with answers that are kept back, are killed or leave.
#[test]
fn a_service_outlives_clients_that_do_not_wait_for_their_answers() {
    let _watchdog = within(60);
    let bus = bus!();
    let service = Peer::obedient(bus.info(), "service");
    for round in 0..3u64 {
        let mut client = Peer::start("call", bus.info(), "service");
        client.tell("hold 1");
        client.expect("sent");
        let mut leaving = Handle::new(bus.info(), "service");
        leaving.send_request("service", &Ask::Hold(2), None).unwrap();
        let mut handle = Handle::new(bus.info(), "service");
        // Both requests have been taken.
        while handle.sync_request::<u64>("service", &Ask::Wanted, AMPLE).unwrap() < 2 {}
        client.kill();
        drop(leaving);
        // Both are known not to be waited for any more.
        while handle.sync_request::<u64>("service", &Ask::Wanted, AMPLE).unwrap() > 0 {}
        let released: u64 = handle.sync_request("service", &Ask::Release, AMPLE).unwrap();
        assert_eq!(released, 2);
        let number: u64 = handle.sync_request("service", &Ask::Number(round), AMPLE).unwrap();
        assert_eq!(number, round);
    }
    assert_eq!(bus.peer_pid("service").unwrap(), Some(service.pid()));
}

/// The caller is a process that SIGPIPE kills, as it does any program that is not written in Rust.
///
/// Fault X2. Clause B3.
#[test]
fn to_send_on_the_connection_of_a_dead_peer_is_an_error_and_kills_nobody() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut service = Peer::obedient(bus.info(), "service");
    let mut caller = Peer::start("call", bus.info(), "service");
    caller.tell("number 1");
    caller.expect("Ok(1)");
    let mut handle = Handle::new(bus.info(), "service");
    handle.send_message("service", &1u64, AMPLE).unwrap();
    service.kill();
    caller.tell("number 2");
    caller.expect(r#"Err(Send(NoSuchPeer { peer: "service" }))"#);
    let absent = || SendError::NoSuchPeer { peer: "service".into() };
    assert_eq!(handle.send_message("service", &1u64, AMPLE), Err(absent()));
    assert_eq!(handle.try_send("service", &1u64), Err(absent()));
    assert_eq!(handle.send_request("service", &1u64, AMPLE), Err(absent()));
    // It is told apart from a peer that was never there by nothing: the name is free.
    assert_eq!(
        handle.send_message("nobody", &1u64, AMPLE),
        Err(SendError::NoSuchPeer { peer: "nobody".into() })
    );
}

/// Clause D7. Clause C5. Fault X5.
#[test]
fn a_handle_outlives_its_service_and_talks_to_the_next_one_of_that_name() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut handle = Handle::new(bus.info(), "service");
    for _ in 0..3 {
        let mut service = Peer::obedient(bus.info(), "service");
        assert_eq!(handle.service_pid(), Ok(Some(service.pid())));
        let pid: u64 = handle.sync_request("service", &Ask::Pid, AMPLE).unwrap();
        assert_eq!(pid, u64::from(service.pid()));
        let lost = handle.send_request("service", &Ask::Hold(1), None).unwrap();
        service.kill();
        let next = Peer::obedient(bus.info(), "service");
        let pid: u64 = handle.sync_request("service", &Ask::Pid, AMPLE).unwrap();
        assert_eq!(pid, u64::from(next.pid()));
        assert!(raw::is_gone(&handle.await_response(lost, None)));
    }
}

/// Fault X16. Clause D1.
#[test]
fn a_service_killed_in_the_middle_of_a_request_ends_that_request() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut service = Peer::obedient(bus.info(), "service");
    let mut handle = Handle::new(bus.info(), "service");
    let ended = handle.sync_request::<u64>("service", &Ask::Die, None).unwrap_err();
    assert!(matches!(ended, CallError::Request(RequestError::PeerGone { .. })), "{ended}");
    service.await_zombie();
}

/// Fault X16: nobody has accepted the connection.
#[test]
fn a_service_killed_before_it_accepts_ends_the_call() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut silent = Peer::start("join", bus.info(), "silent");
    let (asks, answered) = std::sync::mpsc::channel();
    let info = bus.info().clone();
    let caller = std::thread::spawn(move || {
        let mut handle = Handle::builder(&info, "silent").name("caller").build();
        handle.join().unwrap();
        asks.send(()).unwrap();
        handle.sync_request::<u64>("silent", &1u64, None)
    });
    answered.recv().unwrap();
    silent.kill();
    match caller.join().unwrap().unwrap_err() {
        // The call came before the death, or behind it.
        CallError::Send(SendError::PeerGone { .. } | SendError::NoSuchPeer { .. }) => {}
        other => panic!("{other}"),
    }
}

/// A forked child that never executes a program has all of its parent's sockets, and keeps them open.
///
/// Fault X17. Clause E1. Clause A4.
#[test]
fn a_forked_child_does_not_keep_its_dead_parent_alive() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut service = Peer::obedient(bus.info(), "service");
    let mut handle = Handle::new(bus.info(), "service");
    let held = handle.send_request("service", &Ask::Hold(1), None).unwrap();
    let child: u64 = handle.sync_request("service", &Ask::Fork, AMPLE).unwrap();
    let child = Orphan::new(child.try_into().unwrap());
    let killer = std::thread::spawn(move || {
        service.kill();
        service
    });
    assert!(raw::is_gone(&handle.await_response(held, None)));
    let _zombie = killer.join().unwrap();
    assert!(!bus.peer_exists("service").unwrap());
    let next = Peer::obedient(bus.info(), "service");
    let pid: u64 = handle.sync_request("service", &Ask::Pid, AMPLE).unwrap();
    assert_eq!(pid, u64::from(next.pid()));
    child.kill();
    assert_eq!(bus.peer_pid("service").unwrap(), Some(next.pid()), "the child took the name with it");
    assert_eq!(handle.sync_request::<u64>("service", &Ask::Number(4), AMPLE), Ok(4));
}

/// The one that dies had connected: the request goes the other way.
///
/// Fault X17. Clause E1.
#[test]
fn a_forked_child_does_not_keep_a_dead_parent_alive_that_had_called() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut first = Peer::obedient(bus.info(), "first");
    let second = obedient::service(bus.info(), "second", || {}).spawn().unwrap();
    let mut handle = Handle::new(bus.info(), "first");
    // The first asks the second over a connection that the first has made.
    let relay = handle.send_request("first", &Ask::Relay("second".into()), AMPLE).unwrap();
    let mut to_second = Handle::new(bus.info(), "second");
    while to_second.sync_request::<u64>("second", &Ask::Release, AMPLE).unwrap() == 0 {}
    assert_eq!(handle.await_response(relay, None).unwrap().decode(), Ok(5u64));
    // And then the second the first, over that one.
    let relay = to_second.send_request("second", &Ask::Relay("first".into()), None).unwrap();
    while handle.sync_request::<u64>("first", &Ask::Wanted, AMPLE).unwrap() == 0 {}
    let child: u64 = handle.sync_request("first", &Ask::Fork, AMPLE).unwrap();
    let child = Orphan::new(child.try_into().unwrap());
    first.kill();
    let ended = to_second.await_response(relay, None).unwrap_err();
    assert!(matches!(ended, RequestError::Remote { .. }), "{ended}");
    child.kill();
    drop(second);
}

/// Fault X17.
#[test]
fn the_exit_of_a_forked_child_takes_nothing_from_its_parent() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut parent = Peer::start("fork", bus.info(), "parent");
    assert_eq!(bus.peer_pid("parent").unwrap(), Some(parent.pid()));
    let mut handle = Handle::new(bus.info(), "parent");
    parent.tell("poll");
    handle.send_message("parent", &6u64, AMPLE).unwrap();
    parent.expect("Ok([6])");
}

/// Fault X17: all descriptors are close-on-exec.
#[test]
fn a_program_that_a_service_executes_inherits_nothing() {
    let _watchdog = within(30);
    let bus = bus!();
    let service = Peer::obedient(bus.info(), "service");
    let mut caller = Peer::start("call", bus.info(), "service");
    caller.tell("number 1");
    caller.expect("Ok(1)");
    // Whoever started the tests may have left something open to all.
    let ours = proc::inheritable(std::process::id());
    for pid in [service.pid(), caller.pid()] {
        let inheritable = proc::inheritable(pid);
        let theirs: Vec<_> = inheritable.into_iter().filter(|fd| !ours.contains(fd)).collect();
        assert_eq!(theirs, [""; 0]);
    }
}
