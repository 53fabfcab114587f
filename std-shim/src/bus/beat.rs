//! The beat of a member: how it shows that it lives to those who see no lock, and how they watch it.
//!
//! Only buses that are made for guests have it. A beat is a file whose content changes once a second. Who looks
//! notes by its own monotonic clock when it saw the content change last; what has not changed for
//! [`LEASE`] is dead. One who has just begun to look goes by the time of the file for as long: a clock that was set
//! meanwhile can make it wrong, until the next beat comes or stays away. Nobody loses a name by that alone: see
//! [`Beats::is_known`].

use ipcm_core::{Clock, Instant};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::clock::Monotonic;

/// How often a member shows that it lives.
pub(crate) const BEAT: Duration = Duration::from_secs(1);
/// How long a beat may stay away before its member counts as dead.
pub(crate) const LEASE: Duration = Duration::from_secs(5);

/// The beat of this member.
#[derive(Debug)]
pub(crate) struct Beat {
    file: File,
    count: u64,
    next: Instant,
}

/// What one observer knows of the beats of others.
#[derive(Debug, Default)]
pub(crate) struct Beats {
    /// By file name.
    seen: HashMap<String, Seen>,
    /// The beat of this observer, whose time is that of the file system. One without uses the system's clock.
    own: Option<PathBuf>,
}

#[derive(Debug)]
struct Seen {
    content: Vec<u8>,
    /// When it changed, as far as is known.
    since: Instant,
    /// Since when it is looked at, without a pause as long as a lease.
    first: Instant,
    looked: Instant,
    has_changed: bool,
}

impl Beat {
    /// Begins a beat in this file.
    pub(super) fn begin(path: &Path) -> io::Result<Self> {
        let mut beat = Self { file: File::create(path)?, count: 0, next: Instant::ZERO };
        beat.go_on(Monotonic.now())?;
        Ok(beat)
    }

    /// Beats if it is time.
    pub(super) fn go_on(&mut self, now: Instant) -> io::Result<()> {
        if now >= self.next {
            self.next = now + BEAT;
            self.count += 1;
            self.file.seek(SeekFrom::Start(0))?;
            self.file.write_all(&self.count.to_le_bytes())?;
        }
        Ok(())
    }

    /// When the next beat is due.
    #[cfg(any(test, not(target_os = "linux")))]
    pub(super) fn next(&self) -> Instant {
        self.next
    }
}

impl Beats {
    /// Tells the time of the file system by this beat, which goes on, rather than by the system's clock.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn set_own(&mut self, beat: PathBuf) {
        self.own = Some(beat);
    }

    /// Whether the member with this beat counts as living. One without a file has never begun, or has left.
    pub(super) fn goes_on(&mut self, file: &str, path: &Path) -> bool {
        let now = Monotonic.now();
        let Ok(content) = fs::read(path) else {
            self.seen.remove(file);
            return false;
        };
        if self.seen.len() > 64 {
            // Those that nobody has looked for since long are no members any more.
            self.seen.retain(|_, seen| now.saturating_since(seen.looked) < 4 * LEASE);
        }
        match self.seen.get_mut(file) {
            // One who was away for long cannot tell by its own clock whether the beat has paused.
            Some(seen) if now.saturating_since(seen.looked) <= LEASE => {
                seen.looked = now;
                if seen.content != content {
                    (seen.content, seen.since, seen.has_changed) = (content, now, true);
                }
                now.saturating_since(seen.since) < LEASE
            }
            _ => {
                let age = self.age(path).unwrap_or_default();
                let since = before(now, age);
                let seen = Seen { content, since, first: now, looked: now, has_changed: false };
                self.seen.insert(file.to_owned(), seen);
                age < LEASE
            }
        }
    }

    /// Whether this observer has itself seen whether this beat goes on, and not just when it came last.
    pub(super) fn is_known(&self, file: &str) -> bool {
        let is_known = |seen: &Seen| seen.has_changed || seen.looked.saturating_since(seen.first) >= LEASE;
        self.seen.get(file).is_none_or(is_known)
    }

    /// The member with this beat is known to be dead.
    #[cfg(target_os = "linux")]
    pub(super) fn end(&mut self, file: &str, path: &Path) {
        let now = Monotonic.now();
        let content = fs::read(path).unwrap_or_default();
        let long_ago = before(now, LEASE);
        let seen = Seen { content, since: long_ago, first: long_ago, looked: now, has_changed: false };
        self.seen.insert(file.to_owned(), seen);
    }

    /// How long ago a beat came; `None` if there is no telling.
    fn age(&self, path: &Path) -> Option<Duration> {
        let time_of = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
        let now = match &self.own {
            Some(own) => time_of(own)?,
            // The clock of a sandbox may be any.
            None if cfg!(not(target_os = "linux")) => return None,
            None => SystemTime::now(),
        };
        now.duration_since(time_of(path)?).ok()
    }
}

/// So long before `now`.
fn before(now: Instant, span: Duration) -> Instant {
    Instant::from_nanos(now.as_nanos().saturating_sub(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clause A5: the file is there, and tells nothing new.
    #[test]
    fn a_beat_that_stays_away_is_the_end_and_one_that_goes_on_is_not() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("x.beat");
        let mut beats = Beats::default();
        assert!(!beats.goes_on("x", &path), "there is none");
        let mut beat = Beat::begin(&path).unwrap();
        assert!(beats.goes_on("x", &path));
        let back = |beats: &mut Beats, span: Duration| {
            let seen = beats.seen.get_mut("x").unwrap();
            seen.since = Instant::from_nanos(seen.since.as_nanos() - span.as_nanos() as u64);
        };
        back(&mut beats, LEASE - BEAT);
        assert!(beats.goes_on("x", &path));
        back(&mut beats, BEAT);
        assert!(!beats.goes_on("x", &path));
        beat.go_on(beat.next()).unwrap();
        assert!(beats.goes_on("x", &path), "it goes on");
        beats.end("x", &path);
        assert!(!beats.goes_on("x", &path));
    }

    /// Clause A5: to one who has just begun to look. Clause D4: a clock that was set makes nobody dead for sure, and
    /// a beat that comes makes it good.
    #[test]
    fn one_who_has_just_begun_to_look_goes_by_the_time_of_the_beat() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("x.beat");
        let mut beat = Beat::begin(&path).unwrap();
        let set = |time| File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        for (time, lives) in [
            (SystemTime::now() - LEASE, false),
            (SystemTime::now() - Duration::from_secs(3600), false),
            (SystemTime::now(), true),
            (SystemTime::now() + Duration::from_secs(3600), true),
        ] {
            set(time);
            let mut beats = Beats::default();
            assert_eq!(beats.goes_on("x", &path), lives, "{time:?}");
            assert!(!beats.is_known("x"));
            beat.go_on(beat.next()).unwrap();
            assert!(beats.goes_on("x", &path) && beats.is_known("x"), "it beats");
        }
        set(SystemTime::now() - LEASE);
        let mut beats = Beats::default();
        assert!(!beats.goes_on("x", &path));
        let seen = beats.seen.get_mut("x").unwrap();
        (seen.first, seen.since) = (before(seen.first, LEASE), before(seen.since, LEASE));
        assert!(!beats.goes_on("x", &path) && beats.is_known("x"), "it was looked at for long enough");
        assert!(beats.is_known("y"), "there is nothing to be known");
    }
}
