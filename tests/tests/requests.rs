//! Requests as the service of this system sees them, and waits that the kernel ends. That every request ends exactly
//! once is in the suite.

use std::time::{Duration, Instant};

use ipcm::Handle;
use ipcm_core::{CallError, RequestError};
use ipcm_tests::obedient::SHORT;
use ipcm_tests::{AMPLE, Ask, Peer, bus, obedient, within};

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
