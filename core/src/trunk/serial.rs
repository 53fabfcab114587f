//! Records on a line that loses and spoils bytes: damage is found out, and the next frame is found again.
//!
//! ```text
//! 0         4        6              n        n + 4
//! +---------+--------+--------------+--------+
//! | session | number | record       | CRC-32 |      in COBS, between two zeros
//! | u32 LE  | u16 LE |              | u32 LE |
//! +---------+--------+--------------+--------+
//! ```
//!
//! The checksum is that of Ethernet, over all that precedes it. In COBS no byte is zero, so whatever noise there
//! was, a zero ends it; zeros without anything between them say nothing.
//!
//! **Sessions.** A frame that is lost breaks the streams of the links, so nothing is sent again: the session ends,
//! with all its links, and the member begins another by a `Join`. Its id is any number that the line has not seen
//! lately: random when the firmware starts, one more for every session. Both sides put it in their frames, and
//! number these from 0, wrapping after 65,535; the member's `Join` and the gateway's `Joined` are number 0. A frame
//! that is damaged is dropped. One of the session whose number is not the next tells that another was lost. One of
//! another session means nothing to a member, and a gateway answers it by `Lost`, in the id that the frame had and
//! whatever its number; except for a `Join`, which begins a session at any time.

use super::crc::Crc;
use super::record::{NoRoom, Record};

/// Bytes before a record.
pub const HEADER: usize = 6;
/// Bytes behind a record.
const CHECKSUM: usize = 4;
/// Bytes that a frame has beyond its record, before it is stuffed.
pub const OVERHEAD: usize = HEADER + CHECKSUM;
/// The longest run between two zeros that COBS tells by one code.
const FULL_RUN: u8 = 0xff;

/// A frame that has come undamaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'f> {
    /// The session it belongs to.
    pub session: u32,
    /// Its place in that session, for its direction.
    pub number: u16,
    /// The record's bytes.
    pub record: &'f [u8],
}

/// The most bytes that the frame of a record of `len` bytes takes on the line.
pub const fn encoded_len(len: usize) -> usize {
    let content = len + OVERHEAD;
    content + content / 254 + 1 + 2
}

/// Writes the frame of a record to the front of `out` and returns how many bytes it takes, both zeros counted.
///
/// # Errors
///
/// [`NoRoom`] if it does not fit; room for [`encoded_len`] is always enough.
pub fn encode(session: u32, number: u16, record: &Record<'_>, out: &mut [u8]) -> Result<usize, NoRoom> {
    let (head, tail) = record.parts();
    let mut stuffed = Stuffed::begin(out)?;
    let mut crc = Crc::new();
    for part in [&session.to_le_bytes()[..], &number.to_le_bytes(), head.bytes(), tail] {
        for &byte in part {
            crc.add(byte);
            stuffed.push(byte)?;
        }
    }
    for byte in crc.value().to_le_bytes() {
        stuffed.push(byte)?;
    }
    stuffed.finish()
}

/// Bytes on their way through COBS.
struct Stuffed<'o> {
    out: &'o mut [u8],
    /// Where the code of the present run is to be written.
    code_at: usize,
    code: u8,
    at: usize,
}

impl<'o> Stuffed<'o> {
    fn begin(out: &'o mut [u8]) -> Result<Self, NoRoom> {
        *out.first_mut().ok_or(NoRoom)? = 0;
        Ok(Self { out, code_at: 1, code: 1, at: 2 })
    }

    fn push(&mut self, byte: u8) -> Result<(), NoRoom> {
        // A full run is closed once it is known that another follows.
        if self.code == FULL_RUN {
            self.close_run()?;
        }
        if byte == 0 {
            return self.close_run();
        }
        *self.out.get_mut(self.at).ok_or(NoRoom)? = byte;
        self.at += 1;
        self.code += 1;
        Ok(())
    }

