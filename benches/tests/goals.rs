//! The table of goals: it names each once, and its figures are there.

use std::collections::HashSet;
use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

/// Runs the program for some seconds and returns what it prints.
fn goals(arguments: &[&str]) -> String {
    run(env!("CARGO_BIN_EXE_goals"), arguments)
}

/// The same, beside a sound peer, one that cannot be built, and some that fail.
fn goals_of_failing_peers(arguments: &[&str]) -> String {
    run(env!("CARGO_BIN_EXE_goals_of_failing_peers"), arguments)
}

/// Runs one of the two, which must succeed and remove all that was made for it.
fn run(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.env("RUST_BACKTRACE", "0"); // some peers panic, and a backtrace takes long
    let started =
        command.arg("--smoke").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = started.expect("it starts");
    let prefix = format!("ipcm-bench-{}-", child.id());
    let output = child.wait_with_output().expect("it is ours");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for directory in [std::env::temp_dir(), "/dev/shm".into()] {
        let left = fs::read_dir(directory).expect("a directory").flatten().map(|entry| entry.file_name());
        let left: Vec<_> = left.filter(|name| name.to_string_lossy().starts_with(&prefix)).collect();
        assert!(left.is_empty(), "{left:?}");
    }
    String::from_utf8(output.stdout).expect("it prints text")
}

#[test]
fn every_goal_has_one_line_and_the_charts_are_drawn() {
    let charts = own_directory();
    let table = goals(&["--plot", &charts]);
    let lines: Vec<&str> = table.lines().filter(|line| line.starts_with('P')).collect();
    for (number, expected) in (1..).zip([6, 1, 3, 5, 6, 2, 3, 5, 1, 1]) {
        let group = format!("P{number} ");
        let found = lines.iter().filter(|line| line.starts_with(&group)).count();
        assert_eq!(found, expected, "{group} in\n{table}");
    }
    let different: HashSet<&str> =
        lines.iter().map(|line| line.split("  <=").next().unwrap_or(line)).collect();
    assert_eq!(different.len(), lines.len(), "{table}");
    for chart in ["latency.svg", "throughput.svg"] {
        let svg = fs::read_to_string(format!("{charts}/{chart}")).expect("it is there");
        assert!(svg.contains("ipcm, typed call"), "{svg}");
    }
    fs::remove_dir_all(charts).expect("it is ours");
}

#[test]
fn a_group_can_be_measured_by_itself_and_read_by_a_program() {
    let report: Value = serde_json::from_str(&goals(&["P3", "--json"])).expect("JSON");
    let goals = report["goals"].as_array().expect("goals");
    assert_eq!(goals.len(), 3);
    for goal in goals {
        assert_eq!(goal["goal"], "P3");
        assert!(goal["measured"].as_f64() > Some(0.0) && goal["met"].is_boolean(), "{goal}");
    }
}

#[test]
fn a_peer_that_fails_is_reported_and_the_others_are_measured() {
    let chosen = ["--only", "sound", "--only", "fails"];
    let table = goals_of_failing_peers(&[&["P1", "P3", "P4", "P5", "P6"], &chosen[..]].concat());
    for (name, whats) in [
        (
            "fails to serve",
            ["start", "512 clients", "16 idle clients", "system calls", "wake-ups", "notice of the end"],
        ),
        (
            "fails to connect",
            ["start", "512 clients", "16 idle clients", "system calls", "wake-ups", "notice of the end"],
        ),
        (
            "fails to call",
            [
                "64 of 32 bytes",
                "512 clients",
                "16 idle clients",
                "system calls",
                "wake-ups",
                "notice of the end",
            ],
        ),
    ] {
        for what in whats {
            let note = format!("NOT MEASURED: {name}: {what}: ");
            assert!(table.lines().any(|line| line.starts_with(&note)), "{note:?} in\n{table}");
        }
    }
    let beside_peers =
        ["typed call, 32 B", "32 B, 64 outstanding", "rate with 512", "system calls a round trip, a single"];
    for what in beside_peers {
        let line = table.lines().find(|line| line.contains(what)).expect("it is a goal");
        assert!(line.contains(" sound "), "{line}");
    }
    let figures = table.lines().filter(|line| line.starts_with("sound ") || line.starts_with("fails "));
    assert_eq!(figures.count(), 1, "{table}");
}

#[test]
fn a_peer_that_hangs_or_ends_its_process_is_ended_and_the_others_are_measured() {
    let table = goals_of_failing_peers(&["P3", "--only", "sound", "--only", "hangs"]);
    let note = "NOT MEASURED: hangs: 64 of 32 bytes: killed, as it took longer than 10 s";
    assert!(table.lines().any(|line| line == note), "{note:?} in\n{table}");
    assert!(table.lines().any(|line| line.starts_with("sound ")), "{table}");

    let table = goals_of_failing_peers(&["P4", "--only", "sound", "--only", "panics", "--only", "aborts"]);
    for (name, why) in [("panics", "it panicked"), ("aborts", "its process was ended by signal 6")] {
        for what in ["64 clients", "512 clients", "16 idle clients"] {
            let note = format!("NOT MEASURED: {name}: {what}: {why}");
            assert!(table.lines().any(|line| line == note), "{note:?} in\n{table}");
        }
    }
    assert!(table.lines().any(|line| line.starts_with("sound ")), "{table}");
}

#[test]
fn a_goal_that_is_measured_elsewhere_says_where() {
    let table = goals(&["P9", "P10"]);
    let expected = ["P9    measured by `cargo xtask firmware`", "P10   measured by `cargo xtask goals P10`"];
    assert_eq!(table.lines().collect::<Vec<_>>(), expected, "and nothing else: nothing was measured");
    let report: Value = serde_json::from_str(&goals(&["P9", "--json"])).expect("JSON");
    assert_eq!(report["elsewhere"].as_array().map(Vec::len), Some(1), "{report}");
}

#[test]
fn what_is_not_measured_can_be_read_by_a_program() {
    let report: Value = serde_json::from_str(&goals_of_failing_peers(&[
        "P3", "--json", "--only", "sound", "--only", "fails",
    ]))
    .expect("JSON");
    let names = |key: &str| -> Vec<&str> {
        report[key].as_array().expect("a list").iter().filter_map(|one| one["name"].as_str()).collect()
    };
    assert_eq!(names("not_measured"), ["not there", "fails to serve", "fails to connect", "fails to call"]);
    assert!(
        report["not_measured"][3]["why"].as_str().is_some_and(|why| why.contains("64 of 32 bytes")),
        "{report}"
    );
    assert_eq!(report["goals"][0]["best_peer"]["name"], "sound");
}

#[test]
fn only_leaves_out_the_other_peers_and_a_word_in_no_name_is_an_error() {
    let report: Value =
        serde_json::from_str(&goals_of_failing_peers(&["P3", "--json", "--only", "to serve"])).expect("JSON");
    assert_eq!(report["not_measured"].as_array().map(Vec::len), Some(2), "{report}");
    assert_eq!(report["goals"][0]["best_peer"], Value::Null);

    let program = env!("CARGO_BIN_EXE_goals_of_failing_peers");
    let output =
        Command::new(program).args(["--smoke", "P3", "--only", "nobody"]).output().expect("it starts");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("no peer has \"nobody\" in its name"));
}

/// A path in the directory for temporary files that is this test's own.
fn own_directory() -> String {
    std::env::temp_dir().join(format!("ipcm-goals-test-{}", std::process::id())).display().to_string()
}
