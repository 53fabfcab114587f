//! What carries the packets of a test's own connection: a socket, or message files written by hand.
//!
//! The names and contents of message files are written out here a second time, so that a change of them
//! does not go unnoticed.

use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use ipcm::{Info, PeerRecord, TransportKind};
use ipcm_core::Incarnation;
use rustix::fs::inotify;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv, send,
    socket_with,
};

use crate::proc;

/// One end of a connection.
pub enum Wire {
    /// A socket.
    Socket(OwnedFd),
    /// Two rows of files.
    Files(Rows),
}

/// Two rows of files: one is written, the other read.
pub struct Rows {
    /// Where the next file to the other end goes: all of its path but the number.
    output: PathBuf,
    sent: u64,
    /// The same of the next file from the other end.
    input: PathBuf,
    received: u64,
}

impl Wire {
    /// Connects to a peer without a word, as the peer of this process whose life this is.
    pub fn connect(info: &Info, to: &PeerRecord, name: &str, life: Incarnation) -> Result<Self, Errno> {
        match info.transport() {
            TransportKind::Files => Rows::connect(info, to, name, life).map(Self::Files),
            _ => connect_socket(info, to).map(Self::Socket),
        }
    }

    /// Accepts a connection in place of the peer `me` of this process, and waits for it.
    pub fn accept(info: &Info, me: &PeerRecord) -> Self {
        if info.transport() == TransportKind::Files {
            return Self::Files(Rows::accept(info, me));
        }
        let listener = proc::listener_of(me);
        proc::await_readable(&listener);
        Self::Socket(rustix::net::accept(&listener).expect("someone connects"))
    }

    /// The socket; only sockets have one.
    pub fn socket(&self) -> BorrowedFd<'_> {
        match self {
            Self::Socket(socket) => socket.as_fd(),
            Self::Files(_) => panic!("message files have no socket"),
        }
    }

    /// Sends one packet of these bytes.
    pub fn send(&mut self, packet: &[u8]) -> Result<(), Errno> {
        match self {
            Self::Socket(socket) => send(socket, packet, SendFlags::NOSIGNAL).map(|_| ()),
            Self::Files(rows) => rows.put(packet, ""),
        }
    }

    /// As [`send`](Self::send) where it needs no waiting.
    pub fn try_send(&mut self, packet: &[u8]) -> Result<(), Errno> {
        match self {
            Self::Socket(socket) => {
                send(socket, packet, SendFlags::NOSIGNAL | SendFlags::DONTWAIT).map(|_| ())
            }
            Self::Files(rows) => rows.put(packet, ""),
        }
    }

    /// Waits for a packet; zero at the end of the connection.
    pub fn receive(&mut self, buffer: &mut [u8]) -> usize {
        match self {
            Self::Socket(socket) => loop {
                match recv(&*socket, &mut *buffer, RecvFlags::empty()) {
                    Ok((n, _)) => return n,
                    Err(Errno::INTR | Errno::CONNRESET) => {}
                    Err(error) => panic!("receiving failed: {error}"),
                }
            },
            Self::Files(rows) => rows.take(buffer),
        }
    }
}

/// Connects a plain socket to a peer, without a word.
pub fn connect_socket(info: &Info, to: &PeerRecord) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    let address = SocketAddrUnix::new(info.route().join(proc::socket_file(to)))?;
    connect(&socket, &address)?;
    rustix::io::ioctl_fionbio(&socket, false)?;
    Ok(socket)
}

/// The mailbox of a peer that was never suspended.
pub fn mailbox(info: &Info, life: Incarnation) -> PathBuf {
    info.route().join(format!("{:032x}.mail", life.as_bits()))
}

impl Rows {
    fn connect(info: &Info, to: &PeerRecord, name: &str, life: Incarnation) -> Result<Self, Errno> {
        static BEGUN: AtomicU64 = AtomicU64::new(1);
        let (theirs, own) = (mailbox(info, to.incarnation()), mailbox(info, life));
        let number = u128::from(BEGUN.fetch_add(1, Ordering::Relaxed));
        let link = format!("{:032x}", (life.as_bits() ^ u128::from(std::process::id())) ^ (number << 64));
        let rows = Self::new(theirs.join(format!("{link}-a-")), own.join(format!("{link}-c-")));
        let opening = format!("{:032x} {:032x} {name}", life.as_bits(), life.as_bits());
        put(&theirs.join(format!("{link}.open")), opening.as_bytes())?;
        Ok(rows)
    }

    fn accept(info: &Info, me: &PeerRecord) -> Self {
        let own = mailbox(info, me.incarnation());
        let mut watch = None;
        let opening = loop {
            let files = fs::read_dir(&own).expect("the peer has a mailbox").flatten();
            let mut names = files.filter_map(|file| file.file_name().into_string().ok());
            match names.find(|name| name.ends_with(".open") && !name.starts_with('.')) {
                Some(name) => break name,
                None => await_files(&mut watch, &own),
            }
        };
        let link = opening.trim_end_matches(".open");
        let said = fs::read_to_string(own.join(&opening)).expect("an opening is text");
        let theirs = said.split(' ').nth(1).expect("an opening names a mailbox");
        fs::remove_file(own.join(&opening)).expect("it was there");
        let output = info.route().join(format!("{theirs}.mail/{link}-c-"));
        Self::new(output, own.join(format!("{link}-a-")))
    }

    fn new(output: PathBuf, input: PathBuf) -> Self {
        Self { output, sent: 0, input, received: 0 }
    }

    fn put(&mut self, bytes: &[u8], ending: &str) -> Result<(), Errno> {
        put(&numbered(&self.output, self.sent, ending), bytes)?;
        self.sent += 1;
        Ok(())
    }

    fn take(&mut self, buffer: &mut [u8]) -> usize {
        let mut watch = None;
        loop {
            let path = numbered(&self.input, self.received, "");
            if let Ok(bytes) = fs::read(&path) {
                fs::remove_file(&path).expect("it was there");
                self.received += 1;
                buffer[..bytes.len()].copy_from_slice(&bytes);
                return bytes.len();
            }
            if numbered(&self.input, self.received, ".end").exists() {
                return 0;
            }
            await_files(&mut watch, self.input.parent().expect("a file is in a directory"));
        }
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        let _ = self.put(&[], ".end");
    }
}

fn numbered(row: &Path, number: u64, ending: &str) -> PathBuf {
    let mut path = row.as_os_str().to_owned();
    path.push(format!("{number:016x}{ending}"));
    path.into()
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), Errno> {
    let mut draft = path.to_owned();
    draft.set_file_name(format!(".{}", path.file_name().expect("a file has a name").display()));
    let written = fs::write(&draft, bytes).and_then(|()| fs::rename(&draft, path));
    written.map_err(|error| Errno::from_io_error(&error).expect("the system's word"))
}

/// Waits until files come to a mailbox. The first call only begins to watch: there is no more than a hundred
/// watches to be had, and files may have come before it.
fn await_files(watch: &mut Option<OwnedFd>, mailbox: &Path) {
    let Some(watch) = watch else {
        // Those who run beside this may have all that there are.
        let Ok(new) = inotify::init(inotify::CreateFlags::CLOEXEC) else { return std::thread::yield_now() };
        inotify::add_watch(&new, mailbox, inotify::WatchFlags::MOVED_TO).expect("the mailbox is there");
        *watch = Some(new);
        return;
    };
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let _ = inotify::Reader::new(&*watch, &mut buffer).next();
}
