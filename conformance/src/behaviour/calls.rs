//! Requests: how they are sent, awaited and collected.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;

use ipcm_core::{
    AwaitAllError, CallError, Config, RemoteError, RemoteErrorKind, RequestError, Response, SendError,
};

use crate::ground::Ground;
use crate::script::AS_ASKED;
use crate::stage::{Asker, BOUNDED, MINUTE, NOW, SHORT, Stage, timed_out, try_send};

fn as_asked() -> RequestError {
    let error = RemoteError { kind: RemoteErrorKind::Failed, detail: AS_ASKED.into() };
    RequestError::Remote { peer: "echo".into(), error }
}

/// Clause C3.
pub fn a_handle_is_ready_as_soon_as_its_service_is_there<G: Ground>() {
    let mut stage = Stage::<G>::new();
    let asker = stage.add_asker("asker", Config::default());
    assert_eq!(stage.askers[asker].ready(), Ok(false));
    let late = SendError::TimedOut { peer: "echo".into() };
    assert_eq!(stage.askers[asker].wait_ready(SHORT), Err(late));
    stage.add_service("echo", Config::default());
    assert_eq!(stage.askers[asker].wait_ready(BOUNDED), Ok(()));
    assert_eq!(stage.askers[asker].ready(), Ok(true));
    stage.crash_service(0);
    assert_eq!(stage.askers[asker].ready(), Ok(false));
}

/// Clause C6.
pub fn a_request_is_answered_with_the_typed_response<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let id = stage.until_some("a request can be sent", |stage| {
        let sent = stage.askers[0]
            .client_mut()
            .try_request("echo", None, &mut |out, limit| out.encode(&(7u32, "seven"), limit));
        sent.ok()
    });
    stage.until("it ends", |stage| !stage.askers[0].client().endpoint().is_pending(id));
    let response = stage.askers[0].await_response(id, NOW).expect("it was answered");
    assert_eq!(response.decode(), Ok((7u32, String::from("seven"))));
    assert_eq!(&**response.peer(), "echo");
    assert_eq!(stage.services[0].script.handled[0].from, "asker");
}

/// Clause C6: also while the caller waits, and nobody else has its thread.
pub fn a_call_to_one_who_answers_meanwhile_returns<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let id = stage.ask(0, "echo", b"dear service", None);
    stage.until("the request is taken", |stage| !stage.services[0].script.deferred.is_empty());
    let mut served = stage.services.remove(0);
    let (body, token) = served.script.deferred.remove(0);
    let act = crate::Act::<G>::new(served.service.into_client(), move |mut member| {
        // It is as long as the request, which was not too long.
        let _ = member.respond_bytes(token, &body);
        member.flush();
        Some(member)
    });
    let Stage { askers, ground, .. } = &mut stage;
    ground.meanwhile(act, &mut || {
        let response = askers[0].await_response(id, BOUNDED).map(|response| response.bytes().to_vec());
        assert_eq!(response.as_deref(), Ok(&b"dear service"[..]));
    });
}

/// Clauses C6, B3.
pub fn a_request_to_nobody_is_refused<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let nobody = SendError::NoSuchPeer { peer: "nobody".into() };
    assert_eq!(stage.askers[0].send_request_bytes("nobody", b"", BOUNDED), Err(nobody.clone()));
    let called = stage.askers[0].sync_request::<u8>("nobody", &1u8, BOUNDED);
    assert_eq!(called, Err(CallError::Send(nobody)));
    stage.call(0, b"and the others are reached");
}

/// Clause F1.
pub fn a_request_to_one_who_does_not_serve_is_refused<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    stage.add_asker("mere", Config::default());
    let id = stage.ask(0, "mere", b"serve me", None);
    let ended = stage.end(0, id);
    let error = RemoteError { kind: RemoteErrorKind::NotAService, detail: String::new() };
    assert_eq!(ended, Err(RequestError::Remote { peer: "mere".into(), error }));
}

/// Clause C7.
pub fn a_response_that_is_there_is_returned_with_a_timeout_of_zero<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let id = stage.ask(0, "echo", b"here", None);
    stage.until("the request is answered", |stage| !stage.services[0].script.handled.is_empty());
    stage.until("the answer is here", |stage| !stage.askers[0].client().endpoint().is_pending(id));
    let response = stage.askers[0].await_response(id, NOW).map(|response| response.bytes().to_vec());
    assert_eq!(response.as_deref(), Ok(&b"here"[..]));
    assert_eq!(stage.askers[0].await_response(id, NOW), Err(RequestError::UnknownId { id }));
}

