//! What the handle of this system does for its caller beyond that of the core, whose promises are in the suite: the
//! process that serves, descriptors, wakers, and threads that share a handle.

use std::sync::mpsc::channel;
use std::time::Duration;

use ipcm::{Handle, Service, SharedHandle};
use ipcm_core::{RequestError, SendError};
use ipcm_tests::obedient::SHORT;
use ipcm_tests::{AMPLE, Ask, Peer, bus, proc, within};
use rustix::event::epoll;

/// Clause C1.
#[test]
fn a_handle_has_its_service_its_bus_and_a_fresh_name() {
    let _watchdog = within(30);
    let bus = bus!();
    let one = Handle::new(bus.info(), "service");
    let two = Handle::new(bus.info(), "service");
    assert_eq!((one.service_name(), one.info()), ("service", bus.info()));
    assert_ne!(one.name(), two.name());
    let groups: Vec<_> = one.name().split('-').map(str::len).collect();
    assert_eq!(groups, [8, 4, 4, 4, 12], "{:?} is no UUID", one.name());
    assert_eq!(Handle::builder(bus.info(), "service").name("me").build().name(), "me");
}

/// Clause C2.
#[test]
fn a_handle_joins_at_first_use_and_once_and_leaves_when_dropped() {
    let _watchdog = within(30);
    let bus = bus!();
    let _service = Service::echo(bus.info(), "echo").spawn().unwrap();
    let mut handle = Handle::builder(bus.info(), "echo").name("me").build();
    assert!(!bus.peer_exists("me").unwrap());
    assert_eq!(handle.ready(), Ok(true));
    let first = ipcm_tests::raw::record(&bus, "me");
    for number in 0..3u64 {
        assert_eq!(handle.sync_request("echo", &number, AMPLE), Ok(number));
    }
    assert_eq!(ipcm_tests::raw::record(&bus, "me"), first, "the life is the same");
    drop(handle);
    assert!(!bus.peer_exists("me").unwrap());
}

/// Clause C2.
#[test]
fn a_handle_that_owns_its_bus_leaves_before_it_ends_it() {
    let _watchdog = within(30);
    let bus = bus!();
    let route = bus.info().route().to_owned();
    let info = bus.info().clone();
    let mut handle = Handle::builder(&info, "service").build_with_bus(bus);
    let mut service = Peer::obedient(&info, "service");
    assert_eq!(handle.sync_request("service", &Ask::Number(3), AMPLE), Ok(3u64));
    assert!(handle.bus().is_some());
    drop(handle);
    service.expect("ended");
    assert!(!route.exists());
}

/// Clause C3.
#[test]
fn waiting_for_a_service_ends_when_it_comes() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut handle = Handle::new(bus.info(), "service");
    assert_eq!(handle.ready(), Ok(false));
    let absent = handle.wait_ready(SHORT).unwrap_err();
    assert_eq!(absent, SendError::TimedOut { peer: "service".into() });
    assert!(handle.wait_ready(Duration::ZERO).is_err());
    let (begin, began) = channel();
    let waiter = std::thread::spawn(move || {
        begin.send(()).unwrap();
        handle.wait_ready(None).unwrap();
        handle
    });
    began.recv().unwrap();
    let service = Peer::obedient(bus.info(), "service");
    let mut handle = waiter.join().unwrap();
    assert_eq!(handle.ready(), Ok(true));
    assert_eq!(handle.service_pid(), Ok(Some(service.pid())));
}

