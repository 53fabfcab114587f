//! A member at the end of a serial line: a fixed endpoint whose links all run over one stream of bytes.
//!
//! ```text
//! bytes --> serial::Reader --> record --> lane --> Inbox --> Endpoint --> Event      handle_input, poll_event
//! bytes <-- one frame     <--- record <-- lane <------------ Endpoint <-- request    pending_output, consume_output
//! ```
//!
//! The records and the rules of sessions are those of [`trunk`](crate::trunk). A session that is lost ends every
//! link, and so every request, at once; another is begun without being asked.

mod lane;
mod records;
mod session;

use super::endpoint::Endpoint;
use super::error::SendError;
use super::event::Event;
use super::inbox::Inbox;
use crate::id::LinkId;
use crate::time::{Instant, earlier};
use crate::trunk::serial::{self, Reader};
use crate::trunk::{MemberKind, Trouble};
use lane::{Lane, Stage};
use session::Session;

/// What precedes the bytes or the name in a record, at most: an `Authenticate`, a `Join`.
const RECORD_HEAD: usize = 26;

/// The memory for what goes over the line: `LINKS` as in the [`Storage`](super::Storage), and `RECORD` bytes for a
/// frame each way.
///
/// Takes `28 * LINKS + 2 * RECORD` bytes, rounded up to a multiple of 4. A record has 14 bytes less than `RECORD`,
/// and one more less for every 254; it must hold a peer's name and 26 bytes beside, and the shortest allowed is 64.
#[derive(Debug)]
pub struct Wire<const LINKS: usize, const RECORD: usize> {
    lanes: [Lane; LINKS],
    input: [u8; RECORD],
    output: [u8; RECORD],
}

impl<const LINKS: usize, const RECORD: usize> Wire<LINKS, RECORD> {
    /// Memory for one line.
    pub const fn new() -> Self {
        const {
            assert!(
                RECORD - serial::OVERHEAD >= 64,
                "the shortest record that may be the longest has 64 bytes"
            );
            assert!(RECORD <= 32_768, "records are at most 32 KiB long");
        }
        Self { lanes: [Lane::FREE; LINKS], input: [0; RECORD], output: [0; RECORD] }
    }
}

impl<const LINKS: usize, const RECORD: usize> Default for Wire<LINKS, RECORD> {
    fn default() -> Self {
        Self::new()
    }
}

/// Why a session with the gateway is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Loss {
    /// A frame did not come or was damaged.
    Frame,
    /// Nothing came for too long.
    Silence,
    /// The gateway does not know the session: it has begun anew, or lost a frame.
    Told,
    /// The gateway speaks this version of the trunk's records, and not [`TRUNK_VERSION`](crate::trunk::TRUNK_VERSION).
    Version {
        /// The gateway's version.
        theirs: u16,
    },
    /// The gateway will not have this member.
    Refused(Trouble),
    /// The bus is gone, or the gateway leaves it.
    BusGone,
}

/// A member at the end of a serial line, without I/O.
#[derive(Debug)]
pub struct Member<'s> {
    reader: Reader<&'s mut [u8]>,
    trunk: Trunk<'s>,
}

/// All but the buffer that records lie in while they are dealt with.
#[derive(Debug)]
struct Trunk<'s> {
    endpoint: Endpoint<'s>,
    inbox: Inbox<'s>,
    lanes: &'s mut [Lane],
    session: Session,
    /// The frame on its way out, and how much of it is.
    output: &'s mut [u8],
    output_at: usize,
    output_end: usize,
    /// The longest record that is taken.
    limit: u16,
    kind: MemberKind,
    /// The lane that was served last.
    turn: usize,
    /// A link of a peer for which there is no room.
    reject: Option<u32>,
    /// What has become of the session and was not told.
    news: Option<Event<'static>>,
}

impl<'s> Member<'s> {
    /// A member that begins to join once its output is asked for. `endpoint` and `inbox` are both halves of one
    /// [`Storage`](super::Storage).
    ///
    /// # Panics
    ///
    /// If the wire has fewer links than the storage, or no room for the name.
    pub fn new<const LINKS: usize, const RECORD: usize>(
        (endpoint, inbox): (Endpoint<'s>, Inbox<'s>),
        wire: &'s mut Wire<LINKS, RECORD>,
        kind: MemberKind,
    ) -> Self {
        assert!(LINKS >= endpoint.links.len(), "a wire for as many links");
        wire.lanes.fill(Lane::FREE);
        let trunk = Trunk {
            session: Session::new(endpoint.incarnation()),
            endpoint,
            inbox,
            lanes: &mut wire.lanes,
            output: &mut wire.output,
            output_at: 0,
            output_end: 0,
            limit: (RECORD - serial::OVERHEAD) as u16,
            kind,
            turn: 0,
            reject: None,
            news: None,
        };
        assert!(trunk.longest_name() >= trunk.endpoint.name().len(), "RECORD is too small for this name");
        Self { reader: Reader::new(&mut wire.input), trunk }
    }

