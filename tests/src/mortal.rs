//! A process that is killed at a chosen one of its system calls.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use ipcm::{Bus, Handle, Info, Service};
use ipcm_benches::tracer::{Call, Stop, Tracer, is_forbidden};

use crate::obedient::{self, say};
use crate::{AMPLE, Peer};

/// Longer than any test.
const HOUR: Duration = Duration::from_secs(3600);

/// A process that makes its system calls one by one, and is killed where the test says. It says a word when it has
/// begun, goes on at a line, and says another word when it is done.
pub struct Mortal {
    tracer: Tracer,
    process: i32,
}

impl Mortal {
    /// Starts a process that plays this part, and waits for its first word.
    ///
    /// # Errors
    ///
    /// If it may not be traced.
    pub fn start(part: &str, info: &Info, name: &str) -> io::Result<Self> {
        let mut command = Peer::command(part, info, name);
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut tracer = Tracer::default();
        let process = tracer.spawn(command)?;
        let mut mortal = Self { tracer, process };
        assert!(mortal.die_at(usize::MAX).is_none());
        Ok(mortal)
    }

    /// Lets it run until something comes on this channel.
    pub fn run_until<T>(&mut self, sent: &Receiver<T>) -> T {
        loop {
            match sent.try_recv() {
                Ok(value) => return value,
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => panic!("nothing will come"),
            }
            if self.tracer.try_step().expect("the process lives").is_none() {
                std::thread::yield_now();
            }
        }
    }

    /// Lets it go on.
    pub fn tell(&mut self) {
        let input = self.tracer.child(self.process).stdin.as_mut();
        input.expect("its input is a pipe").write_all(b"go on\n").expect("it listens");
    }

    /// Lets it run to its next word, or kills it before the `nth` call from now that changes files; that call.
    pub fn die_at(&mut self, nth: usize) -> Option<Call> {
        self.die_at_or_after(nth, 1).0
    }

    /// The same, but to the last of so many words; and how many were said.
    pub fn die_at_or_after(&mut self, nth: usize, words: usize) -> (Option<Call>, usize) {
        let (mut changes, mut said) = (0, 0);
        loop {
            match self.tracer.step().expect("the process lives") {
                Stop::Enter(call) if call.number == libc::SYS_write && call.arguments[0] == 1 => {
                    said += 1;
                    if said == words {
                        return (None, said);
                    }
                }
                Stop::Enter(call) if changes_files(&call) && changes == nth => {
                    self.kill();
                    return (Some(call), said);
                }
                Stop::Enter(call) => changes += usize::from(changes_files(&call)),
                Stop::Ended if self.tracer.status(self.process).is_some() => panic!("it has ended"),
                Stop::Leave { .. } | Stop::Ended | Stop::Other => {}
            }
        }
    }

    /// Kills it, and waits for its end.
    pub fn kill(&mut self) {
        self.tracer.child(self.process).kill().expect("it is a child");
        while self.tracer.status(self.process).is_none() {
            self.tracer.step().expect("it has not ended");
        }
    }
}

/// Has `round` kill at the first step, the second, and so on, until it says that its process has survived. Returns how
/// many steps there were; more than any where no process may be traced.
///
/// # Panics
///
/// If a process cannot be started for another reason than that it may not be traced.
pub fn at_every_step(mut round: impl FnMut(usize) -> io::Result<bool>) -> usize {
    for step in 0.. {
        match round(step) {
            Ok(true) => return step,
            Ok(false) => {}
            Err(error) if is_forbidden(&error) => {
                println!("SKIPPED: this system lets nobody trace children: {error}");
                return usize::MAX;
            }
            Err(error) => panic!("{error}"),
        }
    }
    unreachable!("a process has an end")
}

/// Whether a call may change what is in a directory, or in a file, or who has locked it.
fn changes_files(call: &Call) -> bool {
    let [first, second, third, ..] = call.arguments;
    let creates = |flags: u64| flags & libc::O_CREAT.cast_unsigned() as u64 != 0;
    match call.number {
        libc::SYS_openat => creates(third),
        libc::SYS_open => creates(second),
        libc::SYS_write | libc::SYS_pwrite64 => first > 2,
        libc::SYS_fcntl => second == libc::F_OFD_SETLK as u64,
        libc::SYS_rename | libc::SYS_renameat | libc::SYS_renameat2 => true,
        libc::SYS_bind => true,
        libc::SYS_unlink | libc::SYS_unlinkat | libc::SYS_rmdir => true,
        libc::SYS_mkdir | libc::SYS_mkdirat | libc::SYS_link | libc::SYS_linkat => true,
        libc::SYS_close | libc::SYS_fchmod | libc::SYS_ftruncate => true,
        _ => false,
    }
}

/// What such a process does, by the name of its part; false if it is none.
pub fn play(part: &str, info: &Info, name: &str, lines: &Receiver<String>) -> bool {
    let handle = || Handle::builder(info, "friend").name(name).build();
    let go_on = || {
        say("begun");
        lines.recv().is_ok()
    };
    match part {
        "own and die" => {
            go_on();
            let bus = Bus::builder().transport(info.transport()).path(info.route()).create();
            let bus = bus.expect("nobody owns it");
            say("made");
            if lines.recv().is_ok() {
                drop(bus);
                say("ended");
                while lines.recv().is_ok() {}
            }
        }
        "join and die" => {
            go_on();
            let mut handle = handle();
            handle.join().expect("the name is free");
            say("joined");
            while lines.recv().is_ok() {}
        }
        "send and die" => {
            let mut handle = handle();
            handle.wait_ready(AMPLE).expect("the friend is there");
            go_on();
            for number in 0..5u64 {
                handle.send_message("friend", &number, AMPLE).expect("the friend takes it");
                say("sent");
            }
            while lines.recv().is_ok() {}
        }
        "leave and die" => {
            let service = obedient::service(info, name, || {}).spawn().expect("the name is free");
            go_on();
            service.stop().expect("it stops");
            say("left");
            while lines.recv().is_ok() {}
        }
        "suspend and die" => {
            let service = obedient::service(info, name, || {}).spawn().expect("the name is free");
            go_on();
            service.suspend(HOUR).expect("it can be suspended");
            say("suspended");
            while lines.recv().is_ok() {}
        }
        "return and die" => {
            go_on();
            let service = obedient::obey(Service::new(info, name).reconnect(), || {}).spawn();
            let service = service.expect("it is suspended");
            say("back");
            while lines.recv().is_ok() {}
            drop(service);
        }
        _ => return false,
    }
    true
}
