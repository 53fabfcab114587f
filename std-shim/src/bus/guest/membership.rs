//! [`Membership`]: a guest's name, from joining to leaving.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::thread;
use std::time::Duration;

use ipcm_core::{Clock, Incarnation, Instant};

use super::super::beat::Beat;
use super::super::error::{BusError, JoinError};
use super::super::process_id::ProcessId;
use super::super::record::{Finding, PeerKind, PeerRecord};
use super::dir::BusDir;
use crate::clock::Monotonic;

/// How often it is looked for the beat of one who has the name.
const LOOK: Duration = Duration::from_millis(50);
/// How often the name is tried to be had when others take it and leave it.
const ATTEMPTS: usize = 16;

/// A guest's name, for as long as this value lives and its beat goes on.
#[derive(Debug)]
pub(crate) struct Membership {
    dir: BusDir,
    record: PeerRecord,
    beat: Beat,
    /// Open for the whole life: its close is told to those who can hear of it.
    _record_file: File,
    is_suspended: bool,
    /// Until when the former life is suspended, which this one has yet to take up.
    former: Option<u64>,
}

impl BusDir {
    /// Takes the name `name` and has a mailbox.
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
        again: bool,
    ) -> Result<Membership, JoinError> {
        ipcm_core::name::check(name).map_err(|source| JoinError::Name { name: name.to_owned(), source })?;
        let bus = |source| JoinError::Bus { name: name.to_owned(), source };
        let path = || self.path().to_owned();
        let mut record = PeerRecord {
            name: name.to_owned(),
            process: ProcessId::own(),
            uid: 0,
            incarnation,
            kind,
            mailbox: Some(incarnation),
            suspended: None,
            is_guest: true,
        };
        for _ in 0..ATTEMPTS {
            let former = match self.judge(name).map_err(bus)? {
                Finding::Live(holder) => {
                    let (name, pid) = (holder.name.clone(), holder.pid());
                    return Err(JoinError::NameTaken { name, pid, path: path() });
                }
                Finding::Suspended(former) if again => {
                    record.mailbox = former.mailbox;
                    Some(former)
                }
                Finding::Suspended(holder) => {
                    return Err(JoinError::NameSuspended { name: holder.name, path: path() });
                }
                _ if again => return Err(JoinError::NotSuspended { name: name.to_owned(), path: path() }),
                Finding::Dead(former) => Some(former),
                Finding::Absent | Finding::Junk => None,
            };
            match self.register(&record, former.as_ref()) {
                Ok(membership) => return Ok(membership),
                // Another one was faster.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(bus(self.error("joining the bus", error))),
            }
        }
        Err(bus(BusError::JoinLocked { path: path() }))
    }

    /// What is known of the one who has the name, once it is known whether it lives.
    fn judge(&self, name: &str) -> Result<Finding, BusError> {
        loop {
            match self.examine(&PeerRecord::file(name))? {
                // Nothing tells a guest of a beat, and it comes once a second.
                Finding::Live(holder) if !self.has_beaten(&holder) => thread::sleep(LOOK),
                finding => return Ok(finding),
            }
        }
    }

    fn register(&self, record: &PeerRecord, former: Option<&PeerRecord>) -> io::Result<Membership> {
        let id = record.incarnation.as_bits();
        let (file, draft) = (PeerRecord::file(&record.name), format!(".{id:032x}.new"));
        let (file, draft) = (self.path_of(&file), self.path_of(&draft));
        let (door, beat_file) = (self.path_of(&record.door()), self.path_of(&record.beat_file()));
        let is_inherited = record.mailbox != Some(record.incarnation);
        let registered = || {
            if let Some(former) = former {
                self.remove_record(former, &format!(".{id:032x}.old.new"))?;
                let _ = fs::remove_file(self.path_of(&former.beat_file()));
                if !is_inherited {
                    let _ = fs::remove_dir_all(self.path_of(&former.door()));
                }
            }
            let mut record_file = File::create(&draft)?;
            record_file.write_all(record.to_text().as_bytes())?;
            if !is_inherited {
                fs::create_dir(&door)?;
            }
            let beat = Beat::begin(&beat_file)?;
            // Unlike a rename, it does not take the name from one who has it.
            fs::hard_link(&draft, &file)?;
            Ok((record_file, beat))
        };
        let registered = registered();
        let _ = fs::remove_file(&draft);
        match registered {
            Ok((record_file, beat)) => Ok(Membership {
                dir: self.clone(),
                record: record.clone(),
                beat,
                _record_file: record_file,
                is_suspended: false,
                former: former.and_then(|former| former.suspended).filter(|_| is_inherited),
            }),
            Err(error) => {
                let _ = fs::remove_file(beat_file);
                if !is_inherited {
                    let _ = fs::remove_dir_all(door);
                }
                Err(error)
            }
        }
    }

    /// Removes the record of a former life, and no other that has taken its place meanwhile.
    fn remove_record(&self, former: &PeerRecord, aside: &str) -> io::Result<()> {
        let (file, aside) = (self.path_of(&PeerRecord::file(&former.name)), self.path_of(aside));
        match fs::rename(&file, &aside) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        }
        let taken = PeerRecord::from_text(&fs::read(&aside)?);
        if taken.is_some_and(|taken| taken.incarnation != former.incarnation) {
            fs::hard_link(&aside, &file)?;
            fs::remove_file(&aside)?;
            return Err(ErrorKind::AlreadyExists.into());
        }
        fs::remove_file(&aside)
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

    /// A guest does not fork.
    pub(crate) fn is_ours(&self) -> bool {
        true
    }

    /// Shows that this guest lives, if it is time.
    pub(crate) fn beat(&mut self) {
        // A disk that is full now may not be so the next time.
        let _ = self.beat.go_on(Monotonic.now());
    }

    /// When that is due.
    pub(crate) fn next_beat(&self) -> Option<Instant> {
        Some(self.beat.next())
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
        let draft = self.dir.path_of(&format!(".{:032x}.new", record.incarnation.as_bits()));
        let suspended = fs::write(&draft, record.to_text())
            .and_then(|()| fs::rename(&draft, self.dir.path_of(&PeerRecord::file(&record.name))));
        suspended.map_err(|error| self.dir.error("suspending a peer", error))?;
        self.is_suspended = true;
        let _ = fs::remove_file(self.dir.path_of(&self.record.beat_file()));
        Ok(())
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        if self.is_suspended || self.former.is_some_and(|until| self.suspend(until).is_ok()) {
            return;
        }
        // Failures leave remains, which the next to take the name clears away.
        let _ = fs::remove_dir_all(self.dir.path_of(&self.record.door()));
        let id = self.record.incarnation.as_bits();
        let _ = self.dir.remove_record(&self.record, &format!(".{id:032x}.old.new"));
        let _ = fs::remove_file(self.dir.path_of(&self.record.beat_file()));
    }
}
