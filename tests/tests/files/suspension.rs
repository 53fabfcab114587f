//! Peers that give up their process and keep their name.

use std::sync::mpsc::channel;
use std::time::Duration;

use ipcm::{Bus, BusError, Handle, Info, JoinError, PeerState, Service, SuspendError};
use ipcm_core::{
    CallError, Config, GoneReason, Incarnation, Message, RemoteErrorKind, RequestError, SendError,
};
use ipcm_tests::obedient::SHORT;
use ipcm_tests::{AMPLE, Ask, Peer, bus, obedient, raw, transport, wire, within};

const HOUR: Duration = Duration::from_secs(3600);

fn named(bus: &Bus, name: &str) -> Handle {
    Handle::builder(bus.info(), "nobody").name(name).build()
}

fn numbers(handle: &mut Handle, count: usize) -> Vec<u64> {
    let mut numbers: Vec<u64> = Vec::new();
    while numbers.len() < count {
        handle.poll(AMPLE).unwrap();
        numbers.extend(handle.messages().iter().map(|message| message.decode::<u64>().unwrap()));
    }
    numbers
}

/// Before, while and after; on a link that was there, and from one that connects meanwhile and has left again.
///
/// Clause A6. Clause B2.
#[test]
fn what_is_sent_to_a_suspended_peer_comes_to_its_next_life_in_order() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut sleeper = named(&bus, "sleeper");
    sleeper.join().unwrap();
    let (go, gone) = channel();
    let (slept, asleep) = channel::<()>();
    let info = bus.info().clone();
    let friend = std::thread::spawn(move || {
        let mut friend = Handle::builder(&info, "nobody").name("friend").build();
        friend.send_message("sleeper", &0u64, AMPLE).unwrap();
        go.send(()).unwrap();
        asleep.recv().unwrap();
        for number in 1..5u64 {
            friend.send_message("sleeper", &number, AMPLE).unwrap();
        }
        let mut stranger = Handle::builder(&info, "nobody").name("stranger").build();
        stranger.send_message("sleeper", &100u64, AMPLE).unwrap();
        drop(stranger);
        friend
    });
    assert_eq!(numbers(&mut sleeper, 1), [0]);
    gone.recv().unwrap();
    sleeper.suspend(HOUR).unwrap();
    slept.send(()).unwrap();
    let mut friend = friend.join().unwrap();
    assert_eq!(
        bus.peers().unwrap().iter().map(|peer| peer.name()).collect::<Vec<_>>(),
        ["friend", "sleeper"]
    );
    assert!(bus.peer_exists("sleeper").unwrap() && !bus.peer_active("sleeper").unwrap());
    assert_eq!(bus.peer_pid("sleeper").unwrap(), None);

    let mut awake = named(&bus, "sleeper");
    awake.reconnect().unwrap();
    assert!(bus.peer_active("sleeper").unwrap());
    let mut came = numbers(&mut awake, 5);
    let theirs: Vec<u64> = came.extract_if(.., |number| *number == 100).collect();
    assert_eq!((came, theirs), (vec![1, 2, 3, 4], vec![100]));
    // And the link goes on both ways.
    let sender = std::thread::spawn(move || {
        friend.send_message("sleeper", &5u64, AMPLE).unwrap();
        friend
    });
    assert_eq!(numbers(&mut awake, 1), [5]);
    let mut friend = sender.join().unwrap();
    let sender = std::thread::spawn(move || {
        awake.send_message("friend", &6u64, AMPLE).unwrap();
        awake
    });
    assert_eq!(numbers(&mut friend, 1), [6]);
    drop(sender.join().unwrap());
}

