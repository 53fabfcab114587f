//! What there is too little of: room on the disk, descriptors, what tells of changes, permission, the bus itself.

use std::fs;
use std::process::Command;
use std::sync::mpsc::channel;
use std::time::Duration;

use ipcm::{Bus, Handle, Service, TransportKind};
use ipcm_core::{CallError, SendError};
use ipcm_tests::obedient::SHORT;
use ipcm_tests::{AMPLE, Ask, Peer, bus, obedient, raw, shortage, within};

/// Fault X20. A disk of a few MiB is filled to the last byte, and then to the last file.
#[test]
fn a_full_disk_is_told_to_those_concerned_and_nothing_accepted_is_lost() {
    let _watchdog = within(60);
    let place = tempfile::tempdir().unwrap();
    let bus = bus!();
    let plain = Peer::command("fill a disk", bus.info(), place.path().to_str().unwrap());
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "--"]).arg(plain.get_program()).args(plain.get_args());
    let mut peer = Peer::launch(command);
    match peer.hear().as_deref() {
        Some("ready") => peer.expect("survived"),
        other => println!("SKIPPED: no mount namespace to have a small disk in: {other:?}"),
    }
}

/// Fault X20. Clause B4.
#[test]
fn a_service_without_descriptors_answers_all_once_it_has_some() {
    let _watchdog = within(60);
    let bus = bus!();
    let mut service = Peer::start("starve", bus.info(), "service");
    let mut handle = Handle::new(bus.info(), "service");
    assert_eq!(handle.sync_request("service", &Ask::Number(1), AMPLE), Ok(1u64));
    service.tell("starve");
    service.expect("starving");
    let id = handle.send_request("service", &Ask::Number(2), None).unwrap();
    assert_eq!(handle.await_any(&[id], SHORT), None);
    // One who connects meanwhile is kept for later as well.
    let mut late = Handle::new(bus.info(), "service");
    assert_eq!(late.try_send("service", &7u64), Err(SendError::WouldBlock { peer: "service".into() }));
    assert_eq!(late.poll(2 * SHORT), Ok(0));
    service.tell("feed");
    service.expect("fed");
    assert_eq!(handle.await_response(id, None).unwrap().decode(), Ok(2u64));
    assert_eq!(late.sync_request("service", &Ask::Number(3), AMPLE), Ok(3u64));
}

