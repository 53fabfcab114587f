//! `ipcm gateway`: what it says and how it ends, whatever its guest does.

#![cfg(feature = "cli")]

mod command;

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};

use command::{BOUND, Desk};
use ipcm::Handle;
use ipcm_core::Incarnation;
use ipcm_core::trunk::{Join, MemberKind, Record, TRUNK_VERSION, serial};
use rustix::process::Signal;

/// What a guest named "guest" says first.
const JOIN: &str =
    r"printf '\037\000\001\001\000\001\001\002\003\004\005\006\007\010\011\012\013\014\015\016\017\020";
const JOIN_TAIL: &str = r"\000\020\000\000\000\001guest'; ";

/// Runs a gateway for a shell script that has joined.
fn joined(script: &str) -> [String; 5] {
    ["gateway".into(), "--".into(), "sh".into(), "-c".into(), format!("{JOIN}{JOIN_TAIL}{script}")]
}

/// Clause H2.
#[test]
fn a_guest_is_a_peer_until_it_ends_and_its_end_is_the_commands() {
    let desk = Desk::new();
    desk.run(joined("exit 0")).assert_output("");
    desk.run(joined("exit 3")).assert_failure(8, &["the guest ended", "3"]);
    desk.run(joined("kill -9 $$")).assert_failure(8, &["the guest ended", "9"]);
    let arguments = joined("cat > /dev/null; exit 0");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let gateway = desk.start(&arguments);
    Handle::new(&desk.parsed_info(), "guest").wait_ready(BOUND).unwrap();
    assert_eq!(desk.peers(), ["guest"]);
    desk.run(joined("cat > /dev/null; exit 0")).assert_failure(7, &["\"guest\"", "taken"]);
    gateway.signal(Signal::TERM);
    gateway.outcome().assert_output("");
    assert_eq!(desk.peers(), [""; 0]);
}

/// Fault X8. Clause H4.
#[test]
fn what_is_no_guest_is_told_with_the_reason() {
    let desk = Desk::new();
    desk.run(["gateway", "--", "/no/such/program"]).assert_failure(8, &["/no/such/program", "No such file"]);
    desk.run(["gateway", "--", "/etc/passwd"]).assert_failure(8, &["/etc/passwd", "Permission denied"]);
    desk.run(["gateway", "--", "echo", "Hello, world!"])
        .assert_failure(8, &["rules of the trunk", "limit", "belongs on its standard error"]);
    // Among frames, what is none is noise.
    desk.run(["gateway", "--framed", "--", "echo", "Hello, world!"])
        .assert_failure(8, &["before it had joined"]);
    desk.run(["gateway", "--", "true"])
        .assert_failure(8, &["before it had joined: exit status: 0", "on its standard output"]);
    desk.run(["gateway", "--greeting", "0.1", "--", "sleep", "1000"])
        .assert_failure(3, &["did not join in 100ms", "--greeting"]);
    desk.run(["gateway", "--", "sh", "-c", "exec >&-; exec sleep 1000"])
        .assert_failure(8, &["closed its standard output", "the gateway killed it"]);
    let newer = r"printf '\003\000\001\011\000'; cat > /dev/null; exit 0";
    desk.run(["gateway", "--", "sh", "-c", newer])
        .assert_failure(8, &["version 9", "version 1", "build both"]);
    let told = desk.run(["gateway", "--json", "--", "true"]);
    assert_eq!((told.code, told.json_error().as_str()), (Some(8), "guest"));
}

#[test]
fn a_line_that_is_not_there_is_named() {
    let desk = Desk::new();
    desk.run(["gateway", "--serial", "/no/such/line"]).assert_failure(8, &["/no/such/line", "No such file"]);
    let listener = std::os::unix::net::UnixListener::bind(desk.temporary().join("line")).unwrap();
    let path = desk.temporary().join("line");
    let gateway = desk.start(&["gateway", "--absence", "0.1", "--serial", path.to_str().unwrap()]);
    let (emulator, _) = listener.accept().unwrap();
    drop((emulator, listener));
    let outcome = gateway.outcome();
    outcome.assert_failure(8, &["went away", "100ms", path.to_str().unwrap(), "--absence"]);
}

