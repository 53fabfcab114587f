//! Every request ends exactly once: answered, failed, timed out, cancelled.

use std::time::{Duration, Instant};

use ipcm::{Handle, Service};
use ipcm_core::{CallError, Config, GoneReason, RemoteErrorKind, RequestError, SendError};
use ipcm_tests::obedient::SHORT;
use ipcm_tests::raw::{self, Happened};
use ipcm_tests::{AMPLE, Ask, Peer, RawLink, bus, obedient, within};

/// Clause D2. Clause D1. Fault X12.
#[test]
fn a_request_that_timed_out_is_forgotten_and_its_late_answer_disturbs_nothing() {
    let _watchdog = within(30);
    let bus = bus!();
    let _service = obedient::service(bus.info(), "service", || {}).spawn().unwrap();
    let mut config = Config::default();
    config.requests = 1;
    let mut handle = Handle::builder(bus.info(), "service").config(config).build();
    for _ in 0..3 {
        let id = handle.send_request("service", &Ask::Hold(1), None).unwrap();
        let ended = handle.await_response(id, SHORT).unwrap_err();
        assert_eq!(ended, RequestError::TimedOut { peer: "service".into() });
        // Its slot, the only one, is free at once.
        let released: u64 = handle.sync_request("service", &Ask::Release, AMPLE).unwrap();
        assert_eq!(released, 1);
        let number: u64 = handle.sync_request("service", &Ask::Number(2), AMPLE).unwrap();
        assert_eq!(number, 2);
        assert_eq!(handle.await_response(id, AMPLE).unwrap_err(), RequestError::UnknownId { id });
        assert_eq!(handle.await_all_responses(AMPLE), Ok(()));
    }
}

/// The service is a process that does not know of the timeouts: the answers do come, late.
///
/// Clause D2. Clause D3. Fault X12.
#[test]
fn a_late_answer_is_dropped_and_counted() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut liar = Handle::builder(bus.info(), "nobody").name("liar").build();
    liar.join().unwrap();
    let (me, info) = (raw::record(&bus, "liar"), bus.info().clone());
    let server = std::thread::spawn(move || {
        let mut raw = RawLink::accept_as(&info, &me);
        let Happened::Request(late, _) = raw.next() else { panic!("a request") };
        raw.respond(late, b"late");
        let late = raw.take_output();
        let Happened::Request(token, _) = raw.next() else { panic!("another request") };
        raw.send(&late).unwrap();
        raw.respond(token, b"in time");
        raw.flush();
        raw.await_closed();
    });
    let mut handle = Handle::new(bus.info(), "liar");
    let id = handle.send_request_bytes("liar", b"1", SHORT).unwrap();
    let ended = handle.await_response(id, None).unwrap_err();
    assert_eq!(ended, RequestError::TimedOut { peer: "liar".into() });
    let answer = handle.sync_request_bytes("liar", b"2", AMPLE).unwrap();
    assert_eq!(answer.bytes(), b"in time");
    assert_eq!(handle.join().unwrap().client().endpoint().counters().stray_responses, 1);
    drop(handle);
    server.join().unwrap();
}

/// Three answers come in one packet: one nobody asked for, one twice, and one that is awaited.
///
/// Clause D3. Fault X13.
#[test]
fn stray_and_repeated_answers_are_counted_and_lose_nothing_of_their_packet() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut liar = Handle::builder(bus.info(), "nobody").name("liar").build();
    liar.join().unwrap();
    let (me, info) = (raw::record(&bus, "liar"), bus.info().clone());
    let server = std::thread::spawn(move || {
        let mut raw = RawLink::accept_as(&info, &me);
        let Happened::Request(first, _) = raw.next() else { panic!("a request") };
        raw.respond(first, b"first");
        let once = raw.take_output();
        raw.send(&once).unwrap();
        let Happened::Request(second, _) = raw.next() else { panic!("a request") };
        let Happened::Request(third, _) = raw.next() else { panic!("a request") };
        raw.respond(second, b"second");
        let twice = raw.take_output();
        raw.respond(third, b"third");
        let last = raw.take_output();
        raw.send(&[&once[..], &twice, &twice, &once, &last, &twice].concat()).unwrap();
        raw.await_closed();
    });
    let mut handle = Handle::new(bus.info(), "liar");
    assert_eq!(handle.sync_request_bytes("liar", b"1", None).unwrap().bytes(), b"first");
    let second = handle.send_request_bytes("liar", b"2", None).unwrap();
    let third = handle.send_request_bytes("liar", b"3", None).unwrap();
    assert_eq!(handle.await_all_responses(None), Ok(()));
    assert_eq!(handle.await_response(second, Duration::ZERO).unwrap().bytes(), b"second");
    assert_eq!(handle.await_response(third, Duration::ZERO).unwrap().bytes(), b"third");
    let counters = handle.join().unwrap().client().endpoint().counters();
    assert_eq!((counters.stray_responses, counters.violations), (4, 0));
    drop(handle);
    server.join().unwrap();
}