/// An epoll of the test's own, as any event loop has one.
///
/// Clause C4. Clause C10.
#[test]
fn the_descriptor_of_a_handle_is_readable_when_there_is_something_to_take_in() {
    let _watchdog = within(30);
    let bus = bus!();
    let _service = Peer::obedient(bus.info(), "service");
    let mut handle = Handle::new(bus.info(), "service");
    let own = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    let [fd] = handle.select_handles().unwrap();
    epoll::add(&own, &fd, epoll::EventData::new_u64(1), epoll::EventFlags::IN).unwrap();
    let wait = || {
        let mut events = Vec::with_capacity(4);
        while epoll::wait(&own, rustix::buffer::spare_capacity(&mut events), None).is_err() {}
        assert_eq!(events.len(), 1);
    };
    assert!(!proc::is_readable(&own));
    for round in 0..20 {
        let id = handle.send_request("service", &Ask::Number(round), None).unwrap();
        loop {
            wait();
            if handle.poll(Duration::ZERO).unwrap() == 1 {
                break;
            }
        }
        assert_eq!(handle.await_response(id, Duration::ZERO).unwrap().decode(), Ok(round));
        assert!(!proc::is_readable(&own), "it stays readable with nothing to do");
    }
    // It serves the connections that come as well.
    let mut other = Handle::new(bus.info(), "service");
    let me = handle.name().to_owned();
    other.send_message(&me, &1u64, SHORT).unwrap_err();
    let sender = std::thread::spawn(move || {
        other.send_message(&me, &9u64, AMPLE).unwrap();
        other
    });
    while handle.poll(Duration::ZERO).unwrap() == 0 {
        wait();
    }
    assert_eq!(handle.messages()[0].decode::<u64>(), Ok(9));
    drop(sender.join().unwrap());
}

/// Clause C4: the death of a service is something to take in as well.
#[test]
fn the_descriptor_of_a_handle_is_readable_when_its_service_dies() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut service = Peer::obedient(bus.info(), "service");
    let mut handle = Handle::new(bus.info(), "service");
    let id = handle.send_request("service", &Ask::Hold(1), None).unwrap();
    let [readiness] = handle.select_handles().unwrap();
    service.kill();
    while handle.poll(Duration::ZERO).unwrap() == 0 {
        proc::await_readable(&readiness);
    }
    assert!(ipcm_tests::raw::is_gone(&handle.await_response(id, Duration::ZERO)));
}

/// It joins where something is to be sent, and not to be told that it has nothing.
///
/// Clause C2. Clause C7.
#[test]
fn a_handle_that_has_not_joined_knows_no_request_and_stays_away() {
    let _watchdog = within(30);
    let bus = bus!();
    let _service = Service::echo(bus.info(), "echo").spawn().unwrap();
    let id = Handle::new(bus.info(), "echo").send_request("echo", &1u64, AMPLE).unwrap();
    let mut handle = Handle::builder(bus.info(), "echo").name("me").build();
    assert_eq!(handle.await_response(id, None).unwrap_err(), RequestError::UnknownId { id });
    assert_eq!(handle.await_any(&[id], None), None);
    assert_eq!(handle.await_all_responses(None), Ok(()));
    assert!(!handle.cancel(id) && !handle.is_terminated() && !handle.is_bus_gone());
    assert_eq!((handle.messages(), handle.peer_changes(), handle.next_deadline()), (vec![], vec![], None));
    assert!(!bus.peer_exists("me").unwrap());
}

/// Clause C10: nothing else ends this wait.
#[test]
fn a_waker_ends_a_poll_from_another_thread() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut handle = Handle::new(bus.info(), "nobody");
    let waker = handle.waker().unwrap();
    let (began, begin) = channel();
    let waking = std::thread::spawn(move || {
        for () in begin {
            waker.wake();
        }
    });
    for _ in 0..20 {
        began.send(()).unwrap();
        assert_eq!(handle.poll(None), Ok(0));
    }
    drop(began);
    waking.join().unwrap();
}

