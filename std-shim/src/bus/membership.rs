//! [`Membership`]: a peer's name, from joining to leaving.

use super::beat::LEASE;
use super::crash_point::crash_point;
use super::dir::BusDir;
use super::error::{BusError, JoinError};
use super::examine::read_any;
use super::heart::Heart;
use super::medium::Medium;
use super::process_id::{ProcessId, Vantage, own_pid};
use super::record::{Finding, PeerKind, PeerRecord};
use super::socket;
use super::sweep::{self, unlink};
use crate::sys::ofd;
use ipcm_core::Incarnation;
use rustix::fs::{AtFlags, Mode, OFlags, fchmod, fstat, mkdirat, openat, renameat, statat};
use rustix::io::Errno;
use rustix::process::geteuid;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

/// How often it is looked for the beat of a guest.
const LOOK: Duration = Duration::from_millis(50);

/// A peer of a bus, for as long as this value or its process lives.
///
/// Dropping it leaves the bus. In a forked child the drop only closes the child's descriptors.
#[derive(Debug)]
pub(crate) struct Membership {
    dir: BusDir,
    record: PeerRecord,
    /// The name is kept though this life is over.
    is_suspended: bool,
    /// Until when the former life is suspended, which this one has yet to take up.
    former: Option<u64>,
    /// Shows guests that this peer lives.
    heart: Option<Heart>,
    pid: u32,
    /// None on message files, and once it is given out.
    listener: Option<OwnedFd>,
    /// Locked: the lock is what tells the others that this peer lives, so it is closed last of all.
    record_file: OwnedFd,
}

impl BusDir {
    /// Takes the name `name` and listens for connections, or has a mailbox.
    pub(crate) fn join(
        &self,
        name: &str,
        kind: PeerKind,
        incarnation: Incarnation,
    ) -> Result<Membership, JoinError> {
        self.enter(name, kind, incarnation, false)
    }

    /// Takes up the life of a suspended peer, with its mailbox.
    pub(crate) fn rejoin(
        &self,
        name: &str,
        kind: PeerKind,
        incarnation: Incarnation,
    ) -> Result<Membership, JoinError> {
        self.enter(name, kind, incarnation, true)
    }

    /// Waits until it is known whether a guest of this name lives: its next beat comes, or does not.
    pub(super) fn await_judgement(&self, name: &str) -> Result<(), BusError> {
        let file = PeerRecord::file(name);
        let until = Instant::now() + 2 * LEASE;
        while self.has_guests() && Instant::now() < until {
            match self.examine(&file, Vantage::here())? {
                Finding::Live(guest) if guest.is_guest && !self.has_beaten(&guest) => {
                    // Nothing tells of a beat, and it comes once a second.
                    thread::sleep(LOOK);
                }
                _ => break,
            }
        }
        Ok(())
    }

    fn enter(
        &self,
        name: &str,
        kind: PeerKind,
        incarnation: Incarnation,
        again: bool,
    ) -> Result<Membership, JoinError> {
        ipcm_core::name::check(name).map_err(|source| JoinError::Name { name: name.to_owned(), source })?;
        let uid = geteuid().as_raw();
        let process = ProcessId::own();
        let mailbox = (self.medium() != Medium::Unix).then_some(incarnation);
        let name_owned = name.to_owned();
        let mut record = PeerRecord {
            name: name_owned,
            process,
            uid,
            incarnation,
            kind,
            mailbox,
            suspended: None,
            is_guest: false,
        };
        let bus = |source| JoinError::Bus { name: name.to_owned(), source };
        if !self.admits(uid) {
            return Err(bus(BusError::NotAdmitted { path: self.path().to_owned(), uid }));
        }
        self.await_judgement(name).map_err(bus)?;
        let _lock = self.lock_joins().map_err(bus)?;
        crash_point("locked");
        let mut until = None;
        match self.examine(&PeerRecord::file(name), Vantage::here()).map_err(bus)? {
            Finding::Live(holder) => {
                let (pid, path) = (holder.pid(), self.path().to_owned());
                return Err(JoinError::NameTaken { name: holder.name, pid, path });
            }
            Finding::Suspended(former) if again => {
                record.mailbox = former.mailbox;
                until = former.suspended;
            }
            Finding::Suspended(holder) => {
                let path = self.path().to_owned();
                return Err(JoinError::NameSuspended { name: holder.name, path });
            }
            _ if again => {
                let path = self.path().to_owned();
                return Err(JoinError::NotSuspended { name: name.to_owned(), path });
            }
            Finding::Dead(former) => {
                unlink(self, &former.door()).map_err(bus)?;
                unlink(self, &former.beat_file()).map_err(bus)?;
            }
            Finding::Absent | Finding::Junk => {}
        }
        let failed = |error: io::Error| bus(BusError::from_io(self.path(), "joining the bus", error));
        self.register(record, until).map_err(failed)
    }

