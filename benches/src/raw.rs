//! The floors: bare AF_UNIX sockets, as frugal as they can be.
//!
//! Blocking, a round trip is four system calls, both sides together. A stream carries a 4-byte length before
//! each body; a body that does not fit the socket's buffer takes more calls. The first 8 bytes of a body are
//! its number, so that an answer to another request does not go unnoticed.

use std::io;
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::event::epoll;
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect,
    listen, recv, send, socket_with,
};

use crate::contender::{Client, Contender};

/// The longest body that a stream is measured with, in bytes.
const LARGEST_STREAM: usize = 1 << 20;
/// The longest body of a packet: the default send buffer of 212,992 bytes would allow a little more.
const LARGEST_PACKET: usize = 1 << 17;
const PREFIX: usize = 4;
const LISTENER: u64 = u64::MAX;

/// Blocking stream with a length prefix: what every ratio is relative to.
pub const STREAM: Raw =
    Raw { name: "raw stream", kind: Kind::Stream, service: Service::Blocking, timeout: None };

/// Blocking seqpacket, no prefix.
pub const SEQPACKET: Raw =
    Raw { name: "raw seqpacket", kind: Kind::Seqpacket, service: Service::Blocking, timeout: None };

/// Stream, the server waiting in a level-triggered epoll.
pub const STREAM_EPOLL: Raw =
    Raw { name: "raw stream, epoll server", kind: Kind::Stream, service: Service::Epoll, timeout: None };

/// Seqpacket, the server waiting in a level-triggered epoll.
pub const SEQPACKET_EPOLL: Raw = Raw {
    name: "raw seqpacket, epoll server",
    kind: Kind::Seqpacket,
    service: Service::Epoll,
    timeout: None,
};

/// Blocking seqpacket, the client with a receive timeout that never fires.
pub const SEQPACKET_TIMEOUT: Raw = Raw {
    name: "seqpacket + SO_RCVTIMEO",
    kind: Kind::Seqpacket,
    service: Service::Blocking,
    timeout: Some(Duration::from_secs(20)),
};

/// One of the floors.
#[derive(Clone, Copy, Debug)]
pub struct Raw {
    name: &'static str,
    kind: Kind,
    service: Service,
    timeout: Option<Duration>,
}

/// How bytes are delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Stream,
    Seqpacket,
}

/// How a server waits.
#[derive(Clone, Copy, Debug)]
enum Service {
    Blocking,
    Epoll,
}

impl Contender for Raw {
    fn name(&self) -> &'static str {
        self.name
    }

    fn largest(&self) -> usize {
        match self.kind {
            Kind::Stream => LARGEST_STREAM,
            Kind::Seqpacket => LARGEST_PACKET,
        }
    }

    fn serve(&self, dir: &Path, ready: &mut dyn FnMut()) -> io::Result<()> {
        let listener = self.kind.socket()?;
        bind(&listener, &address(dir)?)?;
        listen(&listener, 16)?;
        ready();
        match self.service {
            Service::Blocking => self.kind.serve_one(&accept_with(&listener, SocketFlags::CLOEXEC)?),
            Service::Epoll => self.kind.serve_all(&listener),
        }
    }

    fn connect(&self, dir: &Path) -> io::Result<Box<dyn Client>> {
        let socket = self.kind.socket()?;
        connect(&socket, &address(dir)?)?;
        set_socket_timeout(&socket, Timeout::Recv, self.timeout)?;
        Ok(Box::new(RawClient { kind: self.kind, socket, buffer: Buffer::new(self.kind), number: 0 }))
    }
}

impl Kind {
    fn socket(self) -> io::Result<OwnedFd> {
        let socket_type = match self {
            Self::Stream => SocketType::STREAM,
            Self::Seqpacket => SocketType::SEQPACKET,
        };
        Ok(socket_with(AddressFamily::UNIX, socket_type, SocketFlags::CLOEXEC, None)?)
    }

    /// Bytes before the body.
    fn prefix(self) -> usize {
        match self {
            Self::Stream => PREFIX,
            Self::Seqpacket => 0,
        }
    }

    /// How many bytes of the message that begins the buffer are still to come.
    fn missing(self, received: &[u8]) -> usize {
        match (self, received.first_chunk::<PREFIX>()) {
            (Self::Seqpacket, _) => 0,
            (Self::Stream, None) => PREFIX - received.len(),
            (Self::Stream, Some(prefix)) => {
                (PREFIX + u32::from_ne_bytes(*prefix) as usize).saturating_sub(received.len())
            }
        }
    }