/// Clause C13.
#[test]
fn threads_that_share_a_handle_do_not_wait_for_one_another() {
    let _watchdog = within(60);
    let bus = bus!();
    let _service = Peer::obedient(bus.info(), "service");
    let shared = SharedHandle::new(Handle::new(bus.info(), "service")).unwrap();
    std::thread::scope(|scope| {
        // One waits for an answer that is kept back until all others have theirs, and is the first to wait.
        let slow = scope.spawn(|| shared.sync_request::<u64>("service", &Ask::Hold(77), None));
        while shared.sync_request::<u64>("service", &Ask::Wanted, AMPLE).unwrap() == 0 {}
        let quick: Vec<_> = (0..8u64)
            .map(|thread| {
                let shared = shared.clone();
                scope.spawn(move || {
                    for number in 0..50 {
                        let sent = thread * 100 + number;
                        assert_eq!(shared.sync_request("service", &Ask::Number(sent), None), Ok(sent));
                    }
                })
            })
            .collect();
        // And one gives up in the middle of it.
        let ended = shared.sync_request::<u64>("service", &Ask::Hold(1), SHORT).unwrap_err();
        assert!(matches!(ended, ipcm_core::CallError::Request(RequestError::TimedOut { .. })), "{ended}");
        quick.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(!slow.is_finished());
        let released: u64 = shared.sync_request("service", &Ask::Release, AMPLE).unwrap();
        assert_eq!(released, 2);
        assert_eq!(slow.join().unwrap(), Ok(77));
    });
}

/// Clause C13. Clause E1.
#[test]
fn every_thread_that_shares_a_handle_learns_of_a_death() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut service = Peer::obedient(bus.info(), "service");
    let shared = SharedHandle::new(Handle::new(bus.info(), "service")).unwrap();
    std::thread::scope(|scope| {
        let ask = || shared.sync_request::<u64>("service", &Ask::Hold(1), None);
        let waiting: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        while shared.sync_request::<u64>("service", &Ask::Wanted, AMPLE).unwrap() < 4 {}
        service.kill();
        for thread in waiting {
            let ended = thread.join().unwrap().unwrap_err();
            assert!(matches!(ended, ipcm_core::CallError::Request(RequestError::PeerGone { .. })), "{ended}");
        }
    });
}

/// Clause C13: what may go to another thread, and what several may use.
#[test]
fn a_handle_may_go_to_another_thread_and_a_shared_one_may_be_in_several() {
    fn may_go<T: Send>() {}
    fn may_be_in_several<T: Send + Sync + Clone>() {}
    may_go::<Handle>();
    may_go::<ipcm::Reply>();
    may_go::<ipcm::ServiceThread>();
    may_be_in_several::<ipcm::SharedHandle>();
    may_be_in_several::<ipcm::Stopper>();
    may_be_in_several::<ipcm::Waker>();
}

/// Clause C12. Clause C13.
#[test]
fn a_callback_runs_though_its_handle_was_shared_meanwhile() {
    let _watchdog = within(30);
    let bus = bus!();
    let _service = Service::echo(bus.info(), "service").spawn().unwrap();
    let mut handle = Handle::new(bus.info(), "service");
    let (told, heard) = std::sync::mpsc::channel();
    let callback = move |_: &mut ipcm::CoreHandle, end: Result<ipcm::Response<'_>, RequestError>| {
        told.send(end.unwrap().decode::<u32>().unwrap()).unwrap();
    };
    handle.send_request_with("service", &7u32, AMPLE, callback).unwrap();
    handle.send_request("service", &8u32, AMPLE).unwrap();
    let shared = ipcm::SharedHandle::new(handle).unwrap();
    assert_eq!(shared.sync_request("service", &9u32, AMPLE), Ok(9u32));
    assert_eq!(heard.try_recv(), Ok(7));
}

/// Clause C11. Clause C13.
#[test]
fn a_shared_handle_has_its_messages() {
    let _watchdog = within(30);
    let bus = bus!();
    let _service = Service::echo(bus.info(), "service").spawn().unwrap();
    let named = Handle::builder(bus.info(), "service").name("shared").build();
    let shared = ipcm::SharedHandle::new(named).unwrap();
    let reader = shared.clone();
    let reading = std::thread::spawn(move || {
        let mut contents = Vec::new();
        while contents.is_empty() {
            assert_eq!(reader.sync_request("service", &1u32, AMPLE), Ok(1u32));
            contents.extend(reader.messages().iter().map(|message| message.decode::<u32>().unwrap()));
        }
        contents
    });
    let mut sender = Handle::new(bus.info(), "shared");
    sender.send_message("shared", &5u32, AMPLE).unwrap();
    assert_eq!(reading.join().unwrap(), [5]);
}
