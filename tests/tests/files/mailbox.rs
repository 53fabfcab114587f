//! What lies in a mailbox: bounded, and gone with its owner.

use std::fs;
use std::path::Path;

use ipcm::{Bus, BusError, Handle, Info, Service, TransportKind, Users};
use ipcm_core::SendError;
use ipcm_tests::raw::Happened;
use ipcm_tests::{AMPLE, Ask, Peer, RawLink, bus, raw, wire, within};

/// Clause B4. Fault X10: the window of the service has room for ten thousand of them.
#[test]
fn what_waits_in_a_mailbox_is_bounded() {
    let _watchdog = within(60);
    let bus = bus!();
    let mut service = Peer::obedient(bus.info(), "service");
    let mailbox = wire::mailbox(bus.info(), raw::record(&bus, "service").incarnation());
    let mut handle = Handle::new(bus.info(), "service");
    assert_eq!(handle.sync_request("service", &Ask::Number(1), AMPLE), Ok(1u64));
    service.pause();
    let mut accepted = 0u64;
    while handle.try_send("service", &accepted).is_ok() {
        accepted += 1;
    }
    assert_eq!(handle.try_send("service", &0u64), Err(SendError::WouldBlock { peer: "service".into() }));
    assert!(accepted > 5000, "{accepted}");
    assert_eq!(waiting(&mailbox).len(), 256);
    service.resume();
    let messages: Vec<u64> = handle.sync_request("service", &Ask::Messages, AMPLE).unwrap();
    assert!(messages.into_iter().eq(0..accepted), "not what was accepted, or not in order");
    assert_eq!(waiting(&mailbox), [0u64; 0]);
    drop(handle);
    // A link that has ended leaves nothing behind.
    await_empty(&bus, &mailbox);
}

/// The sizes of the files that wait in a mailbox. What begins with a dot does not.
fn waiting(mailbox: &Path) -> Vec<u64> {
    let files = fs::read_dir(mailbox).unwrap().flatten();
    let waits = |file: &fs::DirEntry| !file.file_name().as_encoded_bytes().starts_with(b".");
    files.filter(waits).map(|file| file.metadata().map_or(0, |meta| meta.len())).collect()
}

/// Waits until the service has taken in all, and nothing is left in its mailbox.
fn await_empty(bus: &Bus, mailbox: &Path) {
    let mut handle = Handle::new(bus.info(), "service");
    loop {
        assert_eq!(handle.sync_request("service", &Ask::Number(1), AMPLE), Ok(1u64));
        if fs::read_dir(mailbox).unwrap().count() == 0 {
            return;
        }
    }
}

/// The answers wait with the one who does not read them, up to a bound in files and bytes.
///
/// Clause B4. Fault X11.
#[test]
fn what_waits_for_a_caller_that_does_not_read_is_bounded() {
    let _watchdog = within(60);
    let bus = bus!();
    let service = Peer::obedient(bus.info(), "service");
    let mut idle = Handle::builder(bus.info(), "service").name("me").build();
    idle.join().unwrap();
    let me = raw::record(&bus, "me");
    let mailbox = wire::mailbox(bus.info(), me.incarnation());
    let mut other = Handle::new(bus.info(), "service");
    for size in [10u32, 100_000] {
        let mut body = Vec::new();
        ipcm_core::body::encode_into(&Ask::Swell(size), &mut body, 64).unwrap();
        let mut client = RawLink::call_as(bus.info(), &raw::record(&bus, "service"), &me);
        // One packet each, so that each answer is one.
        let mut asked = 0;
        while asked < 1000 && client.try_request(&body) {
            client.flush();
            asked += 1;
        }
        for number in 0..100u64 {
            assert_eq!(other.sync_request("service", &Ask::Number(number), AMPLE), Ok(number));
        }
        let waiting = waiting(&mailbox);
        assert!(waiting.len() <= 256, "{} files", waiting.len());
        assert!(waiting.iter().sum::<u64>() <= (1 << 20) + (64 << 10), "{waiting:?}");
        let mut answered = 0;
        while answered < asked {
            let happened = client.next();
            answered +=
                usize::from(matches!(happened, Happened::Response(_, body) if body.len() == size as usize));
        }
    }
    drop(service);
}

/// A listing that was under way when both came need not have the first of them. Here nothing tells of it either.
///
/// Clause B3.
#[test]
fn a_packet_that_is_seen_before_its_opening_is_not_lost() {
    let _watchdog = within(30);
    let bus = bus!();
    let _service = Peer::obedient(bus.info(), "service");
    let mut idle = Handle::builder(bus.info(), "service").name("me").build();
    idle.join().unwrap();
    assert_eq!(idle.sync_request("service", &Ask::Number(1), AMPLE), Ok(1u64));
    let (service, me) = (raw::record(&bus, "service"), raw::record(&bus, "me").incarnation());
    let hello = RawLink::call(bus.info(), &service, "me", me).take_output();
    let (theirs, own) = (wire::mailbox(bus.info(), service.incarnation()), wire::mailbox(bus.info(), me));
    let link = format!("{:032x}", me.as_bits() ^ 1);
    // It is not moved there, which would be told.
    fs::write(theirs.join(format!("{link}.open")), format!("{0:032x} {0:032x} me", me.as_bits())).unwrap();
    let (draft, packet) = (theirs.join(".draft"), theirs.join(format!("{link}-a-{:016x}", 0)));
    fs::write(&draft, hello).unwrap();
    fs::rename(draft, packet).unwrap();
    let answer = own.join(format!("{link}-c-{:016x}", 0));
    while !answer.exists() {
        std::thread::yield_now();
    }
}

