//! Messages: who sent them, in which order they come, how large they may be.

use std::time::Duration;

use ipcm::{Handle, Service};
use ipcm_core::{Config, Delivery, RemoteErrorKind, RequestError, SendError};
use ipcm_tests::raw::{self, Happened};
use ipcm_tests::{AMPLE, Ask, Peer, RawLink, Wire, bus, obedient, proc, within};

/// The default limit of a body.
const LIMIT: usize = 16 * 1024 * 1024;

/// Clause B1.
#[test]
fn a_message_tells_where_it_comes_from() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut receiver = Handle::builder(bus.info(), "nobody").name("receiver").build();
    receiver.join().unwrap();
    let sender = std::thread::spawn({
        let info = bus.info().clone();
        move || {
            let mut sender = Handle::builder(&info, "nobody").name("sender").build();
            sender.send_message("receiver", &"plain", AMPLE).unwrap();
            let outcomes = sender.broadcast(&"to all", AMPLE).unwrap();
            assert_eq!(outcomes, [Delivery { peer: "receiver".into(), outcome: Ok(()) }]);
            sender
        }
    });
    let mut messages = Vec::new();
    while messages.len() < 2 {
        receiver.poll(None).unwrap();
        messages.extend(receiver.messages());
    }
    let from = raw::record(&bus, "sender").incarnation();
    for (at, (text, broadcast)) in [("plain", false), ("to all", true)].into_iter().enumerate() {
        let message = &messages[at];
        assert_eq!((&*message.from, &*message.to, message.incarnation), ("sender", "receiver", from));
        assert_eq!((message.sequence, message.broadcast), (at as u64 + 1, broadcast));
        assert_eq!(message.decode::<String>().as_deref(), Ok(text));
        let wall = std::time::UNIX_EPOCH.elapsed().unwrap().as_micros();
        assert!(u128::from(message.stamp) <= wall && u128::from(message.stamp) + 60_000_000 > wall);
    }
    drop(sender.join().unwrap());
}

/// Some are sent at once, some wait for room, some are queued; requests come in between.
///
/// Clause B2.
#[test]
fn messages_arrive_in_the_order_sent_each_once() {
    let _watchdog = within(60);
    let bus = bus!();
    let mut config = Config::default();
    // Room for one at a time.
    config.window = 100;
    let _service = obedient::obey(Service::new(bus.info(), "service").config(config), || {}).spawn().unwrap();
    let mut handle = Handle::new(bus.info(), "service");
    let mut blocked = 0;
    for number in 0..3000u64 {
        if number % 3 == 0 {
            handle.send_message("service", &number, AMPLE).unwrap();
        } else {
            while let Err(error) = handle.try_send("service", &number) {
                assert!(matches!(error, SendError::WouldBlock { .. }), "{error}");
                blocked += 1;
                handle.poll(Duration::from_millis(1)).unwrap();
            }
        }
        if number % 1000 == 999 {
            let numbers: Vec<u64> = handle.sync_request("service", &Ask::Messages, AMPLE).unwrap();
            assert_eq!(numbers, (0..=number).collect::<Vec<_>>());
        }
    }
    assert!(blocked > 0, "the window was never full");
}

