//! How long waits last, exactly. No check of the conformance suite: it takes virtual time, in which nothing happens between
//! two events; there it is only checked that nothing ends before its time.

mod common;

use common::*;
use ipcm_core::memory::Network;
use ipcm_core::{Client, Config, GoneReason, Instant, RequestError, SendError};
use std::time::Duration;

fn gone(reason: GoneReason) -> RequestError {
    RequestError::PeerGone { peer: "echo".into(), reason }
}

fn timed_out() -> RequestError {
    RequestError::TimedOut { peer: "echo".into() }
}

/// Clause C3.
#[test]
fn wait_ready_returns_when_the_service_comes() {
    let network = Network::new();
    let mut handle = asker(&network, "asker", "echo");
    assert_eq!(handle.ready(), Ok(false));
    let late = SendError::TimedOut { peer: "echo".into() };
    assert_eq!(handle.wait_ready(SECOND), Err(late));
    let before = now(&network);
    let bus = network.clone();
    let mut service = None;
    network.set_idle(move || {
        service.get_or_insert_with(|| Scripted::new(&bus, "echo", Config::default()));
    });
    assert_eq!(handle.wait_ready(None), Ok(()));
    assert_eq!((now(&network), handle.ready()), (before, Ok(true)), "no time passed");
}

/// Clauses C7, D1, D4: exactly the timeout passes, and the request is forgotten.
#[test]
fn an_await_that_times_out_forgets_the_request() {
    let (network, mut handle, _service) = pair();
    let id = handle.send_request_bytes("echo", b"d", None).unwrap();
    let before = now(&network);
    assert_eq!(handle.await_response(id, 30 * MS), Err(timed_out()));
    assert_eq!(now(&network), before + 30 * MS);
    assert_eq!(handle.await_response(id, 30 * MS), Err(RequestError::UnknownId { id }));
    assert_eq!(handle.client().endpoint().pending(), 0);
}

/// Clause C10: a poll lasts as long as it may where nothing comes, and no time at all where something has come.
#[test]
fn poll_waits_no_longer_than_it_must() {
    let (network, mut handle, service) = pair();
    let before = now(&network);
    assert_eq!(handle.poll(10 * MS), 0);
    assert_eq!(now(&network), before + 10 * MS);
    for byte in 0..3 {
        handle.send_request_bytes("echo", &[byte], None).unwrap();
    }
    service.borrow_mut().settle();
    let before = now(&network);
    let mut taken = 0;
    while taken < 3 {
        taken += handle.poll(None);
    }
    assert_eq!((taken, now(&network)), (3, before));
}

/// Clause D1: a member that says hello late is still reached; one that never does is given up in time.
#[test]
fn a_peer_that_never_says_hello_is_given_up_in_time() {
    let network = Network::new();
    let _mute = network.join("mute");
    let mut handle = asker(&network, "asker", "mute");
    let before = now(&network);
    let late = SendError::TimedOut { peer: "mute".into() };
    assert_eq!(handle.send_request_bytes("mute", b"", 20 * MS), Err(late));
    assert_eq!(now(&network), before + 20 * MS);
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

/// Clause E3: a poll lasts as long as it may while the peer sleeps.
#[test]
fn a_poll_goes_on_while_the_peer_sleeps() {
    let (network, mut handle, service) = pair();
    handle.sync_request_bytes("echo", b"one", SECOND).unwrap();
    suspend(&service, now(&network) + 60 * SECOND);
    handle.send_request_bytes("echo", b"two", None).unwrap();
    let before = now(&network);
    assert_eq!(handle.poll(SECOND), 0);
    assert_eq!(now(&network), before + SECOND);
}

/// Clause E3: the suspension's end is the request's end.
#[test]
fn a_suspension_that_runs_out_ends_the_wait() {
    let (network, mut handle, service) = pair();
    handle.sync_request_bytes("echo", b"one", SECOND).unwrap();
    let until = now(&network) + 60 * SECOND;
    suspend(&service, until);
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
    suspend(&service, now(&network) + 60 * SECOND);
    let id = handle.send_request_bytes("echo", b"two", None).unwrap();
    let before = now(&network);
    network.kill("echo");
    assert_eq!(handle.await_response(id, None), Err(gone(GoneReason::Closed)));
    assert_eq!(now(&network), before);
}

/// Gives up the service's life; its place is taken by a stranger.
fn suspend(service: &Shared, until: Instant) {
    let stand_in = Scripted::new(&Network::new(), "stand-in", Config::default());
    let former = std::mem::replace(&mut *service.borrow_mut(), stand_in);
    let client: Client<_, _> = former.service.into_client();
    client.suspend(until).unwrap();
}
