//! [`Marker`]: the file `.bus`, which says that a directory is a bus, for whom, and who owns it.

use super::error::BusError;
use super::fields::Fields;
use super::medium::Medium;
use super::process_id::ProcessId;
use super::users::Users;
use std::path::Path;
#[cfg(target_os = "linux")]
use {
    super::process_id::Vantage,
    crate::sys::ofd,
    rustix::fs::{FileType, Mode, OFlags, fchmod, fstat, openat, renameat, unlinkat},
    rustix::io::Errno,
    std::fs::File,
    std::io::{self, Read, Write},
    std::os::fd::{AsFd, BorrowedFd, OwnedFd},
};

/// The name of the marker file.
pub(super) const FILE: &str = ".bus";
/// The marker while it is written.
#[cfg(target_os = "linux")]
pub(super) const DRAFT: &str = ".bus.new";
/// The layout of the directory that this version reads and writes.
const FORMAT: u32 = 1;
/// No marker is longer: about 5000 user ids.
#[cfg(target_os = "linux")]
const MAX_SIZE: u64 = 64 * 1024;

/// What the marker file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Marker {
    pub(super) users: Users,
    /// What the members speak over.
    pub(super) medium: Medium,
    /// Guests may join, who see no locks.
    pub(super) guests: bool,
    /// The process whose guard ends the bus; it keeps the file locked. None: the bus is persistent.
    pub(super) owner: Option<ProcessId>,
}

/// The marker as found, with the facts that only the file system knows.
#[cfg(target_os = "linux")]
pub(super) struct Found {
    pub(super) marker: Marker,
    /// The user who wrote it.
    pub(super) uid: u32,
    locked: bool,
}

#[cfg(target_os = "linux")]
impl Found {
    /// The process of the guard, if that lives.
    pub(super) fn live_owner(&self) -> Option<u32> {
        let owner = self.marker.owner.as_ref().filter(|_| self.locked)?;
        (!owner.has_ended(Vantage::here())).then_some(owner.pid)
    }
}

impl Marker {
    #[cfg(target_os = "linux")]
    pub(super) fn new(users: Users, medium: Medium, guests: bool, owner: Option<ProcessId>) -> Self {
        Self { users, medium, guests, owner }
    }

    /// Reads what the marker file of the bus at `path` holds.
    pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Self, BusError> {
        let bad = |reason| BusError::BadMarker { path: path.to_owned(), reason };
        let mut fields = Fields::new(bytes).ok_or_else(|| bad("it is not text"))?;
        let format = fields.next("format").and_then(|format| format.parse().ok());
        match format.ok_or_else(|| bad("it does not begin with a format"))? {
            ..=FORMAT => {}
            format => {
                return Err(BusError::NewerFormat { path: path.to_owned(), format, supported: FORMAT });
            }
        }
        Self::from_fields(fields).ok_or_else(|| bad("it does not say whose the bus is"))
    }

    /// What the file holds.
    #[cfg(target_os = "linux")]
    fn to_text(&self) -> String {
        let owner = self.owner.map_or("none".to_owned(), ProcessId::to_text);
        let mut text = format!("format {FORMAT}\nusers {}\n", self.users.to_text());
        if self.medium != Medium::Unix {
            text += &format!("medium {}\nguests {}\n", self.medium.word(), self.guests);
        }
        text + &format!("owner {owner}\n")
    }

    /// The marker whose [`to_text`](Self::to_text) goes on with these fields.
    fn from_fields(mut fields: Fields<'_>) -> Option<Self> {
        let users = Users::from_text(fields.next("users")?)?;
        let (mut medium, mut guests) = (Medium::Unix, false);
        if let Some(word) = fields.next("medium") {
            medium = Medium::from_word(word)?;
            guests = fields.next("guests")?.parse().ok()?;
        }
        let owner = match fields.next("owner")? {
            "none" => None,
            process => Some(ProcessId::from_text(process)?),
        };
        fields.end()?;
        Some(Self { users, medium, guests, owner })
    }
}

#[cfg(target_os = "linux")]
impl Marker {
    /// Reads the marker of the bus at `path`; `None` if there is none.
    pub(super) fn find(directory: BorrowedFd<'_>, path: &Path) -> Result<Option<Found>, BusError> {
        let doing = "reading the marker of the bus";
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = match openat(directory, FILE, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(BusError::from_io(path, doing, error)),
        };
        let bad = |reason| BusError::BadMarker { path: path.to_owned(), reason };
        let stat = fstat(&file).map_err(|error| BusError::from_io(path, doing, error))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_size as u64 > MAX_SIZE {
            return Err(bad("it is not a short file"));
        }
        let mut bytes = Vec::new();
        let read = (&file).take(MAX_SIZE).read_to_end(&mut bytes).and_then(|_| ofd::is_write_locked(&file));
        let locked = read.map_err(|error| BusError::from_io(path, doing, error))?;
        let marker = Self::parse(path, &bytes)?;
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
        file.write_all(self.to_text().as_bytes())?;
        renameat(directory, DRAFT, directory, FILE)?;
        Ok(file.into())
    }
}
