//! What a handle does with several requests, services and callbacks.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;

use ipcm_core::{AwaitAllError, Config, RequestError, RequestId, Response};

use crate::act::Act;
use crate::ground::Ground;
use crate::raw::Raw;
use crate::rogue::Rogue;
use crate::stage::{Asker, BOUNDED, NOW, SHORT, Stage, gone, timed_out};

/// Clause C7.
pub fn an_await_says_exactly_why_it_returns_nothing<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let other = stage.add_asker("other", Config::default());
    stage.meet(other, "echo");
    let id = stage.ask(0, "echo", b"d", None);
    // It is the id of another handle's request, if of any.
    assert_eq!(stage.askers[other].await_response(id, NOW), Err(RequestError::UnknownId { id }));
    assert_eq!(stage.askers[0].await_response(id, NOW), Err(timed_out()));
    assert_eq!(stage.askers[0].await_response(id, None), Err(RequestError::UnknownId { id }));
    let sent = stage.askers[0].send_request_with("echo", "x", BOUNDED, |_, _| {});
    let id = sent.expect("the peer is known");
    assert_eq!(stage.askers[0].await_response(id, None), Err(RequestError::HasCallback { id }));
    let id = stage.ask(0, "echo", b"f", None);
    assert!(matches!(stage.end(0, id), Err(RequestError::Remote { .. })));
}

/// They end in another order than they were sent; and then one answers, one dies, and one keeps silent.
///
/// Clauses C8, C9.
pub fn requests_to_several_services_are_awaited_together<G: Ground>() {
    let mut stage = Stage::<G>::new();
    let names = ["one", "two", "three"];
    stage.add_asker("asker", Config::default());
    for name in names {
        stage.add_service(name, Config::default());
        stage.meet(0, name);
    }
    let ids = ask_all(&mut stage, &names);
    assert_eq!(stage.askers[0].await_any(&ids, SHORT), None);
    let mut pending = ids.clone();
    for at in [2, 0, 1] {
        assert!(stage.services[at].answer_one());
        stage.until("it ends", |stage| !stage.askers[0].client().endpoint().is_pending(ids[at]));
        assert_eq!(stage.askers[0].await_any(&pending, BOUNDED), Some(ids[at]));
        pending.retain(|id| *id != ids[at]);
    }
    assert_eq!(stage.askers[0].await_any(&ids, BOUNDED), Some(ids[2]), "the first to end");
    assert_eq!(stage.askers[0].await_all_responses(BOUNDED), Ok(()));
    for id in ids {
        assert_eq!(stage.end(0, id).as_deref(), Ok(&b"d"[..]));
    }
    let ids = ask_all(&mut stage, &names);
    assert!(stage.services[0].answer_one());
    stage.until("one ends", |stage| stage.askers[0].client().endpoint().pending() == 2);
    stage.crash_service(1);
    stage.until("two have ended", |stage| stage.askers[0].client().endpoint().pending() == 1);
    let failures = stage.askers[0].await_all_responses(SHORT).expect_err("two have failed").failures;
    assert_eq!(failures.iter().map(|(id, _)| *id).collect::<Vec<_>>(), ids[1..]);
    assert!(matches!(failures[0].1, RequestError::PeerGone { .. }), "{failures:?}");
    assert_eq!(failures[1].1, RequestError::TimedOut { peer: "three".into() });
    assert_eq!(stage.end(0, ids[0]).as_deref(), Ok(&b"d"[..]));
    assert_eq!(stage.askers[0].await_any(&ids, BOUNDED), None, "none is known any more");
}

/// Asks each of these services for an answer that it keeps back.
#[track_caller]
fn ask_all<G: Ground>(stage: &mut Stage<G>, names: &[&str]) -> Vec<RequestId> {
    let ids: Vec<_> = names.iter().map(|name| stage.ask(0, name, b"d", None)).collect();
    stage.until("all are taken", |stage| {
        stage.services.iter().all(|served| served.script.deferred.len() == 1)
    });
    ids
}

/// Clauses C10, C11.
pub fn a_poll_counts_messages_and_answers_alike<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let sender = stage.add_asker("sender", Config::default());
    stage.meet(sender, "asker");
    let id = stage.ask(0, "echo", b"here", None);
    let mut asker = stage.askers.remove(0);
    stage.until("it is answered", |stage| !stage.services[0].script.handled.is_empty());
    stage.until("the answer has left", |stage| stage.services[0].backlog() == 0);
    for number in [1, 2] {
        stage.send(0, "asker", &[number]);
    }
    let mut taken = 0;
    while taken < 3 {
        let came = asker.poll(BOUNDED);
        assert!(came > 0, "what came is not found");
        taken += came;
    }
    assert_eq!(taken, 3);
    let contents: Vec<_> = asker.messages().into_iter().map(|message| message.content).collect();
    assert_eq!(contents, [[1], [2]]);
    assert_eq!(asker.messages(), []);
    let answer = asker.await_response(id, NOW).map(|response| response.bytes().to_vec());
    assert_eq!(answer.as_deref(), Ok(&b"here"[..]));
}

