//! Packets that carry more than one frame: what is asked for is used where it lies, and the rest is not lost.

mod common;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::raw::Raw;
use common::wire::{self, Head};
use common::*;
use ipcm_core::memory::{Clock, Faults, Memory, Network};
use ipcm_core::{Config, Handler, Instant, ReplyToken, Request, RequestError, RequestId, Service};

const NOW: Duration = Duration::ZERO;

/// Requests whose answers are all in the packet that comes next.
fn answered(handle: &mut Asker, service: &Shared, bodies: &[&[u8]]) -> Vec<RequestId> {
    let ids = handle.batch(|handle| {
        let send = |body: &&[u8]| handle.send_request_bytes("echo", body, None).unwrap();
        bodies.iter().map(send).collect()
    });
    service.borrow_mut().settle();
    ids
}

/// Clauses C7, C8: each answer is there, in whatever order they are awaited.
#[test]
fn answers_that_came_together_can_be_awaited_in_any_order() {
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
        let (_network, mut handle, service) = pair();
        let bodies: [&[u8]; 4] = [b"one", b"two", b"three", b"last"];
        let ids = answered(&mut handle, &service, &bodies);
        for at in order {
            assert_eq!(handle.await_response(ids[at], NOW).unwrap().bytes(), bodies[at]);
            assert_eq!(handle.await_response(ids[at], NOW), Err(RequestError::UnknownId { id: ids[at] }));
        }
    }
}

/// Requests of a batch travel in one packet, and so do their answers; without it each has its own.
#[test]
fn a_batch_of_requests_is_one_packet() {
    let (_network, mut handle, service) = pair();
    let first = answered(&mut handle, &service, &[b"hello"]);
    handle.await_response(first[0], None).unwrap();
    let taken_in = || service.borrow().service.client().received();
    let before = taken_in();
    let ids = answered(&mut handle, &service, &[b"one", b"two", b"three", b"last"]);
    assert_eq!(taken_in() - before, 1);
    let answers = handle.client().received();
    for id in ids {
        handle.await_response(id, None).unwrap();
    }
    assert_eq!(handle.client().received() - answers, 1);

    let before = taken_in();
    for body in [b"one", b"two"] {
        handle.send_request_bytes("echo", body, None).unwrap();
    }
    service.borrow_mut().settle();
    assert_eq!(taken_in() - before, 2);
}

/// Clause D2: an answer that lies in the packet has ended its request, whether it was looked at or not.
#[test]
fn a_request_whose_answer_lies_in_the_packet_cannot_be_cancelled() {
    let (_network, mut handle, service) = pair();
    let ids = answered(&mut handle, &service, &[b"one", b"two"]);
    handle.await_response(ids[0], NOW).unwrap();
    assert!(!handle.cancel(ids[1]));
    assert_eq!(handle.client().endpoint().counters().stray_responses, 0);
}

/// Clause D6: a slot whose answer lies in the packet counts as free once that is collected.
#[test]
fn answers_in_the_packet_do_not_keep_the_table_full() {
    let network = Network::new();
    let mut config = Config::default();
    config.requests = 2;
    let service = serve(&network, "echo", Config::default());
    let mut handle = ipcm_core::Handle::new(network.client("asker", config), "echo");
    let ids = answered(&mut handle, &service, &[b"one", b"two"]);
    handle.await_response(ids[0], NOW).unwrap();
    assert_eq!(handle.await_response(ids[1], NOW).unwrap().bytes(), b"two");
    let ids = answered(&mut handle, &service, &[b"three", b"last"]);
    assert_eq!(handle.await_response(ids[1], NOW).unwrap().bytes(), b"last");
}

