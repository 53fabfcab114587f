//! Messages and bodies between processes: what they take of memory, and the wall clock on them. Their order, bounds and
//! limits are in the suite.

use ipcm::Handle;
use ipcm_core::SendError;
use ipcm_tests::raw::{self, Happened};
use ipcm_tests::{AMPLE, Ask, Peer, RawLink, Wire, bus, proc, within};

/// The default limit of a body.
const LIMIT: usize = 16 * 1024 * 1024;

/// Clause B1.
#[test]
fn a_message_tells_when_it_was_sent() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut receiver = Handle::builder(bus.info(), "nobody").name("receiver").build();
    receiver.join().unwrap();
    let wall = || std::time::UNIX_EPOCH.elapsed().unwrap().as_micros();
    let before = wall();
    let info = bus.info().clone();
    let sender = std::thread::spawn(move || {
        let mut sender = Handle::new(&info, "nobody");
        sender.send_message("receiver", &"plain", AMPLE).unwrap();
        sender
    });
    let mut messages = Vec::new();
    while messages.is_empty() {
        receiver.poll(None).unwrap();
        messages.extend(receiver.messages());
    }
    let stamp = u128::from(messages[0].stamp);
    assert!((before..=wall()).contains(&stamp), "{stamp}");
    drop(sender.join().unwrap());
}

/// Clause B5. Fault X4.
#[test]
fn bodies_up_to_the_limit_come_back_whole_and_one_byte_more_is_an_error() {
    let _watchdog = within(60);
    let bus = bus!();
    let _service = Peer::start("echo", bus.info(), "echo");
    let mut handle = Handle::new(bus.info(), "echo");
    let body: Vec<u8> = (0..=LIMIT).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect();
    for size in [0, 1, 64 * 1024 - 1, 64 * 1024, 64 * 1024 + 1, 212_960, 1024 * 1024, LIMIT] {
        let answer = handle.sync_request_bytes("echo", &body[..size], AMPLE).unwrap();
        assert!(answer.bytes() == &body[..size], "{size} bytes came back changed");
        handle.send_message_bytes("echo", &body[..size], AMPLE).unwrap();
    }
    let too_large = SendError::TooLarge { peer: "echo".into(), limit: LIMIT };
    assert_eq!(handle.send_request_bytes("echo", &body, AMPLE), Err(too_large.clone()));
    assert_eq!(handle.send_message_bytes("echo", &body, AMPLE), Err(too_large.clone()));
    // An encoded sequence of 16 MiB has its length before it.
    assert_eq!(handle.send_request("echo", &body[..LIMIT], AMPLE), Err(too_large));
    assert_eq!(handle.sync_request_bytes("echo", b"still there", AMPLE).unwrap().bytes(), b"still there");
}

/// A frame says that it has 4 GiB, 16 MiB and a bit, or as much as it may, and no more of it ever comes.
///
/// Clause B5. Clause B6. Fault X9.
#[test]
fn a_size_that_a_hostile_peer_claims_takes_no_memory() {
    let _watchdog = within(60);
    let bus = bus!();
    let service = Peer::obedient(bus.info(), "service");
    let record = raw::record(&bus, "service");
    let mut me = Handle::builder(bus.info(), "service").name("me").build();
    assert_eq!(me.sync_request("service", &Ask::Number(1), AMPLE), Ok(1u64));
    let my_record = raw::record(&bus, "me");
    let before = proc::resident(service.pid());
    let mut open = Vec::new();
    for size in [u32::MAX, LIMIT as u32 + 4081, LIMIT as u32, 1 << 20] {
        for welcome in [false, true] {
            for _ in 0..16 {
                let mut raw = match welcome {
                    true => RawLink::call_as(bus.info(), &record, &my_record),
                    false => RawLink::call(bus.info(), &record, "me", my_record.incarnation()),
                };
                raw.send(&[&size.to_le_bytes()[..], &[1]].concat()).unwrap();
                if size > LIMIT as u32 + 4080 {
                    raw.await_closed();
                }
                open.push(raw);
            }
        }
    }
    assert_eq!(me.sync_request("service", &Ask::Number(2), AMPLE), Ok(2u64));
    let grown = proc::resident(service.pid()).saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes for 128 claims");
}

