//! One connected socket.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use ipcm_core::transport::{Area, Progress};
use ipcm_core::{Clock, Instant, LinkId};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::note::SHORTEST_PACKET;
use super::pool::LARGE;
use super::sharing::{Sharing, Taken, first_packet};
use crate::clock::{Monotonic, timespec_until};
use crate::sys::returns::covered;
use crate::sys::shared_memory::Trust;

/// How long a plain blocking receive waits before the rest of the member is looked at as well.
///
/// A receive timeout costs nothing once set, where a poll costs a system call; but it is a jiffy late and
/// sees one socket only. Where answers take longer than that, as those of a service with hundreds of callers
/// do, it is doubled until they do not, but not beyond [`LONGEST_SLICE`].
const SLICE: Duration = Duration::from_millis(4);
/// See [`SLICE`].
const LONGEST_SLICE: Duration = Duration::from_millis(32);
/// The smallest packet that is tried when the socket's buffer is small.
const SMALLEST_PACKET: usize = 1024;

/// One connected socket.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) link: LinkId,
    socket: OwnedFd,
    /// The process at the other end and its user, as the kernel tells.
    pub(super) pid: u32,
    pub(super) uid: u32,
    /// Readable when that process is dead. Sockets that a forked child of it has inherited stay open.
    pub(super) pidfd: Option<OwnedFd>,
    /// The process is dead, or takes nothing any more: what has come is all there is.
    pub(super) is_dead: bool,
    /// What the epoll watches it for; `None` if it is not in the epoll.
    pub(super) interest: Option<Interest>,
    /// Nobody takes in what comes: it is not watched for that.
    pub(super) is_paused: bool,
    /// The receive timeout that a blocking receive is to have, and the one that the socket has.
    slice: Duration,
    slice_set: Option<Duration>,
    /// The longest packet that the socket's buffer takes.
    packet: usize,
    /// What becomes of large packets.
    sharing: Sharing,
}

/// What a connection is watched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interest {
    Read,
    Write,
    ReadAndWrite,
}

impl Connection {
    /// A connection; `watch_process` where its end may have been inherited by others.
    pub(super) fn new(
        link: LinkId,
        socket: OwnedFd,
        packet: usize,
        watch_process: bool,
        trust: Option<Trust>,
    ) -> rustix::io::Result<Self> {
        let credentials = rustix::net::sockopt::socket_peercred(&socket)?;
        let mut connection = Self {
            link,
            socket,
            pid: Pid::as_raw(Some(credentials.pid)).cast_unsigned(),
            uid: credentials.uid.as_raw(),
            pidfd: None,
            is_dead: false,
            interest: None,
            is_paused: false,
            slice: SLICE,
            slice_set: None,
            packet,
            sharing: Sharing::new(trust),
        };
        if watch_process {
            connection.open_process();
        }
        Ok(connection)
    }

