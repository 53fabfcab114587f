//! `ipcm echo`, and the ways in which it ends.

#![cfg(feature = "cli")]

mod command;

use command::{BOUND, Desk, entries};
use ipcm::{Bus, Handle};
use rustix::process::Signal;

/// Clause F5.
#[test]
fn a_signal_ends_an_echo_in_good_order_and_its_record_goes() {
    let desk = Desk::new();
    for signal in [Signal::TERM, Signal::INT] {
        let echo = desk.start_echo("echo");
        assert!(entries(&desk.bus()).contains(&"echo.peer".to_owned()));
        desk.run(["call", "echo", "hello"]).assert_output("hello");
        echo.signal(signal);
        echo.outcome().assert_output("");
        let left: Vec<String> = entries(&desk.bus());
        assert!(left.iter().all(|file| file == ".bus" || file == ".join"), "{left:?}");
    }
}

#[test]
fn a_peer_can_ask_an_echo_to_end() {
    let desk = Desk::new();
    let echo = desk.start_echo("echo");
    Handle::new(&desk.parsed_info(), "echo").terminate("echo", BOUND).unwrap();
    echo.outcome().assert_output("");
    assert_eq!(desk.peers(), [""; 0]);
}

/// Clause A9.
#[test]
fn an_echo_leaves_when_its_bus_shuts_down() {
    let desk = Desk::new();
    let bus = Bus::builder().path(desk.temporary().join("brief")).create().unwrap();
    let echo = desk.start(&["echo", &bus.info().to_string(), "echo"]);
    Handle::new(bus.info(), "echo").wait_ready(BOUND).unwrap();
    assert_eq!(bus.shutdown(BOUND).unwrap().stuck, [""; 0]);
    echo.outcome().assert_output("");
    assert_eq!(entries(&desk.temporary()), [""; 0]);
}

/// Clause A4.
#[test]
fn a_killed_echo_is_gone_and_its_name_is_free() {
    let desk = Desk::new();
    let echo = desk.start_echo("echo");
    echo.kill();
    assert_eq!(desk.peers(), [""; 0]);
    desk.run(["call", "echo", "hello"]).assert_failure(5, &["\"echo\""]);
    let _again = desk.start_echo("echo");
    desk.run(["call", "echo", "hello"]).assert_output("hello");
}
