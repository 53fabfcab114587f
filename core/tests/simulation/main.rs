//! A seeded simulation: members that ask, answer, send, die, sleep and come back on a network that delays,
//! cuts and chops, with a misbehaving peer among them. Whatever happens, every request ends exactly once.
//!
//! ```text
//! IPCM_SIM_SEEDS=50000 cargo test --release -p ipcm-core --test simulation     a longer run
//! IPCM_SIM_SEED=17 cargo test -p ipcm-core --test simulation                   one seed again
//! ```
//!
//! All but this file needs no std; `firmware/src/bin/simulation.rs` runs some seeds too.

extern crate alloc;

#[path = "../common/mod.rs"]
mod common;

mod actions;
mod ends;
mod fates;
mod finish;
mod hostile;
mod ledger;
mod payload;
mod random;
mod server;
mod totals;
mod upheaval;
mod world;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Seeds of a run that does not say how many.
const SEEDS: u64 = 2200;

/// Clauses B2, B4, D1, D2, D3, D6, D7, E2, E3.
#[test]
fn every_request_ends_exactly_once_whatever_happens() {
    let setting = |name: &str| env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seeds = match setting("IPCM_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => setting("IPCM_SIM_FROM").unwrap_or(1)..setting("IPCM_SIM_SEEDS").unwrap_or(SEEDS) + 1,
    };
    let mut totals = totals::Totals::default();
    for seed in seeds {
        match catch_unwind(AssertUnwindSafe(|| finish::run(seed))) {
            Ok(seen) => totals.add(&seen),
            Err(panic) => {
                println!("IPCM_SIM_SEED={seed} cargo test -p ipcm-core --test simulation");
                resume_unwind(panic);
            }
        }
    }
    println!("{totals:?}");
    if env::var_os("IPCM_SIM_SEED").is_none() {
        totals.check_variety();
    }
}
