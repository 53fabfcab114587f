//! The goals of guests: they are measured where there is a guest, and where there is none that is said.

use std::process::Command;

fn goals(command: &mut Command) -> String {
    let output = command.arg("--smoke").output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it prints text")
}

#[test]
fn without_a_guest_it_is_said_that_nothing_was_measured() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_goals_of_guests"));
    for name in ["IPCM_GUEST", "IPCM_SMALL_GUEST", "IPCM_ROUNDTRIP", "IPCM_WASMTIME"] {
        command.env_remove(name);
    }
    let table = goals(&mut command);
    assert!(
        table.contains("0 of 0 met, 4 not measured") && table.contains("NOT MEASURED: guests"),
        "{table}"
    );
}

#[test]
fn a_guest_is_measured_by_each_way_in() {
    if std::env::var_os("IPCM_ROUNDTRIP").is_none() {
        println!("SKIPPED: the guest is not built; `cargo xtask wasi` does that");
        return;
    }
    let table = goals(&mut Command::new(env!("CARGO_BIN_EXE_goals_of_guests")));
    assert!(table.contains(" 0 not measured") && table.contains("medians: bare pipe "), "{table}");
}
