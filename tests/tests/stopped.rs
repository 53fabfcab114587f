//! A process that stands still: nobody waits beyond its time, nothing grows, nothing is lost. Here and not in the suite,
//! as it takes a signal to stop one.

use std::time::{Duration, Instant};

use ipcm::Handle;
use ipcm_core::{CallError, RequestError, SendError};
use ipcm_tests::obedient::SHORT;
use ipcm_tests::{AMPLE, Ask, Peer, bus, proc, within};

/// Clause B4. Clause B3. Clause B2. Fault X10.
#[test]
fn what_a_stopped_service_had_accepted_arrives_in_order_and_the_rest_is_refused() {
    let _watchdog = within(60);
    let bus = bus!();
    let mut service = Peer::obedient(bus.info(), "service");
    let mut handle = Handle::new(bus.info(), "service");
    assert_eq!(handle.sync_request("service", &Ask::Number(1), AMPLE), Ok(1u64));
    service.pause();
    let mut accepted = 0u64;
    let blocked = loop {
        match handle.try_send("service", &accepted) {
            Ok(()) => accepted += 1,
            Err(error) => break error,
        }
        assert!(accepted < 100_000, "there is no bound");
    };
    assert_eq!(blocked, SendError::WouldBlock { peer: "service".into() });
    // A window of 1 MiB, of which the smallest message takes a hundred bytes.
    assert!((5_000..20_000).contains(&accepted), "{accepted}");
    // More of the same changes nothing, whoever sends and however.
    for _ in 0..10_000 {
        assert_eq!(handle.try_send("service", &0u64), Err(blocked.clone()));
    }
    let late = SendError::TimedOut { peer: "service".into() };
    let began = Instant::now();
    assert_eq!(handle.send_message("service", &0u64, SHORT), Err(late.clone()));
    assert_eq!(handle.sync_request::<u64>("service", &Ask::Number(1), SHORT), Err(CallError::Send(late)));
    let took = began.elapsed();
    assert!(took >= 2 * SHORT && took < Duration::from_secs(5), "{took:?}");

    service.resume();
    let messages: Vec<u64> = handle.sync_request("service", &Ask::Messages, AMPLE).unwrap();
    assert!(messages.into_iter().eq(0..accepted), "not what was accepted, or not in order");
}

/// The sender is a process that does nothing else.
///
/// Clause B4. Fault X10.
#[test]
fn to_send_on_and_on_to_a_stopped_service_takes_no_memory() {
    let _watchdog = within(60);
    let bus = bus!();
    let mut service = Peer::obedient(bus.info(), "service");
    let mut sender = Peer::start("call", bus.info(), "service");
    sender.tell("number 1");
    sender.expect("Ok(1)");
    service.pause();
    let before = proc::resident(sender.pid());
    sender.tell("flood 50000");
    let accepted: u64 = sender.hear().unwrap().parse().unwrap();
    assert!((5_000..20_000).contains(&accepted), "{accepted}");
    let grown = proc::resident(sender.pid()).saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes grown by sending to one that stands still");
}

/// Clause B4. Clause B3: what was accepted is not lost with its sender.
#[test]
fn what_a_killed_sender_had_sent_to_a_stopped_service_arrives() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut service = Peer::obedient(bus.info(), "service");
    let mut sender = Peer::start("call", bus.info(), "service");
    sender.tell("number 1");
    sender.expect("Ok(1)");
    service.pause();
    for number in 0..20 {
        sender.tell(&format!("message {number}"));
        sender.expect("sent");
    }
    sender.kill();
    service.resume();
    let mut handle = Handle::new(bus.info(), "service");
    let mut arrived: Vec<u64> = Vec::new();
    while arrived.len() < 20 {
        arrived = handle.sync_request("service", &Ask::Messages, AMPLE).unwrap();
    }
    assert_eq!(arrived, (0..20).collect::<Vec<_>>());
}

/// Fault X10. Clause C7.
#[test]
fn a_request_to_a_stopped_service_times_out_on_time_and_the_next_is_answered() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut service = Peer::obedient(bus.info(), "service");
    let mut handle = Handle::new(bus.info(), "service");
    assert_eq!(handle.sync_request("service", &Ask::Number(1), AMPLE), Ok(1u64));
    service.pause();
    let began = Instant::now();
    let ended = handle.sync_request::<u64>("service", &Ask::Number(2), SHORT).unwrap_err();
    assert_eq!(ended, CallError::Request(RequestError::TimedOut { peer: "service".into() }));
    // And for one that is not connected yet: the system accepts for it, and no hello comes back.
    let mut other = Handle::new(bus.info(), "service");
    let ended = other.sync_request::<u64>("service", &Ask::Number(3), SHORT).unwrap_err();
    assert_eq!(ended, CallError::Send(SendError::TimedOut { peer: "service".into() }));
    assert_eq!(other.try_send("service", &1u64), Err(SendError::WouldBlock { peer: "service".into() }));
    let took = began.elapsed();
    assert!(took >= 2 * SHORT && took < Duration::from_secs(5), "{took:?}");
    service.resume();
    assert_eq!(handle.sync_request("service", &Ask::Number(4), AMPLE), Ok(4u64));
    assert_eq!(other.sync_request("service", &Ask::Number(5), AMPLE), Ok(5u64));
}

/// A client that stands still does not stop the service, and gets all its answers when it goes on.
///
/// Clause B4. Fault X11.
#[test]
fn a_stopped_client_delays_nobody() {
    let _watchdog = within(30);
    let bus = bus!();
    let _service = Peer::obedient(bus.info(), "service");
    let mut client = Peer::start("call", bus.info(), "service");
    client.tell("number 1");
    client.expect("Ok(1)");
    client.tell("hold 2");
    client.expect("sent");
    client.pause();
    let mut handle = Handle::new(bus.info(), "service");
    while handle.sync_request::<u64>("service", &Ask::Release, AMPLE).unwrap() == 0 {}
    for number in 0..100u64 {
        assert_eq!(handle.sync_request("service", &Ask::Number(number), AMPLE), Ok(number));
    }
    client.resume();
    client.tell("number 3");
    client.expect("Ok(3)");
}

/// Clause E1: the service is killed while it stands still.
#[test]
fn the_death_of_a_stopped_service_ends_its_requests() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut service = Peer::obedient(bus.info(), "service");
    let mut handle = Handle::new(bus.info(), "service");
    assert_eq!(handle.sync_request("service", &Ask::Number(1), AMPLE), Ok(1u64));
    service.pause();
    let id = handle.send_request("service", &Ask::Number(2), None).unwrap();
    let killer = std::thread::spawn(move || {
        service.kill();
        service
    });
    assert!(ipcm_tests::raw::is_gone(&handle.await_response(id, None)));
    drop(killer.join());
}
