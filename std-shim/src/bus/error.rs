//! What can go wrong with a bus directory, by who must act: [`BusError`], [`JoinError`], [`ConnectError`].

use ipcm_core::name::NameError;
use rustix::io::Errno;
use std::io;
use std::path::{Path, PathBuf};

/// Why a bus cannot be made, opened, read or removed. Each message names the path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BusError {
    /// There is no bus at this path, or it has been removed.
    #[error("there is no bus at {}", path.display())]
    NoBus {
        /// The directory.
        path: PathBuf,
    },
    /// The directory holds something else, so it is not made a bus and not removed.
    #[error("{} is not a bus: it holds {found:?}", path.display())]
    NotABus {
        /// The directory.
        path: PathBuf,
        /// The first thing found that no bus has.
        found: String,
    },
    /// The marker file `.bus` is damaged.
    #[error("the marker file of the bus at {} cannot be read: {reason}", path.display())]
    BadMarker {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The bus was made by a newer version of this library.
    #[error("the bus at {} has format {format}; this version reads format {supported}", path.display())]
    NewerFormat {
        /// The directory.
        path: PathBuf,
        /// The format found.
        format: u32,
        /// The newest format this version knows.
        supported: u32,
    },
    /// The directory belongs to another user, who has not made the bus for us.
    #[error("the bus at {} belongs to uid {owner}", path.display())]
    ForeignOwner {
        /// The directory.
        path: PathBuf,
        /// The owner of the directory.
        owner: u32,
    },
    /// The permissions of the directory let in more users than the bus is for.
    #[error("the bus at {} has mode {mode:04o}, which lets in other users", path.display())]
    Exposed {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The bus was not made for this user.
    #[error("the bus at {} was not made for uid {uid}", path.display())]
    NotAdmitted {
        /// The directory.
        path: PathBuf,
        /// The user who asked.
        uid: u32,
    },
    /// Another guard that is alive owns the bus.
    #[error("the bus at {} is owned by process {pid}", path.display())]
    Owned {
        /// The directory.
        path: PathBuf,
        /// The process of the guard.
        pid: u32,
    },
    /// This bus value did not make the bus, or not in this process, and must not end it.
    #[error("the bus at {} is not owned by this process", path.display())]
    NotOwner {
        /// The directory.
        path: PathBuf,
    },
    /// Peers are still there.
    #[error("the bus at {} is in use by {}", path.display(), peers.join(", "))]
    InUse {
        /// The directory.
        path: PathBuf,
        /// Their names.
        peers: Vec<String>,
    },
    /// The bus exists already, for other users than asked for.
    #[error("the bus at {} exists already, for other users", path.display())]
    OtherUsers {
        /// The directory.
        path: PathBuf,
    },
    /// Some process holds the lock for joining, longer than any join takes.
    #[error("the lock for joining the bus at {} stays taken", path.display())]
    JoinLocked {
        /// The directory.
        path: PathBuf,
    },
    /// The file system does not let this user do it.
    #[error("no permission for {doing} at {}", path.display())]
    Permission {
        /// The directory.
        path: PathBuf,
        /// What was attempted.
        doing: &'static str,
    },
    /// The disk, or the user's quota, is full.
    #[error("no space left for {doing} at {}", path.display())]
    DiskFull {
        /// The directory.
        path: PathBuf,
        /// What was attempted.
        doing: &'static str,
    },
    /// The process or the machine has no file descriptor left.
    #[error("no file descriptor left for {doing} at {}", path.display())]
    NoDescriptors {
        /// The directory.
        path: PathBuf,
        /// What was attempted.
        doing: &'static str,
    },
    /// The path cannot be written as an [`Info`](crate::Info).
    #[error("{} cannot be the route of a bus", path.display())]
    BadRoute {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        source: crate::InfoError,
    },
    /// Anything else the operating system says.
    #[error("{doing} at {} failed", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What was attempted.
        doing: &'static str,
        /// The operating system's word.
        source: io::Error,
    },
}

impl BusError {
    /// The error for `doing` something in the directory `path`.
    pub(super) fn from_io(path: &Path, doing: &'static str, error: impl Into<io::Error>) -> Self {
        let (source, path) = (error.into(), path.to_owned());
        match source.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOENT | Errno::NOTDIR) => Self::NoBus { path },
            Some(Errno::ACCESS | Errno::PERM | Errno::ROFS) => Self::Permission { path, doing },
            Some(Errno::NOSPC | Errno::DQUOT) => Self::DiskFull { path, doing },
            Some(Errno::MFILE | Errno::NFILE) => Self::NoDescriptors { path, doing },
            _ => Self::Io { path, doing, source },
        }
    }
}

/// Why a name could not be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// No peer can have this name.
    #[error("{name:?} cannot be a peer's name")]
    Name {
        /// The name as given.
        name: String,
        /// What is wrong with it.
        source: NameError,
    },
    /// A live peer has this name.
    #[error("the name {name:?} is taken by process {pid} on the bus at {}", path.display())]
    NameTaken {
        /// The name.
        name: String,
        /// The process of the peer that has it, as that peer numbers it.
        pid: u32,
        /// The directory of the bus.
        path: PathBuf,
    },
    /// The bus does not allow it.
    #[error("peer {name:?} cannot join: {source}")]
    Bus {
        /// The name.
        name: String,
        /// What is wrong with the bus.
        source: BusError,
    },
}

/// Why a peer could not be connected to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ConnectError {
    /// This incarnation of the peer is gone.
    #[error("peer {name:?} is gone")]
    Gone {
        /// The peer.
        name: String,
    },
    /// As many connections wait for the peer to accept them as it lets wait; try again later.
    #[error("too many connections wait for peer {name:?}")]
    Backlog {
        /// The peer.
        name: String,
    },
    /// The kernel says that another user listens there than the peer's record tells.
    #[error("peer {name:?} is served by uid {uid}, not by the user who joined")]
    Impostor {
        /// The peer.
        name: String,
        /// The user found there.
        uid: u32,
    },
    /// The system does not allow it.
    #[error("peer {name:?} cannot be connected to: {source}")]
    Bus {
        /// The peer.
        name: String,
        /// What is wrong.
        source: BusError,
    },
}
