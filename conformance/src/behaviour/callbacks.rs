//! Callbacks: what they hear, and where they run.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;

use ipcm_core::{RemoteError, RemoteErrorKind, RequestError, RequestId, Response};

use crate::ground::Ground;
use crate::script::AS_ASKED;
use crate::stage::{Asker, MINUTE, NOW, SHORT, Stage, gone, timed_out};

/// Clauses C12, D1.
pub fn a_callback_hears_of_every_kind_of_end<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let error = RemoteError { kind: RemoteErrorKind::Failed, detail: AS_ASKED.into() };
    let answered = expect(&mut stage, b'x', None, Ok(vec![b'x']));
    let failed = expect(&mut stage, b'f', None, Err(RequestError::Remote { peer: "echo".into(), error }));
    let late = expect(&mut stage, b'd', Some(SHORT), Err(timed_out()));
    let given_up = expect(&mut stage, b'd', None, Err(RequestError::Cancelled { peer: "echo".into() }));
    let widowed = expect(&mut stage, b'd', None, Err(gone()));
    let heard = |end: &Heard| end.1.load(Ordering::Relaxed);
    assert!(stage.askers[0].cancel(given_up.0));
    assert_eq!(heard(&given_up), 1, "a cancellation runs it at once");
    stage.until("the first four have ended", |_| heard(&answered) + heard(&failed) + heard(&late) == 3);
    assert_eq!(heard(&widowed), 0);
    stage.crash_service(0);
    assert_eq!(stage.askers[0].await_all_responses(MINUTE), Ok(()), "callbacks have heard of the failures");
    assert_eq!([answered, failed, late, given_up, widowed].map(|end| heard(&end)), [1; 5]);
    assert_eq!(stage.askers[0].client().endpoint().pending(), 0);
}

/// A request, and how often its callback has run.
type Heard = (RequestId, Arc<AtomicUsize>);

/// Sends a request whose callback must hear of this end.
#[track_caller]
fn expect<G: Ground>(
    stage: &mut Stage<G>,
    body: u8,
    timeout: Option<Duration>,
    expected: Result<Vec<u8>, RequestError>,
) -> Heard {
    let runs = Arc::new(AtomicUsize::new(0));
    let count = runs.clone();
    let callback = move |_: &mut Asker<G>, end: Result<Response<'_>, RequestError>| {
        assert_eq!(end.map(|response| response.bytes().to_vec()), expected);
        count.fetch_add(1, Ordering::Relaxed);
    };
    let id = stage.askers[0].send_request_with("echo", &body, timeout, callback).expect("the peer is known");
    (id, runs)
}

/// Clause C12: also in the await of another request, if that one ended later.
pub fn a_callback_runs_inside_an_await<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let (id, runs) = expect(&mut stage, b'x', None, Ok(vec![b'x']));
    let awaited = stage.ask(0, "echo", b"awaited", None);
    let mut asker = stage.askers.remove(0);
    stage.until("both are answered", |stage| stage.services[0].script.handled.len() == 2);
    stage.until("the answers have left", |stage| stage.services[0].backlog() == 0);
    let end = asker.await_response(awaited, MINUTE).map(|response| response.bytes().to_vec());
    assert_eq!(end.as_deref(), Ok(&b"awaited"[..]));
    assert_eq!(runs.load(Ordering::Relaxed), 1, "its answer came first");
    assert_eq!(asker.await_response(id, NOW), Err(RequestError::UnknownId { id }));
}

/// Clause D1.
pub fn giving_up_all_requests_leaves_those_with_a_callback<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let (kept, runs) = expect(&mut stage, b'd', None, Ok(vec![b'd']));
    let [pending, ended] = [&b"d"[..], b"x"].map(|body| stage.ask(0, "echo", body, None));
    stage.until("one has ended", |stage| !stage.askers[0].client().endpoint().is_pending(ended));
    stage.askers[0].cancel_all();
    for id in [pending, ended] {
        assert_eq!(stage.askers[0].await_response(id, NOW), Err(RequestError::UnknownId { id }));
    }
    assert_eq!(stage.askers[0].client().endpoint().pending_ids().collect::<Vec<_>>(), [kept]);
    assert!(stage.services[0].answer_one());
    stage.until("the callback has run", |_| runs.load(Ordering::Relaxed) == 1);
    stage.call(0, b"and the next is answered");
}
