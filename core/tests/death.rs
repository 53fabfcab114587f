//! What becomes of requests when their peer dies, sleeps or comes back.

mod common;

use common::*;
use ipcm_core::memory::{Faults, Network};
use ipcm_core::transport::{PeerChange, PeerState, Transport as _};
use ipcm_core::{
    CallError, Client, Config, GoneReason, Handle, Instant, Message, RemoteError, RemoteErrorKind,
    RequestError, SendError,
};
use std::time::Duration;

fn gone(reason: GoneReason) -> RequestError {
    RequestError::PeerGone { peer: "echo".into(), reason }
}

/// A network whose bytes take 5 to 50 ms.
fn slow(network: &Network) {
    network.set_faults(Faults { delay: 5 * MS..50 * MS, ..Faults::default() });
}

/// Clauses E1, E4: no time passes between the death and the end of the wait.
#[test]
fn an_await_ends_when_the_peer_dies() {
    let (network, mut handle, service) = pair();
    let id = handle.send_request_bytes("echo", b"d", None).unwrap();
    service.borrow_mut().settle();
    let died = now(&network);
    network.kill("echo");
    assert_eq!(handle.await_response(id, None), Err(gone(GoneReason::Closed)));
    assert_eq!((now(&network), handle.client().endpoint().pending()), (died, 0));
}

/// Clause E2, fault X15: the answer was given before the death, and the caller looks an hour later.
#[test]
fn an_answer_given_before_the_death_is_returned_however_late_one_looks() {
    let (network, mut handle, service) = pair();
    let id = handle.send_request_bytes("echo", b"answer me", 10 * SECOND).unwrap();
    service.borrow_mut().settle();
    network.kill("echo");
    network.advance(3600 * SECOND);
    assert_eq!(handle.await_response(id, Duration::ZERO).unwrap().bytes(), b"answer me");
}

/// Clause E2: also when the caller sends something else first, and finds the peer dead by that.
#[test]
fn an_answer_given_before_the_death_survives_a_send_to_the_dead_peer() {
    let (network, mut handle, service) = pair();
    slow(&network);
    let id = handle.send_request_bytes("echo", b"answer me", None).unwrap();
    while service.borrow().script.handled.is_empty() {
        network.advance(MS);
        service.borrow_mut().settle();
    }
    network.kill("echo");
    let sent = handle.send_message_bytes("echo", b"are you there", 200 * MS);
    let unsent = SendError::NoSuchPeer { peer: "echo".into() };
    assert_eq!(sent, Err(unsent), "it did not leave, and there is no other life");
    assert_eq!(handle.await_response(id, None).unwrap().bytes(), b"answer me");
}

/// Clause D1: what had not left when the peer died may be repeated, and says so.
#[test]
fn a_request_that_had_not_left_ends_as_not_sent() {
    let (network, mut handle, service) = pair();
    handle.sync_request_bytes("echo", b"warm up", SECOND).unwrap();
    network.set_faults(Faults { buffer: 10, ..Faults::default() });
    let first = handle.send_request_bytes("echo", &[0; 100], None).unwrap();
    let second = handle.send_request_bytes("echo", &[0; 100], None).unwrap();
    network.kill("echo");
    assert_eq!(handle.await_response(first, None), Err(gone(GoneReason::Closed)));
    let not_sent = RequestError::NotSent { peer: "echo".into(), reason: GoneReason::Closed };
    assert_eq!(handle.await_response(second, None), Err(not_sent));
    drop(service);
}

/// Clause D7, fault X5: the handle stays in use over a restart of the service, without a timeout.
#[test]
fn a_restarted_service_is_reached_by_the_next_request() {
    let (network, mut handle, service) = pair();
    let old = handle.send_request_bytes("echo", b"d to the old life", None).unwrap();
    service.borrow_mut().settle();
    network.kill("echo");
    let next = Scripted::new(&network, "echo", Config::default());
    let former = std::mem::replace(&mut *service.borrow_mut(), next);
    drop(former);
    assert_eq!(handle.sync_request_bytes("echo", b"to the new", None).unwrap().bytes(), b"to the new");
    assert_eq!(handle.await_response(old, None), Err(gone(GoneReason::Closed)));
    assert_eq!(service.borrow().script.handled, [b"to the new"]);
}

/// Clause E3: the wait goes on while the peer sleeps, and what is sent meanwhile is kept in order.
#[test]
fn a_request_to_a_suspended_service_is_answered_by_its_next_life() {
    let (network, mut handle, service) = pair();
    handle.sync_request_bytes("echo", b"one", SECOND).unwrap();
    let sleeper = suspend(&service, now(&network) + 60 * SECOND);
    let ids = [b"two", b"six"].map(|body| handle.send_request_bytes("echo", body, None).unwrap());
    assert_eq!(handle.ready(), Ok(false));
    let waiting = handle.client().now();
    assert_eq!(handle.poll(SECOND), 0);
    assert_eq!(handle.client().now(), waiting + SECOND);
    assert!(handle.client().endpoint().is_suspended(handle.client().endpoint().route("echo").unwrap()));
    resume(&service, sleeper);
    assert_eq!(handle.await_response(ids[0], None).unwrap().bytes(), b"two");
    assert_eq!(handle.await_response(ids[1], None).unwrap().bytes(), b"six");
    assert_eq!(service.borrow().script.handled, [b"two", b"six"]);
}

