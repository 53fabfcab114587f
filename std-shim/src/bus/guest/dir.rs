//! [`BusDir`]: a bus directory, and what its records tell.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipcm_core::Clock;

use super::super::beat::Beats;
use super::super::by_file::ByFile;
use super::super::error::BusError;
use super::super::marker::{self, Marker};
use super::super::medium::Medium;
use super::super::record::{ENDING, Finding, MAX_SIZE, PeerRecord};
use super::hold::is_own;
use crate::clock::Monotonic;
use crate::info::Info;

/// A bus directory; clones share what was seen.
#[derive(Clone, Debug)]
pub(crate) struct BusDir {
    info: Info,
    medium: Medium,
    beats: Arc<Mutex<Beats>>,
}

impl BusDir {
    /// Opens the bus that `info` names.
    pub(crate) fn open(info: &Info) -> Result<Self, BusError> {
        let path = info.route();
        let bytes = fs::read(path.join(marker::FILE))
            .map_err(|error| BusError::from_io(path, "reading the marker of the bus", error))?;
        let marker = Marker::parse(path, &bytes)?;
        if marker.medium.kind() != info.transport() {
            return Err(BusError::OtherTransport { path: path.to_owned(), kind: marker.medium.kind() });
        }
        if !marker.guests {
            return Err(BusError::NoGuests { path: path.to_owned() });
        }
        Ok(Self { info: info.clone(), medium: marker.medium, beats: Arc::default() })
    }

    /// Where the bus is.
    pub(crate) fn path(&self) -> &Path {
        self.info.route()
    }

    /// What its members speak over.
    pub(crate) fn medium(&self) -> Medium {
        self.medium
    }

    /// A path to `file` in this directory.
    pub(crate) fn path_of(&self, file: &str) -> PathBuf {
        self.path().join(file)
    }

    /// The error for `doing` something in this directory.
    pub(crate) fn error(&self, doing: &'static str, error: impl Into<io::Error>) -> BusError {
        BusError::from_io(self.path(), doing, error)
    }

    /// The live and suspended peers, sorted by name.
    pub(crate) fn peers(&self) -> Result<Vec<PeerRecord>, BusError> {
        let mut peers: Vec<_> = self.scan()?.iter().map(|(_, peer)| peer.clone()).collect();
        peers.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(peers)
    }

    /// The same by file name.
    pub(super) fn scan(&self) -> Result<ByFile<PeerRecord>, BusError> {
        let failed = |error| self.error("listing the bus", error);
        let mut peers = ByFile::new();
        let mut any = false;
        for entry in fs::read_dir(self.path()).map_err(failed)? {
            let Ok(file) = entry.map_err(failed)?.file_name().into_string() else { continue };
            if file.starts_with('.') || !file.ends_with(ENDING) {
                continue;
            }
            if let Finding::Live(record) | Finding::Suspended(record) = self.examine(&file)? {
                peers.insert(&file, record);
                any = true;
            }
        }
        if !any && !self.is_there() {
            return Err(BusError::NoBus { path: self.path().to_owned() });
        }
        Ok(peers)
    }

    /// The live or suspended peer with this name.
    pub(crate) fn lookup(&self, name: &str) -> Result<Option<PeerRecord>, BusError> {
        match self.find(name)? {
            Finding::Live(record) | Finding::Suspended(record) => Ok(Some(record)),
            Finding::Absent if !self.is_there() => Err(BusError::NoBus { path: self.path().to_owned() }),
            Finding::Absent | Finding::Junk | Finding::Dead(_) => Ok(None),
        }
    }

    /// Has the names in it on the disk, if what the members speak over is to be there.
    pub(crate) fn sync(&self) -> io::Result<()> {
        match self.medium {
            Medium::DurableFiles => fs::File::open(self.path())?.sync_all(),
            Medium::Unix | Medium::Files => Ok(()),
        }
    }

    /// Whether the directory still is a bus.
    pub(super) fn is_there(&self) -> bool {
        self.path_of(marker::FILE).exists()
    }

    /// What the record of the peer `name` tells.
    pub(in crate::bus) fn find(&self, name: &str) -> Result<Finding, BusError> {
        self.examine(&PeerRecord::file(name))
    }

    /// Looks at the record in `file`.
    pub(super) fn examine(&self, file: &str) -> Result<Finding, BusError> {
        let bytes = match fs::read(self.path_of(file)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Finding::Absent),
            Err(error) => return Err(self.error("reading the record of a peer", error)),
        };
        let record = PeerRecord::from_text(&bytes).filter(|record| PeerRecord::file(&record.name) == file);
        let Some(record) = record.filter(|_| bytes.len() as u64 <= MAX_SIZE) else {
            return Ok(Finding::Junk);
        };
        Ok(match record.suspended {
            Some(until) if until > Monotonic.unix_micros() => Finding::Suspended(record),
            Some(_) => Finding::Dead(record),
            None if self.beats(&record) => Finding::Live(record),
            None => Finding::Dead(record),
        })
    }

    fn beats(&self, peer: &PeerRecord) -> bool {
        let file = peer.beat_file();
        is_own(peer.incarnation) || self.lock_beats().goes_on(&file, &self.path_of(&file))
    }

    pub(super) fn lock_beats(&self) -> MutexGuard<'_, Beats> {
        self.beats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A guest sees no locks, but knows its own lives.
    pub(in crate::bus) fn lives_by_beat(&self, peer: &PeerRecord) -> bool {
        !is_own(peer.incarnation)
    }

    /// Whether it was seen for long enough whether the beat of a peer goes on.
    pub(in crate::bus) fn knows_beat(&self, peer: &PeerRecord) -> bool {
        self.lock_beats().is_known(&peer.beat_file())
    }
}
