//! Records on their way, in the framing of the stream that they run on.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::pipe;
use super::record::{Record, RecordError};
use super::serial;

/// An outbox that has sent this much moves what is left to its front.
const COMPACT: usize = 64 * 1024;

/// How records are framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// By a length: for pipes and sockets, which lose nothing.
    Pipe,
    /// By COBS, with a checksum, a number and a session: for serial lines.
    Serial,
}

/// What was done against the rules of the trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrunkError {
    /// A record is too long.
    #[error(transparent)]
    TooLong(#[from] pipe::TooLong),
    /// A record makes no sense.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The other side speaks another version.
    #[error("it speaks version {theirs} of the trunk's records, this side version {ours}")]
    Version {
        /// This side's version.
        ours: u16,
        /// The other's.
        theirs: u16,
    },
    /// The first record was not the one that a session begins with, or it came again.
    #[error("a record came out of turn: a session begins with one join")]
    OutOfTurn,
    /// The window or the longest record that the member announced is too small to work with.
    #[error("a member must take records of {limit} bytes, and a window of one byte", limit = super::LEAST_LIMIT)]
    TooSmall,
    /// A link's number was used before, or is not one of those that its side may use.
    #[error("the link {link} cannot be begun")]
    Link {
        /// The number.
        link: u32,
    },
    /// More bytes came on a link than its window allows.
    #[error("more than its window of {window} bytes came on the link {link}")]
    WindowExceeded {
        /// The link.
        link: u32,
        /// The window.
        window: u32,
    },
    /// The stream ended in the middle of a record.
    #[error("the stream ended in the middle of a record")]
    CutShort,
}

/// What comes in.
#[derive(Debug)]
pub(super) enum Inward {
    Pipe { reader: pipe::Reader<Box<[u8]>>, limit: usize },
    Serial(Serial),
}

/// What comes in on a serial line.
#[derive(Debug)]
pub(super) struct Serial {
    reader: serial::Reader<Box<[u8]>>,
    session: Option<u32>,
    next: u16,
}

/// Something that has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Came<'r> {
    /// A record of the session, in its place.
    Record(Record<'r>),
    /// A join, whatever the session.
    Join { session: u32, record: Record<'r> },
    /// A frame of another session, or of none.
    Foreign { session: u32 },
    /// A frame of this session, and not the next: one was lost.
    Gap,
    /// The other side says that this session is over.
    Lost,
}

impl Inward {
    /// Takes records of at most `limit` bytes, on a pipe after the first; the first may have `first` bytes.
    pub(super) fn new(framing: Framing, limit: usize, first: usize) -> Self {
        let longest = limit.max(first);
        match framing {
            Framing::Pipe => Self::Pipe { reader: pipe::Reader::new(vec![0; longest].into()), limit: first },
            Framing::Serial => {
                let buffer = vec![0; longest + serial::OVERHEAD].into();
                Self::Serial(Serial { reader: serial::Reader::new(buffer), session: None, next: 0 })
            }
        }
    }

    /// A session begins whose first frame has been read, or is the next.
    pub(super) fn begin(&mut self, session: u32, next: u16, longest: usize) {
        match self {
            Self::Pipe { limit, .. } => *limit = longest,
            Self::Serial(serial) => (serial.session, serial.next) = (Some(session), next),
        }
    }

    /// The session is over: its frames are foreign from now on.
    pub(super) fn end(&mut self) {
        if let Self::Serial(serial) = self {
            serial.session = None;
        }
    }

    /// Whether the beginning of a record has come, and its end has not.
    pub(super) fn is_amid(&self) -> bool {
        matches!(self, Self::Pipe { reader, .. } if reader.is_amid())
    }

    /// Takes the next record from the front of `input`, if its end is there.
    pub(super) fn next<'r, 'i: 'r>(
        &'r mut self,
        input: &mut &'i [u8],
    ) -> Option<Result<Came<'r>, TrunkError>> {
        match self {
            Self::Pipe { reader, limit } => match reader.next(input, *limit) {
                Err(error) => Some(Err(error.into())),
                Ok(bytes) => bytes.map(|bytes| Ok(Came::Record(Record::decode(bytes)?))),
            },
            Self::Serial(serial) => serial.next(input),
        }
    }
}

impl Serial {
    fn next<'r>(&'r mut self, input: &mut &[u8]) -> Option<Result<Came<'r>, TrunkError>> {
        let frame = self.reader.next(input)?;
        let session = frame.session;
        let is_ours = self.session == Some(session);
        // Of what another session says, only that it is a join matters, and that this side's is unknown.
        let record = match Record::decode(frame.record) {
            Ok(record @ Record::Join(_)) if !is_ours => return Some(Ok(Came::Join { session, record })),
            _ if !is_ours => return Some(Ok(Came::Foreign { session })),
            Ok(Record::Lost) => return Some(Ok(Came::Lost)),
            record => record,
        };
        if frame.number != self.next {
            return Some(Ok(Came::Gap));
        }
        self.next = self.next.wrapping_add(1);
        Some(record.map(Came::Record).map_err(TrunkError::from))
    }
}

/// What goes out.
#[derive(Debug)]
pub(super) struct Outward {
    framing: Framing,
    session: u32,
    next: u16,
    bytes: Vec<u8>,
    sent: usize,
}

impl Outward {
    pub(super) fn new(framing: Framing) -> Self {
        Self { framing, session: 0, next: 0, bytes: Vec::new(), sent: 0 }
    }

    /// A session begins; what is left of the last one is not sent, as far as no byte of it has left.
    pub(super) fn begin(&mut self, session: u32) {
        if self.framing == Framing::Serial {
            // What had left of a frame is ended by the zero that the next one begins with.
            self.bytes.clear();
            self.sent = 0;
        }
        (self.session, self.next) = (session, 0);
    }

    pub(super) fn push(&mut self, record: &Record<'_>) {
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.push_as(self.session, number, record);
    }

    /// Tells one who speaks in a session that there is no such session.
    pub(super) fn push_lost(&mut self, session: u32) {
        self.push_as(session, 0, &Record::Lost);
    }

    fn push_as(&mut self, session: u32, number: u16, record: &Record<'_>) {
        if self.sent >= COMPACT && self.sent >= self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
        let (head, tail) = record.parts();
        let len = head.bytes().len() + tail.len();
        match self.framing {
            Framing::Pipe => {
                let prefix = u16::try_from(len).expect("records are cut to what their receiver takes");
                self.bytes.extend_from_slice(&prefix.to_le_bytes());
                self.bytes.extend_from_slice(head.bytes());
                self.bytes.extend_from_slice(tail);
            }
            Framing::Serial => {
                let at = self.bytes.len();
                self.bytes.resize(at + serial::encoded_len(len), 0);
                let encoded = serial::encode(session, number, record, &mut self.bytes[at..]);
                self.bytes.truncate(at + encoded.expect("there is room for the longest that it can become"));
            }
        }
    }

    /// What is to be sent.
    pub(super) fn pending(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// The first `n` pending bytes have left.
    pub(super) fn consume(&mut self, n: usize) {
        self.sent = self.bytes.len().min(self.sent + n);
        if self.sent == self.bytes.len() {
            self.bytes.clear();
            self.sent = 0;
        }
    }
}
