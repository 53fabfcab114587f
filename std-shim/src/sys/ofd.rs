//! Write locks that belong to an open file description (`F_OFD_SETLK`), not to a process.
//!
//! Such a lock ends when the last descriptor of that description is closed, whatever ended its owner, and
//! two descriptions of one process exclude each other as those of two processes do.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// Takes the write lock on the whole file if it is free; `false` when another description holds a lock.
///
/// The descriptor must be open for writing.
pub(crate) fn try_write_lock(file: impl AsFd) -> io::Result<bool> {
    let mut lock = whole_file(libc::F_WRLCK);
    match fcntl(file.as_fd(), libc::F_OFD_SETLK, &mut lock) {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether another open file description holds a write lock on the file; takes nothing.
///
/// It asks on behalf of a read lock, so a mere reader's lock does not count.
pub(crate) fn is_write_locked(file: impl AsFd) -> io::Result<bool> {
    let mut lock = whole_file(libc::F_RDLCK);
    fcntl(file.as_fd(), libc::F_OFD_GETLK, &mut lock)?;
    Ok(i32::from(lock.l_type) != libc::F_UNLCK)
}

/// A request for the whole file, however long it grows. `l_pid` must be 0 for these locks.
fn whole_file(kind: i32) -> libc::flock64 {
    // SAFETY: `flock64` is a plain C structure of integers, for which all zeros is a value.
    let mut lock: libc::flock64 = unsafe { std::mem::zeroed() };
    lock.l_type = kind as _;
    lock.l_whence = libc::SEEK_SET as _;
    lock
}

fn fcntl(file: BorrowedFd<'_>, command: i32, lock: &mut libc::flock64) -> io::Result<()> {
    loop {
        // SAFETY: the descriptor is open while borrowed, and both commands read and write one `flock64`,
        // which `lock` points to for the whole call.
        let result = unsafe { libc::fcntl(file.as_raw_fd(), command, std::ptr::from_mut(lock)) };
        if result != -1 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}
