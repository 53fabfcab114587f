//! `ipcm call`: what it prints, and every way in which a call ends.

#![cfg(feature = "cli")]

mod command;

use std::env;
use std::fs::OpenOptions;
use std::io::{Write, stdout};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use command::{Desk, Running};
use ipcm::{Info, Service};
use rustix::process::Signal;
use serde_json::json;

/// Names the bus to the process that serves without an answer.
const SILENT_ON: &str = "SILENT_SERVICE_ON";

/// Clause C6. Clause F7.
#[test]
fn a_reply_is_printed_as_it_is() {
    let desk = Desk::new();
    let _echo = desk.start_echo("echo");
    for body in ["hello", "", "two\nlines\n", "åäö", "[1]", "_"] {
        desk.run(["call", "echo", body]).assert_output(body);
        desk.run(["call", desk.info(), "echo", body]).assert_output(body);
    }
    // A call leaves nothing behind.
    assert_eq!(desk.peers(), ["echo"]);
}

#[test]
fn a_body_of_any_bytes_goes_through_standard_input() {
    let desk = Desk::new();
    let _echo = desk.start_echo("echo");
    let all: Vec<u8> = (0..=255).collect();
    let large: Vec<u8> = (0..3_000_000u32).map(|at| (at % 251) as u8).collect();
    for body in [&b""[..], b"-", b"text\n", &all, &large] {
        desk.run_with_input(&["call", "echo", "-"], body).assert_output(body);
    }
}

#[test]
fn a_body_on_the_command_line_need_not_be_utf_8() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let desk = Desk::new();
    let _echo = desk.start_echo("echo");
    let body = b"\xff\xfe\x01";
    desk.run([OsStr::new("call"), "echo".as_ref(), OsStr::from_bytes(body)]).assert_output(body);
    let wrong = desk.run([OsStr::new("call"), OsStr::from_bytes(body), "x".as_ref()]);
    wrong.assert_failure(2, &["is not UTF-8"]);
}

/// Clause A3.
#[test]
fn names_and_bodies_that_begin_with_a_dash_come_behind_two_dashes() {
    let desk = Desk::new();
    let _echo = desk.start_echo("-echo");
    desk.run(["call", "--", "-echo", "--json"]).assert_output("--json");
    desk.run(["call", "--timeout", "5", "--", desk.info(), "-echo", "-1"]).assert_output("-1");
    desk.run(["call", "-echo", "body"]).assert_failure(2, &["-- -e"]);
    let _other = desk.start_echo("--help");
    desk.run(["ready", "--", "--help"]).assert_output("");
    assert_eq!(desk.peers(), ["--help", "-echo"]);
}

#[test]
fn a_reply_as_json_is_text_or_base64() {
    let desk = Desk::new();
    let _echo = desk.start_echo("echo");
    let text = desk.run(["call", "--json", "echo", "a \"b\"\n"]);
    assert_eq!(text.json(), json!({"peer": "echo", "reply": "a \"b\"\n"}));
    let bytes = desk.run_with_input(&["call", "--json", "echo", "-"], b"\xff\x00");
    assert_eq!(bytes.json(), json!({"peer": "echo", "reply_base64": "/wA="}));
}

/// Clause C7.
#[test]
fn a_call_to_a_stopped_service_times_out() {
    let desk = Desk::new();
    let echo = desk.start_echo("echo");
    echo.suspend();
    desk.run(["call", "--timeout", "0.1", "echo", "hello"])
        .assert_failure(3, &["\"echo\"", "in time (0.1 s)"]);
    let told = desk.run(["call", "--json", "--timeout", "0", "echo", "hello"]);
    assert_eq!((told.code, told.json_error().as_str()), (Some(3), "timed_out"));
    // Nothing of it disturbs a later call.
    echo.signal(Signal::CONT);
    desk.run(["call", "echo", "hello"]).assert_output("hello");
}

