//! How a service answers: at once, later, with a failure, too late, or not at all.

mod common;

use common::*;
use ipcm_core::memory::Network;
use ipcm_core::{CallError, Config, Handle, RemoteError, RemoteErrorKind, RequestError};
use std::time::Duration;

const NOW: Duration = Duration::ZERO;

fn timed_out() -> RequestError {
    RequestError::TimedOut { peer: "echo".into() }
}

fn as_asked() -> RequestError {
    let error = RemoteError { kind: RemoteErrorKind::Failed, detail: "as asked".into() };
    RequestError::Remote { peer: "echo".into(), error }
}

/// Clauses F1, D5, fault X12: the service knows when its caller has given up.
#[test]
fn an_answer_after_the_deadline_is_not_sent_and_counted() {
    let (network, mut handle, service) = pair();
    let late = handle.sync_request_bytes("echo", b"d", 10 * MS).map(|_| ());
    assert_eq!(late, Err(CallError::Request(timed_out())));
    network.advance(MS);
    service.borrow_mut().settle();
    assert!(!service.borrow_mut().answer_one());
    let counters = service.borrow().service.client().endpoint().counters();
    assert_eq!((counters.stray_replies, counters.violations), (1, 0));
    assert_eq!(handle.client().endpoint().counters().stray_responses, 0);
}

/// Clause D5: work is not begun whose caller has already given up.
#[test]
fn a_request_whose_time_is_up_is_not_handled() {
    let (network, mut handle, service) = pair();
    handle.sync_request_bytes("echo", b"warm up", SECOND).unwrap();
    let id = handle.send_request_bytes("echo", b"too late", 5 * MS).unwrap();
    network.set_idle(|| {});
    service.borrow_mut().service.client_mut().turn(Some(now(&network)));
    network.advance(5 * MS);
    service.borrow_mut().settle();
    assert_eq!(service.borrow().script.handled, [b"warm up"]);
    assert_eq!(handle.await_response(id, None), Err(timed_out()));
}

/// Clause D5: the budget that is left travels, and cancel reaches the service.
#[test]
fn a_cancelled_request_is_withdrawn_from_the_service() {
    let (_network, mut handle, service) = pair();
    let id = handle.send_request_bytes("echo", b"d", SECOND).unwrap();
    service.borrow_mut().settle();
    let key = service.borrow().script.deferred[0].1.key();
    assert!(handle.cancel(id));
    assert!(!handle.cancel(id), "it has ended");
    service.borrow_mut().settle();
    assert_eq!(service.borrow().script.withdrawn, [key]);
    assert!(!service.borrow_mut().answer_one());
    assert_eq!(handle.await_response(id, NOW), Err(RequestError::UnknownId { id }));
}

/// Clause D6: a service that is full says so and goes on.
#[test]
fn an_overloaded_service_refuses_and_serves_on() {
    let mut config = Config::default();
    config.serving = 1;
    let network = Network::new();
    let service = serve(&network, "echo", config);
    let mut handle = asker(&network, "asker", "echo");
    let first = handle.send_request_bytes("echo", b"d", None).unwrap();
    let second = handle.send_request_bytes("echo", b"x", None).unwrap();
    let error = RemoteError { kind: RemoteErrorKind::Overloaded, detail: String::new() };
    let overloaded = RequestError::Remote { peer: "echo".into(), error };
    assert_eq!(handle.await_response(second, None), Err(overloaded));
    assert_eq!(service.borrow().service.client().endpoint().counters().overloads, 1);
    service.borrow_mut().answer_one();
    assert_eq!(handle.await_response(first, None).unwrap().bytes(), b"d");
    assert_eq!(handle.sync_request_bytes("echo", b"y", None).unwrap().bytes(), b"y");
}

/// Clause F1: answers may come in any order, long after the call.
#[test]
fn deferred_answers_reach_the_right_requests() {
    let (_network, mut handle, service) = pair();
    let ids = [b"d1", b"d2", b"d3"].map(|body| handle.send_request_bytes("echo", body, None).unwrap());
    service.borrow_mut().settle();
    service.borrow_mut().script.deferred.swap(0, 2);
    (0..3).for_each(|_| assert!(service.borrow_mut().answer_one()));
    for (id, body) in ids.into_iter().zip([b"d1", b"d2", b"d3"]) {
        assert_eq!(handle.await_response(id, None).unwrap().bytes(), body);
    }
    assert_eq!(service.borrow().service.client().endpoint().serving(), 0);
}

/// Clause F2, fault X14: the caller of a handler that fails is told, and the service goes on.
#[test]
fn a_failed_handler_is_answered_with_its_words() {
    let (_network, mut handle, _service) = pair();
    let failed = handle.sync_request_bytes("echo", b"f", SECOND).map(|_| ());
    assert_eq!(failed, Err(CallError::Request(as_asked())));
    assert_eq!(as_asked().to_string(), "\"echo\" reports: as asked");
    assert!(handle.sync_request_bytes("echo", b"x", SECOND).is_ok());
}

/// Fault X14: an answer that is larger than a body may be.
#[test]
fn an_answer_that_is_too_large_ends_the_request() {
    let mut config = Config::default();
    config.body_limit = 100;
    let network = Network::new();
    let service = serve(&network, "echo", Config::default());
    let mut handle = Handle::new(network.client("asker", config), "echo");
    let id = handle.send_request_bytes("echo", b"d", None).unwrap();
    service.borrow_mut().settle();
    let (_, token) = service.borrow_mut().script.deferred.remove(0);
    let outcome = service.borrow_mut().service.client_mut().respond_bytes(token, &[0; 101]);
    assert_eq!(outcome, Err(ipcm_core::body::EncodeError::TooLarge { limit: 100 }));
    let error = RemoteError { kind: RemoteErrorKind::ResponseTooLarge, detail: String::new() };
    let end = handle.await_response(id, None).map(|_| ());
    assert_eq!(end, Err(RequestError::Remote { peer: "echo".into(), error }));
}

/// Clause D1: a peer that is no service refuses, it does not keep the caller waiting.
#[test]
fn a_handle_refuses_requests() {
    let network = Network::new();
    let mut other = asker(&network, "other", "echo");
    let mut handle = asker(&network, "asker", "other");
    let bus = network.clone();
    network.set_idle(move || while other.client_mut().turn(Some(now(&bus))) {});
    let error = RemoteError { kind: RemoteErrorKind::NotAService, detail: String::new() };
    let refused = CallError::Request(RequestError::Remote { peer: "other".into(), error });
    assert_eq!(handle.sync_request_bytes("other", b"", None).map(|_| ()), Err(refused));
}
