//! The kernel's own notice of a service's death: a bare socket to the very process that a handle calls.
//!
//! How long a process takes to end depends on its memory and its descriptors, some 0.1 ms a MiB, so that a small
//! server's death says little about a larger one's.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SocketFlags, SocketType, accept_with, bind, connect, listen, recv, socket_with,
};

use crate::contender::{Client, Contender};
use crate::ipcm::Ipcm;
use crate::raw::address;

/// The service of [`Ipcm`], called by a handle, and watched through a socket that it has no part in.
#[derive(Clone, Copy, Debug)]
pub struct Notice;

impl Contender for Notice {
    fn name(&self) -> &'static str {
        "ipcm's service, bare socket"
    }

    fn serve(&self, dir: &Path, ready: &mut dyn FnMut()) -> io::Result<()> {
        let listener = socket()?;
        bind(&listener, &address(dir)?)?;
        listen(&listener, 1)?;
        let mut accepted = Ok(None);
        // Accepted after all that the service itself has opened, as a handle's connection is: the kernel closes the
        // descriptors of a process one after the other, and some take it milliseconds.
        Ipcm.serve(dir, &mut || {
            ready();
            accepted = accept_with(&listener, SocketFlags::CLOEXEC).map(Some);
        })?;
        accepted.map(drop).map_err(io::Error::from)
    }

    fn connect(&self, dir: &Path) -> io::Result<Box<dyn Client>> {
        let bare = socket()?;
        connect(&bare, &address(dir)?)?;
        Ok(Box::new(Watching { handle: Ipcm.connect(dir)?, bare }))
    }
}

struct Watching {
    handle: Box<dyn Client>,
    bare: OwnedFd,
}

impl Client for Watching {
    fn round_trip(&mut self, len: usize) -> io::Result<()> {
        self.handle.round_trip(len)
    }

    fn await_end(&mut self) -> io::Result<()> {
        match recv(&self.bare, &mut [0; 16], RecvFlags::empty()) {
            Ok((_, 0)) | Err(Errno::CONNRESET) => Ok(()),
            Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "nobody was to say anything")),
            Err(error) => Err(error.into()),
        }
    }
}

fn socket() -> io::Result<OwnedFd> {
    Ok(socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}
