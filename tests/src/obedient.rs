//! A service that does what it is asked, good or bad.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ipcm::{Call, Info, Reply, Service};
use serde::{Deserialize, Serialize};

/// What the service can be asked. Answers are `u64`, where nothing else is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// This number.
    Number(u64),
    /// The process id.
    Pid,
    /// An answer, the number, that is kept back until [`Ask::Release`].
    Hold(u64),
    /// The answers kept back are given; how many those were.
    Release,
    /// The answers kept back are dropped; how many those were.
    Drop,
    /// How many of the answers kept back are still waited for.
    Wanted,
    /// Nothing: the call is dropped.
    Nothing,
    /// The failure with these words.
    Fail(String),
    /// A panic.
    Panic,
    /// The process dies in the middle of the handler.
    Die,
    /// The number, after which the service stops.
    AnswerAndStop(u64),
    /// An answer of so many bytes.
    Swell(u32),
    /// How long the caller still waits: `Option<u64>` in microseconds.
    Remaining,
    /// Asks that peer to hold an answer, awaits it, and passes it on.
    Relay(String),
    /// Work, which is counted.
    Work,
    /// How much work was done.
    Worked,
    /// The numbers of the messages that came, in order: `Vec<u64>`.
    Messages,
    /// Says `waiting` and serves nobody until a line comes.
    Stall,
    /// Forks a child that keeps all descriptors; its process id.
    Fork,
    /// These bytes: `Vec<u8>`.
    Echo(Vec<u8>),
}

/// What the service remembers.
#[derive(Default)]
struct Memory {
    held: Vec<(u64, Reply)>,
    worked: u64,
    messages: Vec<u64>,
}

/// An obedient service; `next_line` waits for a line to it.
pub fn service(info: &Info, name: &str, next_line: impl FnMut() + Send + 'static) -> Service {
    obey(Service::new(info, name), next_line)
}

/// Makes a service obedient.
pub fn obey(service: Service, mut next_line: impl FnMut() + Send + 'static) -> Service {
    let memory = Arc::new(Mutex::new(Memory::default()));
    let notes = memory.clone();
    service
        .on_message(move |_, message| {
            let number = message.decode().unwrap_or(u64::MAX);
            notes.lock().expect("no handler panics with it").messages.push(number);
        })
        .on_call(move |mut call: Call<'_>| {
            let ask = match call.decode::<Ask>() {
                Ok(ask) => ask,
                Err(error) => {
                    return call.fail(ipcm_core::RemoteErrorKind::BadRequest, &error.to_string());
                }
            };
            if ask == Ask::Panic {
                panic!("as was asked");
            }
            let mut memory = memory.lock().expect("no handler panics with it");
            match ask {
                Ask::Number(number) => call.reply(&number),
                Ask::Pid => call.reply(&u64::from(std::process::id())),
                Ask::Hold(number) => memory.held.push((number, call.defer())),
                Ask::Release => {
                    let held = std::mem::take(&mut memory.held);
                    call.reply(&(held.len() as u64));
                    for (number, reply) in held {
                        reply.send(&number).expect("a number can be encoded");
                    }
                }
                Ask::Drop => {
                    let held = std::mem::take(&mut memory.held);
                    call.reply(&(held.len() as u64));
                }
                Ask::Wanted => {
                    call.reply(&(memory.held.iter().filter(|(_, reply)| reply.is_wanted()).count() as u64));
                }
                Ask::Nothing => {}
                Ask::Fail(words) => call.fail_with(&words),
                Ask::Panic => {}
                Ask::Die => {
                    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)
                        .expect("a process may kill itself")
                }
                Ask::AnswerAndStop(number) => {
                    call.context().stop();
                    call.reply(&number);
                }
                Ask::Swell(size) => call.reply_bytes(&vec![7; size as usize]),
                Ask::Remaining => {
                    let left = call.remaining().map(|left| left.as_micros() as u64);
                    call.reply(&left);
                }
                Ask::Relay(peer) => {
                    let asked = call.context().sync_request::<u64>(&peer, &Ask::Hold(5), None);
                    match asked {
                        Ok(number) => call.reply(&number),
                        Err(error) => call.fail_with(&error),
                    }
                }
                Ask::Work => {
                    memory.worked += 1;
                    call.reply(&memory.worked);
                }
                Ask::Worked => call.reply(&memory.worked),
                Ask::Messages => call.reply(&memory.messages),
                Ask::Stall => {
                    say("waiting");
                    next_line();
                    call.reply(&0u64);
                }
                Ask::Fork => call.reply(&u64::from(fork_keeper())),
                Ask::Echo(bytes) => call.reply(&bytes),
            }
        })
}

/// Says a line to whoever started this process.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // Whoever started it may be gone.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Forks a child that keeps every descriptor of this process and does nothing, until its input ends.
fn fork_keeper() -> u32 {
    // SAFETY: the child calls nothing but system calls.
    match unsafe { libc::fork() } {
        0 => loop {
            let mut input = libc::pollfd { fd: 0, events: 0, revents: 0 };
            // SAFETY: one `pollfd` that lives.
            let polled = unsafe { libc::poll(&raw mut input, 1, -1) };
            if polled == 1 {
                // SAFETY: it ends the process.
                unsafe { libc::_exit(0) };
            }
        },
        pid => u32::try_from(pid).expect("a child can be forked"),
    }
}

/// Long enough to be told apart from at once, short enough to wait for.
pub const SHORT: Duration = Duration::from_millis(50);
