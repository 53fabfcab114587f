//! Frames cut out of a stream of bytes that may come in any pieces, and put into one.
//!
//! What a frame looks like is in `layout`.

use alloc::vec::Vec;
use core::mem;
use core::ops::Deref;

use crate::layout::{FrameError, PREFIX, UNIT, body_at, body_offset, frame_size, prefix};
use crate::sink::Sink;

/// A link keeps an empty outbox up to this size.
const KEPT_CAPACITY: usize = 128 * 1024;
/// Memory is taken for bytes that have come, plus at most this much.
const READ_AHEAD: usize = 64 * 1024;

/// Appends a frame to `sink`: `head`, then what `body` appends.
///
/// # Errors
///
/// What `body` returns; `sink` is then as it was.
///
/// # Panics
///
/// If `head` is longer than 4075 bytes, or the frame than `u32::MAX`: callers bound both.
pub(crate) fn append<E>(
    sink: &mut Sink<'_>,
    head: &[u8],
    body: impl FnOnce(&mut Sink<'_>) -> Result<(), E>,
) -> Result<usize, E> {
    let start = sink.end();
    let body_at = body_offset(head.len());
    let out = sink.outbox();
    out.extend_from_slice(&[0; PREFIX]);
    out.extend_from_slice(head);
    out.resize(start + body_at, 0);
    if let Err(error) = body(sink) {
        sink.truncate(start);
        return Err(error);
    }
    let size = sink.end() - start;
    sink.patch(start, &prefix(size, body_at));
    Ok(size)
}

/// The length of the longest run of whole frames at the front of `bytes` that fits in `limit`.
///
/// Falls back to `limit` where the first frame alone is longer. `bytes` begins where a frame begins, or,
/// behind a cut, anywhere; a cut in the wrong place costs a copy and nothing else. Neither the run nor what it
/// leaves is shorter than 16 bytes, so that a transport can tell its own words from pieces of the stream;
/// `limit` is at least 32 for that.
pub(crate) fn whole_frames(bytes: &[u8], limit: usize) -> usize {
    if bytes.len() <= limit {
        return bytes.len();
    }
    let mut end = 0;
    while let Some(prefix) = bytes.get(end..end + 4) {
        let size = u32::from_le_bytes(prefix.try_into().expect("four bytes")) as usize;
        if size < UNIT || end + size > limit {
            break;
        }
        end += size;
    }
    if end == 0 { limit.min(bytes.len() - UNIT) } else { end }
}

/// Bytes as they came from a link, taken frame by frame from the front.
#[derive(Debug)]
pub struct Input<'i> {
    bytes: &'i [u8],
    at: usize,
}

impl<'i> Input<'i> {
    /// All of `bytes`, none of it taken yet.
    pub fn new(bytes: &'i [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// What is left of `bytes` once `taken` of them were.
    pub(crate) fn go_on(bytes: &'i [u8], taken: usize) -> Self {
        Self { bytes, at: taken }
    }

    /// How many bytes were taken.
    pub(crate) fn taken(&self) -> usize {
        self.at
    }

    fn rest(&self) -> &'i [u8] {
        &self.bytes[self.at..]
    }
}

/// The body of a frame: still in the input it came in, or put together from several.
#[derive(Debug)]
pub enum Body<'i> {
    /// The body lies in one piece in the input.
    InInput {
        /// The body.
        bytes: &'i [u8],
        /// Where it begins in the input, in bytes.
        at: usize,
    },
    /// The body was put together; it is the end of this buffer.
    Assembled {
        /// The whole frame.
        frame: Vec<u8>,
        /// Where the body begins in it.
        at: usize,
    },
}

impl Deref for Body<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::InInput { bytes, .. } => bytes,
            Self::Assembled { frame, at } => &frame[*at..],
        }
    }
}

/// A whole frame.
#[derive(Debug)]
pub(crate) struct Frame<'i> {
    whole: Body<'i>,
    body_at: usize,
}

impl<'i> Frame<'i> {
    /// Checks the prefix of a frame that lies in one piece.
    fn parse(whole: Body<'i>) -> Result<Self, FrameError> {
        let body_at = body_at(&whole)?;
        Ok(Self { whole, body_at })
    }

    pub(crate) fn size(&self) -> usize {
        self.whole.len()
    }

    /// The head with its padding.
    pub(crate) fn head(&self) -> &[u8] {
        &self.whole[PREFIX..self.body_at]
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.whole[self.body_at..]
    }

    pub(crate) fn into_body(self) -> Body<'i> {
        match self.whole {
            Body::InInput { bytes, at } => {
                Body::InInput { bytes: &bytes[self.body_at..], at: at + self.body_at }
            }
            Body::Assembled { frame, .. } => Body::Assembled { frame, at: self.body_at },
        }
    }
}

/// Cuts frames out of the bytes of one link and keeps what is not yet a whole frame.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    partial: Vec<u8>,
}

