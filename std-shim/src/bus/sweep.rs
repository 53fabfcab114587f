//! Clearing away what dead peers have left, and whole buses.

use super::by_file::ByFile;
use super::crash_point::crash_point;
use super::dir::{BusDir, is_record, list};
use super::error::BusError;
use super::join_lock::{self, JoinLock};
use super::marker;
use super::process_id::Vantage;
use super::record::Finding;
use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, fstat, openat, statat, unlinkat};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

impl BusDir {
    /// Removes what dead peers have left; how many files that were.
    ///
    /// It looks at every peer. A join clears what is left of its own name, and sweeps every so often.
    pub(crate) fn sweep(&self) -> Result<usize, BusError> {
        sweep(self, &self.lock_joins()?)
    }

    /// Removes the bus, whoever is still there.
    ///
    /// The marker goes first, so that nobody opens or joins what is about to go, and so that a crash in
    /// between leaves a directory that [`create`](Self::create) and the next sweep know what to do with.
    pub(super) fn remove(&self, _lock: &JoinLock) -> Result<(), BusError> {
        unlink(self, marker::FILE)?;
        crash_point("unmarked");
        empty_and_remove(self.as_fd(), self.path())
    }
}

/// As [`BusDir::sweep`], under a lock that the caller holds, so that no join is under way.
pub(super) fn sweep(dir: &BusDir, _lock: &JoinLock) -> Result<usize, BusError> {
    let vantage = Vantage::here();
    let files = dir.files()?;
    let (mut live_doors, mut swept) = (ByFile::new(), 0);
    for file in files.iter().filter(|file| is_record(file)) {
        match dir.examine(file, vantage)? {
            Finding::Live(record) | Finding::Suspended(record) => {
                live_doors.insert(&record.door(), ());
                live_doors.insert(&record.beat_file(), ());
            }
            // It may be the clock that says so.
            Finding::Dead(guest) if guest.is_guest && !dir.knows_beat(&guest) => {
                live_doors.insert(&guest.door(), ());
                live_doors.insert(&guest.beat_file(), ());
            }
            Finding::Dead(_) | Finding::Junk => swept += usize::from(try_unlink(dir.as_fd(), file)),
            Finding::Absent => {}
        }
    }
    // A socket or mailbox whose record came after the listing belongs to no one: joining needs the lock, but for
    // guests, who beat before they join.
    let is_left = |file: &&String| match is_door(file) {
        true => live_doors.get(file).is_none(),
        false => is_draft(file),
    };
    for file in files.iter().filter(is_left).filter(|file| !dir.may_beat(file)) {
        swept += usize::from(try_remove(dir.as_fd(), file));
    }
    Ok(swept)
}

/// Refuses a directory that holds anything but what a bus leaves.
pub(super) fn refuse_foreign_files(directory: BorrowedFd<'_>, path: &Path) -> Result<(), BusError> {
    match list(directory, path)?.into_iter().find(|file| !is_ours(file)) {
        Some(found) => Err(BusError::NotABus { path: path.to_owned(), found }),
        None => Ok(()),
    }
}

/// Removes the files of a bus that has no marker any more, and the directory.
pub(super) fn empty_and_remove(directory: BorrowedFd<'_>, path: &Path) -> Result<(), BusError> {
    let failed = |error| BusError::from_io(path, "removing the bus", error);
    refuse_foreign_files(directory, path)?;
    for file in list(directory, path)?.iter().filter(|file| *file != join_lock::FILE) {
        try_remove(directory, file);
    }
    // The lock goes last: while it is there, whoever wants to join waits for it.
    crash_point("emptied");
    try_unlink(directory, join_lock::FILE);
    let (ours, there) = (fstat(directory).map_err(failed)?, statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW));
    match there {
        Ok(there) if (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino) => {
            unlinkat(CWD, path, AtFlags::REMOVEDIR).map_err(failed)
        }
        // Gone, moved or replaced: then there is nothing of this bus at the path.
        _ => Ok(()),
    }
}

/// Removes a file of the bus, or a mailbox; one that is gone already is no error.
pub(super) fn unlink(dir: &BusDir, file: &str) -> Result<(), BusError> {
    match remove(dir.as_fd(), file) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(BusError::from_io(dir.path(), "removing what a dead peer has left", error)),
    }
}

fn try_unlink(directory: BorrowedFd<'_>, file: &str) -> bool {
    unlinkat(directory, file, AtFlags::empty()).is_ok()
}

fn try_remove(directory: BorrowedFd<'_>, file: &str) -> bool {
    remove(directory, file).is_ok()
}

/// Removes a file, or a mailbox with all that is in it.
pub(super) fn remove(directory: BorrowedFd<'_>, file: &str) -> rustix::io::Result<()> {
    match unlinkat(directory, file, AtFlags::empty()) {
        Err(Errno::ISDIR | Errno::PERM) if is_door(file) => {}
        other => return other,
    }
    loop {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mailbox = openat(directory, file, flags, Mode::empty())?;
        for entry in Dir::read_from(&mailbox)? {
            match unlinkat(&mailbox, entry?.file_name(), AtFlags::empty()) {
                // A dot; or another one empties it as well.
                Ok(()) | Err(Errno::ISDIR | Errno::PERM | Errno::NOENT) => {}
                Err(error) => return Err(error),
            }
        }
        match unlinkat(directory, file, AtFlags::REMOVEDIR) {
            // Someone has sent to it meanwhile.
            Err(Errno::NOTEMPTY) => {}
            other => return other,
        }
    }
}

/// Whether a bus may have made a file of this name.
fn is_ours(file: &str) -> bool {
    is_record(file) || is_door(file) || is_draft(file) || matches!(file, marker::FILE | join_lock::FILE)
}

/// Whether it is the name of a socket, a mailbox, or a beat.
fn is_door(file: &str) -> bool {
    [".sock", ".mail", ".beat"]
        .iter()
        .find_map(|ending| file.strip_suffix(ending))
        .is_some_and(|hex| hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn is_draft(file: &str) -> bool {
    file.starts_with('.') && file.ends_with(".new")
}