/// Clause E3. Clause D7.
#[test]
fn a_call_waits_for_a_service_that_is_suspended_and_is_answered_by_its_next_life() {
    let _watchdog = within(30);
    let bus = bus!();
    let service = obedient::service(bus.info(), "service", || {}).spawn().unwrap();
    let mut handle = Handle::new(bus.info(), "service");
    assert_eq!(handle.sync_request("service", &Ask::Number(1), AMPLE), Ok(1u64));
    // One that was taken and not answered is the business of the life that ends.
    let held = handle.send_request("service", &Ask::Hold(2), None).unwrap();
    assert_eq!(handle.sync_request("service", &Ask::Wanted, AMPLE), Ok(1u64));
    service.suspend(HOUR).unwrap();
    match handle.await_response(held, None).unwrap_err() {
        RequestError::Remote { error, .. } => assert_eq!(error.kind, RemoteErrorKind::Unanswered),
        other => panic!("{other}"),
    }
    assert_eq!(handle.ready(), Ok(false));
    let late = handle.sync_request::<u64>("service", &Ask::Number(3), SHORT).unwrap_err();
    assert_eq!(late, CallError::Request(RequestError::TimedOut { peer: "service".into() }));
    let mut newcomer = Handle::new(bus.info(), "service");
    let ids: Vec<_> =
        (4..8).map(|number| handle.send_request("service", &Ask::Number(number), None).unwrap()).collect();
    let theirs = newcomer.send_request("service", &Ask::Number(9), None).unwrap();

    let next = obedient::obey(Service::new(bus.info(), "service").reconnect(), || {}).spawn().unwrap();
    for (id, number) in ids.into_iter().zip(4..8u64) {
        assert_eq!(handle.await_response(id, None).unwrap().decode(), Ok(number));
    }
    assert_eq!(newcomer.await_response(theirs, None).unwrap().decode(), Ok(9u64));
    assert_eq!(handle.sync_request("service", &Ask::Number(10), AMPLE), Ok(10u64));
    next.stop().unwrap();
    assert!(matches!(
        handle.sync_request::<u64>("service", &Ask::Number(1), AMPLE),
        Err(CallError::Send(SendError::NoSuchPeer { .. }))
    ));
}

/// Everybody dies in between.
///
/// Clause A6. Clause E3.
#[test]
fn what_was_sent_outlasts_the_death_of_all() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut service = Peer::start("suspend", bus.info(), "service");
    service.expect("suspended");
    service.await_zombie();
    let mut sender = Peer::start("call", bus.info(), "service");
    for number in 0..10 {
        sender.tell(&format!("message {number}"));
        sender.expect("sent");
    }
    sender.kill();
    let mut next = named(&bus, "service");
    next.reconnect().unwrap();
    assert_eq!(numbers(&mut next, 10), (0..10).collect::<Vec<_>>());
}

/// Clause A6.
#[test]
fn a_message_that_is_put_back_comes_again_before_all_others() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut sleeper = named(&bus, "sleeper");
    sleeper.join().unwrap();
    let info = bus.info().clone();
    let sender = std::thread::spawn(move || {
        let mut sender = Handle::builder(&info, "nobody").name("sender").build();
        for number in 0..3u64 {
            sender.send_message("sleeper", &number, AMPLE).unwrap();
        }
        sender
    });
    let mut messages = Vec::new();
    while messages.len() < 2 {
        sleeper.poll(AMPLE).unwrap();
        messages.extend(sleeper.messages());
    }
    let mut sender = sender.join().unwrap();
    let first = messages.remove(0);
    for message in [&messages[0], &first] {
        sleeper.requeue_message(message).unwrap();
    }
    sleeper.suspend(HOUR).unwrap();
    sender.send_message("sleeper", &9u64, AMPLE).unwrap();
    sleeper.reconnect().unwrap();
    assert!(sleeper.poll(None).unwrap() >= 2, "they are there already");
    let came = sleeper.messages();
    assert_eq!(came[..2], [messages[0].clone(), first]);
    let rest = came[2..].iter().map(|message| message.decode::<u64>().unwrap());
    let mut rest: Vec<u64> =
        messages[1..].iter().map(|message| message.decode().unwrap()).chain(rest).collect();
    while rest.len() < 2 {
        sleeper.poll(AMPLE).unwrap();
        rest.extend(sleeper.messages().iter().map(|message| message.decode::<u64>().unwrap()));
    }
    assert_eq!(rest, [2, 9]);
}