/// A firmware's join, as the first frame of a session.
fn say_join(line: &mut UnixStream, session: u32, version: u16, name: &str) {
    let incarnation = Incarnation::from_bits(7);
    let kind = MemberKind::Handle;
    let join = Record::Join(Join { version, kind, incarnation, window: 1000, limit: 100, name });
    let mut frame = [0; 200];
    let len = serial::encode(session, 0, &join, &mut frame).unwrap();
    line.write_all(&frame[..len]).unwrap();
    // It has been answered.
    line.set_read_timeout(Some(BOUND)).unwrap();
    assert_ne!(line.read(&mut [0; 512]).unwrap(), 0);
}

/// Clause H3. Clause H4: once for each reason, however often the firmware tries.
#[test]
fn a_gateway_of_a_line_says_who_is_refused_and_why_who_joins_and_who_leaves() {
    let desk = Desk::new();
    let _echo = desk.start_echo("taken");
    let path = desk.temporary().join("line");
    let listener = UnixListener::bind(&path).unwrap();
    let gateway = desk.start(&["gateway", "--serial", path.to_str().unwrap()]);
    let (mut line, _) = listener.accept().unwrap();
    let says = |words: &[&str]| {
        let said = gateway.error_line();
        assert!(said.starts_with("ipcm: "), "{said}");
        for word in words {
            assert!(said.contains(word), "{word:?} is not in {said:?}");
        }
    };
    for session in 1..4 {
        say_join(&mut line, session, TRUNK_VERSION + 8, "guest");
    }
    says(&["refused", "version 9", "version 1"]);
    for session in 4..7 {
        say_join(&mut line, session, TRUNK_VERSION, "taken");
    }
    says(&["refused", "\"taken\" is taken by process"]);
    for session in 7..10 {
        say_join(&mut line, session, TRUNK_VERSION, "_dev");
    }
    says(&["refused", "\"_dev\" cannot be a peer's name"]);
    say_join(&mut line, 10, TRUNK_VERSION, "guest");
    says(&["\"guest\" has joined"]);
    // It says no more.
    says(&["\"guest\" has left", "silent"]);
    drop(line);
    says(&["line has gone away", path.to_str().unwrap()]);
    let _line = listener.accept().unwrap();
    says(&["is back", path.to_str().unwrap()]);
    gateway.signal(Signal::TERM);
    gateway.outcome().assert_output("");
}

#[test]
fn a_line_at_which_nobody_joins_in_the_time_that_was_asked_for_is_named() {
    let desk = Desk::new();
    let path = desk.temporary().join("line");
    let _listener = UnixListener::bind(&path).unwrap();
    desk.run(["gateway", "--greeting", "0.1", "--serial", path.to_str().unwrap()])
        .assert_failure(8, &["nobody joined", "100ms", path.to_str().unwrap(), "--greeting"]);
}

/// A line that ends whenever it is opened is away, and is looked for in peace.
#[test]
fn what_is_no_line_is_told_with_the_reason() {
    let desk = Desk::new();
    for path in ["/etc/passwd", "/"] {
        desk.run(["gateway", "--serial", path]).assert_failure(8, &[path, "neither a terminal"]);
    }
    desk.run(["gateway", "--absence", "0.2", "--serial", "/dev/null"])
        .assert_failure(8, &["/dev/null", "200ms", "ends as soon as it is opened"]);
}

#[test]
fn a_command_line_without_a_guest_is_wrong() {
    let desk = Desk::new();
    desk.run(["gateway"]).assert_failure(2, &["-- PROGRAM", "--serial"]);
    desk.run(["gateway", "--serial", "/dev/null", "--", "true"]).assert_failure(2, &["cannot be used with"]);
    desk.run(["gateway", "--absence", "1", "--", "true"]).assert_failure(2, &["cannot be used with"]);
    desk.run(["gateway", "--baud", "9600", "--", "true"]).assert_failure(2, &["--serial"]);
    desk.run(["gateway", "--baud", "0", "--serial", "/dev/null"]).assert_failure(2, &["--baud"]);
    desk.run(["gateway", r#"["unix","postcard","/no/such/bus"]"#, "--", "sleep", "1000"])
        .assert_failure(7, &["/no/such/bus"]);
}
