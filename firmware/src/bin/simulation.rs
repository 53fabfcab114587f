//! Some seeds of the core's simulation, on a Cortex-M3: handles and services that ask, answer, die, sleep and come back
//! on a network in memory.
#![no_std]
#![no_main]

#[macro_use]
extern crate alloc;

#[path = "../../../core/tests/common/mod.rs"]
mod common;

#[path = "../../../core/tests/simulation/actions.rs"]
mod actions;
#[path = "../../../core/tests/simulation/ends.rs"]
mod ends;
#[path = "../../../core/tests/simulation/fates.rs"]
mod fates;
#[path = "../../../core/tests/simulation/finish.rs"]
mod finish;
#[path = "../../../core/tests/simulation/hostile.rs"]
mod hostile;
#[path = "../../../core/tests/simulation/ledger.rs"]
mod ledger;
#[path = "../../../core/tests/simulation/payload.rs"]
mod payload;
#[path = "../../../core/tests/simulation/random.rs"]
mod random;
#[path = "../../../core/tests/simulation/server.rs"]
mod server;
#[path = "../../../core/tests/simulation/totals.rs"]
mod totals;
#[path = "../../../core/tests/simulation/upheaval.rs"]
mod upheaval;
#[path = "../../../core/tests/simulation/world.rs"]
mod world;

use cortex_m_rt::entry;
use ipcm_firmware::harness::Harness;

/// So many that every kind of end is seen.
const SEEDS: u64 = 100;

#[entry]
fn main() -> ! {
    let mut harness = Harness::new();
    let mut totals = totals::Totals::default();
    for seed in 1..=SEEDS {
        harness.check(format_args!("seed {seed}"), || totals.add(&finish::run(seed)));
    }
    harness.check("every kind of end was seen", || totals.check_variety());
    harness.finish()
}
