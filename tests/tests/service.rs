//! The service of this system, beyond that of the core: handlers that fail or panic, replies from other threads, its
//! end, and as many clients as processes have.

use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use ipcm::{Handle, Reply, Service};
use ipcm_core::{CallError, RemoteError, RemoteErrorKind, RequestError};
use ipcm_tests::{AMPLE, Ask, Peer, RawLink, bus, obedient, proc, raw, within};

/// What a request failed with.
fn failure(handle: &mut Handle, ask: &Ask) -> RemoteError {
    match handle.sync_request::<u64>("service", ask, AMPLE).unwrap_err() {
        CallError::Request(RequestError::Remote { error, .. }) => error,
        other => panic!("{ask:?}: {other}"),
    }
}

fn error(kind: RemoteErrorKind, detail: &str) -> RemoteError {
    RemoteError { kind, detail: detail.to_owned() }
}

/// Clause F2. Clause F1. Fault X14. (A second answer to one request does not compile.)
#[test]
fn a_handler_that_fails_panics_or_says_nothing_is_answered_for_and_the_service_goes_on() {
    let _watchdog = within(30);
    let bus = bus!();
    let service = Peer::obedient(bus.info(), "service");
    let mut handle = Handle::new(bus.info(), "service");
    for _ in 0..3 {
        let internal = failure(&mut handle, &Ask::Fail("a secret".into()));
        assert_eq!(internal, error(RemoteErrorKind::Internal, ""));
        assert_eq!(internal.to_string(), "internal service error");
        assert_eq!(failure(&mut handle, &Ask::Panic), error(RemoteErrorKind::Internal, ""));
        assert_eq!(failure(&mut handle, &Ask::Nothing), error(RemoteErrorKind::Unanswered, ""));
        let unknown = handle.sync_request::<u64>("service", &1_000_000u64, AMPLE).unwrap_err();
        let CallError::Request(RequestError::Remote { error, .. }) = unknown else { panic!("{unknown}") };
        assert_eq!(error.kind, RemoteErrorKind::BadRequest);
        assert_eq!(handle.sync_request("service", &Ask::Pid, AMPLE), Ok(u64::from(service.pid())));
    }
    // An answer of another type than was asked for is the caller's error, and no one else's.
    let wrong = handle.sync_request::<String>("service", &Ask::Number(7), AMPLE).unwrap_err();
    assert!(matches!(wrong, CallError::Decode { .. }), "{wrong}");
}

/// Clause F2.
#[test]
fn details_of_an_error_are_told_where_the_service_exposes_them() {
    let _watchdog = within(30);
    let bus = bus!();
    let service = Service::new(bus.info(), "service").expose_error_details();
    let _service = obedient::obey(service, || {}).spawn().unwrap();
    let mut handle = Handle::new(bus.info(), "service");
    let told = failure(&mut handle, &Ask::Fail("the well is dry".into()));
    assert_eq!(told, error(RemoteErrorKind::Failed, "the well is dry"));
    assert_eq!(failure(&mut handle, &Ask::Panic).to_string(), "internal service error");
}

/// Clause F1.
#[test]
fn a_reply_may_be_given_later_by_any_thread_or_never() {
    let _watchdog = within(30);
    let bus = bus!();
    let (take, taken): (Sender<Reply>, _) = channel();
    let service = Service::new(bus.info(), "service").on_call(move |call| take.send(call.defer()).unwrap());
    let service = service.spawn().unwrap();
    let mut handle = Handle::new(bus.info(), "service");
    let ids: Vec<_> = (0..4).map(|_| handle.send_request("service", &(), None).unwrap()).collect();
    let replies: Vec<_> = taken.iter().take(4).collect();
    let answers = std::thread::spawn(move || {
        let mut replies = replies.into_iter();
        replies.next().unwrap().send(&1u64).unwrap();
        replies.next().unwrap().fail(RemoteErrorKind::Failed, "later");
        let panics = std::thread::spawn({
            let reply = replies.next().unwrap();
            move || {
                let _reply = reply;
                panic!("as is wanted");
            }
        });
        assert!(panics.join().is_err());
        drop(replies);
    });
    let remote = |error| RequestError::Remote { peer: "service".into(), error };
    assert_eq!(handle.await_response(ids[0], None).unwrap().decode(), Ok(1u64));
    assert_eq!(
        handle.await_response(ids[1], None).unwrap_err(),
        remote(error(RemoteErrorKind::Failed, "later"))
    );
    assert_eq!(
        handle.await_response(ids[2], None).unwrap_err(),
        remote(error(RemoteErrorKind::Internal, ""))
    );
    assert_eq!(
        handle.await_response(ids[3], None).unwrap_err(),
        remote(error(RemoteErrorKind::Unanswered, ""))
    );
    answers.join().unwrap();

    // One whose service has ended before it is a word to nobody.
    let id = handle.send_request("service", &(), None).unwrap();
    let reply = taken.recv().unwrap();
    service.stop().unwrap();
    reply.send(&1u64).unwrap();
    assert!(raw::is_gone(&handle.await_response(id, None)));
}

