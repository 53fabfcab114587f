//! Processes that are killed at every step of all that they do with files: nothing accepted is lost, nobody is left
//! waiting, no ghost stays, and the name is free.

use std::fs;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use ipcm::{Bus, Handle, Service};
use ipcm_core::{RemoteErrorKind, RequestError};
use ipcm_tests::mortal::{Mortal, at_every_step};
use ipcm_tests::{AMPLE, Ask, bus, obedient, raw, wire, within};

const HOUR: Duration = Duration::from_secs(3600);

/// A caller in a thread: it has an answer, asks for another that is kept back, says so, and waits without a limit.
fn caller(bus: &Bus, name: &'static str) -> (Receiver<()>, JoinHandle<Result<u64, RequestError>>) {
    let (send, held) = channel();
    let info = bus.info().clone();
    let thread = std::thread::spawn(move || {
        let mut handle = Handle::new(&info, name);
        assert_eq!(handle.sync_request(name, &Ask::Number(1), AMPLE), Ok(1u64));
        let id = handle.send_request(name, &Ask::Hold(2), None).unwrap();
        assert_eq!(handle.sync_request(name, &Ask::Wanted, AMPLE), Ok(1u64));
        send.send(()).unwrap();
        handle.await_response(id, None).map(|answer| answer.decode().unwrap())
    });
    (held, thread)
}

/// The name is free: another takes it, is spoken to, and leaves nothing behind.
fn assert_free(bus: &Bus, name: &str, others: usize) {
    assert!(!bus.peer_exists(name).unwrap());
    let echo = Service::echo(bus.info(), name).spawn().unwrap();
    assert_eq!(echo.handle().sync_request(name, &5u64, AMPLE), Ok(5u64));
    echo.stop().unwrap();
    let left: Vec<_> = fs::read_dir(bus.info().route()).unwrap().flatten().collect();
    assert_eq!(left.len(), 2 + 2 * others, "the two of the bus, and two a member: {left:?}");
}

/// Fault X6. Fault X18. Clause A4.
#[test]
fn a_death_at_any_step_of_joining_leaves_no_ghost_and_the_name_free() {
    let _watchdog = within(120);
    let bus = bus!();
    let steps = at_every_step(|step| {
        let mut mortal = Mortal::start("join and die", bus.info(), "mortal")?;
        mortal.tell();
        let survived = mortal.die_at(step).is_none();
        assert_eq!(bus.peer_exists("mortal").unwrap(), survived);
        drop(mortal);
        assert_free(&bus, "mortal", 0);
        Ok(survived)
    });
    assert!(steps >= 8, "{steps} steps");
}

/// Fault X6. Clause B2. Clause B3: each file is there whole, or not at all.
#[test]
fn a_death_at_any_step_of_sending_loses_nothing_that_was_accepted() {
    let _watchdog = within(120);
    let bus = bus!();
    let steps = at_every_step(|step| {
        let friend = obedient::service(bus.info(), "friend", || {}).spawn().unwrap();
        let mailbox = wire::mailbox(bus.info(), raw::record(&bus, "friend").incarnation());
        let mut mortal = Mortal::start("send and die", bus.info(), "mortal")?;
        mortal.tell();
        let (killed, said) = mortal.die_at_or_after(step, 5);
        if killed.is_none() {
            mortal.kill();
        }
        let mut handle = Handle::new(bus.info(), "friend");
        let messages = loop {
            // The friend has seen the end of that link when nothing of it is left.
            let files = fs::read_dir(&mailbox).unwrap().count();
            let messages: Vec<u64> = handle.sync_request("friend", &Ask::Messages, AMPLE).unwrap();
            if files == 0 {
                break messages;
            }
        };
        assert!(messages.iter().copied().eq(0..messages.len() as u64), "{messages:?}");
        assert!(messages.len() >= said && messages.len() <= said + 1, "{said} were accepted: {messages:?}");
        drop((handle, mortal, friend));
        assert_free(&bus, "mortal", 0);
        Ok(killed.is_none())
    });
    assert!(steps >= 15, "{steps} steps");
}

