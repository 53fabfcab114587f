//! Services: answers now and later, cancellation, and many callers at once.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use ipcm_core::transport::Transport;
use ipcm_core::{
    Client, Clock, Config, Handler, Instant, RemoteError, RemoteErrorKind, ReplyToken, Request, RequestError,
    RequestId,
};

use crate::ground::Ground;
use crate::patience::{PAUSE, Patience};
use crate::script::AS_ASKED;
use crate::stage::{MINUTE, NOW, SHORT, Stage, timed_out};

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
    assert_eq!(stage.services[0].service.client().endpoint().serving(), 0);
}

/// Clauses F1, F2. Fault X14.
pub fn a_failure_is_told_to_the_caller_and_the_service_goes_on<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let id = stage.ask(0, "echo", b"f", None);
    let error = RemoteError { kind: RemoteErrorKind::Failed, detail: AS_ASKED.into() };
    let failed = RequestError::Remote { peer: "echo".into(), error };
    assert_eq!(format!("{failed}"), "\"echo\" reports: as asked");
    assert_eq!(stage.end(0, id), Err(failed));
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
    assert!(!stage.askers[0].cancel(id), "it has ended");
    assert_eq!(stage.askers[0].await_response(id, NOW), Err(RequestError::UnknownId { id }));
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
    // Several packets, which fit in the smallest window there is; the last of them has time left.
    let ids = [(); 12].map(|()| stage.ask(0, "echo", &[1; 10], SHORT));
    let last = stage.ask(0, "echo", b"in time", MINUTE);
    for id in ids {
        assert_eq!(stage.end(0, id), Err(timed_out()));
    }
    // The word that nobody waits has come as well.
    let until = stage.now() + SHORT;
    stage.sleep_until(until);
    stage.services.push(served);
    assert_eq!(stage.end(0, last).as_deref(), Ok(&b"in time"[..]));
    assert_eq!(stage.services[0].bodies(), [b"in time"]);
}

/// Clause D5: nor where its word has not come, and its time is over.
pub fn work_whose_time_is_over_when_the_service_comes_to_it_is_not_begun<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let mut served = stage.services.remove(0);
    let id = stage.ask(0, "echo", b"too late", SHORT);
    let deadline = stage.now() + SHORT;
    let asker = stage.askers.remove(0);
    // It is taken in, and nobody deals with it.
    let mut patience = Patience::new(served.service.client().now(), "a request comes");
    while served.service.client().endpoint().serving() == 0 {
        let soon = served.service.client().now() + PAUSE;
        served.service.client_mut().turn(Some(soon));
        patience.spend(served.service.client().now());
    }
    stage.services.push(served);
    let after = stage.now().max(deadline) + SHORT;
    stage.sleep_until(after);
    stage.settle();
    assert_eq!(stage.services[0].bodies(), [b""; 0]);
    stage.askers.push(asker);
    assert_eq!(stage.askers[0].await_response(id, None), Err(timed_out()));
}

/// Clauses F1, D5. Fault X12: the service knows by itself that nobody waits any more.
pub fn an_answer_after_the_deadline_is_not_sent_and_counted<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let id = stage.ask(0, "echo", b"d", 10 * SHORT);
    stage.until("the request is taken", |stage| !stage.services[0].script.deferred.is_empty());
    let deadline = stage.services[0].script.handled[0].deadline.expect("its caller does not wait for ever");
    // The asker says nothing meanwhile.
    let asker = stage.askers.remove(0);
    stage.sleep_until(deadline);
    stage.settle();
    assert!(!stage.services[0].answer_one(), "its time is over");
    let counters = stage.services[0].service.client().endpoint().counters();
    assert_eq!((counters.stray_replies, counters.violations), (1, 0));
    stage.askers.push(asker);
    assert_eq!(stage.end(0, id), Err(timed_out()));
    stage.call(0, b"and the next is answered");
    assert_eq!(stage.askers[0].client().endpoint().counters().stray_responses, 0);
}

/// Clause D6.
pub fn an_overloaded_service_refuses_and_serves_on<G: Ground>() {
    let mut config = Config::default();
    config.serving = 1;
    let mut stage = Stage::<G>::pair_with(Config::default(), config);
    let first = stage.ask(0, "echo", b"d", None);
    let second = stage.ask(0, "echo", b"x", None);
    let error = RemoteError { kind: RemoteErrorKind::Overloaded, detail: String::new() };
    assert_eq!(stage.end(0, second), Err(RequestError::Remote { peer: "echo".into(), error }));
    assert_eq!(stage.services[0].service.client().endpoint().counters().overloads, 1);
    assert!(stage.services[0].answer_one());
    assert_eq!(stage.end(0, first).as_deref(), Ok(&b"d"[..]));
    stage.call(0, b"and the next is answered");
}

/// Clauses B2, F1: the body of a request stays what it is, though its handler takes in others.
pub fn a_handler_that_takes_in_more_keeps_the_order_of_the_requests<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let mut service = stage.services.remove(0).service;
    let bodies: Vec<Vec<u8>> = (0..20).map(|number| vec![number; 10]).collect();
    let ids: Vec<_> = stage.askers[0].batch(|asker| {
        let send = |body: &Vec<u8>| asker.send_request_bytes("echo", body, None).expect("the peer is known");
        bodies.iter().map(send).collect()
    });
    let mut busy = Busy::default();
    for (id, body) in ids.into_iter().zip(&bodies) {
        let end = stage.until_some("a request ends", |stage| {
            service.turn(Some(Instant::ZERO), &mut busy);
            let end = stage.askers[0].take_response(id)?;
            Some(end.map(|response| response.bytes().to_vec()))
        });
        assert_eq!(end.as_ref(), Ok(body));
    }
    assert_eq!(busy.seen, bodies);
}

/// Takes in what has come before it answers.
#[derive(Default)]
struct Busy {
    seen: Vec<Vec<u8>>,
}

impl<T: Transport, C: Clock> Handler<T, C> for Busy {
    fn handle_request(&mut self, client: &mut Client<T, C>, request: Request<'_>, token: ReplyToken) {
        self.seen.push(request.body.to_vec());
        client.turn(Some(Instant::ZERO));
        // It is as long as the request, which was not too long.
        let _ = client.respond_bytes(token, request.body);
    }
}

/// Clause F1: what had come and was not handled is let go of, what comes later is refused.
pub fn a_service_that_is_given_up_keeps_no_caller_waiting<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let mut served = stage.services.remove(0);
    let early = stage.ask(0, "echo", b"early", None);
    let mut patience = Patience::new(stage.now(), "a request comes");
    while served.service.client().endpoint().serving() == 0 {
        let soon = served.service.client().now() + PAUSE;
        served.service.client_mut().turn(Some(soon));
        patience.spend(served.service.client().now());
    }
    let member = served.service.into_client();
    stage.askers.push(ipcm_core::Handle::new(member, "echo"));
    let late = stage.ask(0, "echo", b"late", None);
    for (id, kind) in [(early, RemoteErrorKind::Unanswered), (late, RemoteErrorKind::NotAService)] {
        let error = RemoteError { kind, detail: String::new() };
        assert_eq!(stage.end(0, id), Err(RequestError::Remote { peer: "echo".into(), error }));
    }
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
