//! What the file of a record tells on a system that has locks.

use super::process_id::Vantage;
use super::record::{Finding, MAX_SIZE, PeerRecord};
use crate::clock::Monotonic;
use crate::sys::ofd;
use ipcm_core::Clock;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, fstat, openat, statat};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{BorrowedFd, OwnedFd};

/// Looks at the record in `file` of the bus directory, without taking any lock.
///
/// A guest lives if `beats` says so. Any other peer lives if its record is locked and its process has not certainly ended. The second part only
/// disproves: the lock outlives its peer in a child that was forked and never executed a program.
pub(super) fn examine(
    directory: BorrowedFd<'_>,
    file: &str,
    vantage: Vantage,
    admits: impl Fn(u32) -> bool,
    beats: impl Fn(&PeerRecord) -> bool,
) -> io::Result<Finding> {
    for _ in 0..8 {
        let opened = match open(directory, file) {
            Ok(opened) => opened,
            Err(Errno::NOENT) => return Ok(Finding::Absent),
            Err(Errno::LOOP | Errno::NXIO) => return Ok(Finding::Junk),
            // Kept from us alone, or is it the directory that is?
            Err(Errno::ACCESS) => {
                statat(directory, file, AtFlags::SYMLINK_NOFOLLOW)?;
                return Ok(Finding::Junk);
            }
            Err(error) => return Err(error.into()),
        };
        let Some(mut record) = read(&opened)?.filter(|record| PeerRecord::file(&record.name) == file) else {
            return Ok(Finding::Junk);
        };
        let stat = fstat(&opened)?;
        if record.is_guest {
            // A guest does not know whose it is.
            record.uid = stat.st_uid;
        }
        if stat.st_uid != record.uid || !admits(record.uid) {
            return Ok(Finding::Junk);
        }
        match record.suspended {
            Some(until) if until > Monotonic.unix_micros() => return Ok(Finding::Suspended(record)),
            Some(_) => {}
            None if record.is_guest && beats(&record) => return Ok(Finding::Live(record)),
            None if record.is_guest => {}
            None if ofd::is_write_locked(&opened)? && !record.process.has_ended(vantage) => {
                return Ok(Finding::Live(record));
            }
            None => {}
        }
        // The next owner of the name may have put its record there meanwhile.
        match statat(directory, file, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(now) if (now.st_dev, now.st_ino) != (stat.st_dev, stat.st_ino) => {}
            _ => return Ok(Finding::Dead(record)),
        }
    }
    Ok(Finding::Absent)
}

/// Reads whatever record `file` holds, whoever wrote it and whether it lives or not.
pub(super) fn read_any(directory: BorrowedFd<'_>, file: &str) -> Option<PeerRecord> {
    open(directory, file).ok().and_then(|file| read(&file).ok().flatten())
}

/// Opens for reading only, so that closing it again is not taken for the owner's end.
fn open(directory: BorrowedFd<'_>, file: &str) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    openat(directory, file, flags, Mode::empty())
}

/// The record in the file; `None` if it is none.
fn read(file: &OwnedFd) -> io::Result<Option<PeerRecord>> {
    let stat = fstat(file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_size as u64 > MAX_SIZE {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    File::from(file.try_clone()?).take(MAX_SIZE).read_to_end(&mut bytes)?;
    Ok(PeerRecord::from_text(&bytes))
}