/// Clause A4. Clause A6. Clause E3.
#[test]
fn a_suspension_that_runs_out_is_the_end_of_the_peer_and_frees_its_name() {
    let _watchdog = within(30);
    let bus = bus!();
    let service = obedient::service(bus.info(), "service", || {}).spawn().unwrap();
    let mut handle = Handle::new(bus.info(), "service");
    assert_eq!(handle.sync_request("service", &Ask::Number(1), AMPLE), Ok(1u64));
    service.suspend(Duration::from_secs(1)).unwrap();
    let id = handle.send_request("service", &Ask::Number(2), None).unwrap();
    let taken = Service::echo(bus.info(), "service").spawn().unwrap_err();
    assert!(taken.to_string().contains("is kept for a suspended peer"), "{taken}");
    let ended = handle.await_response(id, None).unwrap_err();
    let reason = GoneReason::SuspensionExpired;
    assert_eq!(ended, RequestError::PeerGone { peer: "service".into(), reason });
    let late = named(&bus, "service").reconnect().map(|_| ()).unwrap_err();
    assert!(matches!(late, JoinError::NotSuspended { .. }), "{late}");
    assert!(!bus.peer_exists("service").unwrap());
    let _other = Service::echo(bus.info(), "service").spawn().unwrap();
    assert_eq!(handle.sync_request("service", &5u64, AMPLE), Ok(5u64));
}

/// Clause A10. Clause A6.
#[test]
fn those_who_watch_are_told_of_a_suspension_a_return_and_an_expiry() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut watcher = named(&bus, "watcher");
    watcher.watch_peers().unwrap();
    let mut next = || loop {
        let changes = watcher.peer_changes();
        match &changes[..] {
            [] => drop(watcher.poll(AMPLE).unwrap()),
            [change] => return (change.name.to_string(), change.state),
            more => panic!("{more:?}"),
        }
    };
    let mut peer = named(&bus, "peer");
    peer.join().unwrap();
    assert_eq!(next(), ("peer".to_owned(), PeerState::Active));
    peer.suspend(HOUR).unwrap();
    assert!(matches!(next(), (_, PeerState::Suspended(_))));
    peer.reconnect().unwrap();
    assert_eq!(next().1, PeerState::Active);
    peer.suspend(Duration::from_millis(300)).unwrap();
    assert!(matches!(next(), (_, PeerState::Suspended(_))));
    assert_eq!(next().1, PeerState::Gone);
}

/// Clause A6.
#[test]
fn a_peer_may_be_suspended_again_before_it_has_heard_anything() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut sleeper = named(&bus, "sleeper");
    sleeper.join().unwrap();
    sleeper.suspend(HOUR).unwrap();
    let mut sender = named(&bus, "sender");
    for number in 0..6u64 {
        sender.send_message("sleeper", &number, AMPLE).unwrap();
        sleeper.reconnect().unwrap();
        if number % 2 == 1 {
            sleeper.poll(Duration::ZERO).unwrap();
        }
        sleeper.suspend(HOUR).unwrap();
        sender.poll(Duration::ZERO).unwrap();
    }
    sleeper.reconnect().unwrap();
    assert_eq!(numbers(&mut sleeper, 6), [0, 1, 2, 3, 4, 5]);
}

/// Both ends of a link, one after the other.
///
/// Clause A6. Clause B2.
#[test]
fn two_peers_that_are_suspended_in_turn_lose_nothing() {
    let _watchdog = within(30);
    let bus = bus!();
    let (mut one, mut two) = (named(&bus, "one"), named(&bus, "two"));
    one.join().unwrap();
    two.join().unwrap();
    one.suspend(HOUR).unwrap();
    two.send_message("one", &1u64, AMPLE).unwrap();
    two.suspend(HOUR).unwrap();
    one.reconnect().unwrap();
    assert_eq!(numbers(&mut one, 1), [1]);
    one.send_message("two", &2u64, AMPLE).unwrap();
    one.suspend(HOUR).unwrap();
    two.reconnect().unwrap();
    assert_eq!(numbers(&mut two, 1), [2]);
    two.send_message("one", &3u64, AMPLE).unwrap();
    one.reconnect().unwrap();
    assert_eq!(numbers(&mut one, 1), [3]);
}

