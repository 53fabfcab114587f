//! What becomes of requests when a member dies, leaves, sleeps or comes back.

use alloc::string::String;
use alloc::vec::Vec;

use ipcm_core::transport::{PeerChange, PeerState, SuspendError, Transport};
use ipcm_core::{
    Config, GoneReason, Instant, RemoteError, RemoteErrorKind, RequestError, RequestId, SendError,
};

use crate::act::Act;
use crate::ground::Ground;
use crate::script::Served;
use crate::stage::{BOUNDED, MINUTE, NOW, SHORT, Stage, gone, timed_out, try_send};

/// Clauses E1, E4, D1. Faults X3, X16.
pub fn a_request_ends_when_its_service_dies<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let id = stage.ask(0, "echo", b"d", None);
    stage.until("the request is taken", |stage| !stage.services[0].script.deferred.is_empty());
    stage.crash_service(0);
    assert_eq!(stage.end(0, id), Err(gone()));
    assert_eq!(stage.askers[0].client().endpoint().pending(), 0);
}

/// Clauses E1, E4.
pub fn the_death_of_a_service_ends_an_await_that_goes_on<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let id = stage.ask(0, "echo", b"d", None);
    stage.until("the request is taken", |stage| !stage.services[0].script.deferred.is_empty());
    let act = Act::<G>::new(stage.services.remove(0).service.into_client(), |member| {
        drop(member);
        None
    });
    let Stage { askers, ground, .. } = &mut stage;
    ground.meanwhile(act, &mut || {
        assert_eq!(askers[0].await_response(id, BOUNDED), Err(gone()));
    });
}

/// Clause E2. Fault X15.
pub fn an_answer_given_before_the_death_is_returned_however_late_one_looks<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let id = stage.ask(0, "echo", b"answer me", None);
    let asker = stage.askers.remove(0);
    stage.until("the request is answered", |stage| !stage.services[0].script.handled.is_empty());
    stage.until("the answer has left", |stage| stage.services[0].backlog() == 0);
    stage.crash_service(0);
    stage.askers.push(asker);
    let until = stage.now() + SHORT;
    stage.sleep_until(until);
    let response = stage.askers[0].await_response(id, BOUNDED).map(|response| response.bytes().to_vec());
    assert_eq!(response.as_deref(), Ok(&b"answer me"[..]));
}

/// Clause E2. Fault X2: to find the peer dead by a send loses no answer.
pub fn an_answer_given_before_the_death_survives_a_send_to_the_dead<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let id = stage.ask(0, "echo", b"answer me", None);
    let asker = stage.askers.remove(0);
    stage.until("the request is answered", |stage| !stage.services[0].script.handled.is_empty());
    stage.until("the answer has left", |stage| stage.services[0].backlog() == 0);
    stage.crash_service(0);
    stage.askers.push(asker);
    let sent = stage.askers[0].send_message_bytes("echo", b"are you there", BOUNDED);
    // There is no other life; it may have been sent before that was known.
    let gone = [Ok(()), Err(SendError::NoSuchPeer { peer: "echo".into() })];
    assert!(gone.contains(&sent), "{sent:?}");
    let response = stage.askers[0].await_response(id, BOUNDED).map(|response| response.bytes().to_vec());
    assert_eq!(response.as_deref(), Ok(&b"answer me"[..]));
}

/// Fault X1.
pub fn a_service_survives_callers_that_die_before_they_are_answered<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let hasty = stage.add_asker("hasty", Config::default());
    stage.meet(hasty, "echo");
    stage.ask(hasty, "echo", b"d", None);
    stage.until("the request is taken", |stage| !stage.services[0].script.deferred.is_empty());
    stage.ask(hasty, "echo", b"l", None);
    stage.crash_asker(hasty);
    stage.until("the service is told", |stage| !stage.services[0].script.withdrawn.is_empty());
    assert!(!stage.services[0].answer_one(), "nobody waits for it");
    stage.call(0, b"and the others are served");
}

/// Clause D1. Fault X16: before it has said hello.
pub fn a_request_to_one_who_dies_before_it_says_hello_ends<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let silent = stage.add_service("silent", Config::default());
    let silent = stage.services.remove(silent);
    let refused = try_send(stage.askers[0].client_mut(), "silent", b"hello?");
    assert_eq!(refused, Err(SendError::WouldBlock { peer: "silent".into() }), "it is being reached");
    let act = Act::<G>::new(silent.service.into_client(), |member| {
        drop(member);
        None
    });
    let Stage { askers, ground, .. } = &mut stage;
    ground.meanwhile(act, &mut || {
        let ended = askers[0].send_request_bytes("silent", b"hello?", BOUNDED);
        let is_gone = matches!(ended, Err(SendError::PeerGone { .. } | SendError::NoSuchPeer { .. }));
        assert!(is_gone, "{ended:?}");
    });
    stage.call(0, b"and the others are reached");
}