/// Clause E1.
#[test]
fn a_call_ends_when_its_service_is_killed() {
    let desk = Desk::new();
    for as_json in [false, true] {
        let service = start_silent_service(&desk);
        let options = if as_json { &["--json"][..] } else { &[] };
        let arguments: Vec<&str> =
            ["call", "--timeout", "600", "silent", "hello"].iter().chain(options).copied().collect();
        let call = desk.start(&arguments);
        while !service.line().contains("asked") {}
        service.kill();
        let begin = Instant::now();
        let end = call.outcome();
        assert!(begin.elapsed() < Duration::from_secs(10), "the kernel tells at once");
        assert_eq!(end.code, Some(4), "{}", end.stderr);
        if as_json {
            assert_eq!(end.json_error(), "peer_gone");
        } else {
            end.assert_failure(4, &["\"silent\" is gone: its connection ended"]);
        }
    }
}

/// Clause E1.
#[test]
fn a_call_that_waits_for_a_stopped_service_ends_when_that_is_killed() {
    let desk = Desk::new();
    let echo = desk.start_echo("echo");
    echo.suspend();
    let call = desk.start(&["call", "--timeout", "600", "echo", "hello"]);
    // The caller is on the bus: it connects to a socket that nobody accepts from.
    while desk.peers().len() < 2 {}
    echo.kill();
    let end = call.outcome();
    assert!(matches!(end.code, Some(4 | 5)), "{end:?}");
}

/// Clause B3.
#[test]
fn there_is_nobody_to_call() {
    let desk = Desk::new();
    for arguments in [["call", "nobody", "x"], ["send", "nobody", "x"]] {
        desk.run(arguments).assert_failure(5, &["no peer is named", desk.bus().to_str().unwrap()]);
    }
    for name in ["", "_x"] {
        desk.run(["call", name, "x"]).assert_failure(2, &["is no peer's name"]);
    }
    let told = desk.run(["call", "--json", "nobody", "x"]);
    assert_eq!((told.code, told.json_error().as_str()), (Some(5), "no_such_peer"));
}

#[test]
fn a_member_that_serves_nothing_answers_with_an_error() {
    let desk = Desk::new();
    let _listener = desk.start_listener(&[], "inbox");
    desk.run(["call", "inbox", "x"]).assert_failure(6, &["\"inbox\" reports", "does not serve requests"]);
    let told = desk.run(["call", "--json", "inbox", "x"]);
    assert_eq!((told.code, told.json_error().as_str()), (Some(6), "remote"));
}

/// Clause B5.
#[test]
fn a_body_beyond_the_limit_is_refused_with_the_limit() {
    let desk = Desk::new();
    let _echo = desk.start_echo("echo");
    let body = vec![b'x'; 16 * 1024 * 1024 + 1];
    let refused = desk.run_with_input(&["call", "echo", "-"], &body);
    refused.assert_failure(1, &["more than 16777216 bytes", "\"echo\""]);
    let largest = &body[1..];
    desk.run_with_input(&["call", "--timeout", "30", "echo", "-"], largest).assert_output(largest);
}

#[test]
fn an_output_that_is_closed_ends_a_call_quietly_and_a_full_one_with_a_word() {
    let desk = Desk::new();
    let _echo = desk.start_echo("echo");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    for arguments in [&["call", "echo", "hello"][..], &["peers"], &["--help"], &["completions", "bash"]] {
        let mut command = desk.command(arguments);
        command.stdout(writer.try_clone().unwrap());
        let end = Running::start(command).outcome();
        assert_eq!((end.code, end.stderr.as_str()), (Some(1), ""), "{arguments:?}");

        let mut command = desk.command(arguments);
        command.stdout(OpenOptions::new().write(true).open("/dev/full").unwrap());
        let end = Running::start(command).outcome();
        end.assert_failure(1, &["cannot write the output: No space left on device"]);
    }
}

/// A service that never answers, in a process that can be killed. It prints a line when it is asked.
fn start_silent_service(desk: &Desk) -> Running {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "silent_service", "--nocapture"]);
    command.env(SILENT_ON, desk.info()).stdin(Stdio::null()).stdout(Stdio::piped());
    let service = Running::start(command);
    desk.await_ready("silent");
    service
}

/// The process of other tests; by itself it has nothing to do.
#[test]
fn silent_service() {
    let Ok(info) = env::var(SILENT_ON) else { return };
    let info: Info = info.parse().unwrap();
    let mut kept = Vec::new();
    let service = Service::new(&info, "silent").on_call(move |call| {
        kept.push(call.defer());
        let mut out = stdout().lock();
        writeln!(out, "asked").and_then(|()| out.flush()).unwrap();
    });
    service.run().unwrap();
}
