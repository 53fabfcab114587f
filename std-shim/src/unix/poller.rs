//! The epoll of one member. Level-triggered: what is not dealt with is reported again.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use ipcm_core::{Clock, Instant, LinkId};
use rustix::event::epoll;
use rustix::io::Errno;

use super::connection::{Connection, Interest};
use crate::clock::{Monotonic, timespec_until};
use crate::sys::returns::covered;

/// Events that one system call fetches.
const BATCH: usize = 64;
/// Set in a link's bits where the event is that its process has died.
const PROCESS: u64 = 1 << 31;
const LISTENER: u64 = u64::MAX;
const WATCH: u64 = u64::MAX - 1;
const WAKER: u64 = u64::MAX - 2;
const PRESENCE: u64 = u64::MAX - 3;

/// Something that the epoll found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Incoming,
    PeersChanged,
    /// Something happened to the bus itself.
    BusTouched,
    Woken,
    Readable(LinkId),
    Writable(LinkId),
    /// The process at the other end is dead.
    Dead(LinkId),
}

/// The epoll of one member.
pub(super) struct Poller {
    epoll: OwnedFd,
    /// What the last wait found, the first of it last.
    found: Vec<Found>,
}

impl Poller {
    pub(super) fn new() -> rustix::io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self { epoll, found: Vec::with_capacity(2 * BATCH) })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }

    pub(super) fn add_listener(&self, listener: BorrowedFd<'_>) -> rustix::io::Result<()> {
        self.add(listener, LISTENER, epoll::EventFlags::IN)
    }

    /// Reports incoming connections no longer, or again.
    pub(super) fn set_listening(&self, listener: BorrowedFd<'_>, listening: bool) -> rustix::io::Result<()> {
        let flags = if listening { epoll::EventFlags::IN } else { epoll::EventFlags::empty() };
        epoll::modify(&self.epoll, listener, epoll::EventData::new_u64(LISTENER), flags)
    }

    pub(super) fn add_watch(&self, watch: BorrowedFd<'_>) -> rustix::io::Result<()> {
        self.add(watch, WATCH, epoll::EventFlags::IN)
    }

    pub(super) fn add_presence(&self, presence: BorrowedFd<'_>) -> rustix::io::Result<()> {
        self.add(presence, PRESENCE, epoll::EventFlags::IN)
    }

    pub(super) fn add_waker(&self, waker: BorrowedFd<'_>) -> rustix::io::Result<()> {
        self.add(waker, WAKER, epoll::EventFlags::IN)
    }

    /// Watches a connection from now on.
    pub(super) fn watch(&self, connection: &mut Connection, interest: Interest) -> rustix::io::Result<()> {
        let bits = connection.link.as_bits();
        let flags = match interest {
            Interest::Read => epoll::EventFlags::IN,
            Interest::Write => epoll::EventFlags::OUT,
            Interest::ReadAndWrite => epoll::EventFlags::IN | epoll::EventFlags::OUT,
        };
        match connection.interest {
            Some(before) if before == interest => {}
            Some(_) => {
                epoll::modify(&self.epoll, connection.fd(), epoll::EventData::new_u64(bits), flags)?;
            }
            None => {
                self.add(connection.fd(), bits, flags)?;
            }
        }
        connection.interest = Some(interest);
        Ok(())
    }

    /// Watches the process at the other end of a connection, if it has a pidfd.
    pub(super) fn watch_process(&self, connection: &Connection) -> rustix::io::Result<()> {
        let Some(pidfd) = &connection.pidfd else { return Ok(()) };
        self.add(pidfd.as_fd(), connection.link.as_bits() | PROCESS, epoll::EventFlags::IN)
    }

    /// Watches a connection no longer. To close it is not enough where a forked child has inherited it.
    pub(super) fn forget(&self, connection: &mut Connection) {
        if connection.interest.take().is_some() {
            let _ = epoll::delete(&self.epoll, connection.fd());
        }
    }

    /// Watches the process of a connection no longer.
    pub(super) fn forget_process(&self, connection: &mut Connection) {
        if let Some(pidfd) = connection.pidfd.take() {
            let _ = epoll::delete(&self.epoll, pidfd);
        }
    }

    /// Waits for events until `deadline`. Returns early where a signal interrupts.
    pub(super) fn wait(&mut self, deadline: Option<Instant>) -> rustix::io::Result<()> {
        let timeout = deadline.map(|deadline| match deadline {
            Instant::ZERO => timespec_until(deadline, deadline),
            deadline => timespec_until(Monotonic.now(), deadline),
        });
        self.found.clear();
        let mut events = [MaybeUninit::uninit(); BATCH];
        match covered(epoll::wait(&self.epoll, &mut events[..], timeout.as_ref())) {
            Ok((events, _)) => self.found.extend(events.iter().rev().flat_map(|event| found(*event))),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Takes something that the last wait found.
    pub(super) fn pop(&mut self) -> Option<Found> {
        self.found.pop()
    }

    fn add(&self, fd: BorrowedFd<'_>, data: u64, flags: epoll::EventFlags) -> rustix::io::Result<()> {
        epoll::add(&self.epoll, fd, epoll::EventData::new_u64(data), flags)
    }
}

/// What an event says: at most that a link is readable and that it is writable.
fn found(event: epoll::Event) -> impl Iterator<Item = Found> {
    let (bits, flags) = (event.data.u64(), event.flags);
    let link = LinkId::from_bits(bits & !PROCESS);
    let pair = match bits {
        LISTENER => [Some(Found::Incoming), None],
        WATCH => [Some(Found::PeersChanged), None],
        WAKER => [Some(Found::Woken), None],
        PRESENCE => [Some(Found::BusTouched), None],
        _ if bits & PROCESS != 0 => [Some(Found::Dead(link)), None],
        _ => {
            let ended = epoll::EventFlags::HUP | epoll::EventFlags::ERR;
            let readable = flags.intersects(epoll::EventFlags::IN | ended);
            let writable = flags.contains(epoll::EventFlags::OUT);
            [readable.then_some(Found::Readable(link)), writable.then_some(Found::Writable(link))]
        }
    };
    pair.into_iter().flatten()
}
