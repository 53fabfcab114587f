//! Packets that carry more than one frame: what is asked for is used where it lies, and the rest is not lost. And frames
//! that come in many packets. No checks of the conformance suite: what a packet holds is up to a transport, and is
//! laid down here.

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::raw::Raw;
use common::wire::{self, Head};
use common::*;
use ipcm_core::memory::{Faults, Network};
use ipcm_core::{Config, RequestError, RequestId};

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

/// Clauses B2, B3, C11: some go at once, some are queued, all in order, cut into every size of chunk.
#[test]
fn messages_arrive_in_the_order_sent_in_chunks_of_any_size() {
    for chunk in (1..40).chain([usize::MAX]) {
        let network = Network::new();
        network.set_faults(Faults { delay: Duration::ZERO..MS, chunk, buffer: 50, room: 0 });
        let service = serve(&network, "echo", Config::default());
        let mut sender = asker(&network, "sender", "echo");
        let bodies: Vec<_> = (0..20u8).map(|number| vec![number; number as usize * 3]).collect();
        for (number, body) in bodies.iter().enumerate() {
            if number % 2 == 0 {
                sender.send_message_bytes("echo", body, SECOND).unwrap();
            } else {
                sender.client_mut().try_send("echo", &mut |out, limit| out.append(body, limit)).unwrap();
            }
        }
        let until = now(&network) + SECOND;
        assert!(sender.client_mut().flush_all(until));
        sender.poll(100 * MS);
        let messages = std::mem::take(&mut service.borrow_mut().script.messages);
        let contents: Vec<_> = messages.into_iter().map(|message| message.content).collect();
        assert_eq!(contents, bodies, "in chunks of {chunk}");
    }
}
