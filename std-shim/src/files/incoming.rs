//! [`Incoming`]: the links that lie in a mailbox and were not accepted.

use std::collections::{HashSet, VecDeque};
use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use ipcm_core::{Clock, Instant};

use super::entry::{Entry, Side, Wire};
use super::kept::Kept;
use super::opening::{LONGEST, Opening};
use super::row::is_passing;
use crate::clock::Monotonic;

/// Connections that wait to be accepted by one member, at most.
pub(super) const BACKLOG: usize = 1024;

/// How long nothing is taken after descriptors had run out.
const PAUSE: Duration = Duration::from_millis(50);

/// Links that were not accepted, in order: openings, and what a former life has left.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    queue: VecDeque<(Wire, Side)>,
    waiting: HashSet<(Wire, Side)>,
    /// There was no descriptor to look at the first; it is tried again then.
    again: Option<Instant>,
}

impl Incoming {
    /// Notes that this link lies in the mailbox, once; false if there is no room to note it.
    ///
    /// What a former life has left is as many as that life had links. Openings may be any number.
    #[must_use = "it is to be noted later"]
    pub(super) fn note(&mut self, end: (Wire, Side), is_kept: bool) -> bool {
        let has_room = is_kept || self.queue.len() < 2 * BACKLOG || self.waiting.contains(&end);
        if has_room && self.waiting.insert(end) {
            self.queue.push_back(end);
        }
        has_room
    }

    /// Whether this link waits.
    pub(super) fn contains(&self, end: (Wire, Side)) -> bool {
        self.waiting.contains(&end)
    }

    /// How many can be taken now.
    pub(super) fn ready(&self) -> usize {
        if self.again.is_some() { 0 } else { self.queue.len() }
    }

    /// When they can be taken again, if they cannot now.
    pub(super) fn again(&self) -> Option<Instant> {
        self.again
    }

    /// Lets them be taken again if it is time.
    pub(super) fn look(&mut self, now: Instant) {
        self.again = self.again.filter(|&again| again > now);
    }

    /// Takes the first link, and its file from the mailbox. What is no link is passed over.
    ///
    /// # Errors
    ///
    /// What may pass by itself, as where there is no descriptor: the link stays the first.
    pub(super) fn take_first(&mut self, mailbox: &Path) -> io::Result<Option<((Wire, Side), Kept)>> {
        while let Some(&(wire, side)) = self.queue.front() {
            let path = |entry: Entry| mailbox.join(entry.to_string());
            let (kept, opening) = (path(Entry::Kept(wire, side)), path(Entry::Opening(wire)));
            let first = match read(&kept, u64::MAX, Kept::parse) {
                Ok(None) => read(&opening, LONGEST as u64, Opening::parse)
                    .map(|opening| opening.map(|opening| Kept::new(&opening, (0, 0), Vec::new()))),
                first => first,
            };
            if first.is_err() {
                self.again = Some(Monotonic.now() + PAUSE);
            }
            let first = first?;
            self.queue.pop_front();
            self.waiting.remove(&(wire, side));
            for path in [kept, opening] {
                let _ = fs::remove_file(path);
            }
            if let Some(kept) = first {
                return Ok(Some(((wire, side), kept)));
            }
        }
        Ok(None)
    }
}

/// Reads a file that is at most so long; `None` if there is none, or none that can be read.
fn read<T>(path: &Path, longest: u64, parse: impl Fn(&[u8]) -> Option<T>) -> io::Result<Option<T>> {
    let mut bytes = Vec::new();
    let opened = fs::File::open(path);
    match opened.and_then(|file| file.take(longest.saturating_add(1)).read_to_end(&mut bytes)) {
        Ok(n) if n as u64 <= longest => Ok(parse(&bytes)),
        Err(error) if is_passing(&error) => Err(error),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clause A6. Clause B4: what a former life has left is all taken up; of what others begin, so much is noted.
    #[test]
    fn openings_are_noted_up_to_a_bound_and_what_was_left_without() {
        let mut incoming = Incoming::default();
        for at in 0..2 * BACKLOG as u128 {
            assert!(incoming.note((Wire(at), Side::Callee), false));
        }
        let more = (Wire(u128::MAX), Side::Callee);
        assert!(!incoming.note(more, false));
        assert!(!incoming.contains(more));
        assert!(incoming.note((Wire(0), Side::Callee), false), "it is noted already");
        assert!(incoming.note(more, true));
        assert!(incoming.contains(more));
        assert_eq!(incoming.ready(), 2 * BACKLOG + 1);
    }

    /// Fault X8.
    #[test]
    fn what_is_no_link_is_passed_over_and_removed() {
        let mailbox = tempfile::tempdir().unwrap();
        let mut incoming = Incoming::default();
        for (at, text) in
            ["", "junk", &"x".repeat(5000), &format!("{0:032x} {0:032x} name", 5)].iter().enumerate()
        {
            let wire = Wire(at as u128);
            fs::write(mailbox.path().join(Entry::Opening(wire).to_string()), text).unwrap();
            assert!(incoming.note((wire, Side::Callee), false));
        }
        let ((wire, _), kept) = incoming.take_first(mailbox.path()).unwrap().unwrap();
        assert_eq!((wire, &*kept.peer().name), (Wire(3), "name"));
        assert_eq!(incoming.take_first(mailbox.path()).unwrap(), None);
        assert_eq!(fs::read_dir(mailbox.path()).unwrap().count(), 0);
    }
}
