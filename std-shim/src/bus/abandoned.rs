//! Temporary buses whose owner was killed: the next one to be made clears them away.

use super::dir::{BusDir, open_directory};
use super::error::BusError;
use super::join_lock::JoinLock;
use super::marker::{Found, Marker};
use super::sweep::empty_and_remove;
use crate::Info;
use rustix::fs::{AtFlags, CWD, fstat, unlinkat};
use rustix::process::geteuid;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

/// Removes the directories in `base` that begin with `prefix`, are ours, and have neither a live owner nor
/// a live peer. What cannot be removed is left alone.
pub(super) fn clear(base: &Path, prefix: &str) {
    let Ok(entries) = std::fs::read_dir(base) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix)) {
            let _ = clear_one(&entry.path());
        }
    }
}

fn clear_one(path: &Path) -> Result<(), BusError> {
    let fd = open_directory(path)?;
    let stat = fstat(&fd).map_err(|error| BusError::from_io(path, "looking for abandoned buses", error))?;
    if stat.st_uid != geteuid().as_raw() {
        return Ok(());
    }
    let is_abandoned = |found: &Found| found.marker.owner.is_some() && found.live_owner().is_none();
    if !Marker::find(fd.as_fd(), path)?.is_none_or(|found| is_abandoned(&found)) {
        return Ok(());
    }
    let lock = match JoinLock::take(fd.as_fd(), path, Duration::ZERO) {
        Ok(lock) => lock,
        // No lock file yet, or no more: then it is empty, or it stays.
        Err(BusError::NoBus { .. }) => {
            return unlinkat(CWD, path, AtFlags::REMOVEDIR)
                .map_err(|error| BusError::from_io(path, "removing an abandoned bus", error));
        }
        Err(error) => return Err(error),
    };
    match Marker::find(fd.as_fd(), path)? {
        None => empty_and_remove(fd.as_fd(), path),
        Some(found) if is_abandoned(&found) => {
            let kind = found.marker.medium.kind();
            let bad_route = |source| BusError::BadRoute { path: path.to_owned(), source };
            let dir = BusDir::open(&Info::new(kind, path).map_err(bad_route)?)?;
            match dir.peers()?.is_empty() {
                true => dir.remove(&lock),
                false => Ok(()),
            }
        }
        Some(_) => Ok(()),
    }
}
