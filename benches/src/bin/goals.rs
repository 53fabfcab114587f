//! Every performance goal that can be measured today, in one table. The peers' figures are not in it: `peers/` is.

use std::process::ExitCode;

use ipcm_benches::allocations::Counting;
use ipcm_benches::goals::{self, Peers};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> ExitCode {
    goals::main(&Peers { contenders: &[], absent: &[] })
}
