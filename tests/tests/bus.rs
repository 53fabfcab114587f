//! The bus as its users see it: who is there, whose a name is, how it begins and ends. Here and not in the suite, as its
//! peers are processes and it is a directory.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use ipcm::{Bus, BusError, Handle, Info, InfoError, JoinError, PeerKind, Service};
use ipcm_tests::{AMPLE, Ask, Peer, bus, obedient, proc, raw, transport, within};

/// Clause A1.
#[test]
fn a_bus_is_private_and_ends_with_its_guard() {
    let _watchdog = within(30);
    let bus = bus!();
    let route = bus.info().route().to_owned();
    let meta = fs::metadata(&route).unwrap();
    assert_eq!(meta.mode() & 0o7777, 0o700);
    // SAFETY: it has no arguments and cannot fail.
    assert_eq!(meta.uid(), unsafe { libc::geteuid() });
    let mut service = Peer::obedient(bus.info(), "service");
    drop(bus);
    service.expect("ended");
    assert!(!route.exists());
}

/// Clause A1. Clause A9. The guard is in a process that is killed: its bus is cleared away by the next.
#[test]
fn a_guard_in_another_process_ends_its_bus_and_a_persistent_bus_outlives_all() {
    let _watchdog = within(30);
    let parent = tempfile::tempdir().unwrap();
    let info = Info::new(transport!(), parent.path().join("bus")).unwrap();
    let mut owner = Peer::start("own a bus", &info, "-");
    let theirs: Info = owner.hear().unwrap().parse().unwrap();
    let mut service = Peer::obedient(&theirs, "service");
    owner.tell("end it");
    owner.expect("ended");
    service.expect("ended");
    assert!(matches!(Bus::open(&theirs), Err(BusError::NoBus { .. })));

    let bus = Bus::builder().transport(transport!()).path(info.route()).guard(false).create().unwrap();
    let service = Peer::obedient(bus.info(), "service");
    drop(bus);
    let mut handle = Handle::new(&info, "service");
    assert_eq!(handle.sync_request("service", &Ask::Number(1), AMPLE), Ok(1u64));
    assert!(matches!(Bus::remove(&info), Err(BusError::InUse { .. })));
    drop((handle, service));
    Bus::remove(&info).unwrap();
    assert!(!info.route().exists());
}

