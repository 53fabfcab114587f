//! Where a frame is written: the outbox of its link, or the transport's own memory once it is large.
//!
//! ```text
//! head, small pieces --> outbox ----------------------------> send         copied by the transport
//!                          | the frame grows large
//!                          v
//!                        room (memory of the transport) -----> send_room    copied no more
//! ```
//!
//! What waits in the outbox goes into the room first, so that the order of the stream is kept.

use alloc::vec::Vec;

use serde::Serialize;

use crate::body::{self, EncodeError};
use crate::id::LinkId;
use crate::transport::Transport;

/// What is copied at once.
///
/// Processors have fast ways to copy more, and these fail badly if the two places are up to 15 bytes apart modulo
/// 4096: by a factor of 25 on Zen 4. Headers put bodies into just such places.
const PIECE: usize = 1024;

/// Where the bytes of a body are appended.
pub struct Sink<'s> {
    /// The outbox; the beginning of the frame stays in it until the frame has left.
    bytes: &'s mut Vec<u8>,
    /// Where in `bytes` what has not left begins.
    first: usize,
    /// The room, if the frame has moved there: it holds `filled` bytes, from `first` on.
    room: &'s mut [u8],
    filled: usize,
    /// Whom to ask for room, once.
    source: Option<(LinkId, &'s mut dyn Source)>,
    /// From how many bytes on.
    large: usize,
}

/// A transport, as far as it has memory to write large frames to.
pub(crate) struct Room<'r> {
    /// From how many bytes on a frame is large; known without a call, as most are not.
    large: usize,
    source: &'r mut dyn Source,
}

pub(crate) trait Source {
    fn room(&mut self, link: LinkId, len: usize) -> Option<&mut [u8]>;
    fn send_room(&mut self, link: LinkId, len: usize) -> Result<(), &[u8]>;
}

impl<T: Transport> Source for T {
    fn room(&mut self, link: LinkId, len: usize) -> Option<&mut [u8]> {
        Transport::room(self, link, len)
    }

    fn send_room(&mut self, link: LinkId, len: usize) -> Result<(), &[u8]> {
        Transport::send_room(self, link, len)
    }
}

impl<'r> Room<'r> {
    pub(crate) fn of<T: Transport>(transport: &'r mut T) -> Self {
        Self { large: T::LARGE, source: transport }
    }

    pub(crate) fn send(self, link: LinkId, len: usize) -> Result<(), &'r [u8]> {
        self.source.send_room(link, len)
    }
}

impl<'s> From<&'s mut Vec<u8>> for Sink<'s> {
    /// Appends to a buffer, and to nothing else.
    fn from(bytes: &'s mut Vec<u8>) -> Self {
        Self { first: bytes.len(), bytes, room: &mut [], filled: 0, source: None, large: usize::MAX }
    }
}

impl<'s> Sink<'s> {
    /// Appends to an outbox whose bytes from `first` on have not left, or to the room of `link` once more than
    /// fits an outbox well has come.
    pub(crate) fn new(
        bytes: &'s mut Vec<u8>,
        first: usize,
        link: LinkId,
        room: Option<&'s mut Room<'_>>,
    ) -> Self {
        let large = room.as_ref().map_or(usize::MAX, |room| room.large);
        let source = room.map(|room| (link, &mut *room.source as &mut dyn Source));
        Self { bytes, first, room: &mut [], filled: 0, source, large }
    }

    /// Appends the encoded form of `value`, in at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// As for [`encode_into`](crate::body::encode_into); nothing was appended then.
    pub fn encode<T: Serialize + ?Sized>(&mut self, value: &T, limit: usize) -> Result<(), EncodeError> {
        body::encode_to(value, self, limit)
    }

    /// Appends `payload` if it has at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// [`EncodeError::TooLarge`] if it has more; nothing was appended then.
    pub fn append(&mut self, payload: &[u8], limit: usize) -> Result<(), EncodeError> {
        if payload.len() > limit {
            return Err(EncodeError::TooLarge { limit });
        }
        self.extend_from_slice(payload);
        Ok(())
    }

