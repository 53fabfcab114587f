//! [`Hold`]: what holds a guest's name: its beat, and its record, which its host closes at its end.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ipcm_core::{Clock, Incarnation, Instant};

use super::super::beat::Beat;
use super::super::error::{BusError, JoinError};
use super::super::medium::Medium;
use super::super::membership::Claim;
use super::super::record::{Finding, PeerRecord};
use super::dir::BusDir;
use crate::clock::Monotonic;

/// How often the name is tried to be had when others take it and leave it.
const ATTEMPTS: usize = 16;

/// The lives that this guest lives itself. Those need no beat to be known: while one joins, no other one beats.
static OWN: Mutex<Vec<Incarnation>> = Mutex::new(Vec::new());

/// A life in [`OWN`].
#[derive(Debug)]
struct OwnLife(Incarnation);

impl OwnLife {
    fn begin(life: Incarnation) -> Self {
        own_lives().push(life);
        Self(life)
    }
}

impl Drop for OwnLife {
    fn drop(&mut self) {
        own_lives().retain(|life| *life != self.0);
    }
}

fn own_lives() -> MutexGuard<'static, Vec<Incarnation>> {
    OWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether this is a life of this guest itself.
pub(super) fn is_own(life: Incarnation) -> bool {
    own_lives().contains(&life)
}

/// What one life of a guest holds its name by.
#[derive(Debug)]
pub(in crate::bus) struct Hold {
    _life: OwnLife,
    beat: Beat,
    /// Open for the whole life: its close is told to those who can hear of it.
    _record_file: File,
}

impl BusDir {
    /// Takes a name, and whatever a dead owner of it has left away. Also returns the life that was there before.
    pub(in crate::bus) fn take_hold(
        &self,
        claim: &mut Claim,
    ) -> Result<(Hold, Option<PeerRecord>), JoinError> {
        for _ in 0..ATTEMPTS {
            let holder = self.judge(&claim.record.name).map_err(|error| claim.failed(error))?;
            let is_junk = matches!(holder, Finding::Junk);
            let former = claim.oust(self, holder)?;
            if is_junk {
                // A failure is that of the attempt to take its place.
                let _ = self.remove_record(None, &claim.record);
            }
            match self.register(&claim.record, former.as_ref()) {
                Ok(hold) => {
                    self.lock_beats().set_own(self.path_of(&claim.record.beat_file()));
                    return Ok((hold, former));
                }
                // Another one was faster.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(claim.failed(self.error("joining the bus", error))),
            }
        }
        Err(claim.failed(BusError::JoinLocked { path: self.path().to_owned() }))
    }

    fn register(&self, record: &PeerRecord, former: Option<&PeerRecord>) -> io::Result<Hold> {
        let id = record.incarnation.as_bits();
        let (file, draft) = (PeerRecord::file(&record.name), format!(".{id:032x}.new"));
        let (file, draft) = (self.path_of(&file), self.path_of(&draft));
        let (door, beat_file) = (self.path_of(&record.door()), self.path_of(&record.beat_file()));
        let is_inherited = record.is_inherited();
        let registered = || {
            if let Some(former) = former {
                self.remove_record(Some(former), record)?;
                let _ = fs::remove_file(self.path_of(&former.beat_file()));
                if !is_inherited {
                    let _ = fs::remove_dir_all(self.path_of(&former.door()));
                }
            }
            // It comes first, and keeps what follows from being swept.
            let beat = Beat::begin(&beat_file)?;
            let mut record_file = File::create(&draft)?;
            record_file.write_all(record.to_text().as_bytes())?;
            if self.medium() == Medium::DurableFiles {
                record_file.sync_all()?;
            }
            if !is_inherited {
                fs::create_dir(&door)?;
            }
            // Unlike a rename, it does not take the name from one who has it.
            fs::hard_link(&draft, &file)?;
            self.sync()?;
            Ok((record_file, beat))
        };
        let registered = registered();
        let _ = fs::remove_file(&draft);
        match registered {
            Ok((record_file, beat)) => {
                Ok(Hold { _life: OwnLife::begin(record.incarnation), beat, _record_file: record_file })
            }
            Err(error) => {
                let _ = fs::remove_file(beat_file);
                if !is_inherited {
                    let _ = fs::remove_dir_all(door);
                }
                Err(error)
            }
        }
    }

    /// Makes way for the record of a life: removes that of a former one, or what is none, and no other that has taken
    /// its place meanwhile.
    fn remove_record(&self, former: Option<&PeerRecord>, record: &PeerRecord) -> io::Result<()> {
        let file = self.path_of(&PeerRecord::file(&record.name));
        let aside = self.path_of(&format!(".{:032x}.old.new", record.incarnation.as_bits()));
        let life = former.map(|former| former.incarnation);
        let is_it = |path| {
            fs::read(path).map(|bytes| PeerRecord::from_text(&bytes).map(|found| found.incarnation) == life)
        };
        let removed = || {
            if is_it(&file)? {
                fs::rename(&file, &aside)?;
                if is_it(&aside)? {
                    return fs::remove_file(&aside);
                }
                fs::hard_link(&aside, &file)?;
                fs::remove_file(&aside)?;
            }
            Err(ErrorKind::AlreadyExists.into())
        };
        match removed() {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

impl Hold {
    /// Whether those who hold names like this are guests.
    pub(in crate::bus) const IS_GUEST: bool = true;

    /// A guest does not know whose it is.
    pub(in crate::bus) fn uid() -> u32 {
        0
    }

    /// A guest does not fork.
    pub(in crate::bus) fn is_ours(&self) -> bool {
        true
    }

    /// Shows that this guest lives, if it is time; false if the name is not this life's any more.
    pub(in crate::bus) fn beat(&mut self, dir: &BusDir, record: &PeerRecord) -> bool {
        let now = Monotonic.now();
        if now < self.beat.next() {
            return true;
        }
        // A disk that is full now may not be so the next time.
        let _ = self.beat.go_on(now);
        match fs::read(dir.path_of(&PeerRecord::file(&record.name))) {
            Ok(bytes) => {
                PeerRecord::from_text(&bytes).is_some_and(|now| now.incarnation == record.incarnation)
            }
            Err(error) => error.kind() != ErrorKind::NotFound,
        }
    }

    /// When that is due.
    pub(in crate::bus) fn next_beat(&self) -> Option<Instant> {
        Some(self.beat.next())
    }

    /// Puts a record in the place of that of this life, which is over.
    pub(in crate::bus) fn suspend(&mut self, dir: &BusDir, record: &PeerRecord) -> Result<(), BusError> {
        let draft = dir.path_of(&format!(".{:032x}.new", record.incarnation.as_bits()));
        let suspended = || {
            let mut file = File::create(&draft)?;
            file.write_all(record.to_text().as_bytes())?;
            if dir.medium() == Medium::DurableFiles {
                file.sync_all()?;
            }
            fs::rename(&draft, dir.path_of(&PeerRecord::file(&record.name)))?;
            dir.sync()
        };
        suspended().map_err(|error| dir.error("suspending a peer", error))?;
        let _ = fs::remove_file(dir.path_of(&record.beat_file()));
        Ok(())
    }

    /// Removes all that others see of this life.
    pub(in crate::bus) fn leave(&mut self, dir: &BusDir, record: &PeerRecord) {
        let _ = fs::remove_dir_all(dir.path_of(&record.door()));
        let _ = dir.remove_record(Some(record), record);
        let _ = fs::remove_file(dir.path_of(&record.beat_file()));
    }
}
