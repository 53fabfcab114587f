//! [`Presence`]: whether the bus is still there, as a descriptor to poll.
//!
//! It looks at the marker file alone, so that nobody's coming and going wakes the one who waits. A removed file
//! whose last descriptor is still open is no deletion to inotify, but loses a link, which is a change of its
//! attributes.

use super::dir::BusDir;
use super::marker;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Watches for the end of one bus.
#[derive(Debug)]
pub(crate) struct Presence {
    dir: BusDir,
    /// `None` where the system has no watch left.
    inotify: Option<OwnedFd>,
}

impl BusDir {
    /// Watches for the end of the bus.
    pub(crate) fn presence(&self) -> Presence {
        let watch = || {
            let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
            let flags = WatchFlags::ATTRIB | WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF;
            inotify::add_watch(&inotify, self.path_of(marker::FILE), flags).map(|_| inotify)
        };
        Presence { dir: self.clone(), inotify: watch().ok() }
    }
}

impl Presence {
    /// Readable when [`is_gone`](Self::is_gone) is worth asking; `None` if it must be asked again and again.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().map(AsFd::as_fd)
    }

    /// Nothing tells of the end of the bus: it must be looked for.
    pub(crate) fn waits_by_polling(&self) -> bool {
        self.inotify.is_none()
    }

    /// Whether the bus has been removed; never blocks.
    pub(crate) fn is_gone(&self) -> bool {
        if let Some(inotify) = &self.inotify {
            let mut buffer = [MaybeUninit::uninit(); 1024];
            let mut reader = inotify::Reader::new(inotify, &mut buffer);
            while reader.next().is_ok() {}
        }
        matches!(self.dir.is_there(), Ok(false))
    }
}

#[cfg(test)]
mod tests {
    use crate::Bus;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    fn is_readable(presence: &super::Presence, wait: i64) -> bool {
        let mut fds = [PollFd::from_borrowed_fd(presence.fd().unwrap(), PollFlags::IN)];
        poll(&mut fds, Some(&Timespec { tv_sec: wait, tv_nsec: 0 })).unwrap() == 1
    }

    #[test]
    fn the_end_of_a_bus_is_told_and_the_coming_and_going_of_peers_is_not() {
        let bus = Bus::spawn().unwrap();
        let presence = bus.dir.presence();
        let mut peer = crate::Handle::new(bus.info(), "nobody");
        peer.join().unwrap();
        drop(peer);
        assert!(!is_readable(&presence, 0));
        drop(bus);
        assert!(is_readable(&presence, 10));
        assert!(presence.is_gone());
    }
}
