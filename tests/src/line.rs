//! A serial line: a pseudo-terminal for the gateway, a socket for the firmware, and a thread between them.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, tcgetattr};

/// A line that can be plugged in and out; its path stays.
pub struct Line {
    path: PathBuf,
    trouble: Arc<Trouble>,
    plugged: Option<Plugged>,
    /// The socket to the firmware, while nothing is plugged in.
    near: Option<UnixStream>,
}

/// A direction of the line.
#[derive(Clone, Copy, Debug)]
pub enum To {
    /// To the firmware.
    Firmware = 0,
    /// To the gateway.
    Gateway = 1,
}

/// What is wrong with the line.
#[derive(Default)]
struct Trouble {
    noise: AtomicU64,
    touched: AtomicU64,
    is_silent: AtomicBool,
    /// Bytes in each direction that will not arrive.
    to_lose: [AtomicU64; 2],
}

struct Plugged {
    terminal: OwnedFd,
    /// Closed to end the thread.
    hook: UnixStream,
    thread: JoinHandle<UnixStream>,
}

impl Line {
    /// A line whose path is in this directory, plugged in, and the firmware's end of it.
    pub fn new(directory: &Path) -> (Self, OwnedFd) {
        let (near, far) = UnixStream::pair().unwrap();
        let path = directory.join("line");
        let mut line = Self { path, trouble: Arc::default(), plugged: None, near: Some(near) };
        line.plug_in();
        (line, far.into())
    }

    /// Where the gateway finds it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Spoils one byte in `every` from now on; none with 0.
    pub fn set_noise(&self, every: u64) {
        self.trouble.noise.store(every, Ordering::Relaxed);
    }

    /// Bytes that noise has touched.
    pub fn touched(&self) -> u64 {
        self.trouble.touched.load(Ordering::Relaxed)
    }

    /// Nothing of what the firmware says arrives any more, or all does again.
    pub fn set_silent(&self, silent: bool) {
        self.trouble.is_silent.store(silent, Ordering::Relaxed);
    }

    /// The next `n` bytes in this direction do not arrive.
    pub fn lose(&self, to: To, n: u64) {
        self.trouble.to_lose[to as usize].store(n, Ordering::Relaxed);
    }

    /// How the gateway has set the terminal.
    ///
    /// # Panics
    ///
    /// If the line is not plugged in.
    pub fn settings(&self) -> Termios {
        tcgetattr(&self.plugged.as_ref().expect("a line that is plugged in").terminal).unwrap()
    }

    /// The line is there, or back; what the firmware has said meanwhile is lost. It is as a terminal is at first: not raw.
    pub fn plug_in(&mut self) {
        let near = self.near.take().expect("a line that is not plugged in");
        near.set_nonblocking(true).unwrap();
        while matches!(rustix::io::read(&near, &mut [0; 512]), Ok(1..)) {}
        near.set_nonblocking(false).unwrap();
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        // The other end is held open, or the master would be hung up before the gateway comes.
        let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC;
        let slave = rustix::fs::open(&name, flags, rustix::fs::Mode::empty()).unwrap();
        std::os::unix::fs::symlink(&name, &self.path).unwrap();
        let (hook, unhook) = UnixStream::pair().unwrap();
        let (terminal, trouble) = (master.try_clone().unwrap(), self.trouble.clone());
        let thread = std::thread::spawn(move || {
            trouble.carry([near.as_fd(), master.as_fd()], &unhook);
            drop(slave);
            near
        });
        self.plugged = Some(Plugged { terminal, hook, thread });
    }

    /// The line goes away, with its path.
    pub fn pull_out(&mut self) {
        std::fs::remove_file(&self.path).unwrap();
        let plugged = self.plugged.take().expect("a line that is plugged in");
        self.near = Some(plugged.pull_out());
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(plugged) = self.plugged.take() {
            plugged.pull_out();
        }
    }
}

impl Plugged {
    fn pull_out(self) -> UnixStream {
        drop(self.hook);
        self.thread.join().unwrap()
    }
}

impl Trouble {
    /// Moves what comes at one of the ends to the other, until it is told to end.
    fn carry(&self, ends: [BorrowedFd<'_>; 2], unhook: &UnixStream) {
        let mut random = 0x9e37_79b9_7f4a_7c15;
        loop {
            let mut fds = [
                PollFd::from_borrowed_fd(ends[0], PollFlags::IN),
                PollFd::from_borrowed_fd(ends[1], PollFlags::IN),
                PollFd::new(unhook, PollFlags::IN),
            ];
            let _ = poll(&mut fds, None);
            let ready = fds.each_ref().map(|fd| !fd.revents().is_empty());
            if ready[2] {
                return;
            }
            for to in [To::Firmware, To::Gateway].into_iter().filter(|&to| ready[1 - to as usize]) {
                let mut bytes = [0; 512];
                match rustix::io::read(ends[1 - to as usize], &mut bytes) {
                    Ok(n @ 1..) => write_all(ends[to as usize], &self.spoil(to, &bytes[..n], &mut random)),
                    // The firmware is off for good: nothing more is to be carried.
                    Ok(0) => return,
                    _ => {}
                }
            }
        }
    }

    /// What arrives of these bytes.
    fn spoil(&self, to: To, bytes: &[u8], random: &mut u64) -> Vec<u8> {
        if matches!(to, To::Gateway) && self.is_silent.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let to_lose = &self.to_lose[to as usize];
        let lost = to_lose.load(Ordering::Relaxed).min(bytes.len() as u64);
        to_lose.fetch_sub(lost, Ordering::Relaxed);
        let every = self.noise.load(Ordering::Relaxed);
        let mut spoiled = Vec::new();
        for &byte in &bytes[lost as usize..] {
            *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let drawn = *random >> 33;
            if every == 0 || !drawn.is_multiple_of(every) {
                spoiled.push(byte);
                continue;
            }
            self.touched.fetch_add(1, Ordering::Relaxed);
            match drawn / every % 3 {
                0 => spoiled.push(byte ^ 0x55),
                1 => spoiled.extend([byte, drawn as u8]),
                _ => {}
            }
        }
        spoiled
    }
}

fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match rustix::io::write(to, bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(rustix::io::Errno::INTR) => {}
            // The firmware is off: what was for it is lost.
            Err(_) => return,
        }
    }
}
