//! [`BusDir`]: an opened bus directory, and what its records tell.
//!
//! Everything is done relative to the opened directory, so a directory that was put elsewhere, or put in
//! its place, is not mistaken for it.

use super::beat::Beats;
use super::crash_point::crash_point;
use super::error::BusError;
use super::examine::examine;
use super::join_lock::{self, JoinLock};
use super::marker::{Found, Marker};
use super::medium::Medium;
use super::process_id::{ProcessId, Vantage};
use super::record::{self, Finding, PeerRecord};
use super::sweep;
use super::users::Users;
use crate::Info;
use ipcm_core::Incarnation;
use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, accessat, fchmod, fstat, mkdirat, openat, stat};
use rustix::io::Errno;
use rustix::process::geteuid;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An opened bus directory; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct BusDir(Arc<Opened>);

#[derive(Debug)]
struct Opened {
    fd: OwnedFd,
    info: Info,
    users: Users,
    medium: Medium,
    guests: bool,
    /// What was seen of the beats of guests.
    beats: Mutex<Beats>,
    owner: u32,
    /// The directory by its descriptor, where `/proc` is there: short, whatever the route is.
    short_path: Option<String>,
}

/// A bus that was just made, and the locked marker that shows its guard alive.
pub(super) struct Created {
    pub(super) dir: BusDir,
    pub(super) ownership: Option<OwnedFd>,
}

impl BusDir {
    /// Opens the bus that `info` names.
    pub(crate) fn open(info: &Info) -> Result<Self, BusError> {
        let path = info.route();
        let fd = open_directory(path)?;
        let found =
            Marker::find(fd.as_fd(), path)?.ok_or_else(|| BusError::NoBus { path: path.to_owned() })?;
        Self::checked(fd, info.clone(), &found)
    }

