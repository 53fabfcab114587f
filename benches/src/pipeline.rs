//! Many small requests outstanding at once: [`Client::together`].
//!
//! The floor writes a window in one system call and answers it in one, on a blocking stream, and looks at the
//! length and number of every message. With every message written by itself a blocking client and server
//! would both come to wait for room in the other's socket at some hundred outstanding.

use std::io;
use std::path::Path;

use ipcm::Config;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType};
use rustix::net::{accept_with, bind, connect, listen, recv, socket_with};

use crate::contender::{Client, Contender};
use crate::ipcm::{Caller, serve};
use crate::raw::{address, send_all};

/// Requests of an ordinary window.
pub const WINDOW: usize = 64;
/// Requests of a window for [`Flooding`]: more than the sockets' buffers hold.
pub const FLOOD: usize = 10_000;

const PREFIX: usize = 4;
/// Room for the server's end of a window of small messages.
const BUFFER: usize = 64 * 1024;

/// The floor: a stream, each window coalesced into one write.
#[derive(Clone, Copy, Debug)]
pub struct Coalesced;

impl Contender for Coalesced {
    fn name(&self) -> &'static str {
        "raw stream, coalesced"
    }

    fn largest(&self) -> usize {
        BUFFER / WINDOW - PREFIX
    }

    fn serve(&self, dir: &Path, ready: &mut dyn FnMut()) -> io::Result<()> {
        let listener = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        bind(&listener, &address(dir)?)?;
        listen(&listener, 1)?;
        ready();
        let socket = accept_with(&listener, SocketFlags::CLOEXEC)?;
        let (mut buffer, mut filled) = (vec![0; BUFFER], 0);
        loop {
            match recv(&socket, &mut buffer[filled..], RecvFlags::empty())?.1 {
                0 => return Ok(()),
                len => filled += len,
            }
            let whole: usize = messages(&buffer[..filled]).map(<[u8]>::len).sum();
            send_all(&socket, &buffer[..whole])?;
            buffer.copy_within(whole..filled, 0);
            filled -= whole;
        }
    }

    fn connect(&self, dir: &Path) -> io::Result<Box<dyn Client>> {
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        connect(&socket, &address(dir)?)?;
        Ok(Box::new(CoalescedClient { socket, buffer: vec![0; BUFFER], number: 0 }))
    }
}

/// The whole messages at the front of `bytes`, each with its prefix.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let len = u32::from_ne_bytes(*bytes.first_chunk::<PREFIX>()?) as usize;
        let (message, rest) = bytes.split_at_checked(PREFIX + len)?;
        bytes = rest;
        Some(message)
    })
}

struct CoalescedClient {
    socket: rustix::fd::OwnedFd,
    buffer: Vec<u8>,
    number: u64,
}

impl Client for CoalescedClient {
    fn round_trip(&mut self, len: usize) -> io::Result<()> {
        self.together(len, 1)
    }

    fn together(&mut self, len: usize, count: usize) -> io::Result<()> {
        let (first, total) = (self.number, count * (PREFIX + len));
        for message in self.buffer[..total].chunks_exact_mut(PREFIX + len) {
            message[..PREFIX].copy_from_slice(&(len as u32).to_ne_bytes());
            message[PREFIX..PREFIX + 8].copy_from_slice(&self.number.to_ne_bytes());
            self.number += 1;
        }
        send_all(&self.socket, &self.buffer[..total])?;
        let mut filled = 0;
        while filled < total {
            match recv(&self.socket, &mut self.buffer[filled..total], RecvFlags::empty())?.1 {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                received => filled += received,
            }
        }
        let numbers = messages(&self.buffer[..total]).map(|message| &message[PREFIX..PREFIX + 8]);
        if !numbers.eq((first..self.number).map(u64::to_ne_bytes)) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the answers to other requests"));
        }
        Ok(())
    }

    fn await_end(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// This project with a client whose table holds [`FLOOD`] requests, and an ordinary service.
#[derive(Clone, Copy, Debug)]
pub struct Flooding;

impl Contender for Flooding {
    fn name(&self) -> &'static str {
        "ipcm, 10,000 outstanding"
    }

    fn serve(&self, dir: &Path, ready: &mut dyn FnMut()) -> io::Result<()> {
        serve(dir, Config::default(), ready)
    }

    fn connect(&self, dir: &Path) -> io::Result<Box<dyn Client>> {
        let mut config = Config::default();
        config.requests = config.requests.max(16_384);
        Ok(Box::new(Caller::connect(dir, config)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_is_not_whole_is_left() {
        let bytes = [2_u32.to_ne_bytes().as_slice(), b"ab", 3_u32.to_ne_bytes().as_slice(), b"cd"].concat();
        let found: Vec<&[u8]> = messages(&bytes).map(|message| &message[PREFIX..]).collect();
        assert_eq!(found, [b"ab"]);
    }
}
