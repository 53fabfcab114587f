//! Requests whose callers have given up before the service comes to them.

mod common;

use common::*;
use std::time::Duration;

/// Clause D5: a service that was stopped, or busy, starts nothing whose caller has given up in the meantime,
/// though the time that the request carries begins for the service when it reads it.
#[test]
fn a_service_that_was_away_does_not_start_what_its_caller_has_given_up() {
    let (network, mut handle, service) = pair();
    handle.sync_request_bytes("echo", b"warm up", SECOND).unwrap();
    service.borrow_mut().script.handled.clear();
    network.set_idle(|| {});

    // Enough for several packets; the last one has time left.
    let short = Duration::from_millis(100);
    let given_up: Vec<_> =
        (0..50).map(|_| handle.send_request_bytes("echo", &[1; 4000], short).unwrap()).collect();
    let last = handle.send_request_bytes("echo", b"in time", SECOND).unwrap();
    network.advance(2 * short);
    handle.poll(Duration::ZERO);
    for id in given_up {
        assert!(matches!(handle.take_response(id), Some(Err(ipcm_core::RequestError::TimedOut { .. }))));
    }

    service.borrow_mut().settle();
    assert_eq!(service.borrow().script.handled, [b"in time".to_vec()]);
    assert_eq!(handle.await_response(last, Duration::ZERO).unwrap().bytes(), b"in time");
}
