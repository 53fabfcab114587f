//! [`PeerWatch`]: arrivals and departures of peers, as a descriptor to poll.
//!
//! ```text
//! rename into place          IN_MOVED_TO     --> arrived
//! last close of the record   IN_CLOSE_WRITE  --> departed, whatever killed the owner
//! orderly leave              IN_DELETE       --> departed
//! marker gone                IN_DELETE       --> the bus is gone
//! ```

use super::by_file::ByFile;
use super::dir::{BusDir, is_record};
use super::error::BusError;
use super::marker;
use super::process_id::Vantage;
use super::record::{Finding, PeerRecord};
use ipcm_core::Incarnation;
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

/// One change among the peers of a bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PeerChange {
    /// A peer has joined.
    Arrived(PeerRecord),
    /// A peer has left or died.
    Departed {
        /// Its name.
        name: String,
        /// Which life of it ended.
        incarnation: Incarnation,
    },
    /// The bus has been removed or moved; reported once.
    BusGone,
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
        let stays = |file: &str, peer: &PeerRecord| {
            found.get(file).is_some_and(|now| now.incarnation == peer.incarnation)
        };
        out.extend(
            self.known.iter().filter(|(file, peer)| !stays(file, peer)).map(|(_, peer)| departed(peer)),
        );
        let is_new = |file: &str, peer: &PeerRecord| {
            self.known.get(file).is_none_or(|before| before.incarnation != peer.incarnation)
        };
        let arrived = found.iter().filter(|(file, peer)| is_new(file, peer));
        out.extend(arrived.map(|(_, peer)| PeerChange::Arrived(peer.clone())));
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
        if batch.overflow || self.must_scan {
            return self.rescan(out);
        }
        for (file, seen) in batch.files.iter() {
            match seen.last {
                Last::Left => out.extend(self.known.remove(file).as_ref().map(departed)),
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
                && self.known.get(file).is_some()
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
            Finding::Live(record) => Some(record),
            Finding::Absent | Finding::Junk | Finding::Dead(_) => None,
        };
        let before = self.known.get(file);
        if now.as_ref().map(|peer| peer.incarnation) == before.map(|peer| peer.incarnation) {
            return Ok(());
        }
        out.extend(self.known.remove(file).as_ref().map(departed));
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
            let last = if flags.contains(ReadFlags::MOVED_TO) { Last::Came } else { Last::Left };
            self.files.insert(file, Seen { last, was_closed });
        }
    }
}

/// An inotify descriptor on the directory; none where the system has no instance or watch left.
fn arm(dir: &BusDir) -> Result<Option<OwnedFd>, BusError> {
    let flags = WatchFlags::MOVED_TO
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

fn departed(peer: &PeerRecord) -> PeerChange {
    PeerChange::Departed { name: peer.name.clone(), incarnation: peer.incarnation }
}