/// Fault X6. Fault X16. Clause E4. Clause D1.
#[test]
fn a_death_at_any_step_of_leaving_ends_the_calls_and_frees_the_name() {
    let _watchdog = within(120);
    let bus = bus!();
    let steps = at_every_step(|step| {
        let mut mortal = Mortal::start("leave and die", bus.info(), "mortal")?;
        let (held, caller) = caller(&bus, "mortal");
        mortal.run_until(&held);
        mortal.tell();
        let survived = mortal.die_at(step).is_none();
        // The answer that was kept back is dropped, or its giver is dead.
        assert!(caller.join().unwrap().is_err());
        drop(mortal);
        assert_free(&bus, "mortal", 0);
        Ok(survived)
    });
    assert!(steps >= 6, "{steps} steps");
}

/// Fault X6. Fault X18. Clause A6. Clause E3: it is suspended, or it is dead, and nobody takes the one for the other.
#[test]
fn a_death_at_any_step_of_being_suspended_is_an_end_or_a_sleep() {
    let _watchdog = within(120);
    let bus = bus!();
    let (mut ends, mut sleeps) = (0, 0);
    at_every_step(|step| {
        let mut mortal = Mortal::start("suspend and die", bus.info(), "mortal")?;
        let (held, caller) = caller(&bus, "mortal");
        mortal.run_until(&held);
        mortal.tell();
        let survived = mortal.die_at(step).is_none();
        drop(mortal);
        assert!(!bus.peer_active("mortal").unwrap());
        let ended = caller.join().unwrap().unwrap_err();
        if bus.peer_exists("mortal").unwrap() {
            match ended {
                RequestError::Remote { error, .. } => assert_eq!(error.kind, RemoteErrorKind::Unanswered),
                other => panic!("{other}"),
            }
            let mut handle = Handle::new(bus.info(), "mortal");
            let id = handle.send_request("mortal", &Ask::Number(3), None).unwrap();
            let next = obedient::obey(Service::new(bus.info(), "mortal").reconnect(), || {}).spawn().unwrap();
            assert_eq!(handle.await_response(id, None).unwrap().decode(), Ok(3u64));
            next.stop().unwrap();
            sleeps += 1;
        } else {
            ends += 1;
        }
        assert_free(&bus, "mortal", 0);
        Ok(survived)
    });
    assert!(ends >= 5 && sleeps >= 1, "{ends} ends, {sleeps} sleeps");
}

/// What was sent to it is not lost as long as it has not come back; and one who waits for it is not left waiting by a
/// life that came back and died before it had said a word.
///
/// Fault X6. Fault X18. Clause A6. Clause E3.
#[test]
fn a_death_at_any_step_of_coming_back_is_a_sleep_or_an_end() {
    let _watchdog = within(120);
    let bus = bus!();
    let (mut ends, mut sleeps) = (0, 0);
    at_every_step(|step| {
        let first = obedient::service(bus.info(), "mortal", || {}).spawn().unwrap();
        let info = bus.info().clone();
        let (send, sent) = channel();
        let (sleep, asleep) = channel::<()>();
        let caller = std::thread::spawn(move || {
            let mut handle = Handle::new(&info, "mortal");
            assert_eq!(handle.sync_request("mortal", &Ask::Number(1), AMPLE), Ok(1u64));
            send.send(()).unwrap();
            asleep.recv().unwrap();
            for number in 0..3u64 {
                handle.send_message("mortal", &number, AMPLE).unwrap();
            }
            let id = handle.send_request("mortal", &Ask::Messages, None).unwrap();
            send.send(()).unwrap();
            handle.await_response(id, None).map(|answer| answer.decode::<Vec<u64>>().unwrap())
        });
        sent.recv().unwrap();
        first.suspend(HOUR).unwrap();
        sleep.send(()).unwrap();
        sent.recv().unwrap();
        let mut mortal = Mortal::start("return and die", bus.info(), "mortal")?;
        mortal.tell();
        let survived = mortal.die_at(step).is_none();
        drop(mortal);
        assert!(!bus.peer_active("mortal").unwrap());
        if bus.peer_exists("mortal").unwrap() {
            let next = obedient::obey(Service::new(bus.info(), "mortal").reconnect(), || {}).spawn().unwrap();
            assert_eq!(caller.join().unwrap(), Ok(vec![0, 1, 2]));
            next.stop().unwrap();
            sleeps += 1;
        } else {
            match caller.join().unwrap() {
                Ok(messages) => assert_eq!(messages, [0, 1, 2]),
                gone => assert!(raw::is_gone(&gone), "{gone:?}"),
            }
            ends += 1;
        }
        assert_free(&bus, "mortal", 0);
        Ok(survived)
    });
    assert!(ends >= 1 && sleeps >= 5, "{ends} ends, {sleeps} sleeps");
}
