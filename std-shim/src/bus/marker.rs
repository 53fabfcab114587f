//! [`Marker`]: the file `.bus`, which says that a directory is a bus, for whom, and who owns it.

use super::error::BusError;
use super::process_id::{ProcessId, Vantage};
use super::users::Users;
use crate::sys::ofd;
use rustix::fs::{FileType, Mode, OFlags, fchmod, fstat, openat, renameat, unlinkat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// The name of the marker file.
pub(super) const FILE: &str = ".bus";
/// The marker while it is written.
pub(super) const DRAFT: &str = ".bus.new";
/// The layout of the directory that this version reads and writes.
const FORMAT: u32 = 1;
/// No marker is longer: about 5000 user ids.
const MAX_SIZE: u64 = 64 * 1024;

/// What the marker file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Marker {
    format: u32,
    pub(super) users: Users,
    /// The process whose guard ends the bus; it keeps the file locked. None: the bus is persistent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) owner: Option<ProcessId>,
}

/// The marker as found, with the facts that only the file system knows.
pub(super) struct Found {
    pub(super) marker: Marker,
    /// The user who wrote it.
    pub(super) uid: u32,
    locked: bool,
}

impl Found {
    /// The process of the guard, if that lives.
    pub(super) fn live_owner(&self) -> Option<u32> {
        let owner = self.marker.owner.as_ref().filter(|_| self.locked)?;
        (!owner.has_ended(Vantage::here())).then_some(owner.pid)
    }
}

impl Marker {
    pub(super) fn new(users: Users, owner: Option<ProcessId>) -> Self {
        Self { format: FORMAT, users, owner }
    }

    /// Reads the marker of the bus at `path`; `None` if there is none.
    pub(super) fn find(directory: BorrowedFd<'_>, path: &Path) -> Result<Option<Found>, BusError> {
        let doing = "reading the marker of the bus";
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = match openat(directory, FILE, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(BusError::from_io(path, doing, error)),
        };
        let bad = |reason: String| BusError::BadMarker { path: path.to_owned(), reason };
        let stat = fstat(&file).map_err(|error| BusError::from_io(path, doing, error))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_size as u64 > MAX_SIZE {
            return Err(bad("it is not a short file".to_owned()));
        }
        let mut bytes = Vec::new();
        let read = (&file).take(MAX_SIZE).read_to_end(&mut bytes).and_then(|_| ofd::is_write_locked(&file));
        let locked = read.map_err(|error| BusError::from_io(path, doing, error))?;
        let found: Format = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
        if found.format > FORMAT {
            let path = path.to_owned();
            return Err(BusError::NewerFormat { path, format: found.format, supported: FORMAT });
        }
        let marker = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
        Ok(Some(Found { marker, uid: stat.st_uid, locked }))
    }

    /// Puts the marker in place, in one step; the file returned is locked if the marker names an owner.
    pub(super) fn write(&self, directory: BorrowedFd<'_>) -> io::Result<OwnedFd> {
        match unlinkat(directory, DRAFT, rustix::fs::AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        let mode = Mode::from_raw_mode(self.users.modes().readable);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let mut file = File::from(openat(directory, DRAFT, flags, mode)?);
        fchmod(&file, mode)?;
        if self.owner.is_some() && !ofd::try_write_lock(file.as_fd())? {
            return Err(Errno::AGAIN.into());
        }
        file.write_all(&serde_json::to_vec(self)?)?;
        renameat(directory, DRAFT, directory, FILE)?;
        Ok(file.into())
    }
}

/// The one field that every format has.
#[derive(Deserialize)]
struct Format {
    format: u32,
}