/// Fault X6. Clause A4.
#[test]
fn the_mailbox_of_a_dead_peer_goes_with_the_next_life_of_its_name() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut former = Peer::obedient(bus.info(), "service");
    let mailbox = wire::mailbox(bus.info(), raw::record(&bus, "service").incarnation());
    former.pause();
    let mut handle = Handle::new(bus.info(), "service");
    assert!(matches!(handle.try_send("service", &1u64), Err(SendError::WouldBlock { .. })));
    former.kill();
    assert!(fs::read_dir(&mailbox).unwrap().count() >= 2, "an opening and a hello");
    let _next = Service::echo(bus.info(), "service").spawn().unwrap();
    assert!(!mailbox.exists());
    let mut later = Handle::new(bus.info(), "service");
    assert_eq!(later.sync_request("service", &5u64, AMPLE), Ok(5u64));
}

/// What every process has sent is on the disk; for the rest such a bus is like any other.
///
/// Clause B2.
#[test]
fn a_bus_that_syncs_every_file_works_as_well() {
    let _watchdog = within(60);
    let bus = Bus::builder().transport(TransportKind::Files).fsync(true).create().unwrap();
    let _service = Peer::obedient(bus.info(), "service");
    let mut handle = Handle::new(bus.info(), "service");
    for number in 0..20u64 {
        handle.send_message("service", &number, AMPLE).unwrap();
    }
    assert_eq!(handle.sync_request("service", &Ask::Messages, AMPLE), Ok((0..20u64).collect::<Vec<_>>()));
}

/// Members beat, join and leave; nothing of it is left behind.
///
/// Clause A4. Clause A5.
#[test]
fn a_bus_for_guests_serves_those_who_are_none() {
    let _watchdog = within(60);
    let bus = Bus::builder().transport(TransportKind::Files).guests(true).create().unwrap();
    let mut service = Peer::obedient(bus.info(), "service");
    let life = raw::record(&bus, "service").incarnation();
    let beat = bus.info().route().join(format!("{:032x}.beat", life.as_bits()));
    let first = fs::read(&beat).unwrap();
    let mut handle = Handle::new(bus.info(), "service");
    while fs::read(&beat).unwrap() == first {
        assert_eq!(handle.sync_request("service", &Ask::Number(1), AMPLE), Ok(1u64));
    }
    service.kill();
    let _echo = Service::echo(bus.info(), "service").spawn().unwrap();
    assert!(!beat.exists(), "what a dead member has left is cleared away");
    drop(handle);
    let socket = Bus::builder().guests(true).create();
    assert!(matches!(socket, Err(BusError::Unsupported { .. })));
}

/// A record that no process holds, as that of a guest whose host was killed: it is believed at first, and dead once
/// its beat has stayed away.
///
/// Clause A4. Clause A5.
#[test]
fn the_name_of_a_guest_that_beats_no_more_is_free_after_a_while() {
    let _watchdog = within(60);
    let bus = Bus::builder().transport(TransportKind::Files).guests(true).create().unwrap();
    let _service = Peer::obedient(bus.info(), "model");
    let route = bus.info().route();
    let life = 0x0011_2233_4455_4677_8899_aabb_ccdd_eeff_u128;
    let model = fs::read_to_string(route.join("model.peer")).unwrap();
    let incarnation = raw::record(&bus, "model").incarnation();
    fs::write(route.join("guest.peer"), guest_record(&model, incarnation, life)).unwrap();
    fs::write(route.join(format!("{life:032x}.beat")), [1]).unwrap();
    fs::create_dir(route.join(format!("{life:032x}.mail"))).unwrap();
    assert!(raw::record(&bus, "guest").is_guest());
    assert!(bus.peer_exists("guest").unwrap());
    assert_eq!(bus.peer_pid("guest").unwrap(), None);
    let _echo = Service::echo(bus.info(), "guest").spawn().unwrap();
    assert!(!route.join(format!("{life:032x}.mail")).exists());
}

/// The record of a guest in the form of that of another peer.
fn guest_record(model: &str, incarnation: ipcm_core::Incarnation, life: u128) -> String {
    let (life, incarnation) = (format!("{life:032x}"), format!("{:032x}", incarnation.as_bits()));
    let text = model.replace("name model", "name guest").replace("guest false", "guest true");
    text.replace(&incarnation, &life)
}

/// Clause A2. Clause A11.
#[test]
fn an_info_that_names_another_transport_and_a_bus_for_several_users_are_typed_errors() {
    let bus = bus!();
    let wrong = Info::unix(bus.info().route()).unwrap();
    match Bus::open(&wrong).unwrap_err() {
        BusError::OtherTransport { path, kind } => {
            assert_eq!((&*path, kind), (bus.info().route(), TransportKind::Files));
        }
        other => panic!("{other}"),
    }
    let joined = Handle::new(&wrong, "service").join().map(|_| ());
    assert!(joined.unwrap_err().to_string().contains("speaks over files"));
    let shared = Bus::builder().transport(TransportKind::Files).users(Users::Any).create();
    assert!(matches!(shared, Err(BusError::Unsupported { kind: TransportKind::Files, .. })));
}
