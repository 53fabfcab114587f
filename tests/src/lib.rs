//! Tests that span crates: real processes on real buses.
//!
//! ```text
//! watchdog   every test is bounded and fails loudly
//! peer       another process, killed and reaped when dropped
//! guest      a peer at the end of a trunk that does what it is asked
//! line       a serial line whose noise, cuts and resets the test chooses
//! board      a board in QEMU that runs the firmware
//! obedient   a service that does what it is asked, in a thread or a process
//! memory     the other side of mapped memory, played by the test
//! wire       a socket, or message files written by hand
//! raw        one end of a connection whose bytes the test chooses
//! proc       what the system tells of a process
//! mortal     a process that is killed at a chosen one of its system calls
//! no_vdso    a process whose clock readings are system calls
//! shortage   running out of something
//! scarce     what processes do that run out of something
//! standstill processes whose system calls are counted, and for which time stands still
//! ```
//!
//! The tests themselves are in `tests/`, one file a theme. Each names the clauses and faults it shows.

pub mod board;
pub mod guest;
pub mod line;
pub mod memory;
pub mod mortal;
pub mod no_vdso;
pub mod obedient;
pub mod peer;
pub mod proc;
pub mod raw;
pub mod scarce;
pub mod shortage;
pub mod standstill;
pub mod watchdog;
pub mod wire;

pub use guest::Order;
pub use obedient::Ask;
pub use peer::Peer;
pub use raw::RawLink;
pub use watchdog::within;
pub use wire::Wire;

use std::time::Duration;

/// A bus that lasts as long as its guard, over what the running program tests: the tests of `files` are over
/// message files, all others over Unix sockets.
#[macro_export]
macro_rules! bus {
    () => {
        ipcm::Bus::builder().transport($crate::transport!()).create().expect("a bus can be made")
    };
}

/// What the running program tests.
#[macro_export]
macro_rules! transport {
    () => {
        $crate::transport_of(env!("CARGO_CRATE_NAME"))
    };
}

/// The transport that the test program of this name tests.
pub fn transport_of(program: &str) -> ipcm::TransportKind {
    match program {
        "files" => ipcm::TransportKind::Files,
        _ => ipcm::TransportKind::Unix,
    }
}

/// Longer than anything takes that works, however loaded the machine is; shorter than a watchdog.
pub const AMPLE: Duration = Duration::from_secs(30);