/// The deadline is over before the caller looks, but the answer was in time.
///
/// Clauses C7, D2.
pub fn an_answer_that_was_in_time_is_returned_after_the_deadline<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let timeout = Duration::from_secs(2);
    let id = stage.ask(0, "echo", b"in time", timeout);
    let deadline = stage.now() + timeout;
    // The asker takes nothing in meanwhile.
    let asker = stage.askers.remove(0);
    stage.until("the request is answered", |stage| !stage.services[0].script.handled.is_empty());
    stage.until("the answer has left", |stage| stage.services[0].backlog() == 0);
    stage.sleep_until(deadline);
    stage.askers.push(asker);
    let response = stage.askers[0].await_response(id, None).map(|response| response.bytes().to_vec());
    assert_eq!(response.as_deref(), Ok(&b"in time"[..]));
}

/// Clauses C7, D1, D2.
pub fn an_await_that_times_out_forgets_its_request<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let id = stage.ask(0, "echo", b"d", None);
    let before = stage.now();
    assert_eq!(stage.askers[0].await_response(id, SHORT), Err(timed_out()));
    assert!(stage.now() >= before + SHORT, "it was given up before its time");
    assert_eq!(stage.askers[0].await_response(id, SHORT), Err(RequestError::UnknownId { id }));
    assert_eq!(stage.askers[0].client().endpoint().pending(), 0);
    stage.call(0, b"and the next is answered");
}

/// Clauses D1, D4.
pub fn a_request_ends_at_its_own_deadline<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let before = stage.now();
    let id = stage.ask(0, "echo", b"d", SHORT);
    assert_eq!(stage.end(0, id), Err(timed_out()));
    assert!(stage.now() >= before + SHORT, "it ended before its time");
}

/// Clauses D2, D3. Fault X12.
pub fn a_late_answer_is_dropped_and_counted_and_disturbs_nothing<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    // Without a budget the service does not know that nobody waits.
    let id = stage.ask(0, "echo", b"d", None);
    stage.until("the request is taken", |stage| !stage.services[0].script.deferred.is_empty());
    assert_eq!(stage.askers[0].client().endpoint().pending_ids().collect::<Vec<_>>(), [id]);
    assert!(stage.services[0].answer_one(), "the answer is under way when the caller gives up");
    assert!(stage.askers[0].cancel(id));
    stage.call(0, b"next");
    assert_eq!(stage.askers[0].await_all_responses(NOW), Ok(()));
    assert_eq!(stage.askers[0].client().endpoint().counters().stray_responses, 1);
}

/// Clause C8.
pub fn await_all_names_each_failure_and_keeps_the_responses<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let [good, failed, slow] = [&b"good"[..], b"f", b"d"].map(|body| stage.ask(0, "echo", body, None));
    stage.until("two have ended", |stage| stage.askers[0].client().endpoint().pending() == 1);
    let failures = vec![(failed, as_asked()), (slow, timed_out())];
    assert_eq!(stage.askers[0].await_all_responses(SHORT), Err(AwaitAllError { failures }));
    assert_eq!(stage.end(0, good).as_deref(), Ok(&b"good"[..]));
    assert_eq!(stage.askers[0].await_all_responses(BOUNDED), Ok(()));
}

/// Clause C9.
pub fn await_any_returns_the_first_to_end<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let ids = [b"d1", b"d2"].map(|body| stage.ask(0, "echo", body, None));
    stage.until("both are taken", |stage| stage.services[0].script.deferred.len() == 2);
    assert_eq!(stage.askers[0].await_any(&ids, SHORT), None);
    stage.services[0].script.deferred.reverse();
    stage.services[0].answer_one();
    stage.until("one has ended", |stage| stage.askers[0].client().endpoint().pending() == 1);
    assert_eq!(stage.askers[0].await_any(&ids, BOUNDED), Some(ids[1]));
    stage.services[0].answer_one();
    stage.until("both have ended", |stage| stage.askers[0].client().endpoint().pending() == 0);
    assert_eq!(stage.askers[0].await_any(&ids, BOUNDED), Some(ids[1]), "both have ended, this one first");
    assert_eq!(stage.end(0, ids[1]).as_deref(), Ok(&b"d2"[..]));
    assert_eq!(stage.askers[0].await_any(&ids, BOUNDED), Some(ids[0]));
    assert_eq!(stage.end(0, ids[0]).as_deref(), Ok(&b"d1"[..]));
    assert_eq!(stage.askers[0].await_any(&ids, BOUNDED), None, "all are unknown");
}