/// Clauses C10, C11: a message behind the awaited answer is there without another packet.
#[test]
fn what_lies_behind_the_awaited_answer_is_not_lost() {
    let network = Network::new();
    let mut handle = asker(&network, "asker", "raw");
    let mut raw = Raw::join(&network, "raw");
    let link = raw.call("asker");
    handle.poll(NOW);
    let ids = [b"one", b"two"].map(|body| handle.send_request_bytes("raw", body, None).unwrap());
    let message = Head::Message { sequence: 1, stamp: 0, broadcast: false };
    let [first, second] = ids.map(|id| wire::frame(Head::Response { id: wire::id_of(id) }, b"answer"));
    raw.send(link, &[first, wire::frame(message, b"behind"), second].concat());
    assert_eq!(handle.await_response(ids[0], NOW).unwrap().bytes(), b"answer");
    let contents: Vec<_> = handle.messages().into_iter().map(|message| message.content).collect();
    assert_eq!(contents, [b"behind"]);
    assert_eq!(handle.await_response(ids[1], NOW).unwrap().bytes(), b"answer");
}

/// Clause C12: a callback does not wait for another packet.
#[test]
fn a_callback_whose_answer_came_with_the_awaited_one_runs_in_that_await() {
    let (_network, mut handle, service) = pair();
    let ran = Arc::new(Mutex::new(Vec::new()));
    let id = handle.batch(|handle| {
        let id = handle.send_request_bytes("echo", b"one", None).unwrap();
        let ran = ran.clone();
        let callback = move |_: &mut Asker, end: Result<ipcm_core::Response<'_>, RequestError>| {
            ran.lock().unwrap().push(end.unwrap().bytes().to_vec());
        };
        handle.send_request_with("echo", "second", None, callback).unwrap();
        id
    });
    service.borrow_mut().settle();
    assert_eq!(handle.await_response(id, NOW).unwrap().bytes(), b"one");
    assert_eq!(*ran.lock().unwrap(), [b"\x06second"]);
}

/// Clause C4: what waits for a descriptor is not told of what is left in a packet, so nothing is.
#[test]
fn an_eager_client_leaves_nothing_in_a_packet() {
    let (_network, mut handle, service) = pair();
    handle.client_mut().set_eager();
    let ids = answered(&mut handle, &service, &[b"one", b"two"]);
    handle.await_response(ids[0], NOW).unwrap();
    assert_eq!(handle.client().endpoint().pending(), 0);
    assert_eq!(handle.await_response(ids[1], NOW).unwrap().bytes(), b"two");
}

/// Takes in other packets before it answers.
struct Busy {
    seen: Rc<RefCell<Vec<Vec<u8>>>>,
}

impl Handler<Memory, Clock> for Busy {
    fn handle_request(&mut self, client: &mut Member, request: Request<'_>, token: ReplyToken) {
        let body = request.body.to_vec();
        client.turn(Some(Instant::ZERO));
        assert_eq!((&**request.from, request.body), ("asker", &body[..]));
        client.respond_bytes(token, request.body).unwrap();
        self.seen.borrow_mut().push(body);
    }
}

/// Clauses B2, F1: requests are handled in their order, and their bodies stay what they are, though the handler
/// of each takes in other packets.
#[test]
fn a_handler_that_takes_in_more_keeps_the_order_of_what_came_with_its_request() {
    for chunk in [100, 333, usize::MAX] {
        let network = Network::new();
        network.set_faults(Faults { chunk, ..Faults::default() });
        let seen = Rc::new(RefCell::new(Vec::new()));
        let mut service = Service::new(network.client("busy", Config::default()));
        let mut handler = Busy { seen: seen.clone() };
        network.set_idle(move || while service.turn(Some(Instant::ZERO), &mut handler) {});
        let mut handle = asker(&network, "asker", "busy");
        let bodies: Vec<Vec<u8>> = (0..20).map(|number| vec![number; 10]).collect();
        let ids: Vec<RequestId> = handle.batch(|handle| {
            bodies.iter().map(|body| handle.send_request_bytes("busy", body, SECOND).unwrap()).collect()
        });
        for (id, body) in ids.into_iter().zip(&bodies) {
            assert_eq!(handle.await_response(id, None).unwrap().bytes(), body);
        }
        assert_eq!(*seen.borrow(), bodies, "in chunks of {chunk}");
    }
}
