//! [`Membership`]: a peer's name, from joining to leaving.

use std::thread;
use std::time::Duration;

use ipcm_core::{Clock, Incarnation, Instant};

use super::beat::LEASE;
use super::error::{BusError, JoinError};
use super::process_id::ProcessId;
use super::record::{Finding, PeerKind, PeerRecord};
use super::{BusDir, Hold};
use crate::clock::Monotonic;

/// How often it is looked for the beat of one who has a name.
const LOOK: Duration = Duration::from_millis(50);

/// A peer of a bus, for as long as this value or its process lives.
///
/// Dropping it leaves the bus. In a forked child the drop only closes the child's descriptors.
#[derive(Debug)]
pub(crate) struct Membership {
    dir: BusDir,
    record: PeerRecord,
    /// The name is kept though this life is over.
    is_suspended: bool,
    /// Until when the former life is suspended, which this one has yet to take up.
    former: Option<u64>,
    /// What shows the others that this peer lives, so it is dropped last of all.
    pub(super) hold: Hold,
}

/// A name that a life takes, if whoever has it makes way.
pub(super) struct Claim {
    /// What the bus is to know of this life. Its mailbox is that of a life that it takes up.
    pub(super) record: PeerRecord,
    /// It takes up the life of a suspended peer.
    is_next: bool,
}

impl BusDir {
    /// Takes the name `name` and listens for connections, or has a mailbox.
    pub(crate) fn join(
        &self,
        name: &str,
        kind: PeerKind,
        incarnation: Incarnation,
    ) -> Result<Membership, JoinError> {
        self.enter(name, kind, incarnation, false)
    }

    /// Takes up the life of a suspended peer, with its mailbox.
    pub(crate) fn rejoin(
        &self,
        name: &str,
        kind: PeerKind,
        incarnation: Incarnation,
    ) -> Result<Membership, JoinError> {
        self.enter(name, kind, incarnation, true)
    }

    fn enter(
        &self,
        name: &str,
        kind: PeerKind,
        incarnation: Incarnation,
        is_next: bool,
    ) -> Result<Membership, JoinError> {
        ipcm_core::name::check(name).map_err(|source| JoinError::Name { name: name.to_owned(), source })?;
        let record = PeerRecord {
            name: name.to_owned(),
            process: ProcessId::own(),
            uid: Hold::uid(),
            incarnation,
            kind,
            mailbox: self.medium().has_mailboxes().then_some(incarnation),
            suspended: None,
            is_guest: Hold::IS_GUEST,
        };
        let mut claim = Claim { record, is_next };
        let (hold, former) = self.take_hold(&mut claim)?;
        let record = claim.record;
        let former = former.and_then(|former| former.suspended).filter(|_| record.is_inherited());
        Ok(Membership { dir: self.clone(), record, is_suspended: false, former, hold })
    }

    /// What is known of the one who has a name, once it is known whether it lives: its next beat comes, or does not.
    pub(super) fn judge(&self, name: &str) -> Result<Finding, BusError> {
        let until = Monotonic.now() + 2 * LEASE;
        loop {
            match self.find(name)? {
                Finding::Live(holder) | Finding::Dead(holder)
                    if self.lives_by_beat(&holder)
                        && !self.knows_beat(&holder)
                        && Monotonic.now() < until =>
                {
                    // Nothing tells of a beat, and it comes once a second.
                    thread::sleep(LOOK);
                }
                finding => return Ok(finding),
            }
        }
    }
}

impl Claim {
    /// The life whose place this one takes, if there was one.
    pub(super) fn oust(&mut self, dir: &BusDir, holder: Finding) -> Result<Option<PeerRecord>, JoinError> {
        let path = || dir.path().to_owned();
        match holder {
            Finding::Live(holder) => {
                Err(JoinError::NameTaken { pid: holder.pid(), name: holder.name, path: path() })
            }
            Finding::Suspended(former) if self.is_next => {
                self.record.mailbox = former.mailbox;
                Ok(Some(former))
            }
            Finding::Suspended(holder) => Err(JoinError::NameSuspended { name: holder.name, path: path() }),
            _ if self.is_next => {
                Err(JoinError::NotSuspended { name: self.record.name.clone(), path: path() })
            }
            Finding::Dead(former) => Ok(Some(former)),
            Finding::Absent | Finding::Junk => Ok(None),
        }
    }

    /// The bus is why the name cannot be had.
    pub(super) fn failed(&self, source: BusError) -> JoinError {
        JoinError::Bus { name: self.record.name.clone(), source }
    }
}

impl Membership {
    /// The bus.
    pub(crate) fn dir(&self) -> &BusDir {
        &self.dir
    }

    /// What the others read of this peer.
    pub(crate) fn record(&self) -> &PeerRecord {
        &self.record
    }

    /// Whether this is the process that joined, and not a forked child of it.
    pub(crate) fn is_ours(&self) -> bool {
        self.hold.is_ours()
    }

    /// Shows that this peer lives, if it is time; false if the name is not its any more, as far as it looked.
    pub(crate) fn beat(&mut self) -> bool {
        self.is_suspended || self.hold.beat(&self.dir, &self.record)
    }

    /// When that is due; `None` if it is seen to elsewhere.
    pub(crate) fn next_beat(&self) -> Option<Instant> {
        self.hold.next_beat()
    }

    /// This life has taken up all that the former one has left. Until then its end gives the name back to the
    /// suspended one, with all that is kept for it.
    pub(crate) fn take_over(&mut self) {
        self.former = None;
    }

    /// Whether the mailbox is kept for a life to come.
    pub(crate) fn keeps_mailbox(&self) -> bool {
        self.is_suspended || self.former.is_some()
    }

    /// Keeps the name, and the mailbox, for a life to come, until then: microseconds of the Unix epoch.
    pub(crate) fn suspend(&mut self, until: u64) -> Result<(), BusError> {
        let record = PeerRecord { suspended: Some(until), ..self.record.clone() };
        self.hold.suspend(&self.dir, &record)?;
        self.is_suspended = true;
        Ok(())
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        if !self.is_ours() || self.is_suspended {
            return;
        }
        if self.former.is_some_and(|until| self.suspend(until).is_ok()) {
            return;
        }
        // Failures leave remains, which the next to take the name clears away.
        self.hold.leave(&self.dir, &self.record);
    }
}
