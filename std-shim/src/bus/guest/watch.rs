//! [`PeerWatch`]: arrivals and departures of peers, found by looking again and again.

use std::os::fd::BorrowedFd;

use ipcm_core::Instant;

use super::super::by_file::ByFile;
use super::super::change::{PeerChange, compare};
use super::super::error::BusError;
use super::super::record::PeerRecord;
use super::dir::BusDir;

/// Looks at one bus for arrivals and departures.
#[derive(Debug)]
pub(crate) struct PeerWatch {
    dir: BusDir,
    /// By file name.
    known: ByFile<PeerRecord>,
    bus_gone: bool,
}

/// Whether the bus is still there.
#[derive(Debug)]
pub(crate) struct Presence(BusDir);

impl BusDir {
    /// Watches the peers from now on; those that are there already are [`known`](PeerWatch::known).
    pub(crate) fn watch(&self) -> Result<PeerWatch, BusError> {
        Ok(PeerWatch { dir: self.clone(), known: self.scan()?, bus_gone: false })
    }

    /// Looks for the end of the bus.
    pub(crate) fn presence(&self) -> Presence {
        Presence(self.clone())
    }
}

impl PeerWatch {
    /// Nothing tells of changes.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// The caller must ask for changes again and again.
    pub(crate) fn waits_by_polling(&self) -> bool {
        true
    }

    /// The peers as of the last call, sorted by file name.
    pub(crate) fn known(&self) -> impl Iterator<Item = &PeerRecord> {
        self.known.iter().map(|(_, peer)| peer)
    }

    /// Every look sees what has expired.
    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        None
    }

    /// Every look sees what has expired.
    pub(crate) fn has_expired(&self) -> bool {
        false
    }

    /// Appends what has changed since the last call.
    pub(crate) fn changes(&mut self, out: &mut Vec<PeerChange>) -> Result<(), BusError> {
        let gone = !self.dir.is_there();
        let found = if gone { ByFile::new() } else { self.dir.scan()? };
        compare(&self.known, &found, out);
        self.known = found;
        if gone && !std::mem::replace(&mut self.bus_gone, true) {
            out.push(PeerChange::BusGone);
        }
        Ok(())
    }
}

impl Presence {
    /// Nothing tells of the end of the bus.
    pub(crate) fn waits_by_polling(&self) -> bool {
        true
    }

    /// Whether the bus has been removed.
    pub(crate) fn is_gone(&self) -> bool {
        !self.0.is_there()
    }
}
