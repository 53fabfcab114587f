//! The sockets of a bus: listening as a peer, connecting to one. `AF_UNIX`, `SOCK_SEQPACKET`.

use super::crash_point::crash_point;
use super::dir::BusDir;
use super::error::{BusError, ConnectError};
use super::record::PeerRecord;
use super::users::Users;
use rustix::fs::{AtFlags, Mode, chmodat};
use rustix::io::{Errno, ioctl_fionbio};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};
use std::io;
use std::os::fd::OwnedFd;

/// How many connections may wait to be accepted; the kernel takes less if `somaxconn` is less.
const BACKLOG: i32 = 4096;

impl BusDir {
    /// Connects to that incarnation of a peer, and waits for nothing.
    ///
    /// The socket is in blocking mode and close-on-exec.
    pub(crate) fn connect(&self, peer: &PeerRecord) -> Result<OwnedFd, ConnectError> {
        let name = || peer.name().to_owned();
        let failed = |error: Errno| match error {
            Errno::AGAIN => ConnectError::Backlog { name: name() },
            Errno::CONNREFUSED | Errno::NOENT => ConnectError::Gone { name: name() },
            error => {
                let source = BusError::from_io(self.path(), "connecting to a peer", error);
                ConnectError::Bus { name: name(), source }
            }
        };
        let socket = new_socket().map_err(failed)?;
        let address = SocketAddrUnix::new(self.path_of(&peer.door())).map_err(failed)?;
        rustix::io::retry_on_intr(|| rustix::net::connect(&socket, &address)).map_err(failed)?;
        let uid = sockopt::socket_peercred(&socket).map_err(failed)?.uid.as_raw();
        if uid != peer.uid() {
            return Err(ConnectError::Impostor { name: name(), uid });
        }
        ioctl_fionbio(&socket, false).map_err(failed)?;
        Ok(socket)
    }
}

/// Makes the listening socket `file` of the bus.
pub(super) fn listen(dir: &BusDir, file: &str) -> io::Result<OwnedFd> {
    let socket = new_socket()?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(dir.path_of(file))?)?;
    crash_point("bound");
    // To connect is to write; where the directory is shared, the peer's user is checked on connection.
    if *dir.users() != Users::Owner {
        chmodat(dir, file, Mode::from_raw_mode(dir.users().modes().writable), AtFlags::empty())?;
    }
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

fn new_socket() -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
}
