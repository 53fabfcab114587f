//! Waits go by the monotonic clock alone. Here and not in the suite, as the kernel has to watch that.

use std::os::unix::process::ExitStatusExt;

use ipcm_tests::{Peer, bus, no_vdso, obedient, within};

/// The wall clock cannot be set here without setting it for everyone. What can be shown is more: a process
/// under a filter that kills it for any look at the wall clock, or any wait by it, goes through every kind
/// of wait unharmed; so no jump of that clock can matter. That the filter bites is shown at the end.
///
/// Clause D4. Fault X21.
#[test]
fn no_wait_looks_at_the_wall_clock() {
    let _watchdog = within(60);
    let bus = bus!();
    let _service = obedient::service(bus.info(), "service", || {}).spawn().unwrap();
    let mut caller = no_vdso::launch(Peer::command("wait without a wall clock", bus.info(), "service"));
    caller.tell("go");
    caller.expect("never looked");
    caller.tell("look");
    assert_eq!(caller.hear(), None);
    assert_eq!(caller.wait().signal(), Some(libc::SIGSYS));
}
