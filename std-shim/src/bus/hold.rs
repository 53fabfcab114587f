//! [`Hold`]: what holds a name on a system that has locks: the locked record, and the socket or mailbox beside it.

use super::crash_point::crash_point;
use super::dir::BusDir;
use super::error::{BusError, JoinError};
use super::examine::read_any;
use super::heart::Heart;
use super::medium::Medium;
use super::membership::{Claim, Membership};
use super::process_id::own_pid;
use super::record::{Finding, PeerRecord};
use super::socket;
use super::sweep::{self, unlink};
use crate::sys::ofd;
use ipcm_core::Incarnation;
use rustix::fs::{
    AtFlags, Mode, OFlags, RenameFlags, fchmod, fstat, mkdirat, openat, renameat, renameat_with, statat,
};
use rustix::io::Errno;
use rustix::process::geteuid;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, OwnedFd};

/// What is found under a name: nothing, or something, which may be the record of a life.
type Holder = Option<Option<Incarnation>>;

/// How often the name is tried to be had when guests take it and leave it.
const ATTEMPTS: usize = 16;

/// What one life holds its name by.
#[derive(Debug)]
pub(super) struct Hold {
    /// Shows guests that this peer lives.
    heart: Option<Heart>,
    pid: u32,
    /// None on message files, and once it is given out.
    listener: Option<OwnedFd>,
    /// Locked: the lock is what tells the others that this peer lives, so it is closed last of all.
    record_file: OwnedFd,
}

impl BusDir {
    /// Takes a name, and whatever a dead owner of it has left away. Also returns the life that was there before.
    pub(super) fn take_hold(&self, claim: &mut Claim) -> Result<(Hold, Option<PeerRecord>), JoinError> {
        let (name, uid) = (claim.record.name.clone(), claim.record.uid);
        if !self.admits(uid) {
            return Err(claim.failed(BusError::NotAdmitted { path: self.path().to_owned(), uid }));
        }
        if self.has_guests() {
            // Not under the lock: it may take seconds.
            self.judge(&name).map_err(|error| claim.failed(error))?;
        }
        let lock = self.lock_joins().map_err(|error| claim.failed(error))?;
        crash_point("locked");
        let held = self.take_hold_locked(claim)?;
        if lock.count_join() {
            // A failure leaves remains for the next sweep.
            let _ = sweep::sweep(self, &lock);
        }
        Ok(held)
    }

    /// As [`take_hold`](Self::take_hold), for one who holds the lock for joining.
    fn take_hold_locked(&self, claim: &mut Claim) -> Result<(Hold, Option<PeerRecord>), JoinError> {
        for _ in 0..ATTEMPTS {
            let holder = self.find(&claim.record.name).map_err(|error| claim.failed(error))?;
            let is_dead = matches!(holder, Finding::Dead(_));
            let life = match &holder {
                Finding::Absent => None,
                Finding::Junk => Some(None),
                Finding::Live(found) | Finding::Dead(found) | Finding::Suspended(found) => {
                    Some(Some(found.incarnation))
                }
            };
            let former = claim.oust(self, holder)?;
            if let Some(former) = former.as_ref().filter(|_| is_dead) {
                unlink(self, &former.door()).map_err(|error| claim.failed(error))?;
                unlink(self, &former.beat_file()).map_err(|error| claim.failed(error))?;
            }
            match self.register(&claim.record, life) {
                Ok(hold) => return Ok((hold, former)),
                // A guest, who needs no lock, was faster.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(claim.failed(self.error("joining the bus", error))),
            }
        }
        Err(claim.failed(BusError::JoinLocked { path: self.path().to_owned() }))
    }

    /// Writes the record and listens; the caller holds the lock for joining.
    ///
    /// The draft is complete before the socket is made, so that whoever next takes the name finds in it
    /// what a crash has left, without a look at the whole directory.
    ///
    /// # Errors
    ///
    /// Of the kind `AlreadyExists` where a guest has joined since the `holder` of the name was found.
    fn register(&self, record: &PeerRecord, holder: Holder) -> io::Result<Hold> {
        let (file, draft) = (PeerRecord::file(&record.name), PeerRecord::draft_file(&record.name));
        // A mailbox is kept for the next life of a suspended peer, whatever a crash has left of this step.
        let is_inherited = record.is_inherited();
        let is_others = |former: &PeerRecord| former.door() != record.door();
        if let Some(left) = read_any(self.as_fd(), &draft).filter(is_others) {
            ignore_absent(sweep::remove(self.as_fd(), &left.door()))?;
        }
        ignore_absent(rustix::fs::unlinkat(self, &draft, AtFlags::empty()))?;
        crash_point("swept");
        let mut joining =
            Joining { dir: self, draft: &draft, door: (!is_inherited).then(|| record.door()), done: false };
        let record_file = self.write_draft(&draft, record)?;
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
        self.place(&draft, &file, holder)?;
        crash_point("renamed");
        self.sync()?;
        joining.done = true;
        Ok(Hold { heart, pid: own_pid(), listener, record_file })
    }

