//! Peers that break the protocol, flood, or say nothing.

mod common;

use common::raw::{Came, Raw};
use common::wire::{self, Head};
use common::*;
use ipcm_core::memory::Network;
use ipcm_core::{
    Client, Config, Endpoint, Event, FrameError, GoneReason, Incarnation, Input, Instant, PROTOCOL_VERSION,
    ProtocolError, Refusal, RemoteErrorKind, RequestError, SendError,
};
use std::time::Duration;

/// A service, a well-behaved handle of it, and a member that writes its own frames.
fn bus() -> (Network, Asker, Shared, Raw) {
    let (network, mut handle, service) = pair();
    handle.sync_request_bytes("echo", b"warm up", SECOND).unwrap();
    service.borrow_mut().script.handled.clear();
    let raw = Raw::join(&network, "raw");
    (network, handle, service, raw)
}

/// A member that was called, with its first request of whoever called it.
fn asked(raw: &mut Raw) -> (usize, Head) {
    let came: Vec<Came> = (0..3).flat_map(|_| raw.take()).collect();
    let mut requests = came.into_iter().filter(|(_, head, _)| matches!(head, Head::Request { .. }));
    let (link, head, _) = requests.next().expect("a request has come");
    (link, head)
}

/// Everyone else is undisturbed.
fn serves_on(handle: &mut Asker) {
    assert_eq!(handle.sync_request_bytes("echo", b"still there", SECOND).unwrap().bytes(), b"still there");
}

/// Clause B6, fault X8: whatever is malformed cuts that link, is counted, and disturbs nobody.
#[test]
fn a_malformed_frame_cuts_that_link_and_is_counted() {
    let id = wire::request_id(0, 1);
    let hello_body = |body: &[u8]| wire::frame(Head::Hello { version: PROTOCOL_VERSION }, body);
    let cases: &[(&str, Vec<u8>, bool)] = &[
        ("a size of zero", vec![0; 16], true),
        ("a size of 15", [&15u32.to_le_bytes()[..], &[0; 11]].concat(), true),
        ("no head", [&16u32.to_le_bytes()[..], &[0; 12]].concat(), true),
        ("a head longer than its frame", [&16u32.to_le_bytes()[..], &[2; 12]].concat(), true),
        ("an unknown head", wire::frame_of(&[11], b""), true),
        ("an empty head", wire::frame_of(&[255; 3], b""), true),
        ("a head cut short", wire::frame_of(&[4], b""), true),
        ("a head that is too long", wire::frame_of(&[&[9][..], &[0; 26]].concat(), b""), true),
        ("a head with junk behind it", wire::frame_of(&[&[4][..], &[0; 25], &[1]].concat(), b""), true),
        ("a second hello of another life", wire::hello("raw", Incarnation::from_bits(77)), true),
        ("a refusal out of turn", wire::frame(Head::Refused { reason: Refusal::Full }, b""), true),
        ("a request before hello", wire::frame(Head::Request { id, budget: None }, b"x"), false),
        ("a hello without a name", hello_body(b"\0"), false),
        ("a hello of junk", hello_body(&[0xff; 40]), false),
        ("a reserved name", wire::hello("_raw", Incarnation::from_bits(1)), false),
        ("an empty name", wire::hello("", Incarnation::from_bits(1)), false),
        ("a name of 513 bytes", wire::hello(&"n".repeat(513), Incarnation::from_bits(1)), false),
    ];
    for (what, bytes, after_hello) in cases {
        let (network, mut handle, service, mut raw) = bus();
        let link = if *after_hello { raw.call("echo") } else { raw.connect("echo") };
        raw.send(link, bytes);
        service.borrow_mut().settle();
        let counters = service.borrow().service.client().endpoint().counters();
        assert_eq!(counters.violations, 1, "{what}");
        raw.take();
        raw.take();
        assert!(raw.is_over(link), "{what}");
        serves_on(&mut handle);
        assert_eq!(service.borrow().service.client().endpoint().links().count(), 1, "{what}");
        drop(network);
    }
}