impl Reader {
    /// Takes the next frame from the front of `input`; `None` once more input is needed.
    ///
    /// # Errors
    ///
    /// A size below 16 or above `limit`, seen before anything of the frame is kept. The stream is of no
    /// use afterwards.
    ///
    /// A frame that comes in pieces is put together in `spare`, if that is larger than what is at hand.
    pub(crate) fn next<'i>(
        &mut self,
        input: &mut Input<'i>,
        limit: u32,
        spare: &mut Vec<u8>,
    ) -> Result<Option<Frame<'i>>, FrameError> {
        if self.partial.is_empty() {
            let rest = input.rest();
            if let Some(size) = frame_size(rest, limit)?
                && let Some(bytes) = rest.get(..size)
            {
                let at = input.at;
                input.at += size;
                return Frame::parse(Body::InInput { bytes, at }).map(Some);
            }
        }
        self.assemble(input, limit, spare)
    }

    /// Adds input to the partial frame, first up to its size field and then up to its size.
    fn assemble<'i>(
        &mut self,
        input: &mut Input<'i>,
        limit: u32,
        spare: &mut Vec<u8>,
    ) -> Result<Option<Frame<'i>>, FrameError> {
        let size = loop {
            match frame_size(&self.partial, limit)? {
                Some(size) => break size,
                None if input.rest().is_empty() => return Ok(None),
                None => self.take(input, 4),
            }
        };
        if self.partial.capacity() < size && self.partial.capacity() < spare.capacity() {
            spare.clear();
            spare.append(&mut self.partial);
            mem::swap(&mut self.partial, spare);
            spare.clear();
        }
        self.take(input, size);
        if self.partial.len() < size {
            return Ok(None);
        }
        Frame::parse(Body::Assembled { frame: mem::take(&mut self.partial), at: 0 }).map(Some)
    }

    /// Moves input to the partial frame until that has `target` bytes or the input is used up.
    fn take(&mut self, input: &mut Input<'_>, target: usize) {
        let rest = input.rest();
        let n = rest.len().min(target - self.partial.len());
        if self.partial.capacity() < target {
            let ahead = READ_AHEAD.max(self.partial.len());
            self.partial.reserve_exact((target - self.partial.len()).min(n.max(ahead)));
        }
        self.partial.extend_from_slice(&rest[..n]);
        input.at += n;
    }

    /// The beginning of a frame whose end has not come.
    pub(crate) fn partial(&self) -> &[u8] {
        &self.partial
    }
}

/// Bytes on their way out of one link.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
    /// The stream position of `bytes[0]`.
    base: u64,
}

impl Outbox {
    /// What is to be sent.
    pub(crate) fn pending(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// Where frames are appended.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        if self.sent >= READ_AHEAD && self.sent >= self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            self.base += self.sent as u64;
            self.sent = 0;
        }
        &mut self.bytes
    }

    /// Where frames are appended, and where in it what has not left begins.
    pub(crate) fn writer(&mut self) -> (&mut Vec<u8>, usize) {
        self.buffer();
        (&mut self.bytes, self.sent)
    }

    /// All that was pending, and what was appended behind it elsewhere, has left: `n` bytes.
    pub(crate) fn skip(&mut self, n: usize) {
        self.base += (self.sent + n) as u64;
        self.sent = 0;
        self.bytes.clear();
    }

    /// All that was pending, and what was appended behind it elsewhere, comes back.
    pub(crate) fn put_back(&mut self, bytes: &[u8]) {
        self.bytes.truncate(self.sent);
        self.bytes.extend_from_slice(bytes);
    }

    /// The stream position of the next byte to be appended.
    pub(crate) fn end(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }

    /// The stream position of the next byte to be sent.
    pub(crate) fn sent(&self) -> u64 {
        self.base + self.sent as u64
    }

    /// The first `n` pending bytes have been sent. Gives back a buffer that is too large to be kept.
    #[must_use = "a large buffer is worth using again"]
    pub(crate) fn consume(&mut self, n: usize) -> Option<Vec<u8>> {
        debug_assert!(n <= self.bytes.len() - self.sent);
        self.sent += n;
        if self.sent == self.bytes.len() {
            self.base += self.sent as u64;
            self.sent = 0;
            self.bytes.clear();
            return (self.bytes.capacity() > KEPT_CAPACITY).then(|| mem::take(&mut self.bytes));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    /// Whatever the frames and the packets, none of the stream travels in a packet of less than 16 bytes.
    #[test]
    fn a_cut_leaves_no_piece_that_is_shorter_than_the_smallest_frame() {
        for sizes in [&[16, 16, 16][..], &[47], &[100], &[16, 100, 17], &[33, 31, 200, 16]] {
            let mut stream = Vec::new();
            for &size in sizes {
                let body = vec![7; size - UNIT];
                let written = append(&mut Sink::from(&mut stream), b"head", |sink| {
                    sink.extend_from_slice(&body);
                    Ok::<(), ()>(())
                });
                assert_eq!(written, Ok(size));
            }
            for limit in 32..120 {
                let mut rest = &stream[..];
                while !rest.is_empty() {
                    let cut = whole_frames(rest, limit);
                    assert!((UNIT..=limit).contains(&cut), "{cut} of {} at a limit of {limit}", rest.len());
                    rest = &rest[cut..];
                }
            }
        }
    }
}