/// Fault X9: most never say a word, and the service has as many connections as it may.
#[test]
fn silent_connections_take_little_and_stop_nobody() {
    let _watchdog = within(60);
    proc::raise_descriptor_limit();
    let bus = bus!();
    let service = Peer::start("echo in a storm", bus.info(), "echo");
    let record = raw::record(&bus, "echo");
    let mut handle = Handle::new(bus.info(), "echo");
    assert_eq!(handle.sync_request("echo", &1u64, AMPLE), Ok(1u64));
    let mut idle = Handle::builder(bus.info(), "echo").name("me").build();
    idle.join().unwrap();
    let me = raw::record(&bus, "me");
    let before = proc::resident(service.pid());
    let silent: Vec<_> =
        (0..1000).map(|_| Wire::connect(bus.info(), &record, "me", me.incarnation()).unwrap()).collect();
    let greeted: Vec<_> = (0..50).map(|_| RawLink::call_as(bus.info(), &record, &me)).collect();
    for number in 0..100u64 {
        assert_eq!(handle.sync_request("echo", &number, AMPLE), Ok(number));
    }
    let mut late = Handle::new(bus.info(), "echo");
    assert_eq!(late.sync_request("echo", &7u64, AMPLE), Ok(7u64));
    let grown = proc::resident(service.pid()).saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes for 1050 idle connections");
    drop((silent, greeted));
    assert_eq!(handle.sync_request("echo", &8u64, AMPLE), Ok(8u64));
}

/// Clause B4. Fault X11: it asks for as much as it may, and reads nothing of what it gets.
#[test]
fn a_client_that_never_reads_makes_no_service_grow_and_delays_nobody() {
    let _watchdog = within(60);
    let bus = bus!();
    let service = Peer::start("echo", bus.info(), "echo");
    let record = raw::record(&bus, "echo");
    let mut handle = Handle::new(bus.info(), "echo");
    assert_eq!(handle.sync_request("echo", &1u64, AMPLE), Ok(1u64));
    let mut idle = Handle::builder(bus.info(), "echo").name("me").build();
    idle.join().unwrap();
    let me = raw::record(&bus, "me");
    let before = proc::resident(service.pid());
    let mut clients: Vec<_> = (0..4).map(|_| RawLink::call_as(bus.info(), &record, &me)).collect();
    for client in &mut clients {
        while client.try_request(&[3; 8192]) {}
        let output = client.take_output();
        // It sends on and on, and does not care for its window.
        for packet in output.chunks(64 * 1024).cycle().take(200) {
            if client.try_send(packet).is_err() {
                break;
            }
        }
    }
    for number in 0..50u64 {
        assert_eq!(handle.sync_request("echo", &number, AMPLE), Ok(number));
    }
    let grown = proc::resident(service.pid()).saturating_sub(before);
    // For each: what the window lets in, and once more for what goes out.
    assert!(grown < 64 << 20, "{grown} bytes for four clients");
}

/// The answers are a thousand times larger than the questions.
///
/// Clause B4. Fault X11.
#[test]
fn small_requests_for_large_answers_that_nobody_reads_make_no_service_grow() {
    let _watchdog = within(60);
    let bus = bus!();
    let service = Peer::obedient(bus.info(), "service");
    let record = raw::record(&bus, "service");
    let mut handle = Handle::new(bus.info(), "service");
    assert_eq!(handle.sync_request("service", &Ask::Number(1), AMPLE), Ok(1u64));
    let mut idle = Handle::builder(bus.info(), "service").name("me").build();
    idle.join().unwrap();
    let me = raw::record(&bus, "me");
    let before = proc::resident(service.pid());
    // Nine and a half: `Ask::Swell(100_000)` as the codec writes it.
    let mut body = Vec::new();
    ipcm_core::body::encode_into(&Ask::Swell(100_000), &mut body, 64).unwrap();
    let mut client = RawLink::call_as(bus.info(), &record, &me);
    let mut asked = 0;
    while asked < 4000 && client.try_request(&body) {
        asked += 1;
    }
    client.flush();
    for number in 0..50u64 {
        assert_eq!(handle.sync_request("service", &Ask::Number(number), AMPLE), Ok(number));
    }
    let grown = proc::resident(service.pid()).saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes for {asked} answers of 100 kB");
    // Nothing that was accepted is lost: once it reads, it gets them all.
    for _ in 0..asked {
        assert!(matches!(client.next(), Happened::Response(_, answer) if answer.len() == 100_000));
    }
}
