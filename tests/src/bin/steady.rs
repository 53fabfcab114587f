//! A process whose allocations are counted: `steady serve INFO NAME` echoes; `steady call INFO NAME` calls as it is told.
//!
//! It has one thread, so that what it does is what the library does. It says where it counts its allocations when it
//! is ready, and `done` when it has done what a line told it; it ends with its input.

use std::io::{BufRead, stdin};

use ipcm::{Handle, Info, RequestId, Service};
use ipcm_benches::allocations::{self, Counting};
use ipcm_tests::AMPLE;
use ipcm_tests::obedient::say;

#[global_allocator]
static COUNTING: Counting = Counting;

/// A request that is never answered.
const UNANSWERED: u32 = u32::MAX;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, part, info, name] = &arguments[..] else { panic!("steady PART INFO NAME") };
    let info: Info = info.parse().expect("the second argument is a bus");
    match part.as_str() {
        "serve" => serve(&info, name),
        "call" => call(&info, name),
        other => panic!("there is no part {other:?}"),
    }
}

fn say_ready() {
    say(&format!("ready {}", allocations::address()));
}

fn serve(info: &Info, name: &str) {
    let service = Service::new(info, name).on_call(|call| match call.decode().expect("a number") {
        UNANSWERED => std::mem::forget(call.defer()),
        number => call.reply(&number),
    });
    service.run_with(|_| say_ready()).expect("it serves until it is killed");
}

fn call(info: &Info, name: &str) {
    let mut handle = Handle::new(info, name);
    trips(&mut handle, name, 1);
    say_ready();
    let (mut line, mut input) = (String::new(), stdin().lock());
    let mut ids = Vec::new();
    while input.read_line(&mut line).expect("what it is told is text") > 0 {
        let (word, number) = line.trim_end().split_once(' ').expect("WORD NUMBER");
        let number = number.parse().expect("a number");
        match word {
            "trips" => trips(&mut handle, name, number),
            "batch" => batch(&mut handle, name, number, &mut ids),
            "wait" => drop(handle.sync_request::<u32>(name, &number, None)),
            other => panic!("there is no {other:?}"),
        }
        say("done");
        line.clear();
    }
}

fn trips(handle: &mut Handle, name: &str, trips: u32) {
    for number in 0..trips {
        let answer: u32 = handle.sync_request(name, &number, AMPLE).expect("it is answered");
        assert_eq!(answer, number);
    }
}

/// Sends this many requests at once and awaits them one by one.
fn batch(handle: &mut Handle, name: &str, size: u32, ids: &mut Vec<RequestId>) {
    let sent = handle.batch(|handle| {
        let send = |number| handle.send_request(name, &number, AMPLE).expect("there is room");
        ids.extend((0..size).map(send));
    });
    sent.expect("it is on the bus");
    for (number, id) in (0..size).zip(ids.drain(..)) {
        let answer = handle.await_response(id, None).expect("it is answered");
        assert_eq!(answer.decode::<u32>(), Ok(number));
    }
}