/// One that is connected to for the first time while it sleeps is given no more than it takes.
///
/// Clause A6. Clause B4. Clause B5.
#[test]
fn a_suspended_peer_that_takes_little_is_sent_no_more_than_that() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut config = Config::default();
    (config.window, config.body_limit) = (2000, 500);
    let sleeper = || Handle::builder(bus.info(), "nobody").name("sleeper").config(config.clone()).build();
    let mut asleep = sleeper();
    asleep.join().unwrap();
    asleep.suspend(HOUR).unwrap();
    let mut sender = named(&bus, "sender");
    sender.send_message("sleeper", &0u64, AMPLE).unwrap();
    let too_large = sender.try_send("sleeper", &vec![1u8; 1000]).unwrap_err();
    assert_eq!(too_large, SendError::TooLarge { peer: "sleeper".into(), limit: 500 });
    let mut accepted = 1u64;
    while sender.try_send("sleeper", &accepted).is_ok() {
        accepted += 1;
    }
    assert!((5..50).contains(&accepted), "{accepted}");
    let mut awake = sleeper();
    awake.reconnect().unwrap();
    assert_eq!(numbers(&mut awake, accepted as usize), (0..accepted).collect::<Vec<_>>());
    assert_eq!(awake.join().unwrap().client().endpoint().counters().violations, 0);
    while sender.try_send("sleeper", &accepted).is_err() {
        for handle in [&mut awake, &mut sender] {
            handle.poll(Duration::ZERO).unwrap();
        }
    }
    assert_eq!(numbers(&mut awake, 1), [accepted]);
}

/// Clause A6. Clause B4.
#[test]
fn what_all_lives_of_a_sender_have_waiting_is_bounded() {
    let _watchdog = within(60);
    let bus = bus!();
    let mut service = Peer::obedient(bus.info(), "service");
    let mailbox = wire::mailbox(bus.info(), raw::record(&bus, "service").incarnation());
    let mut sender = named(&bus, "sender");
    assert_eq!(sender.sync_request("service", &Ask::Number(1), AMPLE), Ok(1u64));
    service.pause();
    let mut accepted = 0u64;
    for _ in 0..4 {
        while sender.try_send("service", &accepted).is_ok() {
            accepted += 1;
        }
        sender.suspend(HOUR).unwrap();
        sender.reconnect().unwrap();
        while sender.poll(Duration::ZERO).unwrap() > 0 {}
    }
    assert!((5_000..20_000).contains(&accepted), "{accepted}");
    // At each of the suspensions, what had not left follows, and the word of it.
    let files = std::fs::read_dir(&mailbox).unwrap().count();
    assert!(files < 256 + 60, "{files} files");
    service.resume();
    let messages: Vec<u64> = sender.sync_request("service", &Ask::Messages, AMPLE).unwrap();
    assert!(messages.into_iter().eq(0..accepted), "not what was accepted, or not in order");
}

/// Nobody is left, not even one who owns the bus.
///
/// Clause A6. Clause A1.
#[test]
fn a_persistent_bus_keeps_what_was_sent_when_nobody_is_there() {
    let _watchdog = within(30);
    let parent = tempfile::tempdir().unwrap();
    let info = Info::new(transport!(), parent.path().join("bus")).unwrap();
    drop(Bus::builder().transport(transport!()).path(info.route()).guard(false).create().unwrap());
    let mut service = Peer::start("suspend", &info, "service");
    service.expect("suspended");
    let mut sender = Peer::start("call", &info, "service");
    for number in 0..10 {
        sender.tell(&format!("message {number}"));
        sender.expect("sent");
    }
    sender.kill();
    drop((sender, service));
    let bus = Bus::open(&info).unwrap();
    assert_eq!(bus.peers().unwrap().len(), 1, "the one that sleeps");
    assert!(matches!(Bus::remove(&info), Err(BusError::InUse { .. })));
    let mut next = named(&bus, "service");
    next.reconnect().unwrap();
    assert_eq!(numbers(&mut next, 10), (0..10).collect::<Vec<_>>());
    drop(next);
    Bus::remove(&info).unwrap();
}

/// It cannot leave, and it does not stand still.
///
/// Clause A9.
#[test]
fn a_shutdown_does_not_wait_for_a_service_that_is_suspended() {
    let _watchdog = within(30);
    let bus = bus!();
    let route = bus.info().route().to_owned();
    obedient::service(bus.info(), "service", || {}).spawn().unwrap().suspend(HOUR).unwrap();
    let report = bus.shutdown(HOUR).unwrap();
    assert_eq!(report.stuck, [""; 0]);
    assert!(!route.exists());
}

