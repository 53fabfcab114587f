//! The core's own checks on a Cortex-M3, in QEMU, without any bus. `cargo xtask firmware` builds them and says where they
//! are.

use std::path::PathBuf;
use std::process::Command;

use ipcm_tests::{Peer, within};

/// The folder with the checks, if they were built: beside the firmware.
fn checks() -> Option<PathBuf> {
    let folder =
        std::env::var_os("IPCM_FIRMWARE").map(|firmware| PathBuf::from(firmware).with_file_name("checks"));
    if folder.is_none() {
        println!("SKIPPED: the checks are not built; `cargo xtask firmware` does that");
    }
    folder
}

/// Clause H1: the codec, the tables, both kinds of endpoint and some seeds of the simulation do on a Cortex-M3 what they
/// do on the host.
#[test]
fn the_checks_of_the_core_hold_on_a_cortex_m3() {
    let Some(folder) = checks() else { return };
    let _watchdog = within(300);
    for (program, least) in [("checks", 21), ("simulation", 101)] {
        let mut command = Command::new("qemu-system-arm");
        command
            .args("-cpu cortex-m3 -machine mps2-an385 -nographic -monitor none -serial none".split(' '))
            .args(["-semihosting-config", "enable=on,target=native", "-kernel"])
            .arg(folder.join(program));
        let mut board = Peer::launch(command);
        let said: Vec<_> = std::iter::from_fn(|| board.hear()).collect();
        let passed =
            said.iter().filter(|line| line.starts_with("test ") && line.ends_with(" ... ok")).count();
        assert!(board.wait().success() && passed >= least, "{program}: {}", said.join("\n"));
        println!("{passed} checks of `{program}` passed on a Cortex-M3");
    }
}
