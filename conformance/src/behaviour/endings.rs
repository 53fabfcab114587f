//! Every request ends exactly once, whatever its peer does.

use alloc::vec;

use ipcm_core::{AwaitAllError, Config, GoneReason, RemoteError, RemoteErrorKind, RequestError, SendError};

use crate::act::Act;
use crate::ground::Ground;
use crate::raw::Raw;
use crate::rogue::Rogue;
use crate::script::AS_ASKED;
use crate::stage::{BOUNDED, NOW, SHORT, Stage, gone, timed_out, try_send};

/// Clauses D1, D2. Fault X12.
pub fn the_only_place_is_free_as_soon_as_its_request_has_timed_out<G: Ground>() {
    let mut config = Config::default();
    config.requests = 1;
    let mut stage = Stage::<G>::pair_with(config, Config::default());
    for _ in 0..3 {
        let id = stage.ask(0, "echo", b"d", None);
        stage.until("the request is taken", |stage| !stage.services[0].script.deferred.is_empty());
        assert_eq!(stage.askers[0].await_response(id, SHORT), Err(timed_out()));
        stage.call(0, b"in its place");
        stage.until("the service knows", |stage| !stage.services[0].script.withdrawn.is_empty());
        stage.services[0].script.withdrawn.clear();
        assert!(!stage.services[0].answer_one(), "nobody waits for it");
        assert_eq!(stage.askers[0].await_all_responses(NOW), Ok(()));
    }
}

/// Its giver does not care that nobody waits.
///
/// Clauses D2, D3. Fault X12.
pub fn an_answer_behind_the_timeout_is_dropped_and_counted<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let mut rogue = Rogue::new(Raw::join(&mut stage.ground, "rogue"));
    let id = rogue.be_asked(&mut stage, b"1");
    let late = rogue.prepare_answer(b"late");
    let timed_out = Err(RequestError::TimedOut { peer: "rogue".into() });
    assert_eq!(stage.askers[0].await_response(id, SHORT), timed_out);
    let next = rogue.be_asked(&mut stage, b"2");
    rogue.babble(&late);
    let in_time = rogue.prepare_answer(b"in time");
    rogue.babble(&in_time);
    assert_eq!(stage.end(0, next).as_deref(), Ok(&b"in time"[..]));
    assert_eq!(stage.askers[0].client().endpoint().counters().stray_responses, 1);
    assert_eq!(stage.askers[0].await_response(id, NOW), Err(RequestError::UnknownId { id }));
}

/// One that nobody asked for, one twice, and one that is awaited, all at once.
///
/// Clause D3. Fault X13.
pub fn stray_and_repeated_answers_lose_nothing_of_what_comes_with_them<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let mut rogue = Rogue::new(Raw::join(&mut stage.ground, "rogue"));
    let first = rogue.be_asked(&mut stage, b"1");
    let once = rogue.prepare_answer(b"first");
    rogue.babble(&once);
    assert_eq!(stage.end(0, first).as_deref(), Ok(&b"first"[..]));
    let [second, third] = [b"2", b"3"].map(|body| rogue.be_asked(&mut stage, body));
    let twice = rogue.prepare_answer(b"second");
    let last = rogue.prepare_answer(b"third");
    rogue.babble(&[&once[..], &twice, &twice, &once, &last, &twice].concat());
    assert_eq!(stage.end(0, third).as_deref(), Ok(&b"third"[..]));
    assert_eq!(stage.end(0, second).as_deref(), Ok(&b"second"[..]));
    stage.until("all are counted", |stage| {
        stage.askers[0].client().endpoint().counters().stray_responses == 4
    });
    assert_eq!(stage.askers[0].client().endpoint().counters().violations, 0);
}