    /// Appends `len` bytes, if these are at most `limit`, and has `write` write them. It finds there whatever
    /// was left from before.
    ///
    /// # Errors
    ///
    /// [`EncodeError::TooLarge`] if they are more; nothing was appended then.
    pub fn write_in(
        &mut self,
        len: usize,
        limit: usize,
        write: impl FnOnce(&mut [u8]),
    ) -> Result<(), EncodeError> {
        if len > limit {
            return Err(EncodeError::TooLarge { limit });
        }
        self.make_way(len);
        let place = if self.is_in_room() {
            let at = self.filled;
            self.filled += len;
            &mut self.room[at..self.filled]
        } else {
            let at = self.bytes.len();
            self.bytes.resize(at + len, 0);
            &mut self.bytes[at..]
        };
        write(place);
        Ok(())
    }

    /// Appends one byte.
    #[inline]
    pub fn push(&mut self, byte: u8) {
        if self.is_in_room() {
            return self.extend_large(&[byte]);
        }
        self.bytes.push(byte);
    }

    /// Appends bytes.
    #[inline]
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        if bytes.len() > PIECE || self.is_in_room() || self.waiting() + bytes.len() >= self.large {
            return self.extend_large(bytes);
        }
        self.bytes.extend_from_slice(bytes);
    }

    fn extend_large(&mut self, bytes: &[u8]) {
        self.make_way(bytes.len());
        if self.is_in_room() {
            let end = self.filled + bytes.len();
            copy(&mut self.room[self.filled..end], bytes);
            self.filled = end;
        } else {
            self.bytes.reserve(bytes.len());
            let piece = piece(self.bytes.spare_capacity_mut().as_ptr().addr(), bytes);
            bytes.chunks(piece).for_each(|bytes| self.bytes.extend_from_slice(bytes));
        }
    }

    /// Goes over to the room if `more` bytes make the frame large, and back if the room does not hold them.
    fn make_way(&mut self, more: usize) {
        if self.is_in_room() {
            if self.room.len() - self.filled < more {
                self.leave_room();
            }
        } else if self.waiting() + more >= self.large {
            self.large = usize::MAX;
            let waiting = self.waiting();
            let Some((link, source)) = self.source.take() else { return };
            let Some(room) = source.room(link, waiting + more) else { return };
            if room.len() >= waiting + more {
                room[..waiting].copy_from_slice(&self.bytes[self.first..]);
                (self.room, self.filled) = (room, waiting);
            }
        }
    }

    fn leave_room(&mut self) {
        self.bytes.truncate(self.first);
        self.bytes.extend_from_slice(&self.room[..self.filled]);
        (self.room, self.filled) = (&mut [], 0);
    }

    #[inline]
    fn is_in_room(&self) -> bool {
        self.filled > 0
    }

    /// Bytes of the outbox that have not left.
    #[inline]
    fn waiting(&self) -> usize {
        self.bytes.len() - self.first
    }

    /// The outbox, before anything large is appended.
    pub(crate) fn outbox(&mut self) -> &mut Vec<u8> {
        debug_assert!(!self.is_in_room());
        self.bytes
    }

    /// Where the next byte goes, counted from the beginning of the outbox.
    pub(crate) fn end(&self) -> usize {
        if self.is_in_room() { self.first + self.filled } else { self.bytes.len() }
    }

    /// Writes over what was appended.
    pub(crate) fn patch(&mut self, at: usize, bytes: &[u8]) {
        let place = if self.is_in_room() { &mut self.room[at - self.first..] } else { &mut self.bytes[at..] };
        place[..bytes.len()].copy_from_slice(bytes);
    }

    /// Takes back what was appended from there on.
    pub(crate) fn truncate(&mut self, end: usize) {
        if self.is_in_room() && end > self.bytes.len() {
            self.filled = end - self.first;
        } else {
            (self.room, self.filled) = (&mut [], 0);
            self.bytes.truncate(end);
        }
    }

    /// How many bytes are in the room, all that has not left; 0 if all of it is in the outbox.
    pub(crate) fn in_room(&self) -> usize {
        self.filled
    }
}

fn copy(to: &mut [u8], from: &[u8]) {
    let piece = piece(to.as_ptr().addr(), from);
    for (to, from) in to.chunks_mut(piece).zip(from.chunks(piece)) {
        to.copy_from_slice(from);
    }
}

