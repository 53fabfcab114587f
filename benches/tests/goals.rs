//! The table of goals: it names each once, and its figures are there.

use std::collections::HashSet;
use std::fs;
use std::process::Command;

use serde_json::Value;

/// Runs the program for some seconds and returns what it prints.
fn goals(arguments: &[&str]) -> String {
    let program = env!("CARGO_BIN_EXE_goals");
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

/// A path in the directory for temporary files that is this test's own.
fn own_directory() -> String {
    std::env::temp_dir().join(format!("ipcm-goals-test-{}", std::process::id())).display().to_string()
}
