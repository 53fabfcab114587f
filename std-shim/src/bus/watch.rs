//! [`PeerWatch`]: arrivals and departures of peers, as a descriptor to poll.
//!
//! ```text
//! rename into place          IN_MOVED_TO     --> arrived (a guest: IN_CREATE)
//! last close of the record   IN_CLOSE_WRITE  --> departed, whatever killed the owner
//! orderly leave              IN_DELETE       --> departed
//! marker gone                IN_DELETE       --> the bus is gone
//! ```

use super::by_file::ByFile;
use super::change::{PeerChange, compare, departed, is_same_member, is_unchanged};
use super::dir::{BusDir, is_record};
use super::error::BusError;
use super::marker;
use super::news;
use super::process_id::Vantage;
use super::record::{Finding, PeerRecord};
use crate::clock::Monotonic;
use ipcm_core::{Clock, Instant};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread;

/// How often a caller asks for changes where [`PeerWatch::waits_by_polling`].
pub(crate) const POLL_INTERVAL: std::time::Duration = std::time::Duration::from_millis(50);
/// How often a record whose close was announced is looked at again before the announcement is believed.
const RECHECKS: usize = 16;

/// Watches one bus for arrivals and departures.
///
/// A peer that comes and goes between two calls of [`changes`](Self::changes) is not reported. One that
/// forks a child which keeps its descriptors is reported dead when the child ends too, or by
/// [`rescan`](Self::rescan).
#[derive(Debug)]
pub(crate) struct PeerWatch {
    dir: BusDir,
    /// None where the system has no watch left: then every call scans.
    inotify: Option<OwnedFd>,
    /// By file name.
    known: ByFile<PeerRecord>,
    bus_gone: bool,
    /// Events were lost, or could not be followed up: the known set is compared with the directory.
    must_scan: bool,
}

impl BusDir {
    /// Watches the peers from now on; those that are there already are [`known`](PeerWatch::known).
    pub(crate) fn watch(&self) -> Result<PeerWatch, BusError> {
        PeerWatch::start(self.clone(), arm(self)?)
    }
}

impl PeerWatch {
    /// Scans once the watch is armed, so that no one arrives unseen in between.
    pub(super) fn start(dir: BusDir, inotify: Option<OwnedFd>) -> Result<Self, BusError> {
        let mut watch = Self { dir, inotify, known: ByFile::new(), bus_gone: false, must_scan: false };
        watch.known = watch.scan()?;
        Ok(watch)
    }