/// Clauses D1, C8.
pub fn requests_that_end_in_different_ways_each_end_once<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let mortal = stage.add_service("mortal", Config::default());
    stage.meet(0, "mortal");
    let asked = [("echo", b"x"), ("echo", b"f"), ("mortal", b"d"), ("echo", b"d"), ("echo", b"d")];
    let ids = asked.map(|(peer, body)| stage.ask(0, peer, body, None));
    let [answered, failed, lost, silent, cancelled] = ids;
    assert!(stage.askers[0].cancel(cancelled));
    stage.until("one dies in the middle of it", |stage| {
        stage.askers[0].client().endpoint().pending() == 2
            && !stage.services[mortal].script.deferred.is_empty()
    });
    stage.crash_service(mortal);
    stage.until("all but one end", |stage| stage.askers[0].client().endpoint().pending() == 1);
    let error = RemoteError { kind: RemoteErrorKind::Failed, detail: AS_ASKED.into() };
    let failures = vec![
        (failed, RequestError::Remote { peer: "echo".into(), error }),
        (lost, RequestError::PeerGone { peer: "mortal".into(), reason: GoneReason::Closed }),
        (silent, timed_out()),
    ];
    assert_eq!(stage.askers[0].await_all_responses(SHORT), Err(AwaitAllError { failures }));
    assert_eq!(stage.end(0, answered).as_deref(), Ok(&b"x"[..]));
    for id in ids {
        assert_eq!(stage.askers[0].await_response(id, BOUNDED), Err(RequestError::UnknownId { id }));
    }
}

/// Clauses E1, E4: for one who waits for all, for any, and for whatever comes.
pub fn every_way_to_wait_ends_when_the_service_dies<G: Ground>() {
    for way in 0..3 {
        let mut stage = Stage::<G>::pair();
        let id = stage.ask(0, "echo", b"d", None);
        stage.until("the request is taken", |stage| !stage.services[0].script.deferred.is_empty());
        let act = Act::<G>::new(stage.services.remove(0).service.into_client(), |member| {
            drop(member);
            None
        });
        let Stage { askers, ground, .. } = &mut stage;
        ground.meanwhile(act, &mut || match way {
            0 => {
                let failures = vec![(id, gone())];
                assert_eq!(askers[0].await_all_responses(BOUNDED), Err(AwaitAllError { failures }));
            }
            1 => {
                assert_eq!(askers[0].await_any(&[id], BOUNDED), Some(id));
                assert_eq!(askers[0].await_response(id, NOW), Err(gone()));
            }
            _ => {
                assert_eq!(askers[0].poll(BOUNDED), 1);
                assert_eq!(askers[0].await_response(id, NOW), Err(gone()));
            }
        });
    }
}

/// It does not hang up.
///
/// Clauses B6, D1. Fault X8.
pub fn an_await_ends_when_its_peer_breaks_the_protocol_and_stays<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let mut rogue = Rogue::new(Raw::join(&mut stage.ground, "rogue"));
    let id = rogue.be_asked(&mut stage, b"speak");
    // The size of no frame.
    rogue.babble(&[15, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let ended = stage.askers[0].await_response(id, BOUNDED).map(|response| response.bytes().to_vec());
    let is_cut = matches!(ended, Err(RequestError::PeerGone { reason: GoneReason::Protocol(_), .. }));
    assert!(is_cut, "{ended:?}");
}

/// Clause D1. Fault X16: between accept and hello.
pub fn a_request_to_one_who_accepts_and_dies_before_it_says_hello_ends<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let mut silent = Raw::join(&mut stage.ground, "silent");
    let refused = try_send(stage.askers[0].client_mut(), "silent", b"hello?");
    assert_eq!(refused, Err(SendError::WouldBlock { peer: "silent".into() }), "it is being reached");
    silent.accept();
    // It has taken the connection in, and says nothing.
    let act = Act::<G>::new(silent.member, |member| {
        drop(member);
        None
    });
    let Stage { askers, ground, .. } = &mut stage;
    ground.meanwhile(act, &mut || {
        let ended = askers[0].send_request_bytes("silent", b"hello?", BOUNDED);
        assert!(matches!(ended, Err(SendError::PeerGone { .. })), "{ended:?}");
    });
    stage.call(0, b"and the others are reached");
}
