//! What can go wrong with a bus directory, by who must act: [`BusError`], [`JoinError`], [`ConnectError`].

use ipcm_core::name::NameError;
use std::io::{self, ErrorKind};
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
    /// The members of this bus speak over something else than the info says, or than was asked for.
    #[error("the bus at {} speaks over {}", path.display(), kind.word())]
    OtherTransport {
        /// The directory.
        path: PathBuf,
        /// What they speak over.
        kind: crate::TransportKind,
    },
    /// What was asked for cannot be had on this transport.
    #[error("{} is not possible over {}", what, kind.word())]
    Unsupported {
        /// What was asked for.
        what: &'static str,
        /// The transport.
        kind: crate::TransportKind,
    },
    /// The bus was not made for guests, who cannot see a lock.
    #[error("the bus at {} was not made for guests", path.display())]
    NoGuests {
        /// The directory.
        path: PathBuf,
    },
    /// On this bus every file is on the disk before it counts, which the system of this member has no means to see to:
    /// runtimes of WebAssembly, as a rule.
    #[error("the bus at {} syncs its files, which cannot be done here: {source}", path.display())]
    NotDurable {
        /// The directory.
        path: PathBuf,
        /// What became of the attempt.
        source: io::Error,
    },
    /// This peer's mailbox or record was removed while it lived, as by one who has its name now. On a bus made for guests
    /// that may be had when its owner shows no sign of life for 5 s.
    #[error("this peer is a member of the bus at {} no more: its name or mailbox was taken away", path.display())]
    Ousted {
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
        match source.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Self::NoBus { path },
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Self::Permission { path, doing },
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::DiskFull { path, doing },
            _ if is_out_of_descriptors(&source) => Self::NoDescriptors { path, doing },
            _ => Self::Io { path, doing, source },
        }
    }
}

/// Whether the process or the machine has no file descriptor left, for which there is no portable word.
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    let (of_process, of_machine) = if cfg!(target_os = "wasi") { (33, 41) } else { (24, 23) };
    error.raw_os_error().is_some_and(|code| [of_process, of_machine].contains(&code))
}

/// Who has a name, in words.
fn owner(pid: u32) -> String {
    match pid {
        0 => "a guest".to_owned(),
        pid => format!("process {pid}"),
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
    #[error("the name {name:?} is taken by {} on the bus at {}", owner(*pid), path.display())]
    NameTaken {
        /// The name.
        name: String,
        /// The process of the peer that has it, as that peer numbers it; 0 if it is a guest.
        pid: u32,
        /// The directory of the bus.
        path: PathBuf,
    },
    /// A suspended peer has this name; it is to come back, or its time to run out.
    #[error("the name {name:?} is kept for a suspended peer of the bus at {}", path.display())]
    NameSuspended {
        /// The name.
        name: String,
        /// The directory of the bus.
        path: PathBuf,
    },
    /// No suspended peer has this name: it was none, its time has run out, or it is back.
    #[error("no peer {name:?} is suspended on the bus at {}", path.display())]
    NotSuspended {
        /// The name.
        name: String,
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
#[cfg(target_os = "linux")]
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
