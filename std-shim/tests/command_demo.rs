//! `ipcm demo`: what a new user runs first.

#![cfg(feature = "cli")]

mod command;

use std::io::{BufRead, BufReader};

use command::{Desk, Running, entries};
use rustix::process::Signal;

/// Clause E1. Clause A9.
#[test]
fn the_demo_shows_a_death_and_a_restart_and_leaves_nothing_behind() {
    let desk = Desk::new();
    let end = desk.run(["demo"]);
    assert_eq!((end.code, end.stderr.as_str()), (Some(0), ""), "{}", end.text());
    for title in
        ["bus", "service", "first call", "calls", "kill", "peer gone", "restart", "next call", "shutdown"]
    {
        let lines = end.text().lines().filter(|line| line.starts_with(&format!("{title:<12}")));
        assert_eq!(lines.count(), 1, "{title} in {}", end.text());
    }
    assert!(end.text().lines().all(|line| line.chars().count() <= 100), "{}", end.text());
    assert_eq!(entries(&desk.temporary()), [""; 0]);
}

#[test]
fn a_demo_whose_reader_goes_away_leaves_nothing_behind() {
    let desk = Desk::new();
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = desk.command(["demo"]);
    command.stdout(writer);
    let demo = Running::start(command);
    let mut lines = BufReader::new(reader).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.starts_with("service ")));
    drop(lines);
    let end = demo.outcome();
    assert_eq!((end.code, end.stderr.as_str()), (Some(1), ""));
    assert_eq!(entries(&desk.temporary()), [""; 0]);
}

#[test]
fn an_interrupted_demo_leaves_nothing_behind() {
    let desk = Desk::new();
    for signal in [Signal::INT, Signal::TERM] {
        let demo = desk.start(&["demo"]);
        while !demo.line().starts_with("service ") {}
        demo.signal(signal);
        let end = demo.outcome();
        assert_eq!((end.code, end.stderr.contains("interrupted")), (Some(1), true), "{}", end.stderr);
        assert_eq!(entries(&desk.temporary()), [""; 0]);
    }
}

/// The bus needs a directory, and the failure names it.
#[test]
fn a_demo_without_a_place_for_its_bus_says_so() {
    let desk = Desk::new();
    let mut command = desk.command(["demo"]);
    let nowhere = desk.temporary().join("nowhere");
    command.env("TMPDIR", &nowhere).env("XDG_RUNTIME_DIR", &nowhere);
    let end = Running::start(command).outcome();
    assert_eq!(end.code, Some(7), "{}", end.stderr);
    assert!(end.stderr.contains(nowhere.to_str().unwrap()), "{}", end.stderr);
}