/// Clause C12. Fault X24.
pub fn a_callback_may_await_an_answer<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let held = stage.ask(0, "echo", b"d held", None);
    stage.until("it is taken", |stage| !stage.services[0].script.deferred.is_empty());
    let runs = Arc::new(AtomicUsize::new(0));
    let count = runs.clone();
    let callback = move |handle: &mut Asker<G>, end: Result<Response<'_>, RequestError>| {
        assert_eq!(end.map(|response| response.bytes().to_vec()).as_deref(), Ok(&b"\x05first"[..]));
        let answer = handle.await_response(held, BOUNDED).map(|response| response.bytes().to_vec());
        assert_eq!(answer.as_deref(), Ok(&b"d held"[..]));
        count.fetch_add(1, Ordering::Relaxed);
    };
    let sent = stage.askers[0].send_request_with("echo", "first", BOUNDED, callback);
    assert!(sent.is_ok(), "{sent:?}");
    let mut asker = stage.askers.remove(0);
    stage.until("it is answered", |stage| stage.services[0].script.handled.len() == 2);
    stage.until("the answer has left", |stage| stage.services[0].backlog() == 0);
    let mut served = stage.services.remove(0);
    let (body, token) = served.script.deferred.remove(0);
    let act = Act::<G>::new(served.service.into_client(), move |mut member| {
        // It is as long as the request, which was not too long.
        let _ = member.respond_bytes(token, &body);
        member.flush();
        Some(member)
    });
    stage.ground.meanwhile(act, &mut || {
        while runs.load(Ordering::Relaxed) == 0 {
            assert!(asker.poll(BOUNDED) > 0, "what came is not found");
        }
    });
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

/// Clauses C12, D1. Fault X24.
pub fn a_callback_is_told_once_that_its_peer_has_died<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let runs = Arc::new(AtomicUsize::new(0));
    let count = runs.clone();
    let callback = move |_: &mut Asker<G>, end: Result<Response<'_>, RequestError>| {
        assert_eq!(end.map(|response| response.bytes().to_vec()), Err(gone()));
        count.fetch_add(1, Ordering::Relaxed);
    };
    // One byte that begins its encoding: the service keeps the answer back.
    let sent = stage.askers[0].send_request_with("echo", &crate::script::DEFER, BOUNDED, callback);
    assert!(sent.is_ok(), "{sent:?}");
    stage.until("it is taken", |stage| !stage.services[0].script.deferred.is_empty());
    stage.crash_service(0);
    stage.until("the callback has run", |_| runs.load(Ordering::Relaxed) > 0);
    stage.settle();
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    assert_eq!(stage.askers[0].await_all_responses(NOW), Ok(()));
}

/// The deadline is over before the caller looks, and others lie before the answer.
///
/// Clauses C7, D2.
pub fn an_answer_that_was_in_time_is_returned_though_it_lies_behind_others<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let timeout = Duration::from_secs(2);
    let others: Vec<_> = (0..5).map(|number| stage.ask(0, "echo", &[number], None)).collect();
    let id = stage.ask(0, "echo", b"in time", timeout);
    let deadline = stage.now() + timeout;
    let asker = stage.askers.remove(0);
    stage.until("they are answered", |stage| stage.services[0].script.handled.len() == 6);
    stage.until("the answers have left", |stage| stage.services[0].backlog() == 0);
    stage.sleep_until(deadline);
    stage.askers.push(asker);
    let answer = stage.askers[0].await_response(id, NOW).map(|response| response.bytes().to_vec());
    assert_eq!(answer.as_deref(), Ok(&b"in time"[..]));
    for (number, id) in (0..5).zip(others) {
        let answer = stage.askers[0].await_response(id, NOW).map(|response| response.bytes().to_vec());
        assert_eq!(answer, Ok(vec![number]));
    }
}

/// Clause C6: what lies behind an answer is taken in with it.
pub fn credit_behind_an_answer_is_used_at_once<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let mut config = Config::default();
    config.window = 1;
    let mut rogue = Rogue::bounded(Raw::join(&mut stage.ground, "rogue"), config);
    let mut id = rogue.be_asked(&mut stage, &[0]);
    for number in 1..4 {
        let words = rogue.prepare_answer(&[number]);
        let (credit, answer) = words.split_at(16);
        assert_eq!((credit[0], credit[5]), (16, 10), "the credit is a frame without a body");
        rogue.babble(&[answer, credit].concat());
        let answer = stage.askers[0].await_response(id, BOUNDED).map(|response| response.bytes().to_vec());
        assert_eq!(answer, Ok(vec![number]));
        // The other one does nothing more.
        let sent = stage.askers[0].send_request_bytes("rogue", &[number], BOUNDED);
        id = sent.expect("there is credit");
        rogue.await_request(&mut stage, 1);
    }
}

/// Clause C8: the error has every failure, whatever else is collected meanwhile.
pub fn an_await_of_all_leaves_out_what_was_collected<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let [first, second] = [b"f1", b"f2"].map(|body| stage.ask(0, "echo", body, None));
    stage.until("both have ended", |stage| stage.askers[0].client().endpoint().pending() == 0);
    let collected = stage.askers[0].await_response(first, NOW).map(|response| response.bytes().to_vec());
    let failure = collected.expect_err("it fails");
    let failures = vec![(second, failure)];
    assert_eq!(stage.askers[0].await_all_responses(NOW), Err(AwaitAllError { failures }));
    assert_eq!(stage.askers[0].await_all_responses(NOW), Ok(()));
}
