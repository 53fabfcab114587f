//! Checks that need no std, for what differs between targets: the size of a pointer, and alignment.
//!
//! Each is a plain function that panics when something does not hold: a test here and in WebAssembly, and called by
//! `firmware/src/bin/checks.rs`, which has no test harness.

extern crate alloc;

mod codec;
mod conversation;
mod golden;
