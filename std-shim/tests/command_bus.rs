//! `ipcm bus`, `ready` and `peers`, and how INFO is told.

#![cfg(feature = "cli")]

mod command;

use command::{Desk, entries};
use serde_json::json;

/// Clause A1. Clause A2.
#[test]
fn a_new_bus_stays_until_it_is_removed() {
    let desk = Desk::new();
    assert_eq!(desk.info(), format!(r#"["unix","postcard","{}"]"#, desk.bus().display()));
    assert!(desk.bus().is_dir());
    desk.run(["peers"]).assert_output("");
    desk.run(["bus", "rm", desk.info()]).assert_output("");
    assert!(!desk.bus().exists());
    desk.run(["bus", "rm"]).assert_failure(7, &["there is no bus at", desk.bus().to_str().unwrap()]);
}

/// Clause A1.
#[test]
fn a_bus_without_a_path_is_a_fresh_directory_for_temporary_files() {
    let desk = Desk::new();
    let [one, two] = [(); 2].map(|()| desk.run(["bus", "new", "--json"]).json());
    assert_ne!(one, two);
    for made in [one, two] {
        let info = made["info"].as_str().unwrap();
        assert_eq!(info, json!(["unix", "postcard", made["path"]]).to_string());
        assert!(made["path"].as_str().unwrap().starts_with(desk.temporary().to_str().unwrap()));
        desk.run(["bus", "rm", info]).assert_output("");
    }
    assert_eq!(entries(&desk.temporary()), [""; 0]);
}

#[test]
fn a_bus_in_use_is_not_removed_and_the_failure_names_its_peers() {
    let desk = Desk::new();
    let _one = desk.start_echo("one");
    let _two = desk.start_echo("two");
    desk.run(["bus", "rm"]).assert_failure(7, &["in use by one, two"]);
    assert_eq!(desk.peers(), ["one", "two"]);
}

/// Clause A2.
#[test]
fn a_malformed_info_is_a_usage_failure_that_says_which_part_is_wrong() {
    let desk = Desk::new();
    for (info, word) in [
        ("[", "a string at byte 1"),
        ("bus", "an opening bracket at byte 0"),
        ("[]", "three strings"),
        (r#"["tcp","postcard","/x"]"#, r#"unknown transport "tcp""#),
        (r#"["unix","xml","/x"]"#, r#"unknown codec "xml""#),
        (r#"["unix","postcard","x"]"#, "not an absolute path"),
    ] {
        desk.run(["peers", info]).assert_failure(2, &["INFO is", word]);
        desk.run(["call", info, "peer", "body"]).assert_failure(2, &["INFO is", word]);
        let mut command = desk.command(["peers"]);
        command.env("IPCM_BUS", info);
        command::Running::start(command).outcome().assert_failure(2, &["IPCM_BUS is", word]);
    }
    let mut command = desk.command(["peers"]);
    command.env_remove("IPCM_BUS");
    command::Running::start(command).outcome().assert_failure(2, &["no bus is named", "IPCM_BUS"]);
}

#[test]
fn the_info_on_the_command_line_goes_before_the_one_in_the_environment() {
    let (here, there) = (Desk::new(), Desk::new());
    let _here = here.start_echo("here");
    let _there = there.start_echo("there");
    here.run(["call", there.info(), "there", "hi"]).assert_output("hi");
    here.run(["call", "there", "hi"]).assert_failure(5, &["\"there\"", here.bus().to_str().unwrap()]);
    // One operand less than needed, and the first is an info: it is the other that is missing.
    here.run(["call", there.info(), "there"]).assert_failure(2, &["BODY is missing"]);
    here.run(["ready", there.info()]).assert_failure(2, &["PEER is missing"]);
    here.run(["echo", there.info()]).assert_failure(2, &["NAME is missing"]);
}

#[test]
fn a_missing_bus_is_the_same_trouble_for_every_subcommand() {
    let desk = Desk::new();
    desk.run(["bus", "rm"]).assert_output("");
    let path = desk.bus();
    let place = ["there is no bus at", path.to_str().unwrap()];
    for arguments in [
        &["bus", "rm"][..],
        &["echo", "a"],
        &["call", "a", "b"],
        &["send", "a", "b"],
        &["listen", "a"],
        &["ready", "a"],
        &["peers"],
    ] {
        desk.run(arguments).assert_failure(7, &place);
        let as_json: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
        let told = desk.run(&as_json);
        assert_eq!((told.code, told.json_error().as_str()), (Some(7), "bus"), "{arguments:?}");
    }
}

/// Clause A4.
#[test]
fn a_name_in_use_is_refused_and_the_failure_names_its_process() {
    let desk = Desk::new();
    let echo = desk.start_echo("taken");
    let holder = format!("process {}", echo.pid());
    for subcommand in ["echo", "listen"] {
        desk.run([subcommand, "taken"]).assert_failure(7, &["\"taken\" is taken", &holder]);
    }
    // Its death frees the name.
    echo.kill();
    desk.start_listener(&[], "taken");
}

/// Clause A3.
#[test]
fn a_name_that_no_peer_can_have_is_a_usage_failure() {
    let desk = Desk::new();
    for subcommand in ["echo", "listen"] {
        desk.run([subcommand, "_a"]).assert_failure(2, &["\"_a\""]);
        desk.run([subcommand, ""]).assert_failure(2, &["\"\""]);
        desk.run([subcommand, &"x".repeat(513)]).assert_failure(2, &["512"]);
    }
}

/// Clause C3.
#[test]
fn ready_waits_for_a_peer_and_times_out_without_one() {
    let desk = Desk::new();
    let words = ["\"late\" was not ready", desk.bus().to_str().unwrap().to_owned().leak(), "(0.05 s)"];
    desk.run(["ready", "--timeout", "0.05", "late"]).assert_failure(3, &words);
    desk.run(["ready", "--timeout", "0", "late"]).assert_failure(3, &["(0 s)"]);
    let told = desk.run(["ready", "--json", "--timeout", "0", "late"]);
    assert_eq!((told.code, told.json_error().as_str()), (Some(3), "timed_out"));

    let waits = desk.start(&["ready", "--json", "--timeout", "none", "late"]);
    let echo = desk.start_echo("late");
    assert_eq!(waits.outcome().json(), json!({"peer": "late", "pid": echo.pid()}));
}

/// Clause A5.
#[test]
fn peers_tells_name_process_kind_and_incarnation() {
    let desk = Desk::new();
    let echo = desk.start_echo("an echo");
    let listener = desk.start_listener(&[], "tab\tand\\");
    let (echo, listener) = (echo.pid().to_string(), listener.pid().to_string());

    let text = desk.run(["peers"]);
    let rows: Vec<Vec<&str>> = text.text().lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0][..3], ["an echo", &echo, "service"]);
    assert_eq!(rows[1][..3], ["tab\\tand\\\\", &listener, "handle"]);

    let peers = desk.run(["peers", "--json"]).json();
    let names: Vec<_> = peers.as_array().unwrap().iter().map(|peer| peer["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["an echo", "tab\tand\\"]);
    for (row, peer) in rows.iter().zip(peers.as_array().unwrap()) {
        assert_eq!(row[1], peer["pid"].to_string());
        assert_eq!(row[2], peer["kind"]);
        assert_eq!(row[3], peer["incarnation"]);
        assert_eq!(row[3].len(), 36);
    }
}