    /// Makes the directory `path` a bus for `users`, or takes over a bus there that nobody owns.
    ///
    /// With `guard`, this process owns the bus from then on.
    pub(super) fn create(
        path: &Path,
        users: &Users,
        (medium, guests): (Medium, bool),
        guard: bool,
    ) -> Result<Created, BusError> {
        let doing = "making the bus";
        let failed = |error: Errno| BusError::from_io(path, doing, error);
        let bad_route = |source| BusError::BadRoute { path: path.to_owned(), source };
        let info = Info::new(medium.kind(), path).map_err(bad_route)?;
        let modes = users.modes();
        let made = match mkdirat(CWD, path, Mode::from_raw_mode(0o700)) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(error) => return Err(failed(error)),
        };
        crash_point("made");
        let fd = open_directory(path)?;
        let owner = fstat(&fd).map_err(failed)?.st_uid;
        if owner != geteuid().as_raw() {
            return Err(BusError::ForeignOwner { path: path.to_owned(), owner });
        }
        if !made && Marker::find(fd.as_fd(), path)?.is_none() {
            sweep::refuse_foreign_files(fd.as_fd(), path)?;
        }
        let lock = JoinLock::make(fd.as_fd(), path, modes.writable)?;
        crash_point("unmarked yet");
        let found = Marker::find(fd.as_fd(), path)?;
        if let Some(found) = &found {
            if let Some(pid) = found.live_owner() {
                return Err(BusError::Owned { path: path.to_owned(), pid });
            }
            if found.marker.users != *users {
                return Err(BusError::OtherUsers { path: path.to_owned() });
            }
            if (found.marker.medium, found.marker.guests) != (medium, guests) {
                let kind = found.marker.medium.kind();
                return Err(BusError::OtherTransport { path: path.to_owned(), kind });
            }
        }
        // A directory that had other permissions gets its own before anyone can open it as a bus.
        fchmod(&fd, Mode::from_raw_mode(modes.directory)).map_err(failed)?;
        let marker = Marker::new(users.clone(), medium, guests, guard.then(ProcessId::own));
        let file = marker.write(fd.as_fd()).map_err(|error| BusError::from_io(path, doing, error))?;
        crash_point("marked");
        let found =
            Marker::find(fd.as_fd(), path)?.ok_or_else(|| BusError::NoBus { path: path.to_owned() })?;
        let dir = Self::checked(fd, info, &found)?;
        sweep::sweep(&dir, &lock)?;
        Ok(Created { dir, ownership: guard.then_some(file) })
    }

    /// The directory behind `fd`, if its owner and permissions are as the marker demands.
    fn checked(fd: OwnedFd, info: Info, found: &Found) -> Result<Self, BusError> {
        let path = info.route();
        let (medium, guests) = (found.marker.medium, found.marker.guests);
        if medium.kind() != info.transport() {
            return Err(BusError::OtherTransport { path: path.to_owned(), kind: medium.kind() });
        }
        let stat = fstat(&fd).map_err(|error| BusError::from_io(path, "checking the bus", error))?;
        let (owner, me, users) = (stat.st_uid, geteuid().as_raw(), found.marker.users.clone());
        if found.uid != owner || (owner != me && owner != 0 && !users.name(me)) {
            return Err(BusError::ForeignOwner { path: path.to_owned(), owner });
        }
        let mode = stat.st_mode & 0o7777;
        // Where others may write, the sticky bit keeps them from each other's files.
        let exposed = match users {
            Users::Owner => mode & 0o077 != 0,
            Users::Any | Users::Only(_) => mode & 0o022 != 0 && mode & 0o1000 == 0,
        };
        if exposed {
            return Err(BusError::Exposed { path: path.to_owned(), mode });
        }
        if !users.admit(me, owner) {
            return Err(BusError::NotAdmitted { path: path.to_owned(), uid: me });
        }
        let short = format!("/proc/self/fd/{}", fd.as_raw_fd());
        let is_ours = |there: rustix::fs::Stat| (there.st_dev, there.st_ino) == (stat.st_dev, stat.st_ino);
        let short_path = self::stat(&short).is_ok_and(is_ours).then_some(short);
        Ok(Self(Arc::new(Opened {
            fd,
            info,
            users,
            medium,
            guests,
            beats: Mutex::default(),
            owner,
            short_path,
        })))
    }

    /// The info of the bus.
    pub(crate) fn info(&self) -> &Info {
        &self.0.info
    }

    /// Where the bus is.
    pub(crate) fn path(&self) -> &Path {
        self.0.info.route()
    }

    /// For whom the bus is.
    pub(crate) fn users(&self) -> &Users {
        &self.0.users
    }

    /// What its members speak over.
    pub(crate) fn medium(&self) -> Medium {
        self.0.medium
    }

    /// Whether guests may join, who see no locks.
    pub(crate) fn has_guests(&self) -> bool {
        self.0.guests
    }

    /// The error for `doing` something in this directory.
    pub(crate) fn error(&self, doing: &'static str, error: impl Into<std::io::Error>) -> BusError {
        BusError::from_io(self.path(), doing, error)
    }

    /// Whether a process of the user `uid` may be a peer.
    pub(crate) fn admits(&self, uid: u32) -> bool {
        self.0.users.admit(uid, self.0.owner)
    }

    /// The live and suspended peers, sorted by name.
    pub(crate) fn peers(&self) -> Result<Vec<PeerRecord>, BusError> {
        let vantage = Vantage::here();
        let mut peers = Vec::new();
        for file in self.files()?.iter().filter(|file| is_record(file)) {
            if let Finding::Live(record) | Finding::Suspended(record) = self.examine(file, vantage)? {
                peers.push(record);
            }
        }
        if peers.is_empty() && !self.is_there()? {
            return Err(BusError::NoBus { path: self.path().to_owned() });
        }
        peers.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(peers)
    }

    /// The live or suspended peer with this name, whatever its kind.
    pub(crate) fn lookup(&self, name: &str) -> Result<Option<PeerRecord>, BusError> {
        match self.find(name)? {
            Finding::Live(record) | Finding::Suspended(record) => Ok(Some(record)),
            Finding::Absent if !self.is_there()? => Err(BusError::NoBus { path: self.path().to_owned() }),
            Finding::Absent | Finding::Junk | Finding::Dead(_) => Ok(None),
        }
    }

    /// Whether the directory still is a bus.
    pub(super) fn is_there(&self) -> Result<bool, BusError> {
        match accessat(self, super::marker::FILE, rustix::fs::Access::EXISTS, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(BusError::from_io(self.path(), "looking for the bus", error)),
        }
    }

    pub(super) fn lock_joins(&self) -> Result<JoinLock, BusError> {
        let lock = JoinLock::take(self.as_fd(), self.path(), join_lock::PATIENCE)?;
        match self.is_there()? {
            true => Ok(lock),
            false => Err(BusError::NoBus { path: self.path().to_owned() }),
        }
    }

    /// Has the names in it on the disk, if what the members speak over is to be there.
    pub(crate) fn sync(&self) -> std::io::Result<()> {
        match self.medium() {
            Medium::DurableFiles => Ok(rustix::fs::fsync(self)?),
            Medium::Unix | Medium::Files => Ok(()),
        }
    }

    /// What the record of the peer `name` tells.
    pub(super) fn find(&self, name: &str) -> Result<Finding, BusError> {
        self.examine(&PeerRecord::file(name), Vantage::here())
    }

    pub(super) fn examine(&self, file: &str, vantage: Vantage) -> Result<Finding, BusError> {
        examine(self.as_fd(), file, vantage, |uid| self.admits(uid), |guest| self.beats(guest))
            .map_err(|error| BusError::from_io(self.path(), "reading the record of a peer", error))
    }

    /// Whether a guest lives, as far as was seen.
    fn beats(&self, guest: &PeerRecord) -> bool {
        let file = guest.beat_file();
        self.lock_beats().goes_on(&file, &self.path_of(&file))
    }

    /// Whether nothing but its beat tells that a peer lives.
    pub(super) fn lives_by_beat(&self, peer: &PeerRecord) -> bool {
        peer.is_guest
    }

    /// Whether it was seen for long enough whether the beat of a guest goes on.
    pub(super) fn knows_beat(&self, guest: &PeerRecord) -> bool {
        self.lock_beats().is_known(&guest.beat_file())
    }

    /// Whether the life that `file` belongs to may go on, by its beat. Only where guests may join.
    pub(super) fn may_beat(&self, file: &str) -> bool {
        let life = file.trim_start_matches('.').get(..32).and_then(|hex| u128::from_str_radix(hex, 16).ok());
        let Some(life) = life.filter(|_| self.has_guests()) else { return false };
        let file = record::beat_file(Incarnation::from_bits(life));
        let mut beats = self.lock_beats();
        beats.goes_on(&file, &self.path_of(&file)) || !beats.is_known(&file)
    }

    /// A guest is dead, whatever its beat says.
    pub(crate) fn end_beat(&self, guest: Incarnation) {
        let file = record::beat_file(guest);
        self.lock_beats().end(&file, &self.path_of(&file));
    }

    fn lock_beats(&self) -> MutexGuard<'_, Beats> {
        self.0.beats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The names of all files that can be ours: those that are UTF-8.
    pub(super) fn files(&self) -> Result<Vec<String>, BusError> {
        list(self.as_fd(), self.path())
    }

    /// A path to `file` in this directory, short enough for a socket's address where `/proc` is there.
    pub(crate) fn path_of(&self, file: &str) -> std::path::PathBuf {
        match &self.0.short_path {
            Some(short) => Path::new(short).join(file),
            None => self.path().join(file),
        }
    }

    /// A path to the directory itself, as [`path_of`](Self::path_of).
    pub(super) fn path_of_itself(&self) -> &Path {
        self.0.short_path.as_deref().map_or(self.path(), Path::new)
    }
}

impl AsFd for BusDir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.fd.as_fd()
    }
}

/// Whether the file name is that of a record.
pub(super) fn is_record(file: &str) -> bool {
    !file.starts_with('.') && file.ends_with(record::ENDING)
}

/// The names in a directory that are UTF-8, other than `.` and `..`.
pub(super) fn list(directory: BorrowedFd<'_>, path: &Path) -> Result<Vec<String>, BusError> {
    let failed = |error| BusError::from_io(path, "listing the bus", error);
    let mut names = Vec::new();
    for entry in Dir::read_from(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if let Ok(name) = entry.file_name().to_str()
            && !matches!(name, "." | "..")
        {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

pub(super) fn open_directory(path: &Path) -> Result<OwnedFd, BusError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(CWD, path, flags, Mode::empty()).map_err(|error| BusError::from_io(path, "opening the bus", error))
}