/// Clause E3: with a deadline of its own the request times out though the peer sleeps on.
#[test]
fn a_request_to_a_suspended_service_times_out() {
    let (network, mut handle, service) = pair();
    handle.sync_request_bytes("echo", b"one", SECOND).unwrap();
    let _sleeper = suspend(&service, now(&network) + 60 * SECOND);
    let late = handle.sync_request_bytes("echo", b"two", SECOND).map(|_| ());
    assert_eq!(late, Err(CallError::Request(RequestError::TimedOut { peer: "echo".into() })));
}

/// Clause E3: the suspension's end is the request's end.
#[test]
fn a_suspension_that_runs_out_ends_the_wait() {
    let (network, mut handle, service) = pair();
    handle.sync_request_bytes("echo", b"one", SECOND).unwrap();
    let until = now(&network) + 60 * SECOND;
    let _sleeper = suspend(&service, until);
    let id = handle.send_request_bytes("echo", b"two", None).unwrap();
    let end = handle.await_response(id, None).map(|_| ()).unwrap_err();
    assert!(matches!(
        end,
        RequestError::PeerGone { reason: GoneReason::SuspensionExpired | GoneReason::Closed, .. }
    ));
    assert_eq!(now(&network), until);
    assert_eq!(handle.ready(), Ok(false));
}

/// Clause E3: full unregistration ends it earlier.
#[test]
fn a_suspended_peer_that_is_removed_ends_the_wait() {
    let (network, mut handle, service) = pair();
    handle.sync_request_bytes("echo", b"one", SECOND).unwrap();
    let _sleeper = suspend(&service, now(&network) + 60 * SECOND);
    let id = handle.send_request_bytes("echo", b"two", None).unwrap();
    let before = now(&network);
    network.kill("echo");
    assert_eq!(handle.await_response(id, None), Err(gone(GoneReason::Closed)));
    assert_eq!(now(&network), before);
}

/// Clause D1: the next life knows nothing of what this one has taken and not answered.
#[test]
fn a_request_that_was_taken_and_not_answered_fails_when_its_service_is_suspended() {
    let (network, mut handle, service) = pair();
    let id = handle.send_request_bytes("echo", b"d", None).unwrap();
    service.borrow_mut().settle();
    let _sleeper = suspend(&service, now(&network) + 60 * SECOND);
    let before = now(&network);
    let error = RemoteError { kind: RemoteErrorKind::Unanswered, detail: String::new() };
    let ended = RequestError::Remote { peer: "echo".into(), error };
    assert_eq!(handle.await_response(id, None), Err(ended));
    assert_eq!(now(&network), before);
}

/// Clause D7: both sides sleep; the answer to a former life of the asker does not answer the next one.
#[test]
fn an_answer_to_a_former_life_of_the_asker_is_dropped() {
    let (network, mut handle, service) = pair();
    let _old = handle.send_request_bytes("echo", b"d old", None).unwrap();
    service.borrow_mut().settle();
    let until = now(&network) + 60 * SECOND;
    handle.into_client().suspend(until).unwrap();
    assert!(service.borrow_mut().answer_one());
    let mut handle = asker(&network, "asker", "echo");
    // The link that was left behind is taken up, and the old answer still lies in it.
    while handle.client().endpoint().route("echo").is_none() {
        handle.client_mut().turn(Some(now(&network)));
    }
    assert_eq!(handle.sync_request_bytes("echo", b"new", SECOND).unwrap().bytes(), b"new");
    assert_eq!(handle.client().endpoint().counters().stray_responses, 1);
}

/// Clause B2: messages sent before, during and after a suspension come in order, once.
#[test]
fn messages_to_a_peer_that_sleeps_are_kept_in_order() {
    let network = Network::new();
    let mut sender = asker(&network, "sender", "reader");
    let mut reader = network.client("reader", Config::default());
    let name = |message: &Message| message.content.clone();
    sender.client_mut().try_send("reader", &mut |_, _| Ok(())).unwrap_err();
    while reader.turn(Some(now(&network))) {}
    let mut contents = Vec::new();
    for number in 0..9u8 {
        if number % 3 == 1 {
            contents.extend(reader.messages().iter().map(name));
            reader.suspend(now(&network) + 60 * SECOND).unwrap();
            sender.send_message_bytes("reader", &[number], SECOND).unwrap();
            reader = network.client("reader", Config::default());
        } else {
            sender.send_message_bytes("reader", &[number], SECOND).unwrap();
        }
        while reader.turn(Some(now(&network))) {}
        sender.poll(Duration::ZERO);
    }
    contents.extend(reader.messages().iter().map(name));
    assert_eq!(contents, (0..9u8).map(|number| vec![number]).collect::<Vec<_>>());
}