    fn close_run(&mut self) -> Result<(), NoRoom> {
        *self.out.get_mut(self.code_at).ok_or(NoRoom)? = self.code;
        (self.code_at, self.code) = (self.at, 1);
        self.at += 1;
        Ok(())
    }

    fn finish(mut self) -> Result<usize, NoRoom> {
        self.close_run()?;
        *self.out.get_mut(self.code_at).ok_or(NoRoom)? = 0;
        Ok(self.at)
    }
}

/// Finds frames in bytes that come in any pieces and any state. `B` keeps the frame that is coming; it is as long as
/// the longest record that is taken and [`OVERHEAD`].
#[derive(Debug)]
pub struct Reader<B> {
    buffer: B,
    len: usize,
    /// The code of the present run; 0 before the first.
    code: u8,
    /// Bytes of the present run that are to come.
    left: u8,
    /// What comes is of no use until the next zero.
    is_lost: bool,
    damaged: u32,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Reader<B> {
    /// A reader at a place where a frame may begin.
    pub const fn new(buffer: B) -> Self {
        Self { buffer, len: 0, code: 0, left: 0, is_lost: false, damaged: 0 }
    }

    /// How many times something else than a frame stood between two zeros; wraps.
    pub fn damaged(&self) -> u32 {
        self.damaged
    }

    /// Takes the next frame from the front of `input`, if its end is there.
    pub fn next(&mut self, input: &mut &[u8]) -> Option<Frame<'_>> {
        let len = loop {
            let (&byte, rest) = input.split_first()?;
            *input = rest;
            if byte != 0 {
                self.unstuff(byte);
            } else if let Some(len) = self.end() {
                break len;
            }
        };
        let bytes = &self.buffer.as_ref()[..len];
        let (session, rest) = bytes.split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        let record = &rest[..rest.len() - CHECKSUM];
        Some(Frame { session: u32::from_le_bytes(*session), number: u16::from_le_bytes(*number), record })
    }

    fn unstuff(&mut self, byte: u8) {
        if self.left > 0 {
            self.left -= 1;
            return self.keep(byte);
        }
        if self.code != 0 && self.code != FULL_RUN {
            self.keep(0);
        }
        (self.code, self.left) = (byte, byte - 1);
    }

    fn keep(&mut self, byte: u8) {
        match self.buffer.as_mut().get_mut(self.len) {
            Some(place) => {
                *place = byte;
                self.len += 1;
            }
            None => self.is_lost = true,
        }
    }

