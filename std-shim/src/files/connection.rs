//! [`Connection`]: one link, as one of its two ends sees it.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use ipcm_core::transport::Progress;
use ipcm_core::{Clock, Incarnation, Instant, LinkId};

use super::alarm;
use super::entry::{Kind, Side, Wire};
use super::kept::{Before, Kept};
use super::opening::Opening;
use super::row::{Row, is_passing};
use crate::bus::news::{from_wall, to_wall};
use crate::clock::Monotonic;

/// The longest packet.
pub(super) const PACKET: usize = 64 * 1024;
/// Files that wait in one direction of a link, at most.
pub(super) const MOST_FILES: usize = 256;
/// Bytes that wait in one direction of a link, at most; a single file may exceed it.
pub(super) const MOST_BYTES: usize = 1024 * 1024;
/// How long nothing is written after the disk was full or descriptors had run out.
const PAUSE: Duration = Duration::from_millis(50);

/// One link, as one of its two ends sees it.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) link: LinkId,
    pub(super) wire: Wire,
    /// This end.
    pub(super) side: Side,
    /// Who is at the other end, and where its mailbox is.
    pub(super) peer: Opening,
    pub(super) path: PathBuf,
    /// What is heard before the input goes on.
    before: VecDeque<Before>,
    /// That the peer is suspended was reported and is about to be told.
    is_reported: bool,
    /// The peer is suspended until then.
    pub(super) asleep: Option<Instant>,
    /// Which life of the peer began the link.
    pub(super) said: Incarnation,
    /// A former life has left this end to this one.
    pub(super) is_inherited: bool,
    /// How much of the peer's window former lives have used up.
    pub(super) spent: u64,
    input: Row,
    output: Row,
    /// Input before this place is known to have come.
    seen: u64,
    /// Something may have come that no one told of.
    must_look: bool,
    /// The place and size of what was sent and had not been taken in when that was last looked at.
    unread: VecDeque<(u64, usize)>,
    unread_bytes: usize,
    /// A send has blocked, and nothing was said of room since.
    pub(super) is_blocked: bool,
    /// The disk was full, or there was no descriptor; it is tried again then.
    pub(super) again: Option<Instant>,
    /// The other end is gone: what has come is all there is.
    pub(super) is_dead: bool,
    /// Readable when the process at the other end is dead.
    pub(super) process: Option<OwnedFd>,
    /// No one tells of the end of that process: it is looked for.
    pub(super) is_unsure: bool,
    /// It is in the list of links that are ready.
    pub(super) is_listed: bool,
}

impl Connection {
    /// One end of a link, as it was left or as it begins. The paths are those of the two mailboxes.
    pub(super) fn new(
        link: LinkId,
        (wire, side): (Wire, Side),
        kept: &Kept,
        (own, path): (PathBuf, PathBuf),
        durable: bool,
    ) -> Self {
        let peer = kept.peer();
        let callers = if side == Side::Caller { &own } else { &path };
        let row = |mailbox, to, next| Row::new((mailbox, callers), wire, to, next, durable);
        Self {
            before: kept.before.clone().into(),
            is_reported: false,
            asleep: kept.asleep.map(from_wall),
            is_inherited: !kept.is_fresh,
            spent: kept.spent,
            said: peer.incarnation,
            link,
            wire,
            side,
            peer,
            input: row(&own, side, kept.input),
            output: row(&path, side.other(), kept.output),
            path,
            seen: 0,
            // One who has just connected is told of all that comes.
            must_look: side == Side::Callee || !kept.is_fresh,
            unread_bytes: kept.unread.iter().map(|&(_, size)| size).sum(),
            unread: kept.unread.clone().into(),
            is_blocked: false,
            again: None,
            is_dead: false,
            process: None,
            is_unsure: false,
            is_listed: false,
        }
    }

    /// Prepares the ends of both rows, so that neither end needs anything to tell the other that it closes.
    pub(super) fn prepare_ends(&mut self) -> io::Result<()> {
        self.input.prepare_end()?;
        self.output.prepare_end()
    }

    /// Has this heard before all that comes.
    pub(super) fn hear_first(&mut self, before: impl IntoIterator<Item = Before>) {
        self.before.extend(before);
    }

    /// Removes what was prepared of a link that does not come about.
    pub(super) fn forget(&mut self) {
        self.input.remove_drafts();
        self.output.remove_drafts();
    }

    /// Whether anything has come from the other end.
    pub(super) fn has_heard(&self) -> bool {
        self.seen > 0 || self.input.next() > 0
    }

    /// The file at this place of the input has come.
    pub(super) fn see(&mut self, place: u64) {
        self.seen = self.seen.max(place.saturating_add(1));
    }

    /// Whether a receive may return something other than blocked.
    pub(super) fn is_ready(&self) -> bool {
        // Nothing passes before it is told that the peer is suspended.
        if let Some(before) = self.before.front() {
            return matches!(before, Before::Bytes(_));
        }
        self.again.is_none() && (self.must_look || self.is_dead || self.seen > self.input.next())
    }

    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> Progress {
        while self.is_ready() {
            if let Some(Before::Bytes(bytes)) = self.before.front_mut() {
                let n = bytes.len().min(buffer.len());
                buffer[..n].copy_from_slice(&bytes[..n]);
                bytes.drain(..n);
                if bytes.is_empty() {
                    self.before.pop_front();
                }
                return Progress::Moved(n);
            }
            // First this: what a peer had sent before it died is there by now.
            let was_dead = self.is_dead;
            match self.input.take(buffer) {
                // Nobody of ours sends it.
                Ok(Some(0)) => {}
                Ok(Some(n)) => return Progress::Moved(n),
                Ok(None) => match self.input.take_small(Kind::Asleep) {
                    Ok(Some(bytes)) => self.hear_of_sleep(&bytes),
                    Ok(None) if was_dead || self.input.is_next(Kind::End) => return Progress::Closed,
                    // It was there and is not: the stream has a hole.
                    Ok(None) if self.seen > self.input.next() => return Progress::Broken,
                    Ok(None) => self.must_look = false,
                    Err(error) => return self.failed(&error),
                },
                Err(error) => return self.failed(&error),
            }
        }
        Progress::Blocked
    }

