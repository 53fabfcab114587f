//! Bodies of every size: from nothing to the limit, and beyond it.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use ipcm_core::body::EncodeError;
use ipcm_core::transport::Transport;
use ipcm_core::{Config, RemoteError, RemoteErrorKind, RequestError, SendError, Sink};

use crate::ground::Ground;
use crate::pattern::{assert_same, pattern};
use crate::stage::{Stage, try_send};

/// Where something may change: at the sizes of packets, of what is large, and of buffers.
fn sizes<T: Transport>() -> Vec<usize> {
    let mut sizes = vec![0, 1, 2, 15, 16, 17, 4096, 65_535, 65_536, 65_537, 1024 * 1024];
    for edge in [T::PACKET, T::LARGE, T::BUFFER, 2 * T::PACKET] {
        // A frame has a head of 16 or 32 bytes.
        let around = [
            edge.saturating_sub(33)..=edge.saturating_sub(31),
            edge.saturating_sub(17)..=edge.saturating_sub(15),
        ];
        sizes.extend(around.into_iter().flatten());
        sizes.extend([edge.saturating_sub(1), edge, edge.saturating_add(1)]);
    }
    sizes.retain(|&size| size <= 2 * 1024 * 1024);
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

/// Clause B5. Fault X4.
pub fn requests_and_answers_of_every_size_arrive<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    // One after the other, and then many at once.
    for size in sizes::<G::Transport>() {
        let mut body = pattern(size as u64, size);
        // What is echoed.
        body.iter_mut().take(1).for_each(|first| *first = b'x');
        let id = stage.ask(0, "echo", &body, None);
        let answer = stage.end(0, id).unwrap_or_else(|error| panic!("{size} bytes: {error}"));
        assert_same(&answer, &body, "an answer");
        assert_same(&stage.services[0].script.handled.remove(0).body, &body, "a request");
    }
    let mut ids = Vec::new();
    for size in [3, 100_000, 17, 20_000, 300_000, 0, 65_536] {
        let mut body = pattern(size as u64, size);
        body.iter_mut().take(1).for_each(|first| *first = b'x');
        ids.push((stage.ask(0, "echo", &body, None), body));
    }
    for (id, body) in ids {
        assert_same(&stage.end(0, id).expect("it is answered"), &body, "one of many answers");
    }
}

/// Clause B5. Fault X4.
pub fn messages_of_every_size_arrive_in_their_order<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let sizes = sizes::<G::Transport>();
    for &size in &sizes {
        stage.send(0, "echo", &pattern(size as u64, size));
    }
    stage.until("all have come", |stage| stage.services[0].script.messages.len() == sizes.len());
    for (message, size) in stage.services[0].script.messages.iter().zip(sizes) {
        assert_same(&message.content, &pattern(size as u64, size), "a message");
    }
}

/// Clause B5. Fault X4.
pub fn a_body_at_the_limit_passes_and_one_byte_more_is_refused<G: Ground>() {
    for limit in [0, 1, 4096, 300_000] {
        let mut config = Config::default();
        config.body_limit = limit as u32;
        let mut stage = Stage::<G>::pair_with(Config::default(), config);
        stage.send(0, "echo", &vec![7; limit]);
        stage.until("it has come", |stage| !stage.services[0].script.messages.is_empty());
        assert_same(&stage.services[0].script.messages[0].content, &vec![7; limit], "at the limit");
        let too_large = SendError::TooLarge { peer: "echo".into(), limit };
        let over = vec![7; limit + 1];
        assert_eq!(try_send(stage.askers[0].client_mut(), "echo", &over), Err(too_large.clone()));
        let refused = stage.askers[0]
            .client_mut()
            .try_request("echo", None, &mut |out, limit| out.append(&over, limit));
        assert_eq!(refused, Err(too_large));
        stage.call(0, &[]);
    }
}

