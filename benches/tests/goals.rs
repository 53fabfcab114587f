//! The table of goals: it names each once, and its figures are there.

use std::collections::HashSet;
use std::fs;
use std::process::Command;

use serde_json::Value;

/// Runs the program for some seconds and returns what it prints.
fn goals(arguments: &[&str]) -> String {
    run(env!("CARGO_BIN_EXE_goals"), arguments)
}

/// The same, beside a sound peer, one that cannot be built, and three that fail.
fn goals_of_failing_peers(arguments: &[&str]) -> String {
    run(env!("CARGO_BIN_EXE_goals_of_failing_peers"), arguments)
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).arg("--smoke").args(arguments).output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it prints text")
}

#[test]
fn every_goal_has_one_line_and_the_charts_are_drawn() {
    let charts = own_directory();
    let table = goals(&["--plot", &charts]);
    let lines: Vec<&str> = table.lines().filter(|line| line.starts_with('P')).collect();
    for (group, expected) in [("P1", 6), ("P3", 3), ("P4", 4), ("P5", 6), ("P6", 2), ("P7", 3), ("P8", 5)] {
        let found = lines.iter().filter(|line| line.starts_with(group)).count();
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
    let table = goals_of_failing_peers(&["P1", "P3", "P4", "P5", "P6"]);
    for (name, whats) in [
        (
            "fails to serve",
            ["start", "512 clients", "511 idle clients", "system calls", "wake-ups", "notice of the end"],
        ),
        (
            "fails to connect",
            ["start", "512 clients", "511 idle clients", "system calls", "wake-ups", "notice of the end"],
        ),
        (
            "fails to call",
            [
                "64 of 32 bytes",
                "512 clients",
                "511 idle clients",
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
fn what_is_not_measured_can_be_read_by_a_program() {
    let report: Value = serde_json::from_str(&goals_of_failing_peers(&["P3", "--json"])).expect("JSON");
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