/// Clause A2.
#[test]
fn the_info_of_a_bus_is_a_line_that_any_process_connects_with() {
    let _watchdog = within(30);
    let parent = tempfile::tempdir().unwrap();
    let route = parent.path().join("a \"strange\" name\\with ünicode");
    let bus = Bus::builder().transport(transport!()).path(&route).create().unwrap();
    let line = bus.info().to_string();
    assert!(!line.contains('\n'));
    let back: Info = line.parse().unwrap();
    assert_eq!(&back, bus.info());
    // The command line of the peer is that line.
    let service = Peer::obedient(&back, "service");
    assert_eq!(bus.peer_pid("service").unwrap(), Some(service.pid()));
    assert!(matches!(r#"["tcp","postcard","/x"]"#.parse::<Info>(), Err(InfoError::UnknownTransport { .. })));
    assert!(matches!(r#"["unix","xml","/x"]"#.parse::<Info>(), Err(InfoError::UnknownCodec { .. })));
}

/// A name of one letter to one of 512 bytes, with all that a file name may not have, on a route of 900
/// bytes.
///
/// Clause A3.
#[test]
fn names_of_any_kind_are_peers_on_a_route_of_any_length() {
    let _watchdog = within(30);
    let parent = tempfile::tempdir().unwrap();
    let mut route = parent.path().to_owned();
    while route.as_os_str().len() < 900 {
        route.push("d".repeat(100));
        fs::create_dir(&route).unwrap();
    }
    let bus = Bus::builder().transport(transport!()).path(route.join("bus")).create().unwrap();
    let long = "ö".repeat(256);
    let names = ["a", "a/b\\c", "..", ".hidden", "new\nline", "h-00", "-", "x.peer", &long];
    let services: Vec<_> =
        names.iter().map(|name| Service::echo(bus.info(), name).spawn().unwrap()).collect();
    let mut handle = Handle::builder(bus.info(), "a").name("zzz").build();
    for name in names {
        assert_eq!(handle.sync_request(name, &name.to_owned(), AMPLE), Ok(name.to_owned()));
        assert!(bus.peer_exists(name).unwrap());
    }
    let peers = bus.peers().unwrap();
    let mut expected: Vec<&str> = names.into_iter().chain(["zzz"]).collect();
    expected.sort_unstable();
    assert_eq!(peers.iter().map(|peer| peer.name()).collect::<Vec<_>>(), expected);
    for bad in ["", "_x", &"y".repeat(513)] {
        let joined = Handle::builder(bus.info(), "a").name(bad).build().join().map(|_| ());
        assert!(matches!(joined, Err(JoinError::Name { .. })), "{bad:?}");
    }
    drop((handle, services));
}

/// Clause A4. Fault X5.
#[test]
fn a_name_has_one_owner_until_that_one_is_dead() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut service = Peer::obedient(bus.info(), "service");
    match Service::echo(bus.info(), "service").spawn().unwrap_err() {
        ipcm::ServiceError::Join(JoinError::NameTaken { name, pid, .. }) => {
            assert_eq!((&*name, pid), ("service", service.pid()));
        }
        other => panic!("{other}"),
    }
    service.pause();
    assert!(Service::echo(bus.info(), "service").spawn().is_err(), "one that stands still is alive");
    service.kill();
    let echo = Service::echo(bus.info(), "service").spawn().unwrap();
    assert_eq!(echo.handle().sync_request("service", &8u64, AMPLE), Ok(8u64));
    assert_eq!(
        fs::read_dir(bus.info().route()).unwrap().count(),
        4,
        "two files of the bus, two of the service"
    );
}

/// The record that a dead peer has left says that it is a process that lives: this one.
///
/// Fault X7. Clause A4. Clause A5.
#[test]
fn a_record_that_names_an_unrelated_live_process_is_that_of_a_dead_peer() {
    let _watchdog = within(30);
    let bus = bus!();
    let _alive = Service::echo(bus.info(), "alive").spawn().unwrap();
    let mut dead = Peer::obedient(bus.info(), "service");
    let mut handle = Handle::new(bus.info(), "service");
    let held = handle.send_request("service", &Ask::Hold(1), None).unwrap();
    assert_eq!(handle.sync_request("service", &Ask::Wanted, AMPLE), Ok(1u64));
    dead.kill();
    let file = |name: &str| bus.info().route().join(format!("{name}.peer"));
    let [of_dead, of_alive] = ["service", "alive"].map(|name| fs::read_to_string(file(name)).unwrap());
    let process = |record: &str| record.lines().find(|line| line.starts_with("process ")).unwrap().to_owned();
    let forged = of_dead.replace(&process(&of_dead), &process(&of_alive));
    assert_ne!(forged, of_dead);
    fs::write(file("service"), forged).unwrap();
    assert!(!bus.peer_exists("service").unwrap() && !bus.peer_active("service").unwrap());
    assert_eq!(bus.peer_pid("service").unwrap(), None);
    assert!(raw::is_gone(&handle.await_response(held, None)));
    let absent = ipcm_core::SendError::NoSuchPeer { peer: "service".into() };
    assert_eq!(handle.send_message("service", &1u64, AMPLE), Err(absent));
    let _next = Peer::obedient(bus.info(), "service");
    assert_eq!(handle.sync_request("service", &Ask::Number(2), AMPLE), Ok(2u64));
}

/// Clause A5.
#[test]
fn the_list_of_peers_is_sorted_and_tells_who_lives() {
    let _watchdog = within(30);
    let bus = bus!();
    let services: Vec<_> = ["c", "a", "b"].iter().map(|name| Peer::obedient(bus.info(), name)).collect();
    let mut dead = Peer::start("join", bus.info(), "dead");
    assert!(bus.peer_active("dead").unwrap());
    dead.kill();
    let peers = bus.peers().unwrap();
    let told: Vec<_> = peers.iter().map(|peer| (peer.name(), peer.pid(), peer.kind())).collect();
    let service = |name, at: usize| (name, services[at].pid(), PeerKind::Service);
    assert_eq!(told, [service("a", 1), service("b", 2), service("c", 0)]);
    assert_eq!((bus.peer_exists("dead").unwrap(), bus.peer_pid("dead").unwrap()), (false, None));
    assert_eq!((bus.peer_exists("nobody").unwrap(), bus.peer_active("nobody").unwrap()), (false, false));
}

/// Lets them all begin at the same moment; what each of them says.
fn begin(racers: &mut [Peer]) -> Vec<String> {
    let place = tempfile::tempdir().unwrap();
    let gate = place.path().join("gate");
    let path = std::ffi::CString::new(gate.as_os_str().as_encoded_bytes()).unwrap();
    // SAFETY: the path is a string that ends with a zero.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
    racers.iter_mut().for_each(|racer| racer.tell(gate.to_str().unwrap()));
    for racer in &mut *racers {
        racer.expect("set");
        proc::await_sleep(racer.pid());
    }
    drop(fs::OpenOptions::new().write(true).open(&gate).unwrap());
    racers.iter_mut().map(|racer| racer.hear().unwrap()).collect()
}

/// Whoever takes the name first, and then whoever takes it from the one that was killed.
///
/// Clause A4. Fault X19.
#[test]
fn of_fifty_processes_that_race_for_a_name_one_wins() {
    let _watchdog = within(60);
    let bus = bus!();
    let mut former = Peer::start("join", bus.info(), "prize");
    former.kill();
    for _ in 0..2 {
        let mut racers: Vec<_> =
            (0..50).map(|_| Peer::begin("race for a name", bus.info(), "prize")).collect();
        racers.iter_mut().for_each(|racer| racer.expect("ready"));
        let said = begin(&mut racers);
        let winners: Vec<_> = said.iter().enumerate().filter(|(_, said)| *said == "won").collect();
        assert_eq!(winners.len(), 1, "{said:?}");
        assert_eq!(said.iter().filter(|said| *said == "taken").count(), 49, "{said:?}");
        let winner = winners[0].0;
        assert_eq!(bus.peer_pid("prize").unwrap(), Some(racers[winner].pid()));
        racers[winner].kill();
        assert!(!bus.peer_exists("prize").unwrap());
    }
    Service::echo(bus.info(), "prize").spawn().unwrap();
}

/// Fault X19. Clause A1.
#[test]
fn of_fifty_processes_that_start_one_bus_one_owns_it() {
    let _watchdog = within(60);
    let parent = tempfile::tempdir().unwrap();
    let info = Info::new(transport!(), parent.path().join("bus")).unwrap();
    let mut racers: Vec<_> = (0..50).map(|_| Peer::begin("race for a bus", &info, "-")).collect();
    racers.iter_mut().for_each(|racer| racer.expect("ready"));
    let said = begin(&mut racers);
    let winners: Vec<_> = said.iter().enumerate().filter(|(_, said)| *said == "won").collect();
    assert_eq!(winners.len(), 1, "{said:?}");
    assert_eq!(said.iter().filter(|said| *said == "owned").count(), 49, "{said:?}");
    let service = Peer::obedient(&info, "service");
    let mut handle = Handle::new(&info, "service");
    assert_eq!(handle.sync_request("service", &Ask::Number(1), AMPLE), Ok(1u64));
    drop((service, handle));
    let owner = &mut racers[winners[0].0];
    owner.tell("end it");
    owner.expect("ended");
    assert!(!info.route().exists());
}

/// Clause A9. Fault X10.
#[test]
fn a_shutdown_names_the_one_that_does_not_leave_and_does_not_wait_for_it() {
    let _watchdog = within(30);
    let bus = bus!();
    let route = bus.info().route().to_owned();
    let mut leaves = Peer::obedient(bus.info(), "leaves");
    let mut stuck = Peer::obedient(bus.info(), "stuck");
    stuck.pause();
    let report = bus.shutdown(Duration::from_secs(2)).unwrap();
    assert_eq!(report.stuck, ["stuck"]);
    leaves.expect("ended");
    assert!(!route.exists());
    stuck.resume();
    // It has its farewell waiting, or sees that the bus is gone.
    assert!(matches!(
        stuck.hear().as_deref(),
        Some("ended" | "failed: the bus of the service \"stuck\" is gone")
    ));
}

/// Clause A10.
#[test]
fn arrivals_and_departures_wake_a_wait_without_a_timeout() {
    let _watchdog = within(30);
    let bus = bus!();
    let _there = obedient::service(bus.info(), "there", || {}).spawn().unwrap();
    let mut handle = Handle::builder(bus.info(), "there").name("me").build();
    handle.watch_peers().unwrap();
    let [readiness] = handle.select_handles().unwrap();
    let next = |handle: &mut Handle| {
        loop {
            let changes = handle.peer_changes();
            if !changes.is_empty() {
                assert_eq!(changes.len(), 1);
                return (
                    changes[0].name.to_string(),
                    changes[0].state == ipcm_core::transport::PeerState::Gone,
                );
            }
            proc::await_readable(&readiness);
            handle.poll(Duration::ZERO).unwrap();
        }
    };
    handle.poll(Duration::ZERO).unwrap();
    assert_eq!(next(&mut handle), ("there".to_owned(), false));
    for _ in 0..5 {
        let mut peer = Peer::start("join", bus.info(), "guest");
        assert_eq!(next(&mut handle), ("guest".to_owned(), false));
        peer.kill();
        assert_eq!(next(&mut handle), ("guest".to_owned(), true));
    }
    assert_eq!(raw::record(&bus, "me").kind(), PeerKind::Handle);
}