/// Fault X8: half a frame, and then nothing or the end.
#[test]
fn half_a_frame_harms_nobody() {
    let frame = wire::frame(Head::Message { sequence: 1, stamp: 0, broadcast: false }, &[1; 50]);
    for cut in 0..frame.len() {
        let (network, mut handle, service, mut raw) = bus();
        let link = raw.call("echo");
        raw.send(link, &frame[..cut]);
        service.borrow_mut().settle();
        serves_on(&mut handle);
        network.kill("raw");
        service.borrow_mut().settle();
        let shared = service.borrow();
        let endpoint = shared.service.client().endpoint();
        assert_eq!((endpoint.counters().violations, endpoint.links().count()), (0, 1), "cut at {cut}");
        assert_eq!(shared.script.messages, []);
    }
}

/// Clause B1, fault X23: a name other than that of the member that connected is refused.
#[test]
fn a_forged_name_is_refused() {
    let (_network, mut handle, service, mut raw) = bus();
    for hello in
        [wire::hello("asker", raw.transport.incarnation()), wire::hello("raw", Incarnation::from_bits(4242))]
    {
        let link = raw.connect("echo");
        raw.send(link, &hello);
        service.borrow_mut().settle();
        assert_eq!(raw.take(), [(link, Head::Refused { reason: Refusal::Identity }, vec![])]);
    }
    serves_on(&mut handle);
}

/// Clause H4.
#[test]
fn another_version_is_refused_and_told_which_one_is_spoken() {
    let (_network, mut handle, service, mut raw) = bus();
    let link = raw.connect("echo");
    raw.send(link, &wire::frame(Head::Hello { version: 9 }, b"whatever version 9 says"));
    service.borrow_mut().settle();
    let reason = Refusal::Version { version: PROTOCOL_VERSION };
    assert_eq!(raw.take(), [(link, Head::Refused { reason }, vec![])]);
    serves_on(&mut handle);
}

/// Clause H4: the machine that was called names both versions.
#[test]
fn the_one_who_is_called_by_another_version_names_both() {
    let now = Instant::ZERO;
    let mut endpoint = Endpoint::new("echo", Incarnation::from_bits(1), Config::default());
    let link = endpoint.accept(now).unwrap();
    let hello = wire::frame(Head::Hello { version: 9 }, b"whatever version 9 says");
    assert!(endpoint.poll_input(now, link, &mut Input::new(&hello)).is_none());
    let Some(Event::Closed { reason, .. }) = endpoint.poll_event(now) else { panic!("it is not closed") };
    let error = ProtocolError::Version { ours: PROTOCOL_VERSION, theirs: 9 };
    assert_eq!(reason, GoneReason::Protocol(error));
    let text = reason.to_string();
    assert!(text.contains("version 9") && text.contains("version 1"), "{text}");
}

/// Clause H4: the one who called a peer of another version learns which two there are.
#[test]
fn a_caller_of_another_version_names_both() {
    let (network, mut handle, _service, mut raw) = bus();
    raw.refuses = Some(Refusal::Version { version: 9 });
    network.set_idle(move || drop(raw.take()));
    let refused = handle.send_request_bytes("raw", b"", SECOND).map(|_| ()).unwrap_err();
    let reason = GoneReason::Refused(Refusal::Version { version: 9 });
    assert_eq!(refused, SendError::PeerGone { peer: "raw".into(), reason });
    let text = refused.to_string();
    assert!(text.contains("version 9") && text.contains("version 1"), "{text}");
}

/// Clauses B6, B5, fault X9: a length of 4 GiB is refused before any memory is taken; one at the limit
/// takes what has come.
#[test]
fn a_length_of_4_gib_is_refused_at_once() {
    let (_network, mut handle, service, mut raw) = bus();
    let link = raw.call("echo");
    raw.send(link, &u32::MAX.to_le_bytes());
    service.borrow_mut().settle();
    assert_eq!(service.borrow().service.client().endpoint().counters().violations, 1);
    raw.take();
    raw.take();
    assert!(raw.is_over(link));
    serves_on(&mut handle);
}

