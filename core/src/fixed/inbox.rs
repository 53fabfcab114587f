//! What has come on each link and is not dealt with.

use crate::layout::{FrameError, frame_size};

/// What has come on each link and is not dealt with: some `IN` bytes for each.
#[derive(Debug)]
pub struct Inbox<'s> {
    marks: &'s mut [Mark],
    bytes: &'s mut [u8],
    /// Bytes for each link.
    size: usize,
}

/// How far one link's input is filled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    /// Bytes that have come.
    have: u32,
    /// Bytes at the front that were given out with the last event.
    given: u32,
}

impl Mark {
    pub(super) const EMPTY: Self = Self { have: 0, given: 0 };
}

impl<'s> Inbox<'s> {
    pub(super) fn new(marks: &'s mut [Mark], bytes: &'s mut [u8], size: usize) -> Self {
        marks.fill(Mark::EMPTY);
        Self { marks, bytes, size }
    }

    /// Bytes that one link holds.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Bytes of a link that are not dealt with.
    pub(super) fn held(&self, link: usize) -> usize {
        (self.marks[link].have - self.marks[link].given) as usize
    }

    /// What was given out last, while nothing has come since.
    pub(super) fn given(&self, link: usize) -> &[u8] {
        &self.bytes(link)[..self.marks[link].given as usize]
    }

    /// The largest frame that is taken in. A quarter remains for what comes before that was dealt with and said so.
    pub(super) fn frame_limit(&self) -> usize {
        self.size - self.size / 4
    }

    /// Keeps as many of `bytes` as there is room for and returns how many.
    pub(super) fn add(&mut self, link: usize, bytes: &[u8]) -> usize {
        self.settle(link);
        let mark = &mut self.marks[link];
        let have = mark.have as usize;
        let n = bytes.len().min(self.size - have);
        let at = link * self.size + have;
        self.bytes[at..at + n].copy_from_slice(&bytes[..n]);
        mark.have += n as u32;
        n
    }

    /// The size of the whole frame at the front of a link's input, if it is there.
    pub(super) fn next(&mut self, link: usize, limit: usize) -> Result<Option<usize>, FrameError> {
        self.settle(link);
        let bytes = self.bytes(link);
        Ok(frame_size(bytes, limit as u32)?.filter(|&size| size <= bytes.len()))
    }

    /// The bytes of a link.
    pub(super) fn bytes(&self, link: usize) -> &[u8] {
        &self.bytes[link * self.size..][..self.marks[link].have as usize]
    }

    /// The first `n` bytes of a link are dealt with once the next event is taken.
    pub(super) fn give(&mut self, link: usize, n: usize) {
        self.marks[link].given = n as u32;
    }

    pub(super) fn clear(&mut self, link: usize) {
        self.marks[link] = Mark::EMPTY;
    }

    /// Drops what was given out.
    fn settle(&mut self, link: usize) {
        let mark = &mut self.marks[link];
        if mark.given > 0 {
            let at = link * self.size;
            move_to_front(&mut self.bytes[at..at + mark.have as usize], mark.given as usize);
            *mark = Mark { have: mark.have - mark.given, given: 0 };
        }
    }
}

/// Moves what lies from `from` on to the front.
///
/// Byte by byte: what moves is the rare part of a frame that came with the one before, and `memmove` is more code than
/// all that moves it.
#[inline(never)]
pub(super) fn move_to_front(bytes: &mut [u8], from: usize) {
    let cells = core::cell::Cell::from_mut(bytes).as_slice_of_cells();
    for (to, from) in cells.iter().zip(cells.get(from..).unwrap_or_default()) {
        to.set(from.get());
    }
}
