//! [`Incoming`]: the links that lie in a mailbox and were not accepted.

use std::collections::{HashSet, VecDeque};
use std::fs;
use std::io::Read;
use std::path::Path;

use super::entry::{Entry, Side, Wire};
use super::kept::{self, Kept};
use super::opening::{LONGEST, Opening};

/// Connections that wait to be accepted by one member, at most.
pub(super) const BACKLOG: usize = 1024;

/// Links that were not accepted, in order: openings, and what a former life has left.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    queue: VecDeque<(Wire, Side)>,
    waiting: HashSet<(Wire, Side)>,
}

impl Incoming {
    /// Notes that this link lies in the mailbox, once.
    pub(super) fn note(&mut self, end: (Wire, Side)) {
        if self.queue.len() < 2 * BACKLOG && self.waiting.insert(end) {
            self.queue.push_back(end);
        }
    }

    /// Whether this link waits.
    pub(super) fn contains(&self, end: (Wire, Side)) -> bool {
        self.waiting.contains(&end)
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Takes the first link, and its file from the mailbox.
    pub(super) fn take_first(&mut self, mailbox: &Path) -> Option<((Wire, Side), Kept)> {
        let (wire, side) = self.queue.pop_front()?;
        self.waiting.remove(&(wire, side));
        let path = |entry: Entry| mailbox.join(entry.to_string());
        let (kept, opening) = (path(Entry::Kept(wire, side)), path(Entry::Opening(wire)));
        let first = match fs::read(&kept) {
            Ok(bytes) => kept::parse::<Kept>(&bytes),
            Err(_) => read_short(&opening)
                .and_then(|bytes| Opening::parse(&bytes))
                .map(|opening| Kept::new(&opening, (0, 0), Vec::new())),
        };
        for path in [kept, opening] {
            let _ = fs::remove_file(path);
        }
        Some(((wire, side), first?))
    }
}

/// Reads a file that is not longer than an opening.
fn read_short(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(LONGEST as u64 + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() <= LONGEST).then_some(bytes)
}
