//! The benchmark itself: its floors are as frugal as they claim, and it leaves nothing behind.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Runs the benchmark and parses what it prints.
fn roundtrip(arguments: &[&str]) -> Value {
    let program = env!("CARGO_BIN_EXE_roundtrip");
    let output = Command::new(program).args(arguments).arg("--json").output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("it prints JSON")
}

#[test]
fn a_small_raw_round_trip_is_four_system_calls_and_five_with_epoll() {
    let report = roundtrip(&["syscalls", "--only", "raw"]);
    let rows = report["syscalls"].as_array().expect("rows");
    let small: Vec<_> = rows.iter().filter(|row| row["bytes"] == 32).collect();
    assert_eq!(small.len(), 4);
    for row in small {
        let server = if row["name"].as_str().expect("a name").contains("epoll") { 3.0 } else { 2.0 };
        assert_eq!((row["client"].as_f64(), row["server"].as_f64()), (Some(2.0), Some(server)), "{row}");
    }
}

#[test]
fn a_raw_round_trip_allocates_nothing_and_its_ratio_to_itself_is_one() {
    let report = roundtrip(&["latency", "--only", "raw seqpacket", "--rounds", "3"]);
    let rows = report["latency"].as_array().expect("rows");
    assert_eq!(rows[0]["ratio"], 1.0);
    for row in rows {
        assert_eq!(row["rounds"], 3);
        assert!(row["p50_us"].as_f64() > Some(0.0), "{row}");
        assert_eq!(
            (&row["client_allocations"], &row["server_allocations"]),
            (&Value::from(0.0), &Value::from(0.0))
        );
    }
}

/// Clause B5: a large body costs the calls of a small one. Some are made because time passes, not for a round trip.
#[test]
fn a_large_typed_round_trip_is_four_system_calls_and_allocates_nothing() {
    let report = roundtrip(&["syscalls", "--only", "ipcm"]);
    for row in report["syscalls"].as_array().expect("rows") {
        if row["name"].as_str().is_some_and(|name| name.starts_with("ipcm")) {
            let calls = row["client"].as_f64().expect("a number") + row["server"].as_f64().expect("a number");
            assert!(calls < 5.0, "{row}");
        }
    }
    let report = roundtrip(&["latency", "--only", "ipcm", "--rounds", "3"]);
    let rows = report["latency"].as_array().expect("rows");
    let ours = rows.iter().filter(|row| row["name"].as_str().is_some_and(|name| name.starts_with("ipcm")));
    for row in ours {
        let allocations = (&row["client_allocations"], &row["server_allocations"]);
        assert_eq!(allocations, (&Value::from(0.0), &Value::from(0.0)), "{row}");
    }
}

#[test]
fn children_end_when_the_benchmark_is_killed() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roundtrip"));
    let mut parent = command.args(["latency", "--quick"]).stdout(Stdio::null()).spawn().expect("it starts");
    let children = wait_for(|| Some(children_of(parent.id())).filter(|children| children.len() >= 3));
    parent.kill().expect("it still runs");
    parent.wait().expect("it is ours");
    for child in children {
        wait_for(|| (!is_running(child)).then_some(()));
    }
    let ours = format!("ipcm-bench-{}-", parent.id());
    for entry in fs::read_dir(std::env::temp_dir()).expect("a directory").flatten() {
        if entry.file_name().to_string_lossy().starts_with(&ours) {
            fs::remove_dir_all(entry.path()).expect("the killed one can no longer do it");
        }
    }
}

/// Asks until there is an answer, for ten seconds at most.
fn wait_for<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begin.elapsed() < Duration::from_secs(10), "waited in vain");
        // Of processes that are not this one's children nothing tells.
        thread::sleep(Duration::from_millis(5));
    }
}

fn children_of(pid: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// Whether a process exists and is this program rather than a later one of the same number, or a zombie.
fn is_running(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains("--hidden-"))
}
