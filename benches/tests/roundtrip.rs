//! The benchmark itself: its floors are as frugal as they claim, and it leaves nothing behind.

use std::fs;
use std::path::Path;
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
    // Beside others that are busy much time passes.
    let most = || {
        let report = roundtrip(&["syscalls", "--only", "ipcm"]);
        let rows = report["syscalls"].as_array().expect("rows").iter();
        let ours = rows.filter(|row| row["name"].as_str().is_some_and(|name| name.starts_with("ipcm")));
        let calls = |side: &Value| side.as_f64().expect("a number");
        ours.map(|row| calls(&row["client"]) + calls(&row["server"])).fold(0.0, f64::max)
    };
    let tries: Vec<f64> = std::iter::repeat_with(most).take(5).take_while(|calls| *calls >= 5.0).collect();
    assert!(tries.len() < 5, "{tries:?}");
    let report = roundtrip(&["latency", "--only", "ipcm", "--rounds", "3"]);
    let rows = report["latency"].as_array().expect("rows");
    let ours = rows.iter().filter(|row| row["name"].as_str().is_some_and(|name| name.starts_with("ipcm")));
    for row in ours {
        let allocations = (&row["client_allocations"], &row["server_allocations"]);
        assert_eq!(allocations, (&Value::from(0.0), &Value::from(0.0)), "{row}");
    }
}

#[test]
fn all_processes_of_a_killed_benchmark_end_and_what_they_left_is_removed() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roundtrip"));
    let mut parent = command.args(["latency", "--quick"]).stdout(Stdio::null()).spawn().expect("it starts");
    // The watchdog, and two agents with a server each.
    let processes = wait_for(|| Some(descendants_of(parent.id())).filter(|processes| processes.len() >= 5));
    let prefix = format!("ipcm-bench-{}-", parent.id());
    let shared = Path::new("/dev/shm").join(format!("{prefix}0_memory"));
    fs::write(&shared, "x").expect("there is shared memory");
    parent.kill().expect("it still runs");
    parent.wait().expect("it is ours");
    for process in processes {
        wait_for(|| (!is_running(process)).then_some(()));
    }
    assert!(!shared.exists());
    for entry in fs::read_dir(std::env::temp_dir()).expect("a directory").flatten() {
        assert!(!entry.file_name().to_string_lossy().starts_with(&prefix), "{entry:?}");
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

/// Its children, and theirs, and so on.
fn descendants_of(pid: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children = list.split_whitespace().filter_map(|word| word.parse().ok());
    children.flat_map(|child| [vec![child], descendants_of(child)].concat()).collect()
}

/// Whether a process exists and is this program rather than a later one of the same number, or a zombie.
fn is_running(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains("--hidden-"))
}