    /// Makes the end of the process at the other end known apart from that of the socket.
    pub(super) fn open_process(&mut self) {
        // The process may be dead by now and its id another's; then the socket has ended as well, or the
        // pidfd is that of a process whose end is of no account.
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        self.pidfd = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// How much of a large packet can leave at once; 0 if it goes through the socket.
    pub(super) fn room_len(&self) -> usize {
        self.sharing.room_len()
    }

    /// Room for a large packet, if there is any.
    pub(super) fn room(&mut self, len: usize) -> Option<&mut [u8]> {
        self.sharing.room(&self.socket, len)
    }

    /// The packet that came last, if it is not in the buffer.
    pub(super) fn take_area(&mut self) -> Option<Area> {
        self.sharing.take_area()
    }

    /// Sends the packet that was written to the room.
    pub(super) fn send_room(&mut self, len: usize) -> Result<(), &[u8]> {
        self.sharing.send_room(&self.socket, len)
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> Progress {
        if bytes.len() >= LARGE
            && let Some(len) = self.sharing.send_large(&self.socket, bytes)
        {
            return Progress::Moved(len);
        }
        loop {
            let packet = &bytes[..first_packet(bytes.len(), self.packet)];
            match covered(send(&self.socket, packet, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)) {
                Ok(n) => return Progress::Moved(n),
                Err(Errno::INTR) => {}
                Err(Errno::MSGSIZE) if packet.len() > SMALLEST_PACKET => self.packet = packet.len() / 2,
                Err(Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM) => return Progress::Blocked,
                Err(_) => {
                    // All that the peer had sent is here by now: there is no way for it to be under way.
                    self.is_dead = true;
                    return Progress::Closed;
                }
            }
        }
    }

    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> Progress {
        self.receive_with(buffer, RecvFlags::DONTWAIT)
    }

    /// Receives, and waits for it: a slice in the receive itself, and then until the deadline or until
    /// `others` is readable.
    pub(super) fn receive_or_wait(
        &mut self,
        buffer: &mut [u8],
        mut now: Instant,
        deadline: Option<Instant>,
        others: BorrowedFd<'_>,
    ) -> Progress {
        let is_soon = deadline.is_some_and(|deadline| deadline.saturating_since(now) < 4 * self.slice);
        let has_slice = !is_soon && self.set_slice();
        if has_slice {
            match self.receive_with(buffer, RecvFlags::empty()) {
                Progress::Blocked => now = Monotonic.now(),
                progress => return progress,
            }
        }
        let mut fds = [PollFd::new(&self.socket, PollFlags::IN), PollFd::new(&others, PollFlags::IN)];
        let timeout = deadline.map(|deadline| timespec_until(now, deadline));
        let found = poll(&mut fds, timeout.as_ref());
        let [is_readable, are_others] = [0, 1].map(|at| found.is_ok() && !fds[at].revents().is_empty());
        if are_others {
            self.slice = SLICE;
        } else if is_readable && has_slice {
            self.slice = LONGEST_SLICE.min(2 * self.slice);
        }
        if is_readable { self.receive(buffer) } else { Progress::Blocked }
    }

    /// Has a blocking receive end after a slice; false if that cannot be had.
    fn set_slice(&mut self) -> bool {
        if self.slice_set != Some(self.slice) {
            let set = set_socket_timeout(&self.socket, Timeout::Recv, Some(self.slice));
            self.slice_set = set.is_ok().then_some(self.slice);
        }
        self.slice_set.is_some()
    }

    fn receive_with(&mut self, buffer: &mut [u8], flags: RecvFlags) -> Progress {
        self.sharing.say_what_is_owed(&self.socket);
        // A peer that closed with our data unread shows as ECONNRESET once, before what it had sent: that
        // is still to be received.
        let mut resets = 0;
        loop {
            let received = match &mut self.sharing {
                sharing if sharing.expects_files() => sharing.receive_files(&self.socket, buffer, flags),
                _ => recv(&self.socket, &mut *buffer, flags | RecvFlags::TRUNC).map(|(_, n)| n),
            };
            match covered(received) {
                Ok(0) => return Progress::Closed,
                // Longer than any packet of ours: the rest is lost, and with it the stream.
                Ok(n) if n > buffer.len() => return Progress::Closed,
                Ok(n) if n < SHORTEST_PACKET => match self.sharing.take_note(&self.socket, n, buffer) {
                    Taken::Packet(n) => return Progress::Moved(n),
                    Taken::Word => {}
                    Taken::Nonsense => return Progress::Broken,
                },
                Ok(n) => return Progress::Moved(n),
                Err(Errno::INTR) if flags.contains(RecvFlags::DONTWAIT) => {}
                Err(Errno::CONNRESET) if resets == 0 => resets += 1,
                Err(Errno::AGAIN) if self.is_dead => return Progress::Closed,
                Err(Errno::AGAIN | Errno::INTR) => return Progress::Blocked,
                Err(_) => return Progress::Closed,
            }
        }
    }
}
