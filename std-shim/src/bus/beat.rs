//! The beat of a member: how it shows that it lives to those who see no lock, and how they watch it.
//!
//! Only buses that are made for guests have it. A beat is a file whose content changes once a second. Who looks
//! notes by its own monotonic clock when it saw the content change last; what has not changed for
//! [`LEASE`] is dead. So no two clocks are compared, and one who has just begun to look believes in life first.

use ipcm_core::{Clock, Instant};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

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

/// What one observer knows of the beats of others, by file name.
#[derive(Debug, Default)]
pub(crate) struct Beats(HashMap<String, Seen>);

#[derive(Debug)]
struct Seen {
    content: Vec<u8>,
    /// When it was seen to change, or first.
    since: Instant,
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
    /// Whether the member with this beat counts as living. One without a file has never begun, or has left.
    pub(super) fn goes_on(&mut self, file: &str, path: &Path) -> bool {
        let now = Monotonic.now();
        let Ok(content) = fs::read(path) else {
            self.0.remove(file);
            return false;
        };
        if self.0.len() > 64 {
            // Those that nobody has looked for since long are no members any more.
            self.0.retain(|_, seen| now.saturating_since(seen.looked) < 4 * LEASE);
        }
        let first = || Seen { content: content.clone(), since: now, looked: now, has_changed: false };
        let seen = self.0.entry(file.to_owned()).or_insert_with(first);
        // One who was away for long cannot tell whether the beat has paused.
        if seen.content != content || now.saturating_since(seen.looked) > LEASE {
            let has_changed = seen.content != content;
            *seen = Seen { content, since: now, looked: now, has_changed };
        }
        seen.looked = now;
        now.saturating_since(seen.since) < LEASE
    }

    /// Whether this beat was seen to change: not just believed.
    pub(super) fn has_changed(&self, file: &str) -> bool {
        self.0.get(file).is_some_and(|seen| seen.has_changed)
    }

    /// The member with this beat is known to be dead.
    #[cfg(target_os = "linux")]
    pub(super) fn end(&mut self, file: &str, path: &Path) {
        let now = Monotonic.now();
        let content = fs::read(path).unwrap_or_default();
        let long_ago = Instant::from_nanos(now.as_nanos().saturating_sub(LEASE.as_nanos() as u64));
        self.0.insert(file.to_owned(), Seen { content, since: long_ago, looked: now, has_changed: false });
    }
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
            let seen = beats.0.get_mut("x").unwrap();
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
}
