//! What processes of the tests do while there is too little of something.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::mpsc::Receiver;

use ipcm::{Bus, BusError, Handle, Info, JoinError, TransportKind};
use ipcm_core::SendError;

use crate::obedient::{self, Ask, say};
use crate::shortage::{self, Hoard, Lack, SmallDisk};
use crate::{AMPLE, raw, wire};

/// The system has no inotify and no pidfd left for this process.
pub fn without_notices() {
    shortage::deny(&[libc::SYS_inotify_init1, libc::SYS_pidfd_open], libc::EMFILE);
}

/// Everything on a bus whose disk is full.
pub fn fill_a_disk(place: &str) {
    let mut disk = match SmallDisk::mount(Path::new(place)) {
        Ok(disk) => disk,
        Err(error) => return say(&format!("no disk of its own: {error}")),
    };
    say("ready");
    let files = || Bus::builder().transport(TransportKind::Files);
    let bus = files().path(Path::new(place).join("bus")).create().expect("there is room");
    let info = bus.info();
    let _service = obedient::service(info, "service", || {}).spawn().expect("there is room");
    let mut handle = Handle::new(info, "service");
    let mut expected = Vec::new();
    for lack in [Lack::Bytes, Lack::Files] {
        let leaver = obedient::service(info, "leaver", || {}).spawn().expect("there is room");
        let (mut sleeper, mut shy) = (Handle::new(info, "service"), Handle::new(info, "service"));
        for caller in [&mut handle, &mut sleeper] {
            assert_eq!(caller.sync_request("service", &Ask::Number(1), AMPLE), Ok(1u64));
        }
        shy.join().expect("there is room");
        let held = handle.send_request("leaver", &Ask::Hold(1), None).expect("there is room");
        assert_eq!(handle.sync_request("leaver", &Ask::Number(1), AMPLE), Ok(1u64));
        let kept = sleeper.send_request("service", &Ask::Hold(1), None).expect("there is room");
        while handle.sync_request::<u64>("service", &Ask::Wanted, AMPLE).expect("there is room") == 0 {}
        disk.fill(lack);

        // Nothing passes, and everybody is told so.
        let late = handle.sync_request::<u64>("service", &Ask::Number(2), obedient::SHORT).unwrap_err();
        assert_eq!(late.to_string(), "\"service\" did not answer in time", "{lack:?}");
        for number in 0..50u64 {
            match handle.try_send("service", &number) {
                Ok(()) => expected.push(number),
                Err(error) => assert!(matches!(error, SendError::WouldBlock { .. }), "{error}"),
            }
        }
        let connected = |_: &Path| shy.sync_request::<u64>("service", &Ask::Number(2), AMPLE);
        let refused = disk.refuses(lack, connected);
        assert!(refused.to_string().contains("no space left for connecting to a peer"), "{refused}");
        let refused = disk.refuses(lack, |_| Handle::new(info, "service").join().map(drop));
        assert!(matches!(refused, JoinError::Bus { source: BusError::DiskFull { .. }, .. }), "{refused}");
        let refused = disk.refuses(lack, |place| files().path(place.join("other")).create());
        assert!(matches!(refused, BusError::DiskFull { .. }), "{refused}");
        // One who leaves says so, though there is no room for a word.
        leaver.stop().expect("it stops");
        assert!(raw::is_gone(&handle.await_response(held, None)), "{lack:?}");
        // One who cannot be suspended has left, and its peer knows.
        disk.fill(lack);
        let refused = sleeper.suspend(AMPLE).unwrap_err();
        assert!(refused.to_string().contains("no space left for suspending a peer"), "{refused}");
        assert!(sleeper.await_response(kept, None).is_err());
        let name = sleeper.name().to_owned();
        assert!(!bus.peer_exists(&name).expect("the bus is there"));

        disk.clear();
        assert_eq!(shy.sync_request("service", &Ask::Number(3), AMPLE), Ok(3u64));
        assert_eq!(handle.sync_request("service", &Ask::Wanted, AMPLE), Ok(0u64));
        assert_eq!(handle.sync_request("service", &Ask::Messages, AMPLE), Ok(expected.clone()));
    }
    drop((handle, bus));
    say("survived");
}

/// A service in a process that has no descriptor left, between two lines.
pub fn starve(info: &Info, name: &str, lines: &Receiver<String>) {
    let _service = obedient::service(info, name, || {}).spawn().expect("the bus is there");
    say("ready");
    while let Ok(line) = lines.recv() {
        assert_eq!(line, "starve");
        let hoard = Hoard::of_all();
        say("starving");
        let _ = lines.recv();
        drop(hoard);
        say("fed");
    }
}

/// Takes up a suspended life, with ever more descriptors, and says what came of each attempt.
pub fn reconnect_while_starving(info: &Info, name: &str) {
    say("ready");
    for left in 0.. {
        let hoard = Hoard::but(left);
        let mut handle = Handle::builder(info, "nobody").name(name).build();
        let Err(error) = handle.reconnect().map(drop) else {
            drop(hoard);
            while handle.messages().is_empty() {
                handle.poll(AMPLE).expect("the bus is there");
            }
            return say(&format!("back with {left}"));
        };
        drop(hoard);
        say(&format!("{error}"));
    }
}

/// The bus of one user, who takes permissions away from it and gives them back.
pub fn lose_permission() {
    shortage::become_ordinary();
    say("ready");
    let bus = Bus::builder().transport(TransportKind::Files).create().expect("everybody may");
    let mode =
        |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
    let route = bus.info().route();
    for round in 0..2u64 {
        let _service = obedient::service(bus.info(), "service", || {}).spawn().expect("the bus is there");
        let mut handle = Handle::new(bus.info(), "service");
        assert_eq!(handle.sync_request("service", &Ask::Number(round), AMPLE), Ok(round));
        let mailbox = wire::mailbox(bus.info(), raw::record(&bus, "service").incarnation());
        // The mailbox alone, and then all of the bus.
        let path = if round == 0 { &*mailbox } else { route };
        mode(path, 0);
        let refused = handle.sync_request::<u64>("service", &Ask::Number(2), AMPLE).unwrap_err();
        assert!(refused.to_string().contains("permission"), "{refused}");
        let mut other = Handle::new(bus.info(), "service");
        let refused = other.sync_request::<u64>("service", &Ask::Number(2), AMPLE).unwrap_err();
        assert!(refused.to_string().contains("permission"), "{refused}");
        mode(path, 0o700);
        assert_eq!(handle.sync_request("service", &Ask::Number(3), AMPLE), Ok(3u64));
        assert_eq!(other.sync_request("service", &Ask::Number(4), AMPLE), Ok(4u64));
    }
    say("survived");
}
