//! Which CPU each side runs on. It decides more than the library does, so nothing is left to the scheduler.

use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The CPUs of client and server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The client's CPU number.
    pub client: usize,
    /// The server's CPU number, which may be the same.
    pub server: usize,
}

impl Placement {
    /// Both on the highest CPU that this process may use.
    ///
    /// # Errors
    /// If the kernel does not tell which those are.
    pub fn same() -> io::Result<Self> {
        let highest = allowed()?[0];
        Ok(Self { client: highest, server: highest })
    }

    /// Client and server on the two highest CPUs that this process may use.
    ///
    /// # Errors
    /// `Unsupported` if there is only one.
    pub fn split() -> io::Result<Self> {
        match allowed()?[..] {
            [client, server, ..] => Ok(Self { client, server }),
            _ => Err(io::Error::new(io::ErrorKind::Unsupported, "only one CPU to run on")),
        }
    }
}

/// Pins the calling thread, and those that it starts later, to one CPU.
///
/// # Errors
/// If this process may not run there.
pub fn pin(cpu: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    Ok(sched_setaffinity(None, &set)?)
}

/// The CPUs that this thread may use, highest first; at least one.
fn allowed() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).rev().filter(|&cpu| set.is_set(cpu)).collect())
}
