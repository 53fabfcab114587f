//! Services: answers now and later, cancellation, and many callers at once.

use alloc::format;
use alloc::vec::Vec;

use ipcm_core::{Config, RemoteError, RemoteErrorKind, RequestError, RequestId};

use crate::ground::Ground;
use crate::script::AS_ASKED;
use crate::stage::{MINUTE, SHORT, Stage, timed_out};

/// How many call at once.
const CROWD: usize = 40;
/// How often each does.
const CALLS: u8 = 5;

/// Clause F1. Fault X14.
pub fn a_request_may_be_answered_later_and_in_any_order<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let ids = [b"d1", b"d2", b"d3"].map(|body| stage.ask(0, "echo", body, None));
    stage.until("all are taken", |stage| stage.services[0].script.deferred.len() == 3);
    stage.call(0, b"one in between");
    stage.services[0].script.deferred.reverse();
    for _ in 0..3 {
        assert!(stage.services[0].answer_one());
    }
    for (id, body) in ids.into_iter().zip([b"d1", b"d2", b"d3"]) {
        assert_eq!(stage.end(0, id).as_deref(), Ok(&body[..]));
    }
}

/// Clauses F1, F2. Fault X14.
pub fn a_failure_is_told_to_the_caller_and_the_service_goes_on<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let id = stage.ask(0, "echo", b"f", None);
    let error = RemoteError { kind: RemoteErrorKind::Failed, detail: AS_ASKED.into() };
    assert_eq!(stage.end(0, id), Err(RequestError::Remote { peer: "echo".into(), error }));
    stage.call(0, b"and the next is answered");
}

/// Clause D5.
pub fn a_service_is_told_how_long_its_caller_waits<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let before = stage.now();
    for timeout in [Some(MINUTE), None] {
        let id = stage.ask(0, "echo", b"how long", timeout);
        assert!(stage.end(0, id).is_ok());
    }
    let deadlines: Vec<_> = stage.services[0].script.handled.iter().map(|handled| handled.deadline).collect();
    assert_eq!(deadlines[1], None);
    let deadline = deadlines[0].expect("the caller waits a minute");
    assert!(deadline >= before + MINUTE && deadline <= stage.now() + MINUTE, "{deadline:?}");
}

/// Clause D5.
pub fn a_cancellation_reaches_the_service<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let id = stage.ask(0, "echo", b"d", MINUTE);
    stage.until("the request is taken", |stage| !stage.services[0].script.deferred.is_empty());
    let key = stage.services[0].script.deferred[0].1.key();
    assert!(stage.askers[0].cancel(id));
    stage.until("the service is told", |stage| !stage.services[0].script.withdrawn.is_empty());
    assert_eq!(stage.services[0].script.withdrawn, [key]);
    assert!(!stage.services[0].answer_one(), "nobody waits for it");
    stage.call(0, b"and the next is answered");
}

/// The service takes in both at once: it is not to find a request wanted whose caller has said that it gave up.
///
/// Clause D5.
pub fn a_cancellation_is_told_before_what_is_asked_behind_it<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let id = stage.ask(0, "echo", b"d", None);
    stage.until("the request is taken", |stage| !stage.services[0].script.deferred.is_empty());
    let served = stage.services.remove(0);
    assert!(stage.askers[0].cancel(id));
    let next = stage.ask(0, "echo", b"behind it", None);
    stage.askers[0].client_mut().flush();
    let until = stage.now() + SHORT;
    stage.sleep_until(until);
    stage.services.push(served);
    assert_eq!(stage.end(0, next).as_deref(), Ok(&b"behind it"[..]));
    assert_eq!(stage.services[0].script.handled[1].withdrawn, 1);
}

/// Clause D5.
pub fn work_whose_caller_has_given_up_is_not_begun<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let served = stage.services.remove(0);
    let id = stage.ask(0, "echo", b"too late", SHORT);
    assert_eq!(stage.end(0, id), Err(timed_out()));
    // The word that nobody waits has come as well.
    let until = stage.now() + SHORT;
    stage.sleep_until(until);
    stage.services.push(served);
    stage.call(0, b"next");
    assert_eq!(stage.services[0].bodies(), [b"next"]);
}

/// Clause F6. Fault X25: one of them stands still and reads nothing.
pub fn many_callers_are_all_served_and_one_that_stalls_delays_none<G: Ground>() {
    let mut stage = Stage::<G>::new();
    stage.add_service("echo", Config::default());
    for number in 0..CROWD {
        let asker = stage.add_asker(&format!("asker {number}"), Config::default());
        stage.meet(asker, "echo");
    }
    let stalled = stage.add_asker("stalled", Config::default());
    stage.meet(stalled, "echo");
    let theirs: Vec<_> = (0..30).map(|_| stage.ask(stalled, "echo", b"l", None)).collect();
    let stalled = stage.askers.remove(stalled);
    for round in 0..CALLS {
        let body = |number: usize| [round, number as u8, 7];
        let ids: Vec<RequestId> =
            (0..CROWD).map(|number| stage.ask(number, "echo", &body(number), None)).collect();
        for (number, id) in ids.into_iter().enumerate() {
            assert_eq!(stage.end(number, id).as_deref(), Ok(&body(number)[..]));
        }
    }
    stage.askers.push(stalled);
    for id in theirs {
        assert!(stage.end(CROWD, id).is_ok());
    }
}

/// Clause D1: two services that ask each other are handles as well.
pub fn a_member_may_ask_and_be_asked_over_the_same_link<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    // The service writes to its caller, while it serves it.
    let id = stage.ask(0, "echo", b"d", None);
    stage.until("the request is taken", |stage| !stage.services[0].script.deferred.is_empty());
    stage.until_some("the service can send a message", |stage| {
        crate::stage::try_send(stage.services[0].service.client_mut(), "asker", b"a moment").ok()
    });
    assert_eq!(stage.messages(0, 1)[0].content, b"a moment");
    assert!(stage.services[0].answer_one());
    assert_eq!(stage.end(0, id).as_deref(), Ok(&b"d"[..]));
    let links = |endpoint: &ipcm_core::Endpoint| endpoint.links().count();
    assert_eq!(links(stage.askers[0].client().endpoint()), 1);
}