/// Clause C10.
pub fn poll_counts_what_came_and_waits_no_longer_than_it_must<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let before = stage.now();
    assert_eq!(stage.askers[0].poll(SHORT), 0);
    assert!(stage.now() >= before + SHORT, "nothing had come");
    for byte in 0..3u8 {
        stage.ask(0, "echo", &[byte], None);
    }
    let mut asker = stage.askers.remove(0);
    stage.until("they are answered", |stage| stage.services[0].script.handled.len() == 3);
    let mut taken = 0;
    while taken < 3 {
        let came = asker.poll(BOUNDED);
        assert!(came > 0, "what came is not found");
        taken += came;
    }
    assert_eq!(taken, 3);
    // A message counts as well.
    stage.until_some("the service can send a message", |stage| {
        try_send(stage.services[0].service.client_mut(), "asker", b"").ok()
    });
    assert_eq!((asker.poll(BOUNDED), asker.messages().len()), (1, 1));
}

/// Clause C12. Fault X24.
pub fn a_callback_runs_once_and_may_send_and_await<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let (runs, deeper) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (count, count_deeper) = (runs.clone(), deeper.clone());
    let callback = move |handle: &mut Asker<G>, end: Result<Response<'_>, RequestError>| {
        assert_eq!(end.map(|response| response.bytes().to_vec()).as_deref(), Ok(&b"\x05first"[..]));
        count.fetch_add(1, Ordering::Relaxed);
        let done = move |_: &mut Asker<G>, end: Result<Response<'_>, RequestError>| {
            assert!(end.is_ok());
            count_deeper.fetch_add(1, Ordering::Relaxed);
        };
        let sent = handle.send_request_with("echo", "second", BOUNDED, done);
        assert!(sent.is_ok(), "{sent:?}");
        // Nobody answers while this runs, and that is no deadlock.
        let none = handle.sync_request::<u8>("echo", &b'd', SHORT);
        assert_eq!(none, Err(CallError::Request(timed_out())));
    };
    let id =
        stage.askers[0].send_request_with("echo", "first", BOUNDED, callback).expect("the peer is known");
    assert_eq!(stage.askers[0].await_response(id, NOW), Err(RequestError::HasCallback { id }));
    assert_eq!(runs.load(Ordering::Relaxed), 0, "not before a poll");
    stage.until("the callbacks have run", |_| deeper.load(Ordering::Relaxed) > 0);
    stage.settle();
    assert_eq!((runs.load(Ordering::Relaxed), deeper.load(Ordering::Relaxed)), (1, 1));
    assert_eq!(stage.askers[0].await_response(id, NOW), Err(RequestError::UnknownId { id }));
}

/// Clause D6.
pub fn a_full_table_refuses_and_one_collected_end_makes_room<G: Ground>() {
    let mut config = Config::default();
    config.requests = 2;
    let mut stage = Stage::<G>::pair_with(config, Config::default());
    let ids = [b"1", b"2"].map(|body| stage.ask(0, "echo", body, None));
    let full = Err(SendError::TooManyInFlight { limit: 2 });
    assert_eq!(stage.askers[0].send_request_bytes("echo", b"3", BOUNDED), full);
    stage.until("both have ended", |stage| stage.askers[0].client().endpoint().pending() == 0);
    assert_eq!(stage.askers[0].send_request_bytes("echo", b"3", BOUNDED), full, "ended, and not collected");
    assert_eq!(stage.end(0, ids[0]).as_deref(), Ok(&b"1"[..]));
    let third = stage.ask(0, "echo", b"3", None);
    assert_eq!(stage.end(0, third).as_deref(), Ok(&b"3"[..]));
    assert_eq!(stage.end(0, ids[1]).as_deref(), Ok(&b"2"[..]));
}

/// Clause D1.
pub fn a_thousand_requests_at_once_are_each_answered_with_their_own<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let body = |number: u32| [b"x", &number.to_le_bytes()[..], &vec![b'x'; number as usize % 200]].concat();
    let ids: Vec<_> = (0..1000).map(|number| stage.ask(0, "echo", &body(number), MINUTE)).collect();
    for (number, id) in ids.into_iter().enumerate() {
        let end = stage.end(0, id);
        assert!(end.as_ref() == Ok(&body(number as u32)), "request {number} came to {end:?}");
    }
    assert_eq!(stage.askers[0].client().endpoint().counters().stray_responses, 0);
}