/// Most of the answer is not in the socket when the service is asked to end.
///
/// Clause F5.
#[test]
fn what_was_answered_is_flushed_before_the_service_ends() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut service = Peer::obedient(bus.info(), "service");
    let mut handle = Handle::new(bus.info(), "service");
    let large = handle.send_request("service", &Ask::Swell(4 << 20), None).unwrap();
    let held = handle.send_request("service", &Ask::Hold(3), None).unwrap();
    let release = handle.send_request("service", &Ask::Release, None).unwrap();
    let last = handle.send_request("service", &Ask::AnswerAndStop(2), None).unwrap();
    assert_eq!(handle.await_all_responses(None), Ok(()));
    assert_eq!(handle.await_response(large, Duration::ZERO).unwrap().bytes().len(), 4 << 20);
    assert_eq!(handle.await_response(held, Duration::ZERO).unwrap().decode(), Ok(3u64));
    assert_eq!(handle.await_response(release, Duration::ZERO).unwrap().decode(), Ok(1u64));
    assert_eq!(handle.await_response(last, Duration::ZERO).unwrap().decode(), Ok(2u64));
    service.expect("ended");
}

/// The reply is given and the service stopped by another thread, one right behind the other.
///
/// Clause F5.
#[test]
fn a_reply_given_before_the_stop_is_not_lost() {
    let _watchdog = within(60);
    let bus = bus!();
    for round in 0..100u64 {
        let (take, taken): (Sender<Reply>, _) = channel();
        let service =
            Service::new(bus.info(), "service").on_call(move |call| take.send(call.defer()).unwrap());
        let service = service.spawn().unwrap();
        let stopper = service.stopper();
        let mut handle = Handle::new(bus.info(), "service");
        let id = handle.send_request("service", &(), None).unwrap();
        let reply = taken.recv().unwrap();
        // To be busy for a moment makes the stop come at any point of the loop.
        for _ in 0..round * 20 {
            std::hint::spin_loop();
        }
        reply.send(&round).unwrap();
        for _ in 0..round * 10 {
            std::hint::spin_loop();
        }
        stopper.stop();
        assert_eq!(handle.await_response(id, None).map(|answer| answer.decode()), Ok(Ok(round)));
        service.stop().unwrap();
    }
}

/// One asks for all it may and reads nothing, so that its answers fill the socket and wait in the service.
///
/// Clause F6. Fault X25.
#[test]
fn five_hundred_clients_are_served_beside_one_that_stalls() {
    const CLIENTS: u64 = 511;
    let _watchdog = within(60);
    let limit = proc::raise_descriptor_limit();
    assert!(limit >= 8000, "the hard limit of descriptors is {limit}: 512 clients in one process need 8000");
    let bus = bus!();
    let service = Peer::start("echo in a storm", bus.info(), "echo");
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| Handle::new(bus.info(), "echo")).collect();
    let mut handle = Handle::builder(bus.info(), "echo").name("stalled").build();
    handle.join().unwrap();
    let mut stalled = RawLink::call_as(bus.info(), &raw::record(&bus, "echo"), &raw::record(&bus, "stalled"));
    while stalled.try_request(&[1; 4096]) {}
    stalled.flush();
    for round in 0..3 {
        let mut ids = Vec::new();
        for (at, client) in clients.iter_mut().enumerate() {
            let body = (at as u64 * 1000 + round).to_le_bytes();
            ids.push((client.send_request_bytes("echo", &body, AMPLE).unwrap(), body));
        }
        for (client, (id, body)) in clients.iter_mut().zip(ids) {
            assert_eq!(client.await_response(id, None).unwrap().bytes(), body);
        }
    }
    assert_eq!(bus.peers().unwrap().len() as u64, CLIENTS + 2);
    assert_eq!(bus.peer_pid("echo").unwrap(), Some(service.pid()));
}