/// Clause D1.
pub fn a_request_to_one_who_never_says_hello_times_out<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let silent = stage.add_service("silent", Config::default());
    let _silent = stage.services.remove(silent);
    let late = Err(SendError::TimedOut { peer: "silent".into() });
    assert_eq!(stage.askers[0].send_request_bytes("silent", b"hello?", SHORT), late);
    stage.call(0, b"and the others are reached");
}

/// Clause D1: what had not left may be repeated, and says so.
pub fn a_request_that_had_not_left_when_its_peer_died_says_so<G: Ground>() {
    const LEN: usize = 60_000;
    let mut config = Config::default();
    config.window = 64 * 1024 * 1024;
    let mut stage = Stage::<G>::pair_with(Config::default(), config);
    let link = stage.askers[0].client().endpoint().route("echo").expect("they know each other");
    let served = stage.services.remove(0);
    let mut ids = Vec::new();
    // Until one has not left at all.
    while stage.askers[0].client().endpoint().backlog(link) < 2 * LEN {
        assert!(ids.len() < 800, "{} bytes have left for one who takes in nothing", ids.len() * LEN);
        ids.push(stage.ask(0, "echo", &[0; LEN], None));
    }
    stage.services.push(served);
    stage.crash_service(0);
    let first = stage.end(0, ids[0]);
    assert_eq!(first, Err(gone()));
    let last = stage.end(0, ids[ids.len() - 1]);
    assert_eq!(last, Err(RequestError::NotSent { peer: "echo".into(), reason: GoneReason::Closed }));
    for id in ids.drain(1..ids.len() - 1) {
        assert!(stage.end(0, id).is_err());
    }
}

/// Clause D7. Fault X5.
pub fn a_restarted_service_is_reached_by_the_next_request<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    for _ in 0..3 {
        let old = stage.ask(0, "echo", b"d to the old life", None);
        stage.until("the request is taken", |stage| !stage.services[0].script.deferred.is_empty());
        stage.crash_service(0);
        stage.add_service("echo", Config::default());
        // A request that left for the old life before its end was known ends with it.
        stage.settle();
        stage.call(0, b"to the new");
        assert_eq!(stage.end(0, old), Err(gone()));
        assert_eq!(stage.services[0].bodies(), [b"to the new"]);
    }
}

/// Clause E5.
pub fn the_death_of_a_watched_peer_is_told_without_a_request<G: Ground>() {
    let mut stage = Stage::<G>::new();
    stage.add_service("echo", Config::default());
    stage.add_asker("asker", Config::default());
    let incarnation = stage.services[0].service.client().endpoint().incarnation();
    let change = |state| PeerChange { name: "echo".into(), incarnation, state };
    assert_eq!(stage.askers[0].watch_peers(), Ok(()));
    assert_eq!(next_changes(&mut stage), [change(PeerState::Active)]);
    stage.crash_service(0);
    assert_eq!(next_changes(&mut stage), [change(PeerState::Gone)]);
}

fn next_changes<G: Ground>(stage: &mut Stage<G>) -> Vec<PeerChange> {
    stage.until_some("a change is told", |stage| {
        let changes = stage.askers[0].peer_changes();
        (!changes.is_empty()).then_some(changes)
    })
}

/// Clause C2.
pub fn a_handle_that_is_dropped_leaves<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let brief = stage.add_asker("brief", Config::default());
    stage.meet(brief, "echo");
    assert_eq!(stage.askers[0].peers(), Ok(["brief", "echo"].map(String::from).to_vec()));
    drop(stage.askers.remove(brief));
    assert_eq!(stage.askers[0].peers(), Ok(["echo"].map(String::from).to_vec()));
}