    /// A zero has come. Returns the length of what it ends, if that is a frame.
    fn end(&mut self) -> Option<usize> {
        let len = core::mem::take(&mut self.len);
        let is_empty = core::mem::take(&mut self.code) == 0;
        let is_cut = core::mem::take(&mut self.left) > 0;
        let is_whole = !core::mem::take(&mut self.is_lost) && !is_cut;
        if is_empty {
            return None;
        }
        let mut crc = Crc::new();
        self.buffer.as_ref()[..len].iter().for_each(|&byte| crc.add(byte));
        if is_whole && len >= OVERHEAD && crc.value() == Crc::RESIDUE {
            return Some(len);
        }
        self.damaged = self.damaged.wrapping_add(1);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn stream(records: &[Record<'_>]) -> Vec<u8> {
        let mut stream = Vec::new();
        for (number, record) in records.iter().enumerate() {
            let mut out = [0; 2000];
            let len = encode(0x0100_0000, number as u16, record, &mut out).unwrap();
            assert!(len <= encoded_len(record.parts().0.bytes().len() + record.parts().1.len()));
            assert_eq!(out[..len].iter().filter(|&&byte| byte == 0).count(), 2);
            stream.extend_from_slice(&out[..len]);
        }
        stream
    }

    /// The numbers of the frames in `stream`, each of which must hold the record of that number.
    fn come<const N: usize>(sent: &[Record<'_>], pieces: impl Iterator<Item = Vec<u8>>) -> (Vec<u16>, u32) {
        let mut reader = Reader::new([0; N]);
        let mut numbers = Vec::new();
        for piece in pieces {
            let mut input = &piece[..];
            while let Some(frame) = reader.next(&mut input) {
                assert_eq!(frame.session, 0x0100_0000);
                assert_eq!(Record::decode(frame.record), Ok(sent[usize::from(frame.number)]));
                numbers.push(frame.number);
            }
        }
        (numbers, reader.damaged())
    }

    #[test]
    fn frames_are_the_same_in_pieces_of_every_size() {
        let long: Vec<u8> = (0..1000u32).map(|at| (at % 256) as u8).collect();
        let sent = [
            Record::Pulse,
            Record::Data { link: 0, bytes: &[0; 40] },
            Record::Data { link: 1, bytes: &[1; 600] },
            Record::Data { link: u32::MAX, bytes: &long },
            Record::Close { link: 2 },
        ];
        let stream = stream(&sent);
        for size in (1..600).chain([stream.len()]) {
            let pieces = stream.chunks(size).map(<[u8]>::to_vec);
            assert_eq!(come::<1100>(&sent, pieces), ((0..5).collect(), 0), "in pieces of {size}");
        }
    }

    /// COBS is awkward where a run is exactly as long as a code can say.
    #[test]
    fn runs_of_every_length_survive() {
        let bytes = [9; 600];
        for len in 1..600 {
            let sent = [Record::Data { link: 0x0101_0101, bytes: &bytes[..len] }];
            assert_eq!(come::<700>(&sent, [stream(&sent)].into_iter()), (std::vec![0], 0), "{len}");
        }
    }

    /// Fault X8: whatever byte is spoiled, lost or put in, at most the frames it touches are lost, and none is
    /// taken for another.
    #[test]
    fn a_spoiled_byte_costs_its_own_frame_and_no_other() {
        let sent = [
            Record::Data { link: 2, bytes: b"\0one\0" },
            Record::Find { peer: "two" },
            Record::Data { link: 2, bytes: &[0; 9] },
            Record::Pulse,
        ];
        let whole = stream(&sent);
        for at in 0..whole.len() {
            for flip in 1..=255 {
                let mut spoiled = whole.clone();
                spoiled[at] ^= flip;
                let (numbers, _) = come::<64>(&sent, [spoiled].into_iter());
                assert!(numbers.len() >= 2, "{at} ^ {flip}: {numbers:?}");
            }
            let mut cut = whole.clone();
            cut.remove(at);
            let (numbers, _) = come::<64>(&sent, [cut].into_iter());
            assert!(numbers.len() >= 3, "without {at}: {numbers:?}");
            for more in 0..=255 {
                let mut grown = whole.clone();
                grown.insert(at, more);
                let (numbers, _) = come::<64>(&sent, [grown].into_iter());
                assert!(numbers.len() >= 3, "{more} before {at}: {numbers:?}");
            }
        }
    }

    /// Fault X9: what has no end is not kept.
    #[test]
    fn an_endless_run_of_junk_is_dropped_and_the_next_frame_is_found() {
        let sent = [Record::Pulse];
        let pieces = [Vec::from([0xaa; 5000]), stream(&sent), Vec::from([1; 300]), stream(&sent)];
        assert_eq!(come::<32>(&sent, pieces.into_iter()), (std::vec![0, 0], 2));
    }

    #[test]
    fn a_frame_that_does_not_fit_is_not_begun() {
        let record = Record::Data { link: 2, bytes: &[0; 20] };
        let mut out = [0; 100];
        let len = encode(1, 2, &record, &mut out).unwrap();
        for short in 0..len {
            assert_eq!(encode(1, 2, &record, &mut out[..short]), Err(NoRoom));
        }
        assert_eq!(encode(1, 2, &record, &mut out[..len]), Ok(len));
    }
}
