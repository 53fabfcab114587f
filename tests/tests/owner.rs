//! The owner of a bus is killed at every step of making it and of ending it. Here and not in the suite, as it takes a
//! process that dies, and a bus.

use std::sync::mpsc::channel;

use ipcm::{Bus, Handle, Info, Service};
use ipcm_tests::mortal::{Mortal, at_every_step};
use ipcm_tests::{AMPLE, Ask, obedient, transport, within};

/// The next one to make this bus owns it, whatever was left: it is served there, and ends it without a trace.
fn assert_taken_over(info: &Info) {
    let bus = Bus::builder().transport(info.transport()).path(info.route()).create().unwrap();
    assert_eq!(bus.peers().unwrap(), []);
    let echo = Service::echo(info, "service").spawn().unwrap();
    assert_eq!(echo.handle().sync_request("service", &5u64, AMPLE), Ok(5u64));
    drop((echo, bus));
    assert!(!info.route().exists());
}

/// Fault X18. Clause A1.
#[test]
fn a_death_at_any_step_of_making_a_bus_leaves_nothing_in_the_way_of_the_next_owner() {
    let _watchdog = within(120);
    let parent = tempfile::tempdir().unwrap();
    let info = Info::new(transport!(), parent.path().join("bus")).unwrap();
    let steps = at_every_step(|step| {
        let mut mortal = Mortal::start("own and die", &info, "-")?;
        mortal.tell();
        let survived = mortal.die_at(step).is_none();
        drop(mortal);
        assert_taken_over(&info);
        Ok(survived)
    });
    assert!(steps >= 5, "{steps} steps");
}

/// There is a service, and one who waits for it without a limit: both come to an end, and nobody is in the way.
///
/// Fault X18. Clause A9. Clause D1.
#[test]
fn a_death_at_any_step_of_ending_a_bus_leaves_nobody_waiting_and_the_next_owner_takes_it_over() {
    let _watchdog = within(120);
    let parent = tempfile::tempdir().unwrap();
    let info = Info::new(transport!(), parent.path().join("bus")).unwrap();
    let steps = at_every_step(|step| {
        let mut mortal = Mortal::start("own and die", &info, "-")?;
        mortal.tell();
        assert!(mortal.die_at(usize::MAX).is_none());
        let service = obedient::service(&info, "service", || {}).spawn().unwrap();
        let (send, held) = channel();
        let theirs = info.clone();
        let caller = std::thread::spawn(move || {
            let mut handle = Handle::new(&theirs, "service");
            let id = handle.send_request("service", &Ask::Hold(1), None).unwrap();
            assert_eq!(handle.sync_request("service", &Ask::Wanted, AMPLE), Ok(1u64));
            send.send(()).unwrap();
            handle.await_response(id, None).map(|answer| answer.decode::<u64>())
        });
        held.recv().unwrap();
        mortal.tell();
        let survived = mortal.die_at(step).is_none();
        drop(mortal);
        // It has been told to leave or has seen that its bus is gone; or it serves on, and is told now.
        let _ = service.stop();
        assert!(caller.join().unwrap().is_err());
        assert_taken_over(&info);
        Ok(survived)
    });
    assert!(steps >= 10, "{steps} steps");
}
