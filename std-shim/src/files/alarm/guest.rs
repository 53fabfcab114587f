//! Where nothing wakes anybody: a wait is no more than a look at first, and then a sleep, longer and longer when nothing
//! comes.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::thread;
use std::time::Duration;

use ipcm_core::{Clock, Instant, LinkId};

use super::Found;
use crate::Waker;
use crate::bus::Presence;
use crate::clock::Monotonic;
use crate::files::entry::Entry;

/// For how long it is looked again and again, once something has come or was sent. A sleep takes a millisecond at
/// least under wasmtime, which is several times as long as an answer does; but on one CPU it may be the sleep that
/// lets the other side run.
const EAGER: Duration = Duration::from_micros(300);
/// The first pause, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_micros(100), Duration::from_millis(50));

/// Sleeps.
#[derive(Debug)]
pub(in crate::files) struct Alarm {
    pause: Duration,
    /// Until when it is looked again and again; `None` if the next wait is the first.
    eager: Option<Instant>,
    waker: Option<Waker>,
    is_woken: bool,
}

impl Alarm {
    pub(in crate::files) fn new(_mailbox: &Path, _presence: Option<&Presence>) -> io::Result<Self> {
        Ok(Self { pause: PAUSES.0, eager: None, waker: None, is_woken: false })
    }

    /// It tells nothing of what comes.
    pub(in crate::files) fn tells_of_mail(&self) -> bool {
        false
    }

    pub(in crate::files) fn add_watch(&self, _watch: BorrowedFd<'_>) -> io::Result<()> {
        Ok(())
    }

    pub(in crate::files) fn add_waker(&mut self, waker: &Waker) -> io::Result<()> {
        self.waker = Some(waker.clone());
        Ok(())
    }

    pub(in crate::files) fn watch_process(&self, _link: LinkId, _pid: u32) -> Option<OwnedFd> {
        None
    }

    pub(in crate::files) fn watch_guest(&mut self, _link: LinkId, _record: &Path) {}

    pub(in crate::files) fn watch_suspended(&mut self, _link: LinkId, _record: &Path) -> bool {
        false
    }

    pub(in crate::files) fn forget_record(&mut self, _link: LinkId) {}

    pub(in crate::files) fn forget_process(&self, _process: OwnedFd) {}

    pub(in crate::files) fn watch_room(&mut self, _mailbox: &Path) -> bool {
        false
    }

    /// Something has come or was sent: the next pauses are short again.
    pub(in crate::files) fn be_quick(&mut self) {
        self.pause = PAUSES.0;
        self.eager = None;
    }

    /// Lets others run, or sleeps for the next pause, but not beyond `deadline`.
    pub(in crate::files) fn wait(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        self.is_woken = self.waker.as_ref().is_some_and(Waker::is_woken);
        let now = Monotonic.now();
        let left = deadline.map_or(self.pause, |deadline| deadline.saturating_since(now));
        if left.is_zero() || self.is_woken {
            return Ok(());
        }
        if now < *self.eager.get_or_insert(now + EAGER) {
            thread::yield_now();
        } else {
            thread::sleep(left.min(self.pause));
            self.pause = (self.pause * 2).min(PAUSES.1);
        }
        Ok(())
    }

    pub(in crate::files) fn pop(&mut self) -> Option<Found> {
        std::mem::take(&mut self.is_woken).then_some(Found::Woken)
    }

    pub(in crate::files) fn mail(&self, _entries: &mut Vec<Entry>) -> bool {
        false
    }

    pub(in crate::files) fn clear_room(&mut self) {}
}

/// Nothing tells of the end of a process.
pub(in crate::files) fn has_ended(_process: &OwnedFd) -> bool {
    false
}
