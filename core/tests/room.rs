//! Large frames that are written straight into memory of the transport. No checks of the conformance suite: they say how much
//! such memory there is, and which bytes go by it.

mod common;

use std::time::Duration;

use common::{DEFER, SECOND, pair, serve};
use ipcm_core::memory::{Faults, Network};
use ipcm_core::{Config, Handle, RequestError, Sink};

/// Bytes that tell where they are.
fn body(first: u8, len: usize) -> Vec<u8> {
    let mut body: Vec<u8> = (0..len).map(|at| (at / 3) as u8).collect();
    body[0] = first;
    body
}

/// Clause B5: on either side of every threshold, and with everything else that goes through an outbox around it.
#[test]
fn large_bodies_come_and_go_whole() {
    for room in [0, 300, 1000, 100_000] {
        let (network, mut handle, _service) = pair();
        network.set_faults(Faults { room, ..Faults::default() });
        for len in [1, 200, 235, 240, 250, 256, 300, 900, 1000, 1100, 5000, 70_000, 400_000] {
            let sent = body(b'e', len);
            let response = handle.sync_request_bytes("echo", &sent, SECOND).unwrap();
            assert!(response.bytes() == sent, "{len} bytes with a room of {room}");
        }
    }
}

/// Clause B2: what waits in the outbox leaves first.
#[test]
fn large_and_small_bodies_keep_their_order() {
    let (network, mut handle, service) = pair();
    handle.sync_request_bytes("echo", b"hello", SECOND).unwrap();
    service.borrow_mut().script.handled.clear();
    network.set_faults(Faults { room: 2000, buffer: 3000, ..Faults::default() });
    let lens = [10, 600, 20, 30, 1500, 700, 40, 2500, 300, 50, 1000, 900, 800, 60];
    let sent: Vec<_> = (0..lens.len()).map(|at| body(at as u8, lens[at])).collect();
    let ids = handle.batch(|handle| {
        let send = |body: &Vec<u8>| handle.send_request_bytes("echo", body, SECOND).unwrap();
        sent.iter().map(send).collect::<Vec<_>>()
    });
    handle.await_all_responses(None).unwrap();
    assert_eq!(service.borrow().script.handled, sent);
    for (id, sent) in ids.into_iter().zip(&sent) {
        assert_eq!(handle.await_response(id, None).unwrap().bytes(), sent);
    }
}

/// Clause D1: a request that went by way of the room counts as sent once it has left, and as not sent before.
#[test]
fn the_position_in_the_stream_stays_right() {
    for buffer in [5000, 1000] {
        let (network, mut handle, service) = pair();
        handle.sync_request_bytes("echo", b"hello", SECOND).unwrap();
        network.set_faults(Faults { room: 3000, buffer, ..Faults::default() });
        let link = handle.client().endpoint().route("echo").unwrap();
        let before = handle.client().endpoint().sent(link).unwrap();
        let id = handle.send_request_bytes("echo", &body(DEFER, 2000), None).unwrap();
        let endpoint = handle.client().endpoint();
        let sent = endpoint.sent(link).unwrap() - before;
        // Head and body, wherever they are.
        assert_eq!(sent + endpoint.backlog(link) as u64, 2016);
        assert_eq!(sent, buffer.min(2016) as u64);
        if buffer == 5000 {
            service.borrow_mut().settle();
        }
        network.kill("echo");
        match handle.await_response(id, SECOND) {
            Err(RequestError::PeerGone { .. }) => {}
            other => panic!("with a buffer of {buffer}: {other:?}"),
        }
    }
}

/// Clause B5: a body that fails half way through is not sent, and nothing of it is.
#[test]
fn a_large_body_that_fails_leaves_the_link_as_it_was() {
    let (network, mut handle, service) = pair();
    network.set_faults(Faults { room: 3000, ..Faults::default() });
    handle.sync_request_bytes("echo", b"hello", SECOND).unwrap();
    let mut fails = |out: &mut Sink<'_>, _| {
        out.extend_from_slice(&[1; 2000]);
        out.append(b"too much", 3)
    };
    let deadline = None::<ipcm_core::Instant>;
    assert!(handle.client_mut().request("echo", deadline, &mut fails).is_err());
    assert_eq!(handle.client().endpoint().pending(), 0);
    let sent = body(b'e', 2000);
    assert_eq!(handle.sync_request_bytes("echo", &sent, Duration::from_secs(1)).unwrap().bytes(), sent);
    assert_eq!(service.borrow().script.handled.len(), 2);
}

/// Clause D1: also where a part of what waits has left before.
#[test]
fn the_position_counts_what_left_of_the_outbox_and_what_left_of_the_room() {
    let (network, mut handle, _service) = pair();
    handle.sync_request_bytes("echo", b"hello", SECOND).unwrap();
    let link = handle.client().endpoint().route("echo").unwrap();
    let before = handle.client().endpoint().sent(link).unwrap();
    network.set_faults(Faults { room: 3000, buffer: 100, ..Faults::default() });
    handle.send_request_bytes("echo", &body(DEFER, 200), None).unwrap();
    assert_eq!(handle.client().endpoint().sent(link), Some(before + 100));
    network.set_faults(Faults { room: 3000, buffer: 5000, ..Faults::default() });
    handle.send_request_bytes("echo", &body(DEFER, 2000), None).unwrap();
    assert_eq!(handle.client().endpoint().sent(link), Some(before + 216 + 2016));
}

/// Clause B4: the credit that goes out in front of a large answer counts as gone.
#[test]
fn credit_that_leaves_through_the_room_is_not_forgotten() {
    let network = Network::new();
    let mut config = Config::default();
    (config.body_limit, config.window) = (4096, 4096);
    let _service = serve(&network, "echo", config.clone());
    let mut handle = Handle::new(network.client("asker", config), "echo");
    network.set_faults(Faults { room: 3000, ..Faults::default() });
    let sent = body(b'e', 2500);
    for _ in 0..50 {
        assert_eq!(handle.sync_request_bytes("echo", &sent, SECOND).unwrap().bytes(), sent);
    }
}
