//! A serial line: a pseudo-terminal for the gateway, a socket for the firmware, and a thread between them.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// A line that can be plugged in and out; its path stays.
pub struct Line {
    path: PathBuf,
    plugged: Option<Plugged>,
    noise: Arc<AtomicU64>,
    touched: Arc<AtomicU64>,
    is_silent: Arc<AtomicBool>,
}

struct Plugged {
    /// Closed to end the thread.
    hook: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Line {
    /// A line whose path is in this directory, plugged in, and the firmware's end of it.
    pub fn new(directory: &Path) -> (Self, OwnedFd) {
        let path = directory.join("line");
        let (noise, touched, is_silent) = (Arc::default(), Arc::default(), Arc::default());
        let mut line = Self { path, plugged: None, noise, touched, is_silent };
        let end = line.plug_in();
        (line, end)
    }

    /// Where the gateway finds it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Spoils one byte in `every` from now on; none with 0.
    pub fn set_noise(&self, every: u64) {
        self.noise.store(every, Ordering::Relaxed);
    }

    /// Bytes that noise has touched.
    pub fn touched(&self) -> u64 {
        self.touched.load(Ordering::Relaxed)
    }

    /// Nothing of what the firmware says arrives any more, or all does again.
    pub fn set_silent(&self, silent: bool) {
        self.is_silent.store(silent, Ordering::Relaxed);
    }

    /// The line is back. Returns the firmware's end of it.
    pub fn plug_in(&mut self) -> OwnedFd {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let mut settings = rustix::termios::tcgetattr(&master).unwrap();
        settings.make_raw();
        rustix::termios::tcsetattr(&master, rustix::termios::OptionalActions::Now, &settings).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        // The other end is held open, or the master would be hung up before the gateway comes.
        let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC;
        let slave = rustix::fs::open(&name, flags, rustix::fs::Mode::empty()).unwrap();
        std::os::unix::fs::symlink(&name, &self.path).unwrap();
        let (near, far) = UnixStream::pair().unwrap();
        let (hook, unhook) = UnixStream::pair().unwrap();
        let (noise, touched, is_silent) = (self.noise.clone(), self.touched.clone(), self.is_silent.clone());
        let thread = std::thread::spawn(move || {
            let _slave = slave;
            let mut random = 0x9e37_79b9_7f4a_7c15;
            let ends = [master.as_fd(), near.as_fd()];
            loop {
                let mut fds = [
                    PollFd::from_borrowed_fd(ends[0], PollFlags::IN),
                    PollFd::from_borrowed_fd(ends[1], PollFlags::IN),
                    PollFd::new(&unhook, PollFlags::IN),
                ];
                let _ = poll(&mut fds, None);
                let ready = fds.each_ref().map(|fd| !fd.revents().is_empty());
                if ready[2] {
                    return;
                }
                for way in (0..2).filter(|&way| ready[way]) {
                    let mut bytes = [0; 512];
                    let Ok(n @ 1..) = rustix::io::read(ends[way], &mut bytes) else { continue };
                    if way == 1 && is_silent.load(Ordering::Relaxed) {
                        continue;
                    }
                    let every = noise.load(Ordering::Relaxed);
                    let spoiled = spoil(&bytes[..n], every, &mut random, &touched);
                    write_all(ends[1 - way], &spoiled);
                }
            }
        });
        self.plugged = Some(Plugged { hook: Some(hook), thread: Some(thread) });
        far.into()
    }

    /// The line goes away, with its path.
    pub fn pull_out(&mut self) {
        self.plugged = None;
        std::fs::remove_file(&self.path).unwrap();
    }
}

impl Drop for Plugged {
    fn drop(&mut self) {
        self.hook = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn spoil(bytes: &[u8], every: u64, random: &mut u64, touched: &AtomicU64) -> Vec<u8> {
    let mut spoiled = Vec::new();
    for &byte in bytes {
        *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let drawn = *random >> 33;
        if every == 0 || !drawn.is_multiple_of(every) {
            spoiled.push(byte);
            continue;
        }
        touched.fetch_add(1, Ordering::Relaxed);
        match drawn / every % 3 {
            0 => spoiled.push(byte ^ 0x55),
            1 => spoiled.extend([byte, drawn as u8]),
            _ => {}
        }
    }
    spoiled
}

fn write_all(to: impl AsFd, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match rustix::io::write(&to, bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => {
                // The firmware has been reset: what was for it is lost.
                assert!(io::Error::from(error).kind() != io::ErrorKind::InvalidInput);
                return;
            }
        }
    }
}