/// Clause D3, fault X13: answers that nobody asked for and second answers are dropped and counted.
#[test]
fn unasked_and_second_answers_are_dropped_and_counted() {
    let (network, mut handle, service, mut raw) = bus();
    let id = ask(&mut handle, &mut raw);
    let (link, head) = asked(&mut raw);
    let Head::Request { id: theirs, .. } = head else { unreachable!() };
    let unknown = wire::request_id(3, 12345);
    for (head, body) in [
        (Head::Response { id: unknown }, b"unasked"),
        (Head::Response { id: theirs }, b"the one"),
        (Head::Response { id: theirs }, b"another"),
        (Head::Failure { id: theirs, kind: RemoteErrorKind::Failed }, b"a third"),
    ] {
        raw.send(link, &wire::frame(head, body));
    }
    assert_eq!(handle.await_response(id, SECOND).unwrap().bytes(), b"the one");
    handle.poll(MS);
    assert_eq!(handle.client().endpoint().counters().stray_responses, 3);
    assert_eq!(handle.await_all_responses(NOW), Ok(()));
    drop(service);
    serves_on_after(&network, &mut handle);
}

const NOW: Duration = Duration::ZERO;

fn serves_on_after(network: &Network, handle: &mut Asker) {
    assert_eq!(handle.client().endpoint().counters().violations, 0);
    assert!(handle.poll(NOW) == 0 && network.next_arrival().is_none());
}

/// Sends a request to the member that writes its own frames.
fn ask(handle: &mut Asker, raw: &mut Raw) -> ipcm_core::RequestId {
    let body = &mut |_: &mut ipcm_core::Sink<'_>, _| Ok(());
    while handle.client_mut().try_request("raw", None, body).is_err() {
        raw.take();
        handle.poll(NOW);
    }
    // The loop's last request is the only one.
    handle.client().endpoint().pending_ids().next().unwrap()
}

/// Clause D3: a peer cannot answer what another was asked.
#[test]
fn an_answer_on_another_link_is_dropped() {
    let (network, mut handle, service, mut raw) = bus();
    let id = handle.send_request_bytes("echo", b"d", None).unwrap();
    service.borrow_mut().settle();
    let link = raw.call("asker");
    handle.poll(NOW);
    raw.send(link, &wire::frame(Head::Response { id: wire::id_of(id) }, b"forged"));
    handle.poll(MS);
    assert_eq!(handle.client().endpoint().counters().stray_responses, 1);
    service.borrow_mut().answer_one();
    assert_eq!(handle.await_response(id, None).unwrap().bytes(), b"d");
    drop(network);
}

/// Clause D1: a peer that breaks the protocol is gone for those who wait for it, with the reason.
#[test]
fn a_request_to_a_peer_that_breaks_the_protocol_ends_with_the_reason() {
    let (_network, mut handle, _service, mut raw) = bus();
    let id = ask(&mut handle, &mut raw);
    let (link, _) = asked(&mut raw);
    raw.send(link, &[3, 0, 0, 0]);
    let reason = GoneReason::Protocol(ProtocolError::Frame(FrameError::TooShort { size: 3 }));
    let end = handle.await_response(id, SECOND).map(|_| ());
    assert_eq!(end, Err(RequestError::PeerGone { peer: "raw".into(), reason }));
}

/// Clause D1: a member that says hello late is still reached; one that never does is given up in time.
#[test]
fn a_peer_that_never_says_hello_is_given_up_in_time() {
    let network = Network::new();
    let _mute = network.join("mute");
    let mut handle = asker(&network, "asker", "mute");
    let before = now(&network);
    let late = SendError::TimedOut { peer: "mute".into() };
    assert_eq!(handle.send_request_bytes("mute", b"", 20 * MS), Err(late));
    assert_eq!(now(&network), before + 20 * MS);
}

/// Clause B6: a client takes any bytes at its first frame, from whoever it called.
#[test]
fn a_callee_that_is_someone_else_is_not_spoken_to() {
    let network = Network::new();
    let mut raw = network.join("raw");
    let mut client: Client<_, _> = network.client("asker", Config::default());
    let none = &mut |_: &mut ipcm_core::Sink<'_>, _| Ok(());
    client.try_send("raw", none).unwrap_err();
    use ipcm_core::transport::Transport as _;
    raw.wait(Some(Instant::ZERO));
    let link = ipcm_core::LinkId::from_bits(7);
    assert!(raw.accept(link));
    raw.send(link, &wire::hello("somebody else", raw.incarnation()));
    while client.turn(Some(now(&network))) {}
    assert_eq!((client.endpoint().counters().violations, client.endpoint().route("raw")), (1, None));
}