/// Clause D5. Clause D1.
#[test]
fn a_cancelled_request_ends_at_once_and_the_service_learns_of_it() {
    let _watchdog = within(30);
    let bus = bus!();
    let _service = obedient::service(bus.info(), "service", || {}).spawn().unwrap();
    let mut handle = Handle::new(bus.info(), "service");
    let id = handle.send_request("service", &Ask::Hold(1), None).unwrap();
    let wanted = |handle: &mut Handle| handle.sync_request::<u64>("service", &Ask::Wanted, AMPLE).unwrap();
    assert_eq!(wanted(&mut handle), 1);
    assert!(handle.cancel(id));
    assert_eq!(handle.await_response(id, None).unwrap_err(), RequestError::UnknownId { id });
    assert!(!handle.cancel(id));
    assert_eq!(wanted(&mut handle), 0);
    let released: u64 = handle.sync_request("service", &Ask::Release, AMPLE).unwrap();
    assert_eq!(released, 1);
}

/// Clause D5.
#[test]
fn the_time_that_is_left_travels_with_a_request() {
    let _watchdog = within(30);
    let bus = bus!();
    let _service = Peer::obedient(bus.info(), "service");
    let mut handle = Handle::new(bus.info(), "service");
    let left: Option<u64> = handle.sync_request("service", &Ask::Remaining, AMPLE).unwrap();
    let left = Duration::from_micros(left.unwrap());
    assert!(left <= AMPLE && left > AMPLE / 2, "{left:?}");
    assert_eq!(handle.sync_request::<Option<u64>>("service", &Ask::Remaining, None), Ok(None));
    // A held request is not waited for any more once its time is over, which the service knows by itself.
    let id = handle.send_request("service", &Ask::Hold(1), SHORT).unwrap();
    assert!(handle.await_response(id, None).is_err());
    while handle.sync_request::<u64>("service", &Ask::Wanted, AMPLE).unwrap() > 0 {}
}

/// The service asks elsewhere while a request comes in whose caller gives up in the meantime.
///
/// Clause D5.
#[test]
fn work_whose_caller_has_given_up_is_not_begun() {
    let _watchdog = within(30);
    let bus = bus!();
    let _keeper = obedient::service(bus.info(), "keeper", || {}).spawn().unwrap();
    let _service = obedient::service(bus.info(), "service", || {}).spawn().unwrap();
    let mut handle = Handle::new(bus.info(), "service");
    let mut keeper = Handle::new(bus.info(), "keeper");
    let relay = handle.send_request("service", &Ask::Relay("keeper".into()), None).unwrap();
    while keeper.sync_request::<u64>("keeper", &Ask::Wanted, AMPLE).unwrap() == 0 {}
    let mut hasty = Handle::new(bus.info(), "service");
    assert!(hasty.sync_request::<u64>("service", &Ask::Work, SHORT).is_err());
    // By the service's clock, the caller's time ends later by as long as the request was under way.
    assert_eq!(hasty.poll(SHORT * 4), Ok(0));
    let released: u64 = keeper.sync_request("keeper", &Ask::Release, AMPLE).unwrap();
    assert_eq!(released, 1);
    assert_eq!(handle.await_response(relay, None).unwrap().decode(), Ok(5u64));
    assert_eq!(handle.sync_request::<u64>("service", &Ask::Worked, AMPLE), Ok(0));
    assert_eq!(hasty.sync_request::<u64>("service", &Ask::Work, AMPLE), Ok(1));
}

/// Clause D6.
#[test]
fn a_full_table_is_an_error_that_a_collected_answer_ends() {
    let _watchdog = within(30);
    let bus = bus!();
    let _service = Service::echo(bus.info(), "echo").spawn().unwrap();
    let mut config = Config::default();
    config.requests = 3;
    let mut handle = Handle::builder(bus.info(), "echo").config(config).build();
    let payload = vec![1u8, 2, 3];
    let ids: Vec<_> = (0..3).map(|_| handle.send_request_bytes("echo", &payload, None).unwrap()).collect();
    let full = handle.send_request_bytes("echo", &payload, None).unwrap_err();
    assert_eq!(full, SendError::TooManyInFlight { limit: 3 });
    assert_eq!(handle.await_response(ids[1], None).unwrap().bytes(), payload);
    handle.send_request_bytes("echo", &payload, None).unwrap();
    assert_eq!(handle.await_all_responses(None), Ok(()));
}