/// Has the wall clock jump, as seen by those who look at this suspension: it ends so much later, or earlier.
fn jump(bus: &Bus, name: &str, hours: i64) {
    let file = bus.info().route().join(format!("{name}.peer"));
    let record = std::fs::read_to_string(&file).unwrap();
    let line = record.lines().find(|line| line.starts_with("suspended ")).unwrap();
    let until: u64 = line["suspended ".len()..].parse().unwrap();
    let moved = until.saturating_add_signed(hours * 3600 * 1_000_000);
    let draft = bus.info().route().join(".jump.new");
    std::fs::write(&draft, record.replace(line, &format!("suspended {moved}"))).unwrap();
    std::fs::rename(draft, file).unwrap();
}

/// Clause D4. Clause A6. Fault X21.
#[test]
fn a_jump_of_the_wall_clock_does_not_prolong_a_wait_for_a_suspended_peer() {
    let _watchdog = within(30);
    let bus = bus!();
    let service = obedient::service(bus.info(), "service", || {}).spawn().unwrap();
    let mut handle = Handle::new(bus.info(), "service");
    assert_eq!(handle.sync_request("service", &Ask::Number(1), AMPLE), Ok(1u64));
    service.suspend(Duration::from_secs(1)).unwrap();
    let id = handle.send_request("service", &Ask::Number(2), None).unwrap();
    jump(&bus, "service", 2);
    let reason = GoneReason::SuspensionExpired;
    let ended = handle.await_response(id, None).unwrap_err();
    assert_eq!(ended, RequestError::PeerGone { peer: "service".into(), reason });
}

/// Clause D4. Clause A4. Fault X21: those who look now see it as over, and those who wait are told when another has come.
#[test]
fn a_jump_of_the_wall_clock_beyond_a_suspension_frees_the_name() {
    let _watchdog = within(30);
    let bus = bus!();
    let service = obedient::service(bus.info(), "service", || {}).spawn().unwrap();
    let mut handle = Handle::new(bus.info(), "service");
    assert_eq!(handle.sync_request("service", &Ask::Number(1), AMPLE), Ok(1u64));
    service.suspend(HOUR).unwrap();
    let id = handle.send_request("service", &Ask::Number(2), None).unwrap();
    jump(&bus, "service", -2);
    assert!(!bus.peer_exists("service").unwrap());
    let late = named(&bus, "service").reconnect().map(|_| ()).unwrap_err();
    assert!(matches!(late, JoinError::NotSuspended { .. }), "{late}");
    let _other = Service::echo(bus.info(), "service").spawn().unwrap();
    assert!(raw::is_gone(&handle.await_response(id, None)));
    assert_eq!(handle.sync_request("service", &5u64, AMPLE), Ok(5u64));
}

/// Clause A6.
#[test]
fn a_service_puts_messages_back_that_it_does_not_deal_with() {
    let _watchdog = within(30);
    let bus = bus!();
    let (send, came) = channel();
    let service = Service::new(bus.info(), "service").on_message(move |context, message| {
        context.requeue_message(&message).unwrap();
        send.send(message).unwrap();
    });
    let service = service.spawn().unwrap();
    let mut sender = named(&bus, "sender");
    for number in 0..3u64 {
        sender.send_message("service", &number, AMPLE).unwrap();
    }
    let messages: Vec<Message> = came.iter().take(3).collect();
    service.suspend(HOUR).unwrap();
    let mut next = named(&bus, "service");
    next.reconnect().unwrap();
    assert_eq!(next.messages(), messages);
}

/// Clause A6.
#[test]
fn a_socket_bus_says_that_it_cannot() {
    let _watchdog = within(30);
    let bus = ipcm::Bus::spawn().unwrap();
    let mut handle = Handle::new(bus.info(), "service");
    assert_eq!(handle.suspend(HOUR), Err(SuspendError::Unsupported));
    let name = || "x".into();
    let (incarnation, content) = (Incarnation::from_bits(1), Vec::new());
    let message =
        Message { from: name(), to: name(), incarnation, sequence: 1, broadcast: false, stamp: 0, content };
    assert_eq!(handle.requeue_message(&message), Err(SuspendError::Unsupported));
    let service = Service::echo(bus.info(), "service").spawn().unwrap();
    assert_eq!(service.stopper().suspend(HOUR), Err(SuspendError::Unsupported));
    assert_eq!(handle.sync_request("service", &1u64, AMPLE), Ok(1u64));
}
