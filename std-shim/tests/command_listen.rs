//! `ipcm listen` and `ipcm send`, and two terminals at work.

#![cfg(feature = "cli")]

mod command;

use std::time::Duration;

use command::{BOUND, Desk, Running};
use ipcm::{Bus, Handle};
use rustix::process::Signal;
use serde_json::{Value, json};

/// Clause B2.
#[test]
fn messages_are_printed_as_they_come_one_a_line() {
    let desk = Desk::new();
    let listener = desk.start_listener(&[], "inbox");
    desk.run(["send", "inbox", "good morning"]).assert_output("");
    let line = listener.line();
    let (sender, content) = line.split_once('\t').unwrap();
    assert_eq!((sender.len(), content), (36, "good morning"));

    let mut handle = Handle::builder(&desk.parsed_info(), "inbox").name("a friend").build();
    for number in 0..100 {
        handle.send_message_bytes("inbox", format!("{number}").as_bytes(), BOUND).unwrap();
    }
    for number in 0..100 {
        assert_eq!(listener.line(), format!("a friend\t{number}"));
    }
}

#[test]
fn content_that_is_no_line_of_text_is_escaped() {
    let desk = Desk::new();
    let listener = desk.start_listener(&[], "inbox");
    let mut handle = Handle::builder(&desk.parsed_info(), "inbox").name("tab\there").build();
    for (content, printed) in [
        (&b"two\nlines\r\n"[..], r"two\nlines\r\n"),
        (b"a\tb\\n", r"a\tb\\n"),
        (b"\xff\x00\x1b[0m", r"\xff\u{0}\u{1b}[0m"),
        (b"", ""),
    ] {
        handle.send_message_bytes("inbox", content, BOUND).unwrap();
        assert_eq!(listener.line(), format!("tab\\there\t{printed}"));
    }
}

/// Clause B1.
#[test]
fn a_message_as_json_has_its_id_sender_and_content() {
    let desk = Desk::new();
    let listener = desk.start_listener(&["--json", "--count", "2"], "inbox");
    let mut handle = Handle::builder(&desk.parsed_info(), "inbox").name("friend").build();
    handle.send_message_bytes("inbox", b"hi\n", BOUND).unwrap();
    handle.send_message_bytes("inbox", b"\xff", BOUND).unwrap();
    let [first, second] = [listener.line(), listener.line()].map(|line| {
        let mut message: Value = serde_json::from_str(&line).unwrap();
        let fields = message.as_object_mut().unwrap();
        assert!(fields.remove("stamp").unwrap().as_u64().unwrap() > 1_500_000_000_000_000);
        message
    });
    let incarnation = &first["incarnation"];
    assert_eq!(incarnation.as_str().unwrap().len(), 36);
    let common = json!({"from": "friend", "incarnation": incarnation, "broadcast": false});
    let with = |more: Value| {
        let mut all = common.as_object().unwrap().clone();
        all.extend(more.as_object().unwrap().clone());
        Value::from(all)
    };
    assert_eq!(first, with(json!({"sequence": 1, "content": "hi\n"})));
    assert_eq!(second, with(json!({"sequence": 2, "content_base64": "/w=="})));
    listener.outcome().assert_output("");
}

#[test]
fn a_listener_ends_after_its_count() {
    let desk = Desk::new();
    let listener = desk.start_listener(&["--count", "3"], "inbox");
    for body in ["one", "two", "three"] {
        desk.run(["send", desk.info(), "inbox", body]).assert_output("");
    }
    let end = listener.outcome();
    let contents: Vec<&str> = end.text().lines().map(|line| line.split('\t').nth(1).unwrap()).collect();
    assert_eq!((end.code, contents), (Some(0), vec!["one", "two", "three"]));
    assert_eq!(desk.peers(), [""; 0]);
}