    /// Readable when [`changes`](Self::changes) has something to do; none if that takes polling.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().map(AsFd::as_fd)
    }

    /// Whether the caller must ask for changes again at least every [`POLL_INTERVAL`].
    pub(crate) fn waits_by_polling(&self) -> bool {
        self.inotify.is_none()
    }

    /// When the suspension of a peer ends, which nothing tells of.
    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        self.known().filter_map(PeerRecord::suspended).min().map(news::from_wall)
    }

    /// Whether the suspension of a peer has ended since the last call.
    pub(crate) fn has_expired(&self) -> bool {
        let is_over = |until| until <= Monotonic.unix_micros();
        self.known().filter_map(PeerRecord::suspended).any(is_over)
    }

    /// The peers as of the last call, sorted by file name.
    pub(crate) fn known(&self) -> impl Iterator<Item = &PeerRecord> {
        self.known.iter().map(|(_, peer)| peer)
    }

    /// Appends what has changed since the last call; never blocks.
    ///
    /// After an error nothing is lost: the next call compares everything.
    pub(crate) fn changes(&mut self, out: &mut Vec<PeerChange>) -> Result<(), BusError> {
        let Some(inotify) = &self.inotify else {
            return self.rescan(out);
        };
        let mut batch = Batch { files: ByFile::new(), overflow: false, bus_gone: false };
        let drained = batch.drain(inotify);
        let followed = drained
            .map_err(|error| BusError::from_io(self.dir.path(), "reading changes of the bus", error))
            .and_then(|()| self.follow(batch, out));
        if followed.is_err() {
            self.must_scan = true;
        }
        followed
    }

    /// Compares everything with the directory; finds also what no event has told.
    pub(crate) fn rescan(&mut self, out: &mut Vec<PeerChange>) -> Result<(), BusError> {
        let gone = !self.dir.is_there()?;
        let found = if gone { ByFile::new() } else { self.scan()? };
        self.must_scan = false;
        compare(&self.known, &found, out);
        self.known = found;
        if gone {
            self.note_bus_gone(out);
        }
        Ok(())
    }

    fn follow(&mut self, mut batch: Batch, out: &mut Vec<PeerChange>) -> Result<(), BusError> {
        let vantage = Vantage::here();
        // A close is announced before the lock goes. If the lock stays, the close may be that of the former
        // owner of the name, and the event of the new owner's arrival is about to follow.
        for _ in 0..RECHECKS {
            if !self.any_still_locked(&batch, vantage)? {
                break;
            }
            thread::yield_now();
            let Some(inotify) = &self.inotify else { break };
            batch
                .drain(inotify)
                .map_err(|error| BusError::from_io(self.dir.path(), "reading changes of the bus", error))?;
        }
        if batch.bus_gone {
            self.note_bus_gone(out);
        }
        if batch.overflow || self.must_scan || self.has_expired() {
            return self.rescan(out);
        }
        for (file, seen) in batch.files.iter() {
            match seen.last {
                Last::Left => {
                    let known = self.known.remove(file);
                    if let Some(guest) = known.as_ref().filter(|peer| peer.is_guest) {
                        // It held its record open for its whole life.
                        self.dir.end_beat(guest.incarnation);
                    }
                    out.extend(known.as_ref().map(departed));
                }
                Last::Came => self.look_at(file, vantage, out)?,
            }
        }
        Ok(())
    }

    /// Whether a peer whose record was closed appears alive.
    fn any_still_locked(&self, batch: &Batch, vantage: Vantage) -> Result<bool, BusError> {
        for (file, seen) in batch.files.iter() {
            if seen.was_closed
                && seen.last == Last::Left
                && self.known.get(file).is_some_and(|peer| !peer.is_guest)
                && matches!(self.dir.examine(file, vantage)?, Finding::Live(_))
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes up what the record in `file` tells now.
    fn look_at(&mut self, file: &str, vantage: Vantage, out: &mut Vec<PeerChange>) -> Result<(), BusError> {
        let now = match self.dir.examine(file, vantage)? {
            Finding::Live(record) | Finding::Suspended(record) => Some(record),
            Finding::Absent | Finding::Junk | Finding::Dead(_) => None,
        };
        let before = self.known.remove(file);
        if let (Some(now), Some(before)) = (&now, &before)
            && is_unchanged(now, before)
        {
            self.known.insert(file, now.clone());
            return Ok(());
        }
        let goes_on = |before: &&PeerRecord| now.as_ref().is_some_and(|now| is_same_member(now, before));
        out.extend(before.as_ref().filter(|before| !goes_on(before)).map(departed));
        if let Some(peer) = now {
            out.push(PeerChange::Arrived(peer.clone()));
            self.known.insert(file, peer);
        }
        Ok(())
    }

    fn scan(&self) -> Result<ByFile<PeerRecord>, BusError> {
        let mut found = ByFile::new();
        for peer in self.dir.peers()? {
            found.insert(&PeerRecord::file(peer.name()), peer);
        }
        Ok(found)
    }

    fn note_bus_gone(&mut self, out: &mut Vec<PeerChange>) {
        if !std::mem::replace(&mut self.bus_gone, true) {
            out.push(PeerChange::BusGone);
        }
    }
}

/// The events of one reading: per file only the last counts, since the directory tells the rest.
struct Batch {
    files: ByFile<Seen>,
    overflow: bool,
    bus_gone: bool,
}

/// What became of a file.
struct Seen {
    last: Last,
    /// It was closed, whatever came later.
    was_closed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Came,
    Left,
}

impl Batch {
    /// Reads all events that wait.
    fn drain(&mut self, inotify: &OwnedFd) -> rustix::io::Result<()> {
        let mut buffer = [MaybeUninit::uninit(); 8192];
        let mut reader = inotify::Reader::new(inotify, &mut buffer);
        loop {
            match reader.next() {
                Ok(event) => self.take(&event),
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn take(&mut self, event: &inotify::Event<'_>) {
        let flags = event.events();
        let moved = ReadFlags::MOVE_SELF | ReadFlags::DELETE_SELF | ReadFlags::IGNORED | ReadFlags::UNMOUNT;
        self.overflow |= flags.contains(ReadFlags::QUEUE_OVERFLOW);
        self.bus_gone |= flags.intersects(moved);
        let Some(file) = event.file_name().and_then(|file| file.to_str().ok()) else {
            return;
        };
        if file == marker::FILE {
            self.bus_gone |= flags.contains(ReadFlags::DELETE);
        } else if is_record(file) {
            let before = self.files.get(file).is_some_and(|seen| seen.was_closed);
            let was_closed = before || flags.contains(ReadFlags::CLOSE_WRITE);
            let came = flags.intersects(ReadFlags::MOVED_TO | ReadFlags::CREATE);
            let last = if came { Last::Came } else { Last::Left };
            self.files.insert(file, Seen { last, was_closed });
        }
    }
}

/// An inotify descriptor on the directory; none where the system has no instance or watch left.
fn arm(dir: &BusDir) -> Result<Option<OwnedFd>, BusError> {
    // A guest, which cannot rename without replacing, links its record into place.
    let flags = WatchFlags::MOVED_TO
        | WatchFlags::CREATE
        | WatchFlags::MOVED_FROM
        | WatchFlags::DELETE
        | WatchFlags::CLOSE_WRITE
        | WatchFlags::DELETE_SELF
        | WatchFlags::MOVE_SELF
        // Without this the close of a replaced record would pass for that of its replacement.
        | WatchFlags::EXCL_UNLINK
        | WatchFlags::ONLYDIR;
    let armed = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).and_then(|inotify| {
        inotify::add_watch(&inotify, dir.path_of_itself(), flags)?;
        Ok(inotify)
    });
    match armed {
        Ok(inotify) => Ok(Some(inotify)),
        Err(Errno::NOSPC | Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOSYS) => Ok(None),
        Err(error) => Err(BusError::from_io(dir.path(), "watching the bus", error)),
    }
}
