//! The member of a fixed size against a growing one: the same bytes, the same ends.
//!
//! `pair`, `behaviour` and `simulation` need no std; `firmware/src/bin/checks.rs` runs them too.

extern crate alloc;

#[path = "../common/wire.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod wire;

mod behaviour;
mod hostile;
mod line;
mod pair;
mod simulation;
