//! [`JoinLock`]: one process at a time joins a bus or cleans it up.

use super::error::BusError;
use crate::sys::ofd;
use rustix::fs::{AtFlags, Mode, OFlags, fchmod, fstat, ftruncate, openat, statat};
use rustix::io::pwrite;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// The name of the lock file.
pub(super) const FILE: &str = ".join";
/// How long a join waits for the others'.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How many joins there are between two sweeps.
pub(super) const SWEEP_AFTER: u64 = 64;
/// The pauses between two attempts, which double from the first to the second: so long that hundreds who wait leave the
/// one who joins the CPU.
const PAUSES: (Duration, Duration) = (Duration::from_micros(100), Duration::from_millis(50));

/// The lock, held until dropped; the kernel gives it up for a process that dies.
#[derive(Debug)]
pub(super) struct JoinLock {
    file: OwnedFd,
    /// The size of the file: a byte for each join since the last sweep.
    joins: u64,
}

impl JoinLock {
    /// Waits for the lock of an existing bus, at most `patience`.
    ///
    /// The file is opened without `O_CREAT`, which the kernel refuses for another user's file in a
    /// directory with the sticky bit (`fs.protected_regular`).
    pub(super) fn take(directory: BorrowedFd<'_>, path: &Path, patience: Duration) -> Result<Self, BusError> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = openat(directory, FILE, flags, Mode::empty())
            .map_err(|error| BusError::from_io(path, "opening the lock for joining", error))?;
        Self::wait(directory, path, patience, file)?.ok_or_else(|| BusError::NoBus { path: path.to_owned() })
    }

    /// As [`take`](Self::take), and makes the lock file if there is none, with these permission bits.
    pub(super) fn make(directory: BorrowedFd<'_>, path: &Path, mode: u32) -> Result<Self, BusError> {
        let failed = |error| BusError::from_io(path, "making the lock for joining", error);
        loop {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            let mode = Mode::from_raw_mode(mode);
            let file = openat(directory, FILE, flags, mode).map_err(failed)?;
            fchmod(&file, mode).map_err(failed)?;
            if let Some(lock) = Self::wait(directory, path, PATIENCE, file)? {
                return Ok(lock);
            }
        }
    }

    /// Locks `file`; `None` if it is no longer the lock file of the directory by then.
    fn wait(
        directory: BorrowedFd<'_>,
        path: &Path,
        patience: Duration,
        file: OwnedFd,
    ) -> Result<Option<Self>, BusError> {
        let failed = |error| BusError::from_io(path, "locking the bus for joining", error);
        let deadline = Instant::now() + patience;
        let mut pause = PAUSES.0;
        while !ofd::try_write_lock(&file).map_err(failed)? {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(BusError::JoinLocked { path: path.to_owned() });
            }
            // A wait in the kernel for this lock has no time limit.
            thread::sleep(pause.min(left));
            pause = (pause * 2).min(PAUSES.1);
        }
        let ours = fstat(&file).map_err(|error| failed(error.into()))?;
        let linked = statat(directory, FILE, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|now| (now.st_dev, now.st_ino) == (ours.st_dev, ours.st_ino));
        Ok(linked.then_some(Self { file, joins: ours.st_size.cast_unsigned() }))
    }

    /// Counts a join; true if it is time to clear away what dead peers have left whose names nobody takes again.
    pub(super) fn count_join(&self) -> bool {
        let is_due = self.joins + 1 >= SWEEP_AFTER;
        let counted = match is_due {
            true => ftruncate(&self.file, 0),
            false => pwrite(&self.file, b".", self.joins).map(drop),
        };
        // On a full disk, whatever can be removed is.
        is_due || counted.is_err()
    }
}