/// How much of `from` to copy at once to the address `to`.
fn piece(to: usize, from: &[u8]) -> usize {
    let apart = to.wrapping_sub(from.as_ptr().addr()) % 4096;
    if (1..64).contains(&apart) { PIECE } else { from.len().max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame;
    use crate::id::LinkId;
    use alloc::vec;

    const LINK: LinkId = LinkId { slot: 0, generation: 1 };

    /// Room of a fixed length, for frames of 40 bytes and more.
    struct Fixed(Vec<u8>);

    impl Source for Fixed {
        fn room(&mut self, _: LinkId, len: usize) -> Option<&mut [u8]> {
            (len <= self.0.len()).then_some(&mut self.0)
        }

        fn send_room(&mut self, _: LinkId, len: usize) -> Result<(), &[u8]> {
            Err(&self.0[..len])
        }
    }

    /// An outbox of which six bytes have left and ten have not.
    fn outbox() -> Vec<u8> {
        (0..16).collect()
    }

    /// What has not left once a frame is written whose body comes in such pieces.
    fn written(room: usize, pieces: &[usize]) -> (bool, Vec<u8>) {
        let (mut bytes, mut room) = (outbox(), Fixed(vec![0xee; room]));
        let mut source = Room { large: 40, source: &mut room };
        let mut sink = Sink::new(&mut bytes, 6, LINK, Some(&mut source));
        let body = |sink: &mut Sink<'_>| {
            for (at, &len) in pieces.iter().enumerate() {
                match at % 3 {
                    0 => sink.extend_from_slice(&vec![at as u8; len]),
                    1 => (0..len).for_each(|_| sink.push(at as u8)),
                    _ => sink.write_in(len, len, |place| place.fill(at as u8))?,
                }
            }
            Ok::<(), EncodeError>(())
        };
        frame::append(&mut sink, b"head", body).unwrap();
        match sink.in_room() {
            0 => (false, bytes.split_off(6)),
            len => (true, room.send_room(LINK, len).unwrap_err().to_vec()),
        }
    }

    #[test]
    fn a_frame_is_the_same_wherever_it_is_written() {
        let mut moved = 0;
        for pieces in [&[0][..], &[30], &[100], &[5, 5, 5], &[20, 3, 20], &[1, 20, 20, 60], &[50, 50, 50, 50]]
        {
            let (in_room, expected) = written(0, pieces);
            assert!(!in_room);
            for room in 30..300 {
                let (in_room, bytes) = written(room, pieces);
                assert_eq!(bytes, expected, "{pieces:?} in a room of {room}");
                moved += usize::from(in_room);
            }
        }
        assert!(moved > 900, "{moved} frames went to the room");
    }

    #[test]
    fn a_frame_that_fails_leaves_everything_as_it_was() {
        for (first, second) in [(0, 10), (50, 0), (50, 50), (50, 500)] {
            let (mut bytes, mut room) = (outbox(), Fixed(vec![0; 200]));
            let mut source = Room { large: 40, source: &mut room };
            let mut sink = Sink::new(&mut bytes, 6, LINK, Some(&mut source));
            let failed = frame::append(&mut sink, b"head", |sink| {
                sink.append(&vec![1; first], 1000)?;
                sink.append(&vec![2; second], 1000)?;
                let end = sink.end();
                assert!(sink.encode(&vec![3u8; 100], 50).is_err());
                assert_eq!(sink.end(), end);
                sink.append(b"more", 3)
            });
            assert_eq!(failed, Err(EncodeError::TooLarge { limit: 3 }));
            assert_eq!(sink.in_room(), 0);
            assert_eq!(bytes, outbox());
        }
    }

    /// The copy is one, whatever the distance of the places.
    #[test]
    fn what_is_copied_in_pieces_is_copied_whole() {
        let from: Vec<u8> = (0..10_000u32).map(|at| (at / 7) as u8).collect();
        let mut to = vec![0; 20_000];
        for at in 0..130 {
            let to = &mut to[at..at + from.len()];
            to.fill(0);
            copy(to, &from);
            assert_eq!(to, from);
        }
    }
}