    /// The machine of the links: to ask, answer, send.
    pub fn endpoint(&mut self) -> &mut Endpoint<'s> {
        &mut self.trunk.endpoint
    }

    /// Whether there is a session with the gateway.
    pub fn is_joined(&self) -> bool {
        self.trunk.session.is_joined()
    }

    /// How many times the line had something else than a frame on it; wraps.
    pub fn damaged(&self) -> u32 {
        self.reader.damaged()
    }

    /// Begins a link to the peer of that name. [`Event::Opened`] or [`Event::Closed`] tells how it went.
    ///
    /// # Errors
    ///
    /// [`SendError::WouldBlock`] while there is no session, or a former link's end has not left;
    /// else as [`Endpoint::open`] says.
    pub fn open(&mut self, peer: &str) -> Result<LinkId, SendError> {
        self.trunk.open(peer)
    }

    /// Takes in bytes from the line and returns how many; the rest must be offered again once events were taken and
    /// output has left.
    #[must_use = "bytes not taken must be offered again"]
    pub fn handle_input(&mut self, now: Instant, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        while !self.trunk.is_held_up()
            && let Some(frame) = self.reader.next(&mut rest)
        {
            self.trunk.handle_frame(now, frame);
        }
        bytes.len() - rest.len()
    }

    /// Takes the next thing that happened, and the machine to answer with.
    ///
    /// To be called until `None` after any command or input, and when [`poll_timeout`](Self::poll_timeout) says
    /// so; early or often is harmless.
    pub fn poll_event(&mut self, now: Instant) -> Option<(Event<'_>, &mut Endpoint<'s>)> {
        let trunk = &mut self.trunk;
        trunk.note_silence(now);
        if let Some(news) = trunk.news.take() {
            return Some((news, &mut trunk.endpoint));
        }
        let found = trunk.next_event(now)?;
        Some((found.attach(&trunk.inbox), &mut trunk.endpoint))
    }

    /// When [`poll_event`](Self::poll_event) or [`pending_output`](Self::pending_output) must be called though
    /// nothing else happens; `None` is never.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let is_writing = self.trunk.output_at < self.trunk.output_end;
        earlier(self.trunk.session.poll_timeout(is_writing), self.trunk.endpoint.poll_timeout())
    }

    /// What is to be written to the line.
    pub fn pending_output(&mut self, now: Instant) -> &[u8] {
        self.trunk.fill_output(now);
        &self.trunk.output[self.trunk.output_at..self.trunk.output_end]
    }

    /// The first `n` bytes of the pending output were written.
    pub fn consume_output(&mut self, n: usize) {
        debug_assert!(n <= self.trunk.output_end - self.trunk.output_at);
        self.trunk.output_at += n;
    }
}

impl Trunk<'_> {
    /// The longest name of a peer that fits in a record.
    fn longest_name(&self) -> usize {
        self.longest_record() - RECORD_HEAD
    }

    /// The longest record that the buffer for output holds, in its frame.
    fn longest_record(&self) -> usize {
        let len = self.output.len();
        // As `encoded_len` has it: what a frame of as many bytes has beyond its record is more than enough.
        len - (serial::encoded_len(len) - len)
    }

    fn open(&mut self, peer: &str) -> Result<LinkId, SendError> {
        if !self.session.is_joined() {
            return Err(SendError::WouldBlock);
        }
        let limit = self.longest_name();
        if peer.len() > limit {
            return Err(SendError::TooLarge { limit });
        }
        let lane = self.free_lane().ok_or(SendError::WouldBlock)?;
        let link = self.endpoint.open(peer)?;
        self.lanes[lane] = Lane::new(Stage::Connect, self.session.next_link(), link);
        Ok(link)
    }

    fn free_lane(&self) -> Option<usize> {
        self.lanes.iter().position(|lane| lane.stage == Stage::Free)
    }

    /// Whether no record can be dealt with before something has left.
    fn is_held_up(&self) -> bool {
        self.reject.is_some() || self.news.is_some()
    }

    /// The next event that is the user's concern.
    fn next_event(&mut self, now: Instant) -> Option<super::endpoint::Found> {
        loop {
            let found = self.endpoint.next_event(now, &mut self.inbox)?;
            match found.event {
                // The gateway knows who it is.
                Event::Greeted { link, .. } => self.ask_about(link),
                Event::Closed { link, .. } => {
                    if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.link == Some(link)) {
                        lane.end();
                    }
                    return Some(found);
                }
                _ => return Some(found),
            }
        }
    }

    /// Ends the session and every link; another is begun.
    fn lose(&mut self, now: Instant, loss: Loss) {
        for lane in self.lanes.iter_mut() {
            if let Some(link) = lane.link {
                self.endpoint.handle_closed(link);
            }
            *lane = Lane::FREE;
        }
        self.reject = None;
        // Half a frame is damaged, and so dropped, once the next begins.
        (self.output_at, self.output_end) = (0, 0);
        self.session.lose(now, loss);
        self.news = Some(Event::Left { loss });
    }

    fn note_silence(&mut self, now: Instant) {
        if self.session.is_silent(now) {
            self.lose(now, Loss::Silence);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clause H1: memory stated in bytes.
    #[test]
    fn the_memory_of_a_line_is_what_the_formula_says() {
        assert_eq!(size_of::<Wire<1, 80>>(), 28 + 160);
        assert_eq!(size_of::<Wire<3, 301>>(), (84 + 602usize).next_multiple_of(4));
        assert_eq!(size_of::<Wire<8, 1024>>(), 224 + 2048);
    }
}
