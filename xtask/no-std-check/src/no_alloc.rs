//! A program without std and without an allocator: it compiles only if nothing in its graph uses `alloc`, because it
//! has no global allocator.
//!
//! Clause H1, the fixed-capacity build.
#![no_std]
#![no_main]

use ipcm_core::fixed::{Event, Member, Storage, Wire};
use ipcm_core::trunk::{MemberKind, Record, serial};
use ipcm_core::{Incarnation, Instant};
use no_std_check as _;

/// Joins a gateway. The exit status is 0 when all is well.
// SAFETY: the C runtime calls the one function of this name, once, and ignores its arguments' absence.
#[unsafe(no_mangle)]
extern "C" fn main() -> i32 {
    let mut memory = Storage::<2, 4, 2, 768, 640>::new();
    let mut wire = Wire::<2, 128>::new();
    let halves = memory.split("device", Incarnation::from_bits(7));
    let mut member = Member::new(halves, &mut wire, MemberKind::Service);
    let joins = member.pending_output(Instant::ZERO).len();
    member.consume_output(joins);
    let mut answer = [0; 64];
    let joined = Record::Joined { version: 1, window: 1000, limit: 1000, silence: 1000 };
    let len = serial::encode(8, 0, &joined, &mut answer).unwrap_or(0);
    let taken = member.handle_input(Instant::ZERO, &answer[..len]);
    let told = matches!(member.poll_event(Instant::ZERO), Some((Event::Joined, _)));
    i32::from(!(joins > 0 && taken == len && told && member.open("echo").is_ok()))
}
