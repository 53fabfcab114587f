//! What only Unix sockets promise, and message files cannot: the kernel's word on who connects, and its queue of
//! connections.

use std::time::Duration;

use ipcm::{Handle, SharedHandle};
use ipcm_core::{CallError, GoneReason, Refusal, SendError};
use ipcm_tests::raw::{self, Happened};
use ipcm_tests::{AMPLE, Ask, Peer, RawLink, bus, proc, wire, within};

/// Clause A11.
#[test]
fn the_kernel_tells_who_is_at_the_other_end() {
    let _watchdog = within(30);
    let bus = bus!();
    let service = Peer::obedient(bus.info(), "service");
    let mut handle = Handle::new(bus.info(), "service");
    assert_eq!(handle.sync_request("service", &Ask::Number(1), AMPLE), Ok(1u64));
    let client = handle.join().unwrap().client();
    let link = client.endpoint().route("service").unwrap();
    // SAFETY: it has no arguments and cannot fail.
    let uid = unsafe { libc::geteuid() };
    assert_eq!(client.transport().credentials(link), Some((service.pid(), uid)));
}

/// This process says that it is the peer of another one: with that one's true life, with another, and
/// under a name that nobody has.
///
/// Clause B1. Clause A11. Fault X23.
#[test]
fn a_forged_name_is_refused() {
    let _watchdog = within(30);
    let bus = bus!();
    let _service = Peer::obedient(bus.info(), "service");
    let _victim = Peer::start("join", bus.info(), "victim");
    let (service, victim) = (raw::record(&bus, "service"), raw::record(&bus, "victim"));
    for (name, incarnation) in [
        ("victim", victim.incarnation()),
        ("victim", service.incarnation()),
        ("service", service.incarnation()),
        ("nobody", victim.incarnation()),
    ] {
        let mut forger = RawLink::call(bus.info(), &service, name, incarnation);
        forger.flush();
        match forger.next() {
            Happened::Closed(GoneReason::Refused(Refusal::Identity)) => {}
            other => panic!("{name} was not refused: {other:?}"),
        }
        assert!(forger.receive().is_none(), "and the connection is closed");
    }
    let mut handle = Handle::new(bus.info(), "service");
    assert_eq!(handle.sync_request("service", &Ask::Messages, AMPLE), Ok(Vec::<u64>::new()));
}

/// One who speaks before it is known to be who it says is not listened to.
///
/// Clause B1. Fault X23.
#[test]
fn what_a_forger_sends_behind_its_hello_is_not_taken_in() {
    let _watchdog = within(30);
    let bus = bus!();
    let _service = Peer::obedient(bus.info(), "service");
    let _victim = Peer::start("join", bus.info(), "victim");
    let me = Handle::builder(bus.info(), "nobody").name("me").build();
    let mut me = me;
    me.join().unwrap();
    let (service, victim) = (raw::record(&bus, "service"), raw::record(&bus, "victim"));
    // The bytes of a message, made on a connection of its own.
    let mut honest = RawLink::call_as(bus.info(), &service, &raw::record(&bus, "me"));
    honest.message(&[42]);
    let message = honest.take_output();
    let mut forger = RawLink::call(bus.info(), &service, "victim", victim.incarnation());
    let hello = forger.take_output();
    forger.send(&[hello, message].concat()).unwrap();
    forger.await_closed();
    let mut handle = Handle::new(bus.info(), "service");
    assert_eq!(handle.sync_request("service", &Ask::Messages, AMPLE), Ok(Vec::<u64>::new()));
}

/// As many connections wait for the service as the system lets wait.
///
/// Fault X10. Clause D1.
#[test]
fn a_service_that_accepts_nobody_makes_no_caller_wait_beyond_its_time() {
    let _watchdog = within(60);
    let limit = proc::raise_descriptor_limit();
    let bus = bus!();
    let mut service = Peer::start("echo in a storm", bus.info(), "echo");
    let record = raw::record(&bus, "echo");
    let shared = SharedHandle::new(Handle::new(bus.info(), "echo")).unwrap();
    let mut handle = Handle::new(bus.info(), "echo");
    handle.join().unwrap();
    service.pause();
    let mut waiting = Vec::new();
    while let Ok(socket) = wire::connect_socket(bus.info(), &record) {
        waiting.push(socket);
        assert!((waiting.len() as u64) < limit.min(12_000) - 100, "the system lets any number wait");
    }
    let short = Duration::from_millis(50);
    let late = CallError::Send(SendError::TimedOut { peer: "echo".into() });
    assert_eq!(handle.sync_request::<u64>("echo", &1u64, short), Err(late.clone()));
    assert_eq!(handle.try_send("echo", &1u64), Err(SendError::WouldBlock { peer: "echo".into() }));
    assert_eq!(shared.sync_request::<u64>("echo", &1u64, short), Err(late));
    std::thread::scope(|scope| {
        // No timeout: it goes on once the service does.
        let patient = scope.spawn(|| shared.sync_request::<u64>("echo", &5u64, None));
        assert!(handle.sync_request::<u64>("echo", &1u64, short).is_err());
        waiting.clear();
        service.resume();
        assert_eq!(patient.join().unwrap(), Ok(5));
    });
    assert_eq!(handle.sync_request("echo", &6u64, AMPLE), Ok(6u64));
}