/// Clauses E3, D7, A6.
pub fn requests_to_a_suspended_service_are_answered_by_its_next_life<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    if suspend_service(&mut stage, MINUTE).is_none() {
        return;
    }
    let ids: Vec<RequestId> = [&b"two"[..], b"six"].map(|body| stage.ask(0, "echo", body, None)).to_vec();
    // The wait goes on.
    assert_eq!(stage.askers[0].await_any(&ids, SHORT), None);
    assert_eq!(stage.askers[0].ready(), Ok(false));
    stage.until("the sleep is known", |stage| {
        let endpoint = stage.askers[0].client().endpoint();
        endpoint.route("echo").is_some_and(|link| endpoint.is_suspended(link))
    });
    resume_service(&mut stage);
    assert_eq!(stage.end(0, ids[0]).as_deref(), Ok(&b"two"[..]));
    assert_eq!(stage.end(0, ids[1]).as_deref(), Ok(&b"six"[..]));
    assert_eq!(stage.services[0].bodies(), [b"two", b"six"]);
    stage.call(0, b"and so on");
}

/// Clauses E3, D1.
pub fn a_request_to_a_suspended_service_may_time_out<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    if suspend_service(&mut stage, MINUTE).is_none() {
        return;
    }
    let id = stage.ask(0, "echo", b"two", SHORT);
    assert_eq!(stage.end(0, id), Err(timed_out()));
    resume_service(&mut stage);
    stage.call(0, b"three");
    assert_eq!(stage.askers[0].client().endpoint().pending(), 0);
}

/// Clause E3.
pub fn a_suspension_that_runs_out_ends_the_requests<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let Some(until) = suspend_service(&mut stage, 20 * SHORT) else { return };
    let id = stage.ask(0, "echo", b"two", None);
    let ended = stage.end(0, id).map(|_| ());
    // The wait is one of the clock of waits, the suspension perhaps one of the wall clock.
    assert!(stage.now() + SHORT >= until, "it ended before the suspension was over");
    let reasons = [GoneReason::SuspensionExpired, GoneReason::Closed];
    let ends = reasons.map(|reason| Err(RequestError::PeerGone { peer: "echo".into(), reason }));
    assert!(ends.contains(&ended), "{ended:?}");
    assert_eq!(stage.askers[0].ready(), Ok(false));
}

/// Clause D1: the next life knows nothing of what this one has taken and not answered.
pub fn a_request_that_a_suspended_life_has_not_answered_fails<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let id = stage.ask(0, "echo", b"d", None);
    stage.until("the request is taken", |stage| !stage.services[0].script.deferred.is_empty());
    if suspend_service(&mut stage, MINUTE).is_none() {
        return;
    }
    let error = RemoteError { kind: RemoteErrorKind::Unanswered, detail: String::new() };
    assert_eq!(stage.end(0, id), Err(RequestError::Remote { peer: "echo".into(), error }));
    resume_service(&mut stage);
}

/// Clause D7: the answer to a former life of the asker does not answer the next one.
pub fn an_answer_to_a_former_life_of_the_asker_is_dropped<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    stage.ask(0, "echo", b"d old", None);
    stage.until("the request is taken", |stage| !stage.services[0].script.deferred.is_empty());
    let member = stage.askers.remove(0).into_client();
    let until = member.now() + MINUTE;
    let suspended = member.suspend(until);
    if suspended == Err(SuspendError::Unsupported) {
        return;
    }
    assert_eq!(suspended, Ok(()));
    assert!(stage.services[0].answer_one(), "it counts as waiting");
    let member = stage.ground.resume("asker", Config::default()).expect("it is suspended");
    stage.askers.push(ipcm_core::Handle::new(member, "echo"));
    // The link that was left behind is taken up, and the old answer lies in it.
    stage.until("the link is taken up", |stage| stage.askers[0].client().endpoint().route("echo").is_some());
    stage.call(0, b"new");
    assert_eq!(stage.askers[0].client().endpoint().counters().stray_responses, 1);
}

/// Suspends the service, or sees that it cannot be. Until when it sleeps.
#[track_caller]
fn suspend_service<G: Ground>(stage: &mut Stage<G>, span: core::time::Duration) -> Option<Instant> {
    let member = stage.services.remove(0).service.into_client();
    let until = member.now() + span;
    let can = member.transport().capabilities().suspend;
    match member.suspend(until) {
        Ok(()) => Some(until),
        Err(SuspendError::Unsupported) if !can => None,
        Err(error) => panic!("it cannot be suspended: {error}"),
    }
}

#[track_caller]
fn resume_service<G: Ground>(stage: &mut Stage<G>) {
    let member = stage.ground.resume("echo", Config::default()).expect("it is suspended");
    stage.services.push(Served::new(member));
    stage.askers[0].poll(NOW);
}