    /// Writes the record and listens; the caller holds the lock for joining.
    ///
    /// The draft is complete before the socket is made, so that whoever next takes the name finds in it
    /// what a crash has left, without a look at the whole directory.
    fn register(&self, record: PeerRecord, former: Option<u64>) -> io::Result<Membership> {
        let (file, draft) = (PeerRecord::file(&record.name), PeerRecord::draft_file(&record.name));
        // A mailbox is kept for the next life of a suspended peer, whatever a crash has left of this step.
        let is_inherited = record.mailbox.is_some_and(|mailbox| mailbox != record.incarnation);
        let is_others = |former: &PeerRecord| former.door() != record.door();
        if let Some(left) = read_any(self.as_fd(), &draft).filter(is_others) {
            ignore_absent(sweep::remove(self.as_fd(), &left.door()))?;
        }
        ignore_absent(rustix::fs::unlinkat(self, &draft, AtFlags::empty()))?;
        crash_point("swept");
        let mut joining =
            Joining { dir: self, draft: &draft, door: (!is_inherited).then(|| record.door()), done: false };
        let record_file = self.write_draft(&draft, &record)?;
        let listener = match record.mailbox {
            None => Some(socket::listen(self, &record.door())?),
            Some(_) if is_inherited => None,
            Some(_) => {
                mkdirat(self, record.door(), Mode::from_raw_mode(0o700))?;
                None
            }
        };
        crash_point("listening");
        let heart = match self.has_guests() {
            true => Some(Heart::start(&self.path_of(&record.beat_file()))?),
            false => None,
        };
        renameat(self, &draft, self, &file)?;
        crash_point("renamed");
        joining.done = true;
        Ok(Membership {
            dir: self.clone(),
            record,
            is_suspended: false,
            former,
            heart,
            pid: own_pid(),
            listener,
            record_file,
        })
    }

    fn write_draft(&self, draft: &str, record: &PeerRecord) -> io::Result<OwnedFd> {
        let mode = Mode::from_raw_mode(self.users().modes().readable);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let mut file = File::from(openat(self, draft, flags, mode)?);
        crash_point("created");
        fchmod(&file, mode)?;
        if !ofd::try_write_lock(&file)? {
            return Err(Errno::AGAIN.into());
        }
        let text = record.to_text();
        let (first, second) = text.as_bytes().split_at(text.len() / 2);
        file.write_all(first)?;
        crash_point("half written");
        file.write_all(second)?;
        crash_point("written");
        Ok(file.into())
    }
}

impl Membership {
    /// The bus.
    pub(crate) fn dir(&self) -> &BusDir {
        &self.dir
    }

    /// The name, as given.
    pub(crate) fn name(&self) -> &str {
        &self.record.name
    }

    /// What the others read of this peer.
    pub(crate) fn record(&self) -> &PeerRecord {
        &self.record
    }

    /// Gives out the listening socket: `AF_UNIX`, `SOCK_SEQPACKET`, nonblocking, close-on-exec. There is none
    /// on message files.
    pub(crate) fn take_listener(&mut self) -> Option<OwnedFd> {
        self.listener.take()
    }