    /// What a receive that failed comes to. One that may go well later is tried again after a pause.
    fn failed(&mut self, error: &io::Error) -> Progress {
        if is_passing(error) {
            self.again = Some(Monotonic.now() + PAUSE);
            return Progress::Blocked;
        }
        match error.kind() {
            ErrorKind::InvalidData => Progress::Broken,
            _ => Progress::Closed,
        }
    }

    /// The life at the other end is suspended, as its word says.
    fn hear_of_sleep(&mut self, word: &[u8]) {
        let until = std::str::from_utf8(word).ok().and_then(|until| until.parse().ok());
        self.before.push_back(Before::Asleep(until.unwrap_or(0)));
    }

    /// Whether there is word of sleep to be reported.
    pub(super) fn has_news(&self) -> bool {
        !self.is_reported && matches!(self.before.front(), Some(Before::Asleep(_)))
    }

    /// What this end is in the state in which it was left.
    pub(super) fn kept(&self) -> Kept {
        let places = (self.input.next(), self.output.next());
        let before = self.before.iter().cloned().collect();
        let asleep = self.asleep.map(to_wall);
        let unread = self.unread.iter().copied().collect();
        Kept { asleep, unread, spent: self.spent, is_fresh: false, ..Kept::new(&self.peer, places, before) }
    }

    /// Until when the peer is suspended, if that is the next thing to be told and was not reported.
    pub(super) fn report_sleep(&mut self) -> Option<Instant> {
        let Some(Before::Asleep(until)) = self.before.front().filter(|_| !self.is_reported) else {
            return None;
        };
        self.is_reported = true;
        let until = from_wall(*until);
        self.asleep = Some(until);
        Some(until)
    }

    /// What was reported is told.
    pub(super) fn pass_sleep(&mut self) {
        if std::mem::take(&mut self.is_reported) {
            self.before.pop_front();
        }
    }

    /// The bus tells that the peer is suspended, until then. Word of it may be under way.
    pub(super) fn learn_of_sleep(&mut self, until: u64) {
        let is_told =
            self.asleep.is_some() || self.before.iter().any(|before| matches!(before, Before::Asleep(_)));
        let is_coming = self.input.is_next(Kind::Packet) || self.input.is_next(Kind::Asleep);
        if !is_told && !is_coming {
            self.before.push_back(Before::Asleep(until));
        }
    }

    /// Gives this end up for the next life of the member, which is told what was not: `before`. The peer is
    /// told that this life is suspended until `until`.
    pub(super) fn leave(&mut self, unsent: &[u8], before: Vec<Before>, until: u64) -> io::Result<Kept> {
        before.into_iter().rev().for_each(|before| self.before.push_front(before));
        let packets = unsent.chunks(PACKET).map(|packet| (Kind::Packet, packet));
        let until = until.to_string();
        for (kind, bytes) in packets.chain([(Kind::Asleep, until.as_bytes())]) {
            let place = self.output.next();
            match self.output.put(kind, bytes) {
                Ok(()) if kind == Kind::Packet => self.note_unread(place, bytes.len()),
                Ok(()) => {}
                // The peer is gone, and its mailbox with it; what it had sent is still to be heard.
                Err(error) if error.kind() == ErrorKind::NotFound => break,
                Err(error) => return Err(error),
            }
        }
        Ok(self.kept())
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> Progress {
        if self.process.as_ref().is_some_and(alarm::has_ended) {
            self.is_dead = true;
        }
        if self.is_dead {
            return Progress::Closed;
        }
        if !self.has_room() {
            self.is_blocked = true;
            return Progress::Blocked;
        }
        let place = self.output.next();
        match self.output.put(Kind::Packet, bytes) {
            Ok(()) => {
                self.note_unread(place, bytes.len());
                Progress::Moved(bytes.len())
            }
            Err(error) if is_passing(&error) => {
                self.again = Some(Monotonic.now() + PAUSE);
                self.is_blocked = true;
                Progress::Blocked
            }
            Err(_) => {
                // The mailbox is gone, and its owner with it.
                self.is_dead = true;
                Progress::Closed
            }
        }
    }

    fn note_unread(&mut self, place: u64, size: usize) {
        self.unread.push_back((place, size));
        self.unread_bytes += size;
    }

    /// Whether the next packet may wait at the other end beside those that do.
    pub(super) fn has_room(&mut self) -> bool {
        let has_room = |end: &Self| end.unread.len() < MOST_FILES && end.unread_bytes < MOST_BYTES;
        if has_room(self) {
            return true;
        }
        // They are taken in in order.
        let output = &mut self.output;
        let taken = self.unread.partition_point(|&(place, _)| !output.has_packet(place));
        self.unread_bytes -= self.unread.drain(..taken).map(|(_, size)| size).sum::<usize>();
        has_room(self)
    }

    /// Closes this end. The other one takes in what was sent; what has come is dropped.
    pub(super) fn close(&mut self) {
        let _ = self.output.end(!self.is_dead);
        while self.input.remove_next(Kind::Packet).is_ok() {}
        let _ = self.input.remove_next(Kind::End);
        self.input.remove_drafts();
    }
}