#[test]
fn a_listener_ends_in_good_order_when_told() {
    let desk = Desk::new();
    for signal in [Signal::TERM, Signal::INT] {
        let listener = desk.start_listener(&[], "inbox");
        listener.signal(signal);
        listener.outcome().assert_output("");
        assert_eq!(desk.peers(), [""; 0]);
    }
    let listener = desk.start_listener(&[], "inbox");
    let mut handle = Handle::new(&desk.parsed_info(), "inbox");
    handle.terminate("inbox", BOUND).unwrap();
    listener.outcome().assert_output("");
}

#[test]
fn a_listener_whose_time_is_over_has_timed_out() {
    let desk = Desk::new();
    let listen = |arguments: &[&str]| desk.run(["listen", "inbox"].iter().chain(arguments));
    listen(&["--timeout", "0.05"]).assert_failure(3, &["\"inbox\" has listened for its time (0.05 s)"]);
    listen(&["--timeout", "0", "--count", "2"]).assert_failure(3, &["0 of 2 messages"]);
    listen(&["--count", "0"]).assert_failure(2, &["--count"]);
}

#[test]
fn a_listener_whose_bus_is_removed_says_so() {
    let desk = Desk::new();
    let bus = Bus::builder().path(desk.temporary().join("brief")).create().unwrap();
    let listener = desk.start(&["listen", &bus.info().to_string(), "inbox"]);
    let mut handle = Handle::new(bus.info(), "inbox");
    handle.wait_ready(BOUND).unwrap();
    drop(handle);
    let path = bus.info().route().to_owned();
    drop(bus);
    listener.outcome().assert_failure(7, &["is gone", path.to_str().unwrap()]);
}

#[test]
fn an_output_that_is_closed_ends_a_listener_quietly() {
    let desk = Desk::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = desk.command(["listen", "inbox"]);
    command.stdout(writer);
    let listener = Running::start(command);
    desk.await_ready("inbox");
    desk.run(["send", "inbox", "hello"]).assert_output("");
    let end = listener.outcome();
    assert_eq!((end.code, end.stderr.as_str()), (Some(1), ""));
}

/// Clause B3.
#[test]
fn a_message_for_a_stopped_peer_is_not_waited_with_for_ever() {
    let desk = Desk::new();
    let listener = desk.start_listener(&[], "inbox");
    listener.suspend();
    let send = desk.run(["send", "--timeout", "0.1", "inbox", "hello"]);
    send.assert_failure(3, &["\"inbox\" did not take it in time (0.1 s)"]);
    listener.signal(Signal::CONT);
    desk.run_with_input(&["send", "inbox", "-"], b"hello again").assert_output("");
    assert!(listener.line().ends_with("\thello again"));
}

#[test]
fn two_terminals_see_each_other() {
    let desk = Desk::new();
    // One serves and listens.
    let echo = desk.start_echo("parrot");
    let inbox = desk.start_listener(&[], "inbox");
    // The other looks around, calls and sends.
    assert_eq!(desk.peers(), ["inbox", "parrot"]);
    desk.run(["call", "parrot", "who is there?"]).assert_output("who is there?");
    desk.run(["send", "inbox", "it was me"]).assert_output("");
    assert!(inbox.line().ends_with("\tit was me"));
    desk.run(["bus", "rm"]).assert_failure(7, &["inbox, parrot"]);
    // They part.
    echo.signal(Signal::TERM);
    echo.outcome().assert_output("");
    inbox.signal(Signal::INT);
    inbox.outcome().assert_output("");
    desk.run(["bus", "rm"]).assert_output("");
    assert!(!desk.bus().exists());
}

/// Clause B3. A service drops what is no request, and sending it succeeds all the same.
#[test]
fn a_message_to_a_service_is_delivered() {
    let desk = Desk::new();
    let _echo = desk.start_echo("echo");
    desk.run(["send", "echo", "not a request"]).assert_output("");
    let mut handle = Handle::new(&desk.parsed_info(), "echo");
    let response = handle.sync_request_bytes("echo", b"hello", Duration::from_secs(30)).unwrap();
    assert_eq!(response.bytes(), b"hello");
}
