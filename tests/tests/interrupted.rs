//! Signals that interrupt every system call, a thousand a second, on both sides. Here and not in the suite, as only a
//! process has signals.

use ipcm_tests::{Peer, bus, within};

/// Fault X22.
#[test]
fn a_run_of_requests_is_right_in_a_storm_of_signals() {
    let _watchdog = within(60);
    let bus = bus!();
    let _service = Peer::start("echo in a storm", bus.info(), "echo");
    let mut caller = Peer::start("call in a storm", bus.info(), "echo");
    caller.tell("go");
    done(&mut caller, 400, 600);
}

/// Fault X22. Clause C13.
#[test]
fn threads_that_share_a_handle_are_right_in_a_storm_of_signals() {
    let _watchdog = within(60);
    let bus = bus!();
    let _service = Peer::start("echo in a storm", bus.info(), "echo");
    let mut caller = Peer::start("share in a storm", bus.info(), "echo");
    caller.tell("go");
    done(&mut caller, 800, 10);
}

/// What the caller says at the end: how much was done, and how often it was interrupted.
fn done(caller: &mut Peer, requests: u64, interrupts: u64) {
    let said = caller.hear().expect("the caller has not failed");
    let numbers: Vec<u64> = said.split(' ').filter_map(|word| word.parse().ok()).collect();
    assert!(said.starts_with("done") && numbers[0] >= requests && numbers[1] >= interrupts, "{said}");
}
