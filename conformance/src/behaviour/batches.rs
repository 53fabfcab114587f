//! Many requests at once, and calls that wait: whatever comes together is told apart, and nothing is waited for twice.

use alloc::string::String;
use alloc::vec::Vec;

use ipcm_core::transport::PeerState;
use ipcm_core::{CallError, Instant, RemoteError, RemoteErrorKind, RequestError, RequestId, Service};

use crate::act::Act;
use crate::ground::Ground;
use crate::patience::PAUSE;
use crate::script::{AS_ASKED, Script};
use crate::stage::{BOUNDED, MINUTE, NOW, Stage};

/// Turns of a service that serves while its caller waits.
const TURNS: u32 = 10_000;

/// Clauses C7, C8.
pub fn answers_to_a_batch_can_be_awaited_in_any_order<G: Ground>() {
    let bodies = [&b"one"[..], b"two", b"three", b"zero"];
    let mut stage = Stage::<G>::pair();
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
        let ids: Vec<RequestId> = stage.askers[0].batch(|asker| {
            let send =
                |body: &&[u8]| asker.send_request_bytes("echo", body, MINUTE).expect("the peer is known");
            bodies.iter().map(send).collect()
        });
        let mut asker = stage.askers.remove(0);
        let (before, all) = (stage.services[0].script.handled.len(), bodies.len());
        stage.until("all are answered", |stage| stage.services[0].script.handled.len() == before + all);
        stage.until("the answers have left", |stage| stage.services[0].backlog() == 0);
        for at in order {
            let end = asker.await_response(ids[at], BOUNDED).map(|response| response.bytes().to_vec());
            assert_eq!(end.as_deref(), Ok(bodies[at]));
            assert_eq!(asker.await_response(ids[at], NOW), Err(RequestError::UnknownId { id: ids[at] }));
        }
        stage.askers.push(asker);
    }
}

/// Clause D2: what has ended is dropped, and no service is told.
pub fn a_request_that_has_ended_cannot_be_cancelled<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let id = stage.ask(0, "echo", b"quick", None);
    stage.until("it ends", |stage| !stage.askers[0].client().endpoint().is_pending(id));
    assert!(!stage.askers[0].cancel(id));
    assert_eq!(stage.askers[0].await_response(id, NOW), Err(RequestError::UnknownId { id }));
    stage.call(0, b"and the next is answered");
    assert!(stage.services[0].script.withdrawn.is_empty());
    assert_eq!(stage.askers[0].client().endpoint().counters().stray_responses, 0);
}

/// Clauses C6, C7: the answer as the type that is asked for, or why there is none.
pub fn a_call_returns_the_typed_answer_or_says_why_there_is_none<G: Ground>() {
    let remote = RemoteError { kind: RemoteErrorKind::Failed, detail: AS_ASKED.into() };
    let failed = CallError::Request(RequestError::Remote { peer: "echo".into(), error: remote });
    served_meanwhile::<G>(|asker| {
        assert_eq!(asker.sync_request("echo", &(7u32, "seven"), BOUNDED), Ok((7u32, String::from("seven"))));
    });
    served_meanwhile::<G>(|asker| {
        let wrong = asker.sync_request::<u8>("echo", &(1u8, 2u8), BOUNDED);
        assert!(matches!(wrong, Err(CallError::Decode { .. })), "{wrong:?}");
    });
    served_meanwhile::<G>(|asker| {
        assert_eq!(asker.sync_request::<u8>("echo", &b'f', BOUNDED), Err(failed.clone()));
    });
    served_meanwhile::<G>(|asker| {
        let answer = asker.sync_request_bytes("echo", b"bytes", BOUNDED);
        assert_eq!(answer.map(|response| response.bytes().to_vec()).as_deref(), Ok(&b"bytes"[..]));
    });
    served_meanwhile::<G>(|asker| {
        let write = |place: &mut [u8]| place.copy_from_slice(b"in place");
        let answer = asker.sync_request_in("echo", 8, write, BOUNDED);
        assert_eq!(answer.map(|response| response.bytes().to_vec()).as_deref(), Ok(&b"in place"[..]));
    });
}

/// Has a handle make a call, while its service deals with that one request.
#[track_caller]
fn served_meanwhile<G: Ground>(call: impl Fn(&mut crate::stage::Asker<G>)) {
    let mut stage = Stage::<G>::pair();
    let act = Act::<G>::new(stage.services.remove(0).service.into_client(), |member| {
        let (mut service, mut script) = (Service::new(member), Script::default());
        for _ in 0..TURNS {
            let soon = service.client().now() + PAUSE;
            service.turn(Some(soon), &mut script);
            let is_waiting = script.handled.is_empty();
            if !is_waiting && service.client_mut().flush_all(Instant::ZERO) {
                break;
            }
        }
        Some(service.into_client())
    });
    let Stage { askers, ground, .. } = &mut stage;
    ground.meanwhile(act, &mut || call(&mut askers[0]));
    assert_eq!(askers[0].client().endpoint().pending(), 0);
}

/// Clauses A5, C5.
pub fn a_handle_knows_who_serves<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let incarnation = stage.services[0].service.client().endpoint().incarnation();
    let status = stage.askers[0].peer_status("echo").expect("the bus is there").expect("it is there");
    assert_eq!((status.incarnation, status.state), (incarnation, PeerState::Active));
    assert_eq!(stage.askers[0].service_pid(), Ok(status.pid));
    assert_eq!((stage.askers[0].name(), stage.askers[0].service_name()), ("asker", "echo"));
    stage.crash_service(0);
    assert_eq!(stage.askers[0].peer_status("echo"), Ok(None));
    assert_eq!(stage.askers[0].service_pid(), Ok(None));
}

/// Clause A9.
pub fn one_who_is_asked_to_end_is_told<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    assert!(!stage.services[0].service.client().is_terminated());
    assert_eq!(stage.askers[0].terminate("echo", BOUNDED), Ok(()));
    stage.until("it is told", |stage| stage.services[0].service.client().is_terminated());
    // That is a wish.
    stage.call(0, b"and it still serves");
    assert!(!stage.askers[0].client().is_terminated());
    let nobody = ipcm_core::SendError::NoSuchPeer { peer: "nobody".into() };
    assert_eq!(stage.askers[0].terminate("nobody", BOUNDED), Err(nobody));
}
