//! [`Membership`]: a peer's name, from joining to leaving.

use super::crash_point::crash_point;
use super::dir::BusDir;
use super::error::{BusError, JoinError};
use super::process_id::{ProcessId, Vantage, own_pid};
use super::record::{self, Finding, PeerKind, PeerRecord};
use super::socket;
use super::sweep::unlink;
use crate::sys::ofd;
use ipcm_core::Incarnation;
use rustix::fs::{AtFlags, Mode, OFlags, fchmod, fstat, openat, renameat, statat};
use rustix::io::Errno;
use rustix::process::geteuid;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A peer of a bus, for as long as this value or its process lives.
///
/// Dropping it leaves the bus. In a forked child the drop only closes the child's descriptors.
#[derive(Debug)]
pub(crate) struct Membership {
    dir: BusDir,
    record: PeerRecord,
    pid: u32,
    listener: OwnedFd,
    /// Locked: the lock is what tells the others that this peer lives, so it is closed last of all.
    record_file: OwnedFd,
}

impl BusDir {
    /// Takes the name `name` and listens for connections.
    pub(crate) fn join(
        &self,
        name: &str,
        kind: PeerKind,
        incarnation: Incarnation,
    ) -> Result<Membership, JoinError> {
        ipcm_core::name::check(name).map_err(|source| JoinError::Name { name: name.to_owned(), source })?;
        let uid = geteuid().as_raw();
        let process = ProcessId::own();
        let record = PeerRecord { name: name.to_owned(), process, uid, incarnation, kind };
        let bus = |source| JoinError::Bus { name: name.to_owned(), source };
        if !self.admits(uid) {
            return Err(bus(BusError::NotAdmitted { path: self.path().to_owned(), uid }));
        }
        let _lock = self.lock_joins().map_err(bus)?;
        crash_point("locked");
        match self.examine(&PeerRecord::file(name), Vantage::here()).map_err(bus)? {
            Finding::Live(holder) => {
                let (pid, path) = (holder.pid(), self.path().to_owned());
                return Err(JoinError::NameTaken { name: holder.name, pid, path });
            }
            Finding::Dead(former) => unlink(self, &former.socket_file()).map_err(bus)?,
            Finding::Absent | Finding::Junk => {}
        }
        let failed = |error: io::Error| bus(BusError::from_io(self.path(), "joining the bus", error));
        self.register(record).map_err(failed)
    }

    /// Writes the record and listens; the caller holds the lock for joining.
    ///
    /// The draft is complete before the socket is made, so that whoever next takes the name finds in it
    /// what a crash has left, without a look at the whole directory.
    fn register(&self, record: PeerRecord) -> io::Result<Membership> {
        let (file, draft) = (PeerRecord::file(&record.name), PeerRecord::draft_file(&record.name));
        if let Some(former) = record::read_any(self.as_fd(), &draft) {
            ignore_absent(rustix::fs::unlinkat(self, former.socket_file(), AtFlags::empty()))?;
        }
        ignore_absent(rustix::fs::unlinkat(self, &draft, AtFlags::empty()))?;
        crash_point("swept");
        let mut joining = Joining { dir: self, draft: &draft, socket: record.socket_file(), done: false };
        let record_file = self.write_draft(&draft, &record)?;
        let listener = socket::listen(self, &joining.socket)?;
        crash_point("listening");
        renameat(self, &draft, self, &file)?;
        crash_point("renamed");
        joining.done = true;
        Ok(Membership { dir: self.clone(), record, pid: own_pid(), listener, record_file })
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

    /// The listening socket: `AF_UNIX`, `SOCK_SEQPACKET`, nonblocking, close-on-exec.
    pub(crate) fn listener(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    /// The locked record, for tests that pass it on as a fork does.
    #[cfg(test)]
    pub(super) fn record_file(&self) -> BorrowedFd<'_> {
        self.record_file.as_fd()
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
        if own_pid() != self.pid {
            return;
        }
        // Failures leave remains, which the next to take the name clears away.
        let _ = rustix::fs::unlinkat(&self.dir, self.record.socket_file(), AtFlags::empty());
        crash_point("leaving");
        let _ = self.unlink_record();
    }
}

/// Clears away what a join that fails has left.
struct Joining<'a> {
    dir: &'a BusDir,
    draft: &'a str,
    socket: String,
    done: bool,
}

impl Drop for Joining<'_> {
    fn drop(&mut self) {
        if !self.done {
            let _ = rustix::fs::unlinkat(self.dir, &self.socket, AtFlags::empty());
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