    /// The listening socket, for tests that have not taken it.
    #[cfg(test)]
    pub(super) fn listener(&self) -> std::os::fd::BorrowedFd<'_> {
        self.listener.as_ref().expect("it was not taken").as_fd()
    }

    /// The locked record, for tests that pass it on as a fork does.
    #[cfg(test)]
    pub(super) fn record_file(&self) -> std::os::fd::BorrowedFd<'_> {
        self.record_file.as_fd()
    }

    /// This life has taken up all that the former one has left. Until then its end gives the name back to the
    /// suspended one, with all that is kept for it.
    pub(crate) fn take_over(&mut self) {
        self.former = None;
    }

    /// Whether the mailbox is kept for a life to come.
    pub(crate) fn keeps_mailbox(&self) -> bool {
        self.is_suspended || self.former.is_some()
    }

    /// Keeps the name, and the mailbox, for a life to come, until then: microseconds of the Unix epoch.
    pub(crate) fn suspend(&mut self, until: u64) -> Result<(), BusError> {
        let _lock = self.dir.lock_joins()?;
        let record = PeerRecord { suspended: Some(until), ..self.record.clone() };
        let (file, draft) = (PeerRecord::file(&record.name), PeerRecord::draft_file(&record.name));
        let suspended = || {
            ignore_absent(rustix::fs::unlinkat(&self.dir, &draft, AtFlags::empty()))?;
            // It is closed before it has its name, which would pass for the end of the peer.
            drop(self.dir.write_draft(&draft, &record)?);
            Ok(renameat(&self.dir, &draft, &self.dir, &file)?)
        };
        suspended().map_err(|error: io::Error| self.dir.error("suspending a peer", error))?;
        self.is_suspended = true;
        self.stop_heart();
        Ok(())
    }

    /// A thread beats for this peer.
    pub(crate) fn beat(&self) {}

    /// A thread beats for this peer.
    pub(crate) fn next_beat(&self) -> Option<ipcm_core::Instant> {
        None
    }

    fn stop_heart(&mut self) {
        if self.heart.take().is_some() {
            let _ = rustix::fs::unlinkat(&self.dir, self.record.beat_file(), AtFlags::empty());
        }
    }

    /// Whether this is the process that joined, and not a forked child of it.
    pub(crate) fn is_ours(&self) -> bool {
        own_pid() == self.pid
    }

    /// Removes the record only if it still is this peer's.
    fn unlink_record(&self) -> io::Result<()> {
        let file = PeerRecord::file(&self.record.name);
        let ours = fstat(&self.record_file)?;
        let there = statat(&self.dir, &file, AtFlags::SYMLINK_NOFOLLOW)?;
        if (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino) {
            rustix::fs::unlinkat(&self.dir, &file, AtFlags::empty())?;
        }
        Ok(())
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        if !self.is_ours() {
            // The thread is not in a forked child.
            std::mem::forget(self.heart.take());
            return;
        }
        if self.is_suspended || self.former.is_some_and(|until| self.suspend(until).is_ok()) {
            return;
        }
        // Failures leave remains, which the next to take the name clears away.
        let _ = sweep::remove(self.dir.as_fd(), &self.record.door());
        crash_point("leaving");
        self.stop_heart();
        let _ = self.unlink_record();
    }
}

/// Clears away what a join that fails has left.
struct Joining<'a> {
    dir: &'a BusDir,
    draft: &'a str,
    /// None if it was there before.
    door: Option<String>,
    done: bool,
}

impl Drop for Joining<'_> {
    fn drop(&mut self) {
        if !self.done {
            if let Some(door) = &self.door {
                let _ = sweep::remove(self.dir.as_fd(), door);
            }
            let _ = rustix::fs::unlinkat(self.dir, self.draft, AtFlags::empty());
        }
    }
}

fn ignore_absent(result: rustix::io::Result<()>) -> io::Result<()> {
    match result {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