/// Clause B3.
#[test]
fn a_broadcast_tells_what_came_of_every_peer() {
    let _watchdog = within(30);
    let bus = bus!();
    let services: Vec<_> = ["a", "b", "c"].map(|name| Peer::obedient(bus.info(), name)).into();
    let mut stopped = Peer::start("join", bus.info(), "stopped");
    let mut handle = Handle::builder(bus.info(), "a").name("me").build();
    for _ in 0..2 {
        let outcomes = handle.broadcast(&1u64, Duration::from_secs(1)).unwrap();
        let told: Vec<_> =
            outcomes.iter().map(|delivery| (&*delivery.peer, delivery.outcome.is_ok())).collect();
        // The one that takes nothing in is sorted behind the others, who are not kept from theirs.
        assert_eq!(told, [("a", true), ("b", true), ("c", true), ("stopped", false)]);
        assert_eq!(outcomes[3].outcome, Err(SendError::TimedOut { peer: "stopped".into() }));
    }
    stopped.kill();
    let outcomes = handle.broadcast(&1u64, AMPLE).unwrap();
    assert_eq!(outcomes.len(), 3);
    for name in ["a", "b", "c"] {
        assert_eq!(handle.sync_request(name, &Ask::Messages, AMPLE), Ok(vec![1u64, 1, 1]));
    }
    drop(services);
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

/// Clause B5. Fault X4.
#[test]
fn an_answer_above_the_limit_is_an_error_of_the_caller_and_the_service_goes_on() {
    let _watchdog = within(60);
    let bus = bus!();
    let _service = Peer::obedient(bus.info(), "service");
    let mut config = Config::default();
    config.body_limit = 100_000;
    let mut handle = Handle::builder(bus.info(), "service").config(config).build();
    let size = |handle: &mut Handle, size| {
        let id = handle.send_request("service", &Ask::Swell(size), AMPLE).unwrap();
        handle.await_response(id, None).map(|answer| answer.bytes().len())
    };
    assert_eq!(size(&mut handle, 100_000), Ok(100_000));
    match size(&mut handle, 100_001).unwrap_err() {
        RequestError::Remote { error, .. } => assert_eq!(error.kind, RemoteErrorKind::ResponseTooLarge),
        other => panic!("{other}"),
    }
    assert_eq!(handle.sync_request("service", &Ask::Number(1), AMPLE), Ok(1u64));
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

/// Junk of every length, before the hello and behind it, cut frames, and a flood of tiny packets.
///
/// Clause B6. Fault X8.
#[test]
fn junk_closes_its_own_connection_and_no_other() {
    let _watchdog = within(60);
    let bus = bus!();
    let _service = Peer::obedient(bus.info(), "service");
    let record = raw::record(&bus, "service");
    let mut me = Handle::builder(bus.info(), "service").name("me").build();
    me.join().unwrap();
    let my_record = raw::record(&bus, "me");
    let mut bystander = RawLink::call_as(bus.info(), &record, &my_record);
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    for round in 0..200 {
        let junk: Vec<u8> = (0..16 + round * 7 % 500)
            .map(|_| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (random >> 56) as u8
            })
            .collect();
        let mut raw = match round % 4 {
            0 => RawLink::call_as(bus.info(), &record, &my_record),
            _ => RawLink::call(bus.info(), &record, "me", my_record.incarnation()),
        };
        match round % 4 {
            // A true hello, and junk behind it.
            0 => raw.send(&junk).unwrap(),
            // Junk for a hello.
            1 => raw.send(&junk).unwrap(),
            // A frame of the right size whose head is junk.
            2 => {
                let size = (junk.len() as u32 + 5).to_le_bytes();
                raw.send(&[&size[..], &[1], &junk].concat()).unwrap();
            }
            // Half a hello in the smallest pieces, and the end.
            _ => {
                let hello = raw.take_output();
                for piece in hello[..hello.len() / 2].chunks_exact(raw::SHORTEST_PACKET) {
                    raw.send(piece).unwrap();
                }
                continue;
            }
        }
        // The junk of a partial frame is waited on; it ends when its sender does.
        drop(raw);
    }
    bystander.request(b"");
    bystander.flush();
    assert!(matches!(bystander.next(), Happened::Failed(..)), "the bystander's request does not decode");
    assert_eq!(me.sync_request("service", &Ask::Number(2), AMPLE), Ok(2u64));
}

/// Each is cut off for what it did, at once and by name of the deed.
///
/// Clause B6. Fault X8.
#[test]
fn a_frame_without_sense_closes_the_connection() {
    let _watchdog = within(60);
    let bus = bus!();
    let mut service = Handle::builder(bus.info(), "nobody").name("service").build();
    service.join().unwrap();
    let mut me = Handle::builder(bus.info(), "service").name("me").build();
    me.join().unwrap();
    let (record, my_record) = (raw::record(&bus, "service"), raw::record(&bus, "me"));
    let deeds: [&[u8]; 6] = [
        // Too short, head of no length, head beyond the frame, unknown head, hello that is cut, a zero length.
        &[15, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[16, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[16, 0, 0, 0, 1, 99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[16, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ];
    for (at, deed) in deeds.iter().enumerate() {
        let mut raw = RawLink::call(bus.info(), &record, "me", my_record.incarnation());
        raw.send(deed).unwrap();
        let closed = std::thread::spawn(move || raw.await_closed());
        while !closed.is_finished() {
            service.poll(Duration::from_millis(1)).unwrap();
        }
        closed.join().unwrap();
        let violations = service.join().unwrap().client().endpoint().counters().violations;
        assert_eq!(violations, at as u64 + 1, "{deed:?}");
    }
}

/// Clause B6. Fault X8.
#[test]
fn a_flood_of_tiny_frames_is_answered_and_starves_nobody() {
    let _watchdog = within(60);
    let bus = bus!();
    let _service = Peer::obedient(bus.info(), "service");
    let mut me = Handle::builder(bus.info(), "service").name("me").build();
    me.join().unwrap();
    let mut raw = RawLink::call_as(bus.info(), &raw::record(&bus, "service"), &raw::record(&bus, "me"));
    let mut other = Handle::new(bus.info(), "service");
    let (mut sent, mut ended) = (0, 0);
    for round in 0..5u64 {
        while raw.try_request(&[]) {
            sent += 1;
        }
        raw.flush();
        assert_eq!(other.sync_request("service", &Ask::Number(round), AMPLE), Ok(round));
        while ended < sent {
            assert!(matches!(raw.next(), Happened::Failed(..)));
            ended += 1;
        }
    }
    assert!(sent > 20_000, "{sent} requests in five windows");
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
