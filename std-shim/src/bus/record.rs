//! [`PeerRecord`]: what a peer says of itself, in a file whose lock says whether the peer lives.

use super::fields::Fields;
use super::name;
use super::process_id::{ProcessId, Vantage};
use crate::sys::ofd;
use ipcm_core::Incarnation;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, fstat, openat, statat};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{BorrowedFd, OwnedFd};

/// How the file name of a record ends.
pub(super) const ENDING: &str = ".peer";
/// No record is longer: 512 bytes of name, and some 200 for the rest.
pub(super) const MAX_SIZE: u64 = 1024;

/// One peer of a bus, in one incarnation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerRecord {
    pub(super) name: String,
    pub(super) process: ProcessId,
    pub(super) uid: u32,
    pub(super) incarnation: Incarnation,
    pub(super) kind: PeerKind,
}

/// What a peer is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerKind {
    /// It answers requests, and a bus that shuts down waits for it.
    Service,
    /// It asks.
    Handle,
}

impl PeerKind {
    fn word(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Handle => "handle",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Service, Self::Handle].into_iter().find(|kind| kind.word() == word)
    }
}

impl PeerRecord {
    /// The name, as it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process, as it numbers itself; it may mean another one in another pid namespace.
    pub fn pid(&self) -> u32 {
        self.process.pid
    }

    /// Whether its process is numbered in another pid namespace than this one.
    pub(crate) fn is_elsewhere(&self) -> bool {
        !self.process.is_numbered_by(Vantage::here())
    }

    /// The user, which the owner of the record's file confirms.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// Which life of the name this is.
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// What the peer is there for.
    pub fn kind(&self) -> PeerKind {
        self.kind
    }

    /// What its file holds. The name comes last, as it is: it may hold line ends.
    pub(super) fn to_text(&self) -> String {
        let Self { name, process, uid, incarnation, kind } = self;
        let (kind, process, incarnation) = (kind.word(), process.to_text(), incarnation.as_bits());
        format!("kind {kind}\nprocess {process}\nuid {uid}\nincarnation {incarnation:032x}\nname {name}\n")
    }

    /// The record whose [`to_text`](Self::to_text) this is.
    pub(super) fn from_text(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(bytes)?;
        let kind = PeerKind::from_word(fields.next("kind")?)?;
        let process = ProcessId::from_text(fields.next("process")?)?;
        let uid = fields.next("uid")?.parse().ok()?;
        let incarnation = u128::from_str_radix(fields.next("incarnation")?, 16).ok()?;
        let name = fields.last("name").filter(|name| ipcm_core::name::check(name).is_ok())?.to_owned();
        Some(Self { name, process, uid, incarnation: Incarnation::from_bits(incarnation), kind })
    }

    /// The file name of the record of the peer `name`.
    pub(super) fn file(name: &str) -> String {
        format!("{}{ENDING}", name::on_disk(name))
    }

    /// The file name of that record while its owner is still joining.
    pub(super) fn draft_file(name: &str) -> String {
        format!(".{}.new", name::on_disk(name))
    }

    /// The file name of this incarnation's listening socket.
    pub(super) fn socket_file(&self) -> String {
        socket_file(self.incarnation)
    }
}

/// The file name of the listening socket of one incarnation; no other ever has it.
pub(super) fn socket_file(incarnation: Incarnation) -> String {
    format!("{:032x}.sock", incarnation.as_bits())
}

/// What a record's file tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// There is no such file.
    Absent,
    /// The file is no record that a peer of this bus could have written.
    Junk,
    /// The peer is gone.
    Dead(PeerRecord),
    /// The peer lives.
    Live(PeerRecord),
}

/// Looks at the record in `file` of the bus directory, without taking any lock.
///
/// A peer lives if its record is locked and its process has not certainly ended. The second part only
/// disproves: the lock outlives its peer in a child that was forked and never executed a program.
pub(super) fn examine(
    directory: BorrowedFd<'_>,
    file: &str,
    vantage: Vantage,
    admits: impl Fn(u32) -> bool,
) -> io::Result<Finding> {
    for _ in 0..8 {
        let opened = match open(directory, file) {
            Ok(opened) => opened,
            Err(Errno::NOENT) => return Ok(Finding::Absent),
            Err(Errno::LOOP | Errno::NXIO) => return Ok(Finding::Junk),
            // Kept from us alone, or is it the directory that is?
            Err(Errno::ACCESS) => {
                statat(directory, file, AtFlags::SYMLINK_NOFOLLOW)?;
                return Ok(Finding::Junk);
            }
            Err(error) => return Err(error.into()),
        };
        let Some(record) = read(&opened)?.filter(|record| PeerRecord::file(&record.name) == file) else {
            return Ok(Finding::Junk);
        };
        let stat = fstat(&opened)?;
        if stat.st_uid != record.uid || !admits(record.uid) {
            return Ok(Finding::Junk);
        }
        if ofd::is_write_locked(&opened)? && !record.process.has_ended(vantage) {
            return Ok(Finding::Live(record));
        }
        // The next owner of the name may have put its record there meanwhile.
        match statat(directory, file, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(now) if (now.st_dev, now.st_ino) != (stat.st_dev, stat.st_ino) => {}
            _ => return Ok(Finding::Dead(record)),
        }
    }
    Ok(Finding::Absent)
}

/// Reads whatever record `file` holds, whoever wrote it and whether it lives or not.
pub(super) fn read_any(directory: BorrowedFd<'_>, file: &str) -> Option<PeerRecord> {
    open(directory, file).ok().and_then(|file| read(&file).ok().flatten())
}

/// Opens for reading only, so that closing it again is not taken for the owner's end.
fn open(directory: BorrowedFd<'_>, file: &str) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    openat(directory, file, flags, Mode::empty())
}

/// The record in the file; `None` if it is none.
fn read(file: &OwnedFd) -> io::Result<Option<PeerRecord>> {
    let stat = fstat(file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_size as u64 > MAX_SIZE {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    File::from(file.try_clone()?).take(MAX_SIZE).read_to_end(&mut bytes)?;
    Ok(PeerRecord::from_text(&bytes))
}