/// Clause D1. Clause F2.
#[test]
fn requests_that_fail_in_different_ways_each_end_once() {
    let _watchdog = within(30);
    let bus = bus!();
    let _service = Peer::obedient(bus.info(), "service");
    let mut handle = Handle::new(bus.info(), "service");
    let asks = [Ask::Number(1), Ask::Panic, Ask::Nothing, Ask::Fail("x".into()), Ask::Hold(3)];
    let ids: Vec<_> = asks.iter().map(|ask| handle.send_request("service", ask, None).unwrap()).collect();
    let cancelled = handle.send_request("service", &Ask::Hold(2), None).unwrap();
    assert!(handle.cancel(cancelled));
    // All but the one that is held end by themselves.
    while handle.join().unwrap().client().endpoint().pending() > 1 {
        handle.poll(None).unwrap();
    }
    let failures = handle.await_all_responses(SHORT).unwrap_err().failures;
    let kind = |error: &RequestError| match error {
        RequestError::Remote { error, .. } => Some(error.kind),
        RequestError::TimedOut { .. } => None,
        other => panic!("{other}"),
    };
    let ends: Vec<_> = failures.iter().map(|(id, error)| (*id, kind(error))).collect();
    assert_eq!(
        ends,
        [
            (ids[1], Some(RemoteErrorKind::Internal)),
            (ids[2], Some(RemoteErrorKind::Unanswered)),
            (ids[3], Some(RemoteErrorKind::Internal)),
            (ids[4], None),
        ]
    );
    assert_eq!(handle.await_response(ids[0], Duration::ZERO).unwrap().decode(), Ok(1u64));
    for id in ids {
        assert_eq!(handle.await_response(id, None).unwrap_err(), RequestError::UnknownId { id });
    }
}

/// Clause C6. Clause C7. Fault X10.
#[test]
fn a_timeout_ends_a_call_when_it_says_and_not_before() {
    let _watchdog = within(30);
    let bus = bus!();
    let _service = obedient::service(bus.info(), "service", || {}).spawn().unwrap();
    let mut handle = Handle::new(bus.info(), "service");
    // To connect takes time as well.
    assert_eq!(handle.sync_request::<u64>("service", &Ask::Number(1), None), Ok(1));
    // Below and above what the library treats as short.
    for timeout in [1, 15, 60, 150].map(Duration::from_millis) {
        let began = Instant::now();
        let ended = handle.sync_request::<u64>("service", &Ask::Hold(1), timeout).unwrap_err();
        let took = began.elapsed();
        assert_eq!(ended, CallError::Request(RequestError::TimedOut { peer: "service".into() }));
        assert!(took >= timeout && took < timeout + Duration::from_secs(2), "{took:?} of {timeout:?}");
    }
}

/// Clause C6: credit that has come behind an answer, in the same packet, is used without waiting for another packet.
#[test]
fn credit_behind_an_answer_is_used_at_once() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut peer = Handle::builder(bus.info(), "nobody").name("peer").build();
    peer.join().unwrap();
    let info = bus.info().clone();
    let calling = std::thread::spawn(move || {
        let mut handle = Handle::new(&info, "peer");
        for number in 0..3u64 {
            assert_eq!(handle.sync_request("peer", &number, AMPLE), Ok(number));
        }
    });
    let mut config = Config::default();
    config.window = 1;
    let mut raw = RawLink::accept_with(bus.info(), &raw::record(&bus, "peer"), config);
    for _ in 0..3 {
        let Happened::Request(token, body) = raw.next() else { panic!("not a request") };
        raw.respond(token, &body);
        let output = raw.take_output();
        let (credit, answer) = output.split_at(16);
        assert_eq!((credit[0], credit[5]), (16, 10), "the credit is a frame without a body");
        raw.send(&[answer, credit].concat()).unwrap();
    }
    calling.join().unwrap();
}

/// Clause B6. Clause D1. Fault X8: the peer that breaks the protocol does not hang up, and nothing has a timeout.
#[test]
fn a_peer_that_answers_junk_and_stays_ends_the_call() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut peer = Handle::builder(bus.info(), "nobody").name("peer").build();
    peer.join().unwrap();
    let info = bus.info().clone();
    let calling = std::thread::spawn(move || {
        Handle::new(&info, "peer").sync_request::<u64>("peer", &1u64, None).unwrap_err()
    });
    let mut raw = RawLink::accept_as(bus.info(), &raw::record(&bus, "peer"));
    let Happened::Request(..) = raw.next() else { panic!("not a request") };
    // The size of no frame.
    raw.send(&[15, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    raw.await_closed();
    let ended = calling.join().unwrap();
    let CallError::Request(RequestError::PeerGone { reason: GoneReason::Protocol(_), .. }) = ended else {
        panic!("{ended}")
    };
}