/// Clause F7.
#[test]
fn the_echo_service_answers_with_what_it_was_asked() {
    let _watchdog = within(30);
    let bus = bus!();
    let thread = Service::echo(bus.info(), "thread").spawn().unwrap();
    let process = Peer::start("echo", bus.info(), "process");
    for (name, mut handle) in [("thread", thread.handle()), ("process", Handle::new(bus.info(), "process"))] {
        let value = ("text".to_owned(), -3i8, vec![Some(1.5f64), None]);
        assert_eq!(handle.sync_request(name, &value, AMPLE), Ok(value));
    }
    drop((thread, process));
}

/// Clause F1.
#[test]
fn a_service_without_a_handler_refuses_every_request() {
    let _watchdog = within(30);
    let bus = bus!();
    let _service = Service::new(bus.info(), "service").spawn().unwrap();
    let mut handle = Handle::new(bus.info(), "service");
    for _ in 0..2 {
        assert_eq!(failure(&mut handle, &Ask::Number(1)), error(RemoteErrorKind::NotAService, ""));
    }
    handle.send_message("service", &1u64, AMPLE).unwrap();
    assert_eq!(failure(&mut handle, &Ask::Number(2)), error(RemoteErrorKind::NotAService, ""));
}

/// Clause F2. Fault X14.
#[test]
fn a_message_whose_handler_panics_ends_no_service() {
    let _watchdog = within(30);
    let bus = bus!();
    let service = Service::echo(bus.info(), "service").on_message(|_, _| panic!("as is wanted"));
    let service = service.spawn().unwrap();
    let mut handle = Handle::new(bus.info(), "service");
    for number in 0..3u64 {
        handle.send_message("service", &number, AMPLE).unwrap();
        assert_eq!(handle.sync_request("service", &number, AMPLE), Ok(number));
    }
    service.stop().unwrap();
}

/// Clause F1. Clause F2: of one that answers later as well.
#[test]
fn details_of_a_later_failure_are_told_where_the_service_exposes_them() {
    let _watchdog = within(30);
    let bus = bus!();
    for (exposes, told) in [
        (true, error(RemoteErrorKind::Failed, "the well is dry")),
        (false, error(RemoteErrorKind::Internal, "")),
    ] {
        let service =
            Service::new(bus.info(), "service").on_call(|call| call.defer().fail_with("the well is dry"));
        let service = if exposes { service.expose_error_details() } else { service };
        let _service = service.spawn().unwrap();
        let mut handle = Handle::new(bus.info(), "service");
        assert_eq!(failure(&mut handle, &Ask::Number(1)), told);
    }
}

/// Its caller reads nothing: what was answered is flushed for five seconds, and not for ever.
///
/// Clause F5. Fault X11.
#[test]
fn a_service_whose_answers_nobody_reads_comes_to_its_end() {
    let _watchdog = within(60);
    let bus = bus!();
    let mut service = Peer::obedient(bus.info(), "service");
    let mut idle = Handle::builder(bus.info(), "service").name("me").build();
    idle.join().unwrap();
    let mut client = RawLink::call_as(bus.info(), &raw::record(&bus, "service"), &raw::record(&bus, "me"));
    let mut body = Vec::new();
    ipcm_core::body::encode_into(&Ask::Swell(8 << 20), &mut body, 64).unwrap();
    client.request(&body);
    client.flush();
    let mut handle = Handle::new(bus.info(), "service");
    assert_eq!(handle.sync_request("service", &Ask::AnswerAndStop(1), AMPLE), Ok(1u64));
    service.expect("ended");
}

/// Clause F1. Clause D1: also where the service has nothing else to wait for than this caller.
#[test]
fn a_reply_from_another_thread_reaches_the_only_caller_there_is() {
    let _watchdog = within(30);
    let bus = bus!();
    let (give, take) = channel::<Reply>();
    let service = Service::new(bus.info(), "service").on_call(move |call| give.send(call.defer()).unwrap());
    let _service = service.spawn().unwrap();
    let answering = std::thread::spawn(move || {
        for number in 0..100u64 {
            take.recv().unwrap().send(&number).unwrap();
        }
    });
    let mut handle = Handle::new(bus.info(), "service");
    for number in 0..100u64 {
        assert_eq!(handle.sync_request("service", &(), None), Ok(number));
    }
    answering.join().unwrap();
}
