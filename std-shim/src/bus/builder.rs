//! [`BusBuilder`]: where a bus is made, for whom, and whether it outlives its maker.

use super::abandoned;
use super::dir::BusDir;
use super::error::BusError;
use super::guard::Bus;
use super::medium::Medium;
use super::users::Users;
use crate::info::TransportKind;
use rustix::io::Errno;
use rustix::process::geteuid;
use rustix::rand::{GetRandomFlags, getrandom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// How often another random name is tried for a temporary bus.
const ATTEMPTS: usize = 8;

/// The choices for a new bus; made by [`Bus::builder`].
#[derive(Clone, Debug)]
#[must_use = "nothing is made before create()"]
pub struct BusBuilder {
    path: Option<PathBuf>,
    guard: bool,
    users: Users,
    transport: TransportKind,
    fsync: bool,
    guests: bool,
}

impl Default for BusBuilder {
    fn default() -> Self {
        Self {
            path: None,
            guard: true,
            users: Users::Owner,
            transport: TransportKind::default(),
            fsync: false,
            guests: false,
        }
    }
}

impl BusBuilder {
    /// The directory to make the bus in, instead of a temporary one. Its parent must exist.
    ///
    /// A relative path is taken from the working directory. A directory that is there already is taken
    /// over if it is empty, or a bus for the same users that nobody owns.
    pub fn path(mut self, path: impl Into<PathBuf>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Whether dropping the [`Bus`] ends the bus, which is the default.
    pub fn guard(mut self, guard: bool) -> Self {
        self.guard = guard;
        self
    }

    /// Whose processes may be peers; only this user's by default.
    pub fn users(mut self, users: Users) -> Self {
        self.users = users;
        self
    }

    /// What moves the bytes; Unix sockets by default.
    pub fn transport(mut self, transport: TransportKind) -> Self {
        self.transport = transport;
        self
    }

    /// Whether a message file is on the disk before its sending counts as done. It is not by default: what
    /// was sent then outlasts all processes, but not the machine's power. Of no account on Unix sockets.
    pub fn fsync(mut self, fsync: bool) -> Self {
        self.fsync = fsync;
        self
    }

    /// Whether guests may join: programs in a sandbox that have nothing but this directory, for instance
    /// WebAssembly under any runtime. They see no locks, so every member writes a sign of life once a second,
    /// and one whose sign stays away for 5 s is dead to them. Message files only; not by default.
    pub fn guests(mut self, guests: bool) -> Self {
        self.guests = guests;
        self
    }

    /// Makes the bus.
    ///
    /// # Errors
    /// [`Owned`](BusError::Owned) if another guard has made it and lives, [`NotABus`](BusError::NotABus) if
    /// the directory holds something else, [`ForeignOwner`](BusError::ForeignOwner) if it is another
    /// user's; [`Unsupported`](BusError::Unsupported) for message files between users; else what the file
    /// system says.
    pub fn create(self) -> Result<Bus, BusError> {
        let medium = match (self.transport, self.fsync) {
            (TransportKind::Unix, _) => Medium::Unix,
            (TransportKind::Files, false) => Medium::Files,
            (TransportKind::Files, true) => Medium::DurableFiles,
        };
        if self.transport == TransportKind::Unix && self.guests {
            return Err(BusError::Unsupported { what: "a bus for guests", kind: self.transport });
        }
        if self.transport == TransportKind::Files && self.users != Users::Owner {
            return Err(BusError::Unsupported { what: "a bus for several users", kind: self.transport });
        }
        if let Some(path) = &self.path {
            let path = std::path::absolute(path)
                .map_err(|error| BusError::from_io(path, "finding the working directory", error))?;
            return BusDir::create(&path, &self.users, (medium, self.guests), self.guard).map(Bus::made);
        }
        let base = temporary_base();
        let prefix = format!("ipcm-{}-", geteuid().as_raw());
        abandoned::clear(&base, &prefix);
        let mut attempt = 1;
        loop {
            let path = base.join(format!("{prefix}{}", random_hex(&base)?));
            match BusDir::create(&path, &self.users, (medium, self.guests), self.guard) {
                // Another process took the unfinished directory for an abandoned one.
                Err(BusError::NoBus { .. }) if attempt < ATTEMPTS && base.is_dir() => attempt += 1,
                made => return made.map(Bus::made),
            }
        }
    }
}

/// The directory of this user for what lasts as long as the login, or else that for temporary files.
fn temporary_base() -> PathBuf {
    let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let is_ours = |path: &PathBuf| {
        path.is_absolute()
            && path.to_str().is_some()
            && fs::metadata(path).is_ok_and(|meta| meta.is_dir() && meta.uid() == geteuid().as_raw())
    };
    runtime.filter(is_ours).unwrap_or_else(env::temp_dir)
}

fn random_hex(base: &Path) -> Result<String, BusError> {
    let mut bytes = [0; 8];
    let filled = rustix::io::retry_on_intr(|| getrandom(&mut bytes, GetRandomFlags::empty()));
    match filled {
        Ok(8) => Ok(format!("{:016x}", u64::from_ne_bytes(bytes))),
        Ok(_) => Err(BusError::from_io(base, "drawing a random name", Errno::IO)),
        Err(error) => Err(BusError::from_io(base, "drawing a random name", error)),
    }
}