    /// Echoes one connection until it ends.
    fn serve_one(self, socket: &OwnedFd) -> io::Result<()> {
        let mut buffer = Buffer::new(self);
        loop {
            let mut filled = 0;
            loop {
                match recv(socket, &mut buffer[filled..], RecvFlags::empty())?.1 {
                    0 => return Ok(()),
                    len => filled += len,
                }
                if self.missing(&buffer[..filled]) == 0 {
                    break;
                }
            }
            send_all(socket, &buffer[..filled])?;
        }
    }

    /// Echoes any number of connections, one receive per readiness, until the last one ends.
    fn serve_all(self, listener: &OwnedFd) -> io::Result<()> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, listener, epoll::EventData::new_u64(LISTENER), epoll::EventFlags::IN)?;
        let mut connections: Vec<Option<Connection>> = Vec::new();
        let mut events = [MaybeUninit::uninit(); 64];
        loop {
            let (ready, _) = epoll::wait(&epoll, &mut events, None)?;
            for event in ready {
                let place = event.data.u64();
                if place == LISTENER {
                    let socket = accept_with(listener, SocketFlags::CLOEXEC)?;
                    let data = epoll::EventData::new_u64(connections.len() as u64);
                    epoll::add(&epoll, &socket, data, epoll::EventFlags::IN)?;
                    connections.push(Some(Connection { socket, buffer: Buffer::new(self), filled: 0 }));
                    continue;
                }
                let slot = &mut connections[place as usize];
                if slot.as_mut().is_some_and(|connection| !connection.serve_ready(self)) {
                    *slot = None; // closing takes it out of the epoll too
                    if connections.iter().all(Option::is_none) {
                        return Ok(());
                    }
                }
            }
        }
    }
}

/// One of an epoll server's connections.
struct Connection {
    socket: OwnedFd,
    buffer: Buffer,
    filled: usize,
}

impl Connection {
    /// Receives once and answers if that completed a request; false at the end.
    fn serve_ready(&mut self, kind: Kind) -> bool {
        match recv(&self.socket, &mut self.buffer[self.filled..], RecvFlags::DONTWAIT) {
            Ok((_, 0)) => return false,
            Ok((_, len)) => self.filled += len,
            Err(Errno::AGAIN | Errno::INTR) => return true,
            Err(_) => return false,
        }
        if kind.missing(&self.buffer[..self.filled]) > 0 {
            return true;
        }
        let filled = std::mem::take(&mut self.filled);
        send_all(&self.socket, &self.buffer[..filled]).is_ok()
    }
}

/// The client side of every floor.
struct RawClient {
    kind: Kind,
    socket: OwnedFd,
    buffer: Buffer,
    number: u64,
}

impl Client for RawClient {
    fn round_trip(&mut self, len: usize) -> io::Result<()> {
        let prefix = self.kind.prefix();
        let total = prefix + len;
        self.number += 1;
        if self.kind == Kind::Stream {
            self.buffer[..PREFIX].copy_from_slice(&(len as u32).to_ne_bytes());
        }
        self.buffer[prefix..prefix + 8].copy_from_slice(&self.number.to_ne_bytes());
        send_all(&self.socket, &self.buffer[..total])?;

        let mut filled = 0;
        while filled < total {
            match recv(&self.socket, &mut self.buffer[filled..], RecvFlags::empty())?.1 {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                received => filled += received,
            }
            if self.kind == Kind::Seqpacket {
                break;
            }
        }
        if filled != total || self.buffer[prefix..prefix + 8] != self.number.to_ne_bytes() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer to another request"));
        }
        Ok(())
    }

    fn await_end(&mut self) -> io::Result<()> {
        match recv(&self.socket, &mut self.buffer[..], RecvFlags::empty()) {
            Ok((_, 0)) | Err(Errno::CONNRESET) => Ok(()),
            Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "an answer that nobody asked for")),
            Err(error) => Err(error.into()),
        }
    }
}

/// Room for one message, aligned for the kernel's copies.
struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl Buffer {
    const ALIGN: usize = 64;

    fn new(kind: Kind) -> Self {
        let len = match kind {
            Kind::Stream => PREFIX + LARGEST_STREAM,
            Kind::Seqpacket => LARGEST_PACKET,
        };
        let bytes = vec![0; len + Self::ALIGN];
        let start = bytes.as_ptr().align_offset(Self::ALIGN);
        Self { bytes, start, len }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.len]
    }
}

pub(crate) fn address(dir: &Path) -> io::Result<SocketAddrUnix> {
    Ok(SocketAddrUnix::new(dir.join("socket"))?)
}

pub(crate) fn send_all(socket: impl AsFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let sent = send(&socket, bytes, SendFlags::NOSIGNAL)?;
        bytes = &bytes[sent..];
    }
    Ok(())
}