/// Clause B5.
pub fn an_answer_that_is_too_large_for_its_caller_is_a_failure<G: Ground>() {
    let mut config = Config::default();
    config.body_limit = 1000;
    let mut stage = Stage::<G>::pair_with(config, Config::default());
    let id = stage.ask(0, "echo", b"l", None);
    let error = RemoteError { kind: RemoteErrorKind::ResponseTooLarge, detail: String::new() };
    assert_eq!(stage.end(0, id), Err(RequestError::Remote { peer: "echo".into(), error }));
    let id = stage.ask(0, "echo", b"d", None);
    stage.until("the request is taken", |stage| !stage.services[0].script.deferred.is_empty());
    let (_, token) = stage.services[0].script.deferred.remove(0);
    let told = stage.services[0].service.client_mut().respond_bytes(token, &[0; 1001]);
    assert_eq!(told, Err(EncodeError::TooLarge { limit: 1000 }), "the service is told as well");
    let error = RemoteError { kind: RemoteErrorKind::ResponseTooLarge, detail: String::new() };
    assert_eq!(stage.end(0, id), Err(RequestError::Remote { peer: "echo".into(), error }));
    stage.call(0, b"and the link goes on");
}

/// Clause B5: bodies that are written where they are sent from, both ways.
pub fn bodies_that_are_written_in_place_arrive<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    for size in [0, 1, 100, 16_384, 70_000, 1_000_000] {
        let mut body = pattern(size as u64, size);
        // To be answered later.
        body.insert(0, b'd');
        let write = |place: &mut [u8]| place.copy_from_slice(&body);
        let id = stage.askers[0].send_request_in("echo", body.len(), write, None).expect("it is known");
        stage.until("the request is taken", |stage| !stage.services[0].script.deferred.is_empty());
        let (came, token) = stage.services[0].script.deferred.remove(0);
        assert_same(&came, &body, "a request that was written in place");
        let write = |place: &mut [u8]| place.copy_from_slice(&body);
        let wanted = stage.services[0].service.client_mut().respond_in(token, body.len(), write);
        assert_eq!(wanted, Ok(true));
        assert_same(&stage.end(0, id).expect("it is answered"), &body, "an answer that was written in place");
    }
    let limit = Config::default().body_limit as usize;
    let write = |_: &mut [u8]| panic!("there is no place for so many bytes");
    let refused = stage.askers[0].send_request_in("echo", limit + 1, write, None);
    assert_eq!(refused, Err(SendError::TooLarge { peer: "echo".into(), limit }));
    stage.call(0, b"and the link goes on");
}

/// Clause B5: of a body that fails half way through nothing is sent.
pub fn a_body_that_cannot_be_written_leaves_the_link_as_it_was<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    for len in [10, 2000, 100_000] {
        let mut fails = |out: &mut Sink<'_>, _| {
            out.extend_from_slice(&vec![1; len]);
            Err(EncodeError::Unserializable)
        };
        let unsent = Err(SendError::Encode(EncodeError::Unserializable));
        assert_eq!(stage.askers[0].client_mut().request("echo", None, &mut fails), unsent);
        assert_eq!(stage.askers[0].client_mut().try_send("echo", &mut fails), unsent.map(|_| ()));
        assert_eq!(stage.askers[0].client().endpoint().pending(), 0);
        stage.call(0, b"the next");
    }
    assert_eq!(stage.services[0].bodies(), [b"the next"; 3]);
    assert!(stage.services[0].script.messages.is_empty());
}

/// Clause B5: through any window and any buffer.
pub fn a_body_of_16_mib_passes_at_the_default_limit<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let body = vec![b'x'; 16 * 1024 * 1024];
    stage.send(0, "echo", &body);
    stage.until("it has come", |stage| !stage.services[0].script.messages.is_empty());
    assert_same(&stage.services[0].script.messages[0].content, &body, "16 MiB");
    let over = vec![0; body.len() + 1];
    let refused = stage.until_some("there is room for more", |stage| {
        let sent = try_send(stage.askers[0].client_mut(), "echo", &over);
        (!matches!(sent, Err(SendError::WouldBlock { .. }))).then_some(sent)
    });
    assert_eq!(refused, Err(SendError::TooLarge { peer: "echo".into(), limit: body.len() }));
}
