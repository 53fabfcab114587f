//! How requests are sent, awaited and answered.

mod common;

use common::*;
use ipcm_core::memory::{Faults, Network};
use ipcm_core::{
    AwaitAllError, CallError, Config, Handle, RemoteError, RemoteErrorKind, RequestError, SendError,
};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const NOW: Duration = Duration::ZERO;

fn timed_out() -> RequestError {
    RequestError::TimedOut { peer: "echo".into() }
}

fn as_asked() -> RequestError {
    let error = RemoteError { kind: RemoteErrorKind::Failed, detail: "as asked".into() };
    RequestError::Remote { peer: "echo".into(), error }
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

/// Clause C6.
#[test]
fn a_sync_request_returns_the_typed_response() {
    let (_network, mut handle, _service) = pair();
    let answer: (u32, String) = handle.sync_request("echo", &(7u32, "seven"), SECOND).unwrap();
    assert_eq!(answer, (7, "seven".into()));
    let wrong = handle.sync_request::<u8>("echo", &(1u8, 2u8), SECOND);
    assert!(matches!(wrong, Err(CallError::Decode { .. })), "{wrong:?}");
    assert_eq!(handle.sync_request::<u8>("echo", &b'f', SECOND), Err(CallError::Request(as_asked())));
    assert_eq!(handle.client().endpoint().pending(), 0);
}

/// Clause C6.
#[test]
fn a_request_to_nobody_is_refused() {
    let (_network, mut handle, _service) = pair();
    let nobody = SendError::NoSuchPeer { peer: "nobody".into() };
    assert_eq!(handle.send_request_bytes("nobody", b"", SECOND), Err(nobody));
}

/// Clause C7.
#[test]
fn a_response_that_has_arrived_is_returned_with_a_timeout_of_zero() {
    let (network, mut handle, service) = pair();
    for chunk in [1, 7, usize::MAX] {
        network.set_faults(Faults { chunk, ..Faults::default() });
        let id = handle.send_request_bytes("echo", b"here", None).unwrap();
        service.borrow_mut().settle();
        assert_eq!(handle.await_response(id, NOW).unwrap().bytes(), b"here", "in chunks of {chunk}");
        assert_eq!(handle.await_response(id, NOW), Err(RequestError::UnknownId { id }));
    }
}

/// Clauses C7, D2: the deadline is over long before the caller looks, but the response was in time.
#[test]
fn a_response_that_arrived_in_time_is_returned_after_the_deadline() {
    for chunk in [1, 7, usize::MAX] {
        let (network, mut handle, service) = pair();
        network.set_faults(Faults { chunk, ..Faults::default() });
        let id = handle.send_request_bytes("echo", b"in time", 10 * MS).unwrap();
        service.borrow_mut().settle();
        network.advance(SECOND);
        assert_eq!(handle.await_response(id, None).unwrap().bytes(), b"in time", "in chunks of {chunk}");
    }
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

/// Clauses D2, D3, fault X12.
#[test]
fn a_late_response_is_dropped_and_counted_and_disturbs_nothing() {
    let (network, mut handle, service) = pair();
    // Without a budget the service does not know that nobody waits.
    let id = handle.send_request_bytes("echo", b"d", None).unwrap();
    let client = handle.client_mut();
    assert_eq!(client.endpoint().pending_ids().collect::<Vec<_>>(), [id]);
    service.borrow_mut().settle();
    network.advance(MS);
    let bus = service.clone();
    assert!(bus.borrow_mut().answer_one(), "the answer is under way when the caller gives up");
    assert!(handle.cancel(id));
    assert_eq!(handle.sync_request_bytes("echo", b"next", SECOND).unwrap().bytes(), b"next");
    assert_eq!(handle.await_all_responses(SECOND), Ok(()));
    assert_eq!(handle.client().endpoint().counters().stray_responses, 1);
}

/// Clause C8: what did arrive is kept, and each failure has its reason.
#[test]
fn await_all_names_each_failure_and_keeps_the_responses() {
    let (_network, mut handle, service) = pair();
    let [good, failed, slow] =
        [&b"good"[..], b"f", b"d"].map(|body| handle.send_request_bytes("echo", body, None).unwrap());
    let failures = vec![(failed, as_asked()), (slow, timed_out())];
    assert_eq!(handle.await_all_responses(20 * MS), Err(AwaitAllError { failures }));
    assert_eq!(handle.await_response(good, NOW).unwrap().bytes(), b"good");
    assert_eq!(handle.await_all_responses(None), Ok(()));
    drop(service);
}

/// Clause C9.
#[test]
fn await_any_returns_the_first_to_end() {
    let (_network, mut handle, service) = pair();
    let ids = [b"d1", b"d2"].map(|body| handle.send_request_bytes("echo", body, None).unwrap());
    assert_eq!(handle.await_any(&ids, 10 * MS), None);
    service.borrow_mut().script.deferred.reverse();
    service.borrow_mut().answer_one();
    assert_eq!(handle.await_any(&ids, None), Some(ids[1]));
    service.borrow_mut().answer_one();
    handle.poll(None);
    assert_eq!(handle.await_any(&ids, None), Some(ids[1]), "both have ended, this one first");
    assert_eq!(handle.await_response(ids[1], NOW).unwrap().bytes(), b"d2");
    assert_eq!(handle.await_any(&ids, None), Some(ids[0]));
    assert_eq!(handle.await_response(ids[0], NOW).unwrap().bytes(), b"d1");
    assert_eq!(handle.await_any(&ids, None), None, "all are unknown");
}

/// Clause C10.
#[test]
fn poll_waits_no_longer_than_it_must() {
    let (network, mut handle, service) = pair();
    let before = now(&network);
    assert_eq!(handle.poll(10 * MS), 0);
    assert_eq!(now(&network), before + 10 * MS);
    let ids = [0; 3].map(|byte| handle.send_request_bytes("echo", &[byte], None).unwrap());
    let reader = handle.name().to_owned();
    service.borrow_mut().settle();
    let mut shared = service.borrow_mut();
    shared.service.client_mut().try_send(&reader, &mut |_, _| Ok(())).unwrap();
    drop(shared);
    let before = now(&network);
    let mut taken = 0;
    while taken < 4 {
        taken += handle.poll(None);
    }
    assert_eq!((taken, now(&network), handle.messages().len()), (4, before, 1));
    assert!(ids.into_iter().all(|id| handle.await_response(id, NOW).is_ok()));
}

/// Clause C12, fault X24: a callback runs once and may itself send, await and poll.
#[test]
fn a_callback_runs_once_and_may_send_requests() {
    let (_network, mut handle, _service) = pair();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let id = handle
        .send_request_with("echo", &1u8, SECOND, move |handle, end| {
            let first: u8 = end.unwrap().decode().unwrap();
            let second: u8 = handle.sync_request("echo", &(first + 1), SECOND).unwrap();
            let deeper = log.clone();
            handle
                .send_request_with("echo", &(second + 1), SECOND, move |_, end| {
                    deeper.lock().unwrap().push(end.unwrap().decode::<u8>().unwrap());
                })
                .unwrap();
            log.lock().unwrap().extend([first, second]);
        })
        .unwrap();
    assert_eq!(handle.await_response(id, NOW), Err(RequestError::HasCallback { id }));
    assert_eq!(*seen.lock().unwrap(), [0u8; 0], "not before a poll");
    while seen.lock().unwrap().len() < 3 {
        handle.poll(None);
    }
    handle.poll(10 * MS);
    assert_eq!(*seen.lock().unwrap(), [1, 2, 3]);
    assert_eq!(handle.await_response(id, NOW), Err(RequestError::UnknownId { id }));
}

/// Clauses C12, D1: whatever the end, the callback hears of it.
#[test]
fn a_callback_hears_of_every_kind_of_end() {
    let (network, mut handle, service) = pair();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let send = |handle: &mut Asker, body: u8, timeout: Option<Duration>| {
        let log = seen.clone();
        let done = move |_: &mut Asker, end: Result<ipcm_core::Response<'_>, RequestError>| {
            log.lock().unwrap().push(end.map(|response| response.bytes().to_vec()));
        };
        handle.send_request_with("echo", &body, timeout, done).unwrap()
    };
    send(&mut handle, b'x', None);
    send(&mut handle, b'f', None);
    send(&mut handle, b'd', Some(10 * MS));
    let cancelled = send(&mut handle, b'd', None);
    let unfinished = send(&mut handle, b'd', None);
    service.borrow_mut().settle();
    handle.cancel(cancelled);
    while handle.client().endpoint().pending() > 1 {
        handle.poll(20 * MS);
    }
    network.kill("echo");
    assert_eq!(handle.await_all_responses(None), Ok(()), "callbacks have heard of the failures");
    let gone = RequestError::PeerGone { peer: "echo".into(), reason: ipcm_core::GoneReason::Closed };
    let cancelled = RequestError::Cancelled { peer: "echo".into() };
    let expected = [Err(cancelled), Ok(vec![b'x']), Err(as_asked()), Err(timed_out()), Err(gone)];
    assert_eq!(*seen.lock().unwrap(), expected);
    assert!(!handle.client().endpoint().is_pending(unfinished));
}

/// Clause D6: full is an error, and one collected end makes room.
#[test]
fn a_full_table_refuses_the_next_request() {
    let mut config = Config::default();
    config.requests = 2;
    let network = Network::new();
    let service = serve(&network, "echo", Config::default());
    let mut handle = Handle::new(network.client("asker", config), "echo");
    let ids = [b"1", b"2"].map(|body| handle.send_request_bytes("echo", body, None).unwrap());
    let full = Err(SendError::TooManyInFlight { limit: 2 });
    assert_eq!(handle.send_request_bytes("echo", b"3", None), full);
    service.borrow_mut().settle();
    handle.poll(None);
    assert_eq!(handle.send_request_bytes("echo", b"3", None), full, "ended, and not collected");
    handle.await_response(ids[0], NOW).unwrap();
    let third = handle.send_request_bytes("echo", b"3", None).unwrap();
    assert_eq!(handle.await_response(third, None).unwrap().bytes(), b"3");
    assert_eq!(handle.await_response(ids[1], NOW).unwrap().bytes(), b"2");
}