    /// Gives a draft its name. Guests join without the lock, so that it is seen to that no other than the `holder` loses
    /// it.
    pub(super) fn place(&self, draft: &str, file: &str, holder: Holder) -> io::Result<()> {
        if !self.has_guests() {
            return Ok(renameat(self, draft, self, file)?);
        }
        let Some(life) = holder else {
            return Ok(renameat_with(self, draft, self, file, RenameFlags::NOREPLACE)?);
        };
        let exchange = || renameat_with(self, draft, self, file, RenameFlags::EXCHANGE);
        match exchange() {
            Err(Errno::NOENT) => return Err(ErrorKind::AlreadyExists.into()),
            other => other?,
        }
        if read_any(self.as_fd(), draft).map(|former| former.incarnation) != life {
            exchange()?;
            return Err(ErrorKind::AlreadyExists.into());
        }
        Ok(rustix::fs::unlinkat(self, draft, AtFlags::empty())?)
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
        if self.medium() == Medium::DurableFiles {
            file.sync_all()?;
        }
        crash_point("written");
        Ok(file.into())
    }
}

impl Hold {
    /// Whether those who hold names like this are guests.
    pub(super) const IS_GUEST: bool = false;

    /// The user of this process.
    pub(super) fn uid() -> u32 {
        geteuid().as_raw()
    }

    /// Whether this is the process that took it, and not a forked child of it.
    pub(super) fn is_ours(&self) -> bool {
        own_pid() == self.pid
    }

    /// A thread beats for this peer, and nobody takes its name away: its record is locked.
    pub(super) fn beat(&mut self, _dir: &BusDir, _record: &PeerRecord) -> bool {
        true
    }

    /// A thread beats for this peer.
    pub(super) fn next_beat(&self) -> Option<ipcm_core::Instant> {
        None
    }

    /// Puts a record in the place of that of this life, which is over.
    pub(super) fn suspend(&mut self, dir: &BusDir, record: &PeerRecord) -> Result<(), BusError> {
        let _lock = dir.lock_joins()?;
        let (file, draft) = (PeerRecord::file(&record.name), PeerRecord::draft_file(&record.name));
        let suspended = || {
            ignore_absent(rustix::fs::unlinkat(dir, &draft, AtFlags::empty()))?;
            // It is closed before it has its name, which would pass for the end of the peer.
            drop(dir.write_draft(&draft, record)?);
            renameat(dir, &draft, dir, &file)?;
            dir.sync()
        };
        suspended().map_err(|error: io::Error| dir.error("suspending a peer", error))?;
        self.stop_heart(dir, record);
        Ok(())
    }

    /// Removes all that others see of this life.
    pub(super) fn leave(&mut self, dir: &BusDir, record: &PeerRecord) {
        let _ = sweep::remove(dir.as_fd(), &record.door());
        crash_point("leaving");
        self.stop_heart(dir, record);
        let _ = self.unlink_record(dir, record);
    }

    fn stop_heart(&mut self, dir: &BusDir, record: &PeerRecord) {
        if self.heart.take().is_some() {
            let _ = rustix::fs::unlinkat(dir, record.beat_file(), AtFlags::empty());
        }
    }

    /// Removes the record only if it still is this peer's.
    fn unlink_record(&self, dir: &BusDir, record: &PeerRecord) -> io::Result<()> {
        let file = PeerRecord::file(&record.name);
        let ours = fstat(&self.record_file)?;
        let there = statat(dir, &file, AtFlags::SYMLINK_NOFOLLOW)?;
        if (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino) {
            rustix::fs::unlinkat(dir, &file, AtFlags::empty())?;
        }
        Ok(())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if !self.is_ours() {
            // The thread is not in a forked child.
            std::mem::forget(self.heart.take());
        }
    }
}

impl Membership {
    /// The name, as given.
    pub(crate) fn name(&self) -> &str {
        self.record().name()
    }

    /// Gives out the listening socket: `AF_UNIX`, `SOCK_SEQPACKET`, nonblocking, close-on-exec. There is none
    /// on message files.
    pub(crate) fn take_listener(&mut self) -> Option<OwnedFd> {
        self.hold.listener.take()
    }

    /// The listening socket, for tests that have not taken it.
    #[cfg(test)]
    pub(super) fn listener(&self) -> std::os::fd::BorrowedFd<'_> {
        self.hold.listener.as_ref().expect("it was not taken").as_fd()
    }

    /// The locked record, for tests that pass it on as a fork does.
    #[cfg(test)]
    pub(super) fn record_file(&self) -> std::os::fd::BorrowedFd<'_> {
        self.hold.record_file.as_fd()
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