/// Clause A6: what was put back comes first, in the order in which it was; and what was not collected behind it.
#[test]
fn messages_that_are_put_back_come_to_the_next_life_before_all_others() {
    let network = Network::new();
    let mut sender = asker(&network, "sender", "reader");
    let mut reader = network.client("reader", Config::default());
    sender.client_mut().try_send("reader", &mut |_, _| Ok(())).unwrap_err();
    let read = |reader: &mut Client<_, _>| {
        while reader.turn(Some(now(&network))) {}
        reader.messages()
    };
    read(&mut reader);
    for number in 0..3u8 {
        sender.send_message_bytes("reader", &[number], SECOND).unwrap();
    }
    let messages = read(&mut reader);
    for message in [&messages[2], &messages[0]] {
        reader.requeue_message(message).unwrap();
    }
    sender.send_message_bytes("reader", &[3], SECOND).unwrap();
    while reader.turn(Some(now(&network))) {}
    reader.suspend(now(&network) + 60 * SECOND).unwrap();
    sender.send_message_bytes("reader", &[4], SECOND).unwrap();
    let mut reader = network.client("reader", Config::default());
    let again = read(&mut reader);
    assert_eq!(again[..2], [messages[2].clone(), messages[0].clone()]);
    let contents: Vec<_> = again[2..].iter().map(|message| message.content[0]).collect();
    assert_eq!(contents, [3, 4]);
    reader.suspend(now(&network) + 60 * SECOND).unwrap();
    assert_eq!(read(&mut network.client("reader", Config::default())), [], "it is put back once");
}

/// Clause A6. Clause B4: each life of the sender would else have a window of its own, and break the reader's bound.
#[test]
fn the_lives_of_a_sender_share_the_window_of_one_who_does_not_read() {
    let network = Network::new();
    let mut small = Config::default();
    (small.window, small.body_limit) = (2000, 100);
    let mut reader = network.client("reader", small);
    let mut sender = network.client("sender", Config::default());
    let mut accepted = 0u32;
    sender.try_send("reader", &mut |_, _| Ok(())).unwrap_err();
    for _ in 0..5 {
        sender.take_up_links();
        while reader.turn(Some(now(&network))) | sender.turn(Some(now(&network))) {}
        while sender.try_send("reader", &mut |out, limit| out.encode(&accepted, limit)).is_ok() {
            accepted += 1;
        }
        sender.suspend(now(&network) + 60 * SECOND).unwrap();
        sender = network.client("sender", Config::default());
    }
    while reader.turn(Some(now(&network))) | sender.turn(Some(now(&network))) {}
    let numbers: Vec<u32> = reader.messages().iter().map(|message| message.decode().unwrap()).collect();
    assert_eq!(numbers, (0..accepted).collect::<Vec<_>>());
    assert!((10..60).contains(&accepted), "{accepted}");
    assert_eq!(reader.endpoint().counters().violations, 0);
    // The window opens again for the life that is there.
    while reader.turn(Some(now(&network))) | sender.turn(Some(now(&network))) {}
    sender.try_send("reader", &mut |out, limit| out.encode(&1u32, limit)).unwrap();
}

/// Clause E5: a peer that is watched without any request is reported.
#[test]
fn the_death_of_a_watched_peer_is_reported_without_a_request() {
    let (network, mut handle, service) = pair();
    let incarnation = service.borrow().service.client().endpoint().incarnation();
    handle.client_mut().transport_mut().watch().unwrap();
    handle.poll(Duration::ZERO);
    let change = |state| PeerChange { name: "echo".into(), incarnation, state };
    assert_eq!(handle.client_mut().take_changes(), [change(PeerState::Active)]);
    network.kill("echo");
    handle.poll(Duration::ZERO);
    assert_eq!(handle.client_mut().take_changes(), [change(PeerState::Gone)]);
}

/// Gives up the service's life; its place is taken by a stranger until it is back.
fn suspend(service: &Shared, until: Instant) -> Network {
    let network = Network::new();
    let stand_in = Scripted::new(&network, "stand-in", Config::default());
    let former = std::mem::replace(&mut *service.borrow_mut(), stand_in);
    let client: Client<_, _> = former.service.into_client();
    let bus = client.transport().network().clone();
    client.suspend(until).unwrap();
    bus
}

fn resume(service: &Shared, network: Network) {
    let next = Scripted::new(&network, "echo", Config::default());
    *service.borrow_mut() = next;
}

/// Clause C2: a handle that is dropped disconnects.
#[test]
fn a_dropped_handle_leaves_the_bus() {
    let network = Network::new();
    let handle = Handle::new(network.client("asker", Config::default()), "echo");
    let mut other = network.client("other", Config::default());
    assert_eq!(other.transport_mut().peers(), Ok(vec!["asker".to_owned()]));
    drop(handle);
    assert_eq!(other.transport_mut().peers(), Ok(vec![]));
}