/// Fault X20.
#[test]
fn a_caller_without_descriptors_is_told_so_and_goes_on_when_it_has_some() {
    let _watchdog = within(60);
    let bus = bus!();
    let _service = Peer::obedient(bus.info(), "service");
    let mut starving = Peer::start("call", bus.info(), "service");
    starving.tell("number 1");
    starving.expect("Ok(1)");
    starving.tell("starve 2");
    let said = starving.hear().unwrap();
    assert_eq!(said, r#"Err(Request(TimedOut { peer: "service" }))"#);
    let said = starving.hear().unwrap();
    assert!(said.contains("no file descriptor left"), "{said}");
    starving.expect("Ok(2)");
}

/// Fault X20. Clause A6. With ever more descriptors, down from none: what is kept for a suspended peer is not lost by
/// an attempt that fails.
#[test]
fn a_peer_that_cannot_come_back_for_want_of_descriptors_is_still_suspended() {
    let _watchdog = within(60);
    let bus = bus!();
    let mut sleeper = Handle::builder(bus.info(), "nobody").name("sleeper").build();
    sleeper.join().unwrap();
    sleeper.suspend(Duration::from_secs(3600)).unwrap();
    let mut sender = Handle::new(bus.info(), "sleeper");
    sender.send_message("sleeper", &1u64, AMPLE).unwrap();
    let mut peer = Peer::start("reconnect while starving", bus.info(), "sleeper");
    let mut failed = 0;
    loop {
        let said = peer.hear().unwrap();
        if said.starts_with("back with") {
            break;
        }
        assert!(said.contains("no file descriptor left"), "{said}");
        failed += 1;
    }
    assert!(failed > 5, "it took nothing to come back");
}

/// Fault X20. Clause A10. Nothing tells this service of anything: it looks every 50 ms.
#[test]
fn a_service_that_the_system_gives_no_notices_serves_by_looking() {
    let _watchdog = within(60);
    let bus = bus!();
    let mut service = Peer::start("obey without notices", bus.info(), "service");
    let mut handle = Handle::new(bus.info(), "service");
    for number in 0..20u64 {
        assert_eq!(handle.sync_request("service", &Ask::Number(number), AMPLE), Ok(number));
    }
    // It finds out that its client is dead.
    let mut client = Peer::start("call", bus.info(), "service");
    client.tell("hold 1");
    client.expect("sent");
    while handle.sync_request::<u64>("service", &Ask::Wanted, AMPLE).unwrap() < 1 {}
    client.kill();
    while handle.sync_request::<u64>("service", &Ask::Wanted, AMPLE).unwrap() > 0 {}
    // And that its bus has ended.
    drop(handle);
    while bus.info().route().exists() {
        let _ = fs::remove_dir_all(bus.info().route());
    }
    service.expect("failed: the bus of the service \"service\" is gone");
}

/// Fault X20. Clause E1. Clause E4.
#[test]
fn a_caller_that_the_system_gives_no_notices_sees_answers_and_deaths_by_looking() {
    let _watchdog = within(60);
    let bus = bus!();
    let mut service = Peer::obedient(bus.info(), "service");
    let mut caller = Peer::start("call without notices", bus.info(), "service");
    caller.tell("number 1");
    caller.expect("Ok(1)");
    caller.tell("await 2");
    let mut handle = Handle::new(bus.info(), "service");
    while handle.sync_request::<u64>("service", &Ask::Wanted, AMPLE).unwrap() < 1 {}
    service.kill();
    caller.expect(r#"Err(Request(PeerGone { peer: "service", reason: Closed }))"#);
}

/// Fault X20. Clause D1. The service is a process of its own, and then a thread of this one, of which nothing else tells.
#[test]
fn a_directory_that_vanishes_ends_the_calls_on_it() {
    let _watchdog = within(60);
    for in_a_process in [true, false] {
        let bus = bus!();
        let (mut process, mut thread) = (None, None);
        match in_a_process {
            true => process = Some(Peer::obedient(bus.info(), "service")),
            false => thread = Some(obedient::service(bus.info(), "service", || {}).spawn().unwrap()),
        }
        let (send, sent) = channel();
        let (vanish, vanished) = channel();
        let info = bus.info().clone();
        let caller = std::thread::spawn(move || {
            let mut handle = Handle::new(&info, "service");
            assert_eq!(handle.sync_request("service", &Ask::Number(1), AMPLE), Ok(1u64));
            let id = handle.send_request("service", &Ask::Hold(2), None).unwrap();
            assert_eq!(handle.sync_request("service", &Ask::Wanted, AMPLE), Ok(1u64));
            send.send(()).unwrap();
            assert!(raw::is_gone(&handle.await_response(id, None)));
            vanished.recv().unwrap();
            let refused = handle.sync_request::<u64>("service", &Ask::Number(3), AMPLE).unwrap_err();
            assert!(matches!(refused, CallError::Send(SendError::Bus { .. })), "{refused}");
            assert!(handle.ready().unwrap_err().to_string().contains("there is no bus at"));
        });
        sent.recv().unwrap();
        // Those who are there may make a file, or remove one, just now.
        while bus.info().route().exists() {
            let _ = fs::remove_dir_all(bus.info().route());
        }
        vanish.send(()).unwrap();
        caller.join().unwrap();
        if let Some(mut service) = process {
            service.expect("failed: the bus of the service \"service\" is gone");
        }
        if let Some(service) = thread {
            // It has seen that its bus is gone, or was told to stop before it looked.
            let _ = service.stop();
        }
        drop(bus);
    }
}

/// Fault X20. The mailbox of the service alone, and then the whole bus, is closed to its own user for a while.
#[test]
fn permissions_that_are_taken_away_are_told_and_what_comes_after_works() {
    let _watchdog = within(60);
    let bus = bus!();
    Peer::start("lose permission", bus.info(), "-").expect("survived");
}

/// The opening of a link lies there, nobody has taken it in, and the process of the service lives on.
///
/// Clause D1. Fault X16.
#[test]
fn one_who_leaves_without_having_accepted_ends_the_calls_that_wait() {
    let _watchdog = within(60);
    let bus = bus!();
    let mut silent = Handle::builder(bus.info(), "nobody").name("silent").build();
    silent.join().unwrap();
    let mailbox = ipcm_tests::wire::mailbox(bus.info(), raw::record(&bus, "silent").incarnation());
    let info = bus.info().clone();
    let caller = std::thread::spawn(move || {
        Handle::new(&info, "silent").sync_request::<u64>("silent", &Ask::Number(1), None)
    });
    // The opening and the hello.
    while fs::read_dir(&mailbox).unwrap().count() < 2 {
        std::thread::yield_now();
    }
    drop(silent);
    let ended = caller.join().unwrap().unwrap_err();
    assert!(matches!(ended, CallError::Send(SendError::PeerGone { .. })), "{ended}");
    assert!(!mailbox.exists());
    let _next = Service::echo(bus.info(), "silent").spawn().unwrap();
}

/// The answer has its name, and can be read, when the disk fails to say that it has it. The link ends behind it.
///
/// Fault X20. Clause D1.
#[test]
fn a_disk_that_fails_behind_an_answer_ends_the_link_behind_it() {
    let _watchdog = within(30);
    let bus = Bus::builder().transport(TransportKind::Files).fsync(true).create().unwrap();
    let mut held = None;
    let service = Service::new(bus.info(), "service").on_call(move |call| {
        if held.is_none() {
            held = Some(call.defer());
        } else {
            shortage::deny(&[libc::SYS_fsync], libc::EIO);
            call.reply(&7u64);
        }
    });
    let _service = service.spawn().unwrap();
    let mut handle = Handle::new(bus.info(), "service");
    let held = handle.send_request("service", &1u64, None).unwrap();
    let answered = handle.send_request("service", &2u64, None).unwrap();
    assert_eq!(handle.await_response(answered, None).unwrap().decode(), Ok(7u64));
    assert!(raw::is_gone(&handle.await_response(held, None)));
}

/// What is to be on the disk and does not get there is not sent, and nobody joins who cannot see to it.
///
/// Fault X20. Clause B3.
#[test]
fn a_bus_that_syncs_does_not_take_for_sent_what_the_disk_has_not() {
    let _watchdog = within(30);
    let bus = Bus::builder().transport(TransportKind::Files).fsync(true).create().unwrap();
    let mut reader = Handle::builder(bus.info(), "nobody").name("reader").build();
    reader.join().unwrap();
    let info = bus.info().clone();
    let sender = std::thread::spawn(move || {
        let mut sender = Handle::builder(&info, "reader").name("sender").build();
        sender.join().unwrap();
        shortage::deny(&[libc::SYS_fdatasync], libc::EIO);
        let sent = sender.try_send("reader", &1u64);
        shortage::deny(&[libc::SYS_fsync], libc::EIO);
        (sent, Handle::builder(&info, "reader").name("late").build().join().map(drop))
    });
    let (sent, joined) = sender.join().unwrap();
    assert!(sent.is_err(), "it counts as sent");
    assert!(joined.unwrap_err().to_string().contains("syncs its files"));
    assert_eq!(reader.poll(Duration::ZERO), Ok(0));
}
