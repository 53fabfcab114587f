//! Records on a stream that loses nothing: a length before each.
//!
//! ```text
//! 0        2             2 + length
//! +--------+---------------+
//! | length | record        |
//! | u16 LE |               |
//! +--------+---------------+
//! ```

use super::record::{NoRoom, Record};

/// Bytes before a record.
pub const PREFIX: usize = 2;

/// A record is longer than its receiver takes; nothing of it was read, and the stream is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a record claims {len} bytes, the limit is {limit}")]
pub struct TooLong {
    /// The length that it claims.
    pub len: usize,
    /// The most that is taken.
    pub limit: usize,
}

/// Writes a record and its length to the front of `out` and returns how many bytes they take.
///
/// # Errors
///
/// [`NoRoom`] if they do not fit, or the record is longer than 65,535 bytes.
pub fn encode(record: &Record<'_>, out: &mut [u8]) -> Result<usize, NoRoom> {
    let (prefix, rest) = out.split_first_chunk_mut().ok_or(NoRoom)?;
    let len = record.encode(rest)?;
    *prefix = u16::try_from(len).map_err(|_| NoRoom)?.to_le_bytes();
    Ok(PREFIX + len)
}

/// Cuts records out of bytes that come in any pieces. `B` keeps the beginning of a record whose end has not come,
/// and is as long as the longest that is taken.
#[derive(Debug)]
pub struct Reader<B> {
    prefix: [u8; PREFIX],
    buffer: B,
    /// Bytes of the next record that have come, with its length.
    have: usize,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Reader<B> {
    /// A reader that has read nothing.
    pub const fn new(buffer: B) -> Self {
        Self { prefix: [0; PREFIX], buffer, have: 0 }
    }

    /// Takes the next record from the front of `input`, if its end is there.
    ///
    /// # Errors
    ///
    /// [`TooLong`] for one that is longer than `limit` or than the buffer.
    pub fn next<'r, 'i: 'r>(
        &'r mut self,
        input: &mut &'i [u8],
        limit: usize,
    ) -> Result<Option<&'r [u8]>, TooLong> {
        let limit = limit.min(self.buffer.as_ref().len());
        if self.have == 0
            && let Some((prefix, rest)) = input.split_first_chunk()
            && let Some((record, rest)) = rest.split_at_checked(length(*prefix, limit)?)
        {
            *input = rest;
            return Ok(Some(record));
        }
        while self.have < PREFIX {
            let Some((&byte, rest)) = input.split_first() else { return Ok(None) };
            self.prefix[self.have] = byte;
            self.have += 1;
            *input = rest;
        }
        let len = length(self.prefix, limit)?;
        let at = self.have - PREFIX;
        let (piece, rest) = input.split_at(input.len().min(len - at));
        self.buffer.as_mut()[at..at + piece.len()].copy_from_slice(piece);
        self.have += piece.len();
        *input = rest;
        if self.have < PREFIX + len {
            return Ok(None);
        }
        self.have = 0;
        Ok(Some(&self.buffer.as_ref()[..len]))
    }

    /// Whether the beginning of a record has come, and its end has not.
    pub fn is_amid(&self) -> bool {
        self.have > 0
    }
}

fn length(prefix: [u8; PREFIX], limit: usize) -> Result<usize, TooLong> {
    let len = usize::from(u16::from_le_bytes(prefix));
    if len > limit { Err(TooLong { len, limit }) } else { Ok(len) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;
    use std::vec::Vec;

    #[test]
    fn records_are_the_same_in_pieces_of_every_size() {
        let sent = [
            Record::Find { peer: "echo" },
            Record::Pulse,
            Record::Data { link: 2, bytes: &[7; 300] },
            Record::Close { link: 2 },
        ];
        let mut stream = Vec::new();
        for record in &sent {
            let mut out = [0; 400];
            let len = encode(record, &mut out).unwrap();
            stream.extend_from_slice(&out[..len]);
        }
        for size in 1..=stream.len() {
            let mut reader = Reader::new([0; 305]);
            let mut came = 0;
            for mut input in stream.chunks(size) {
                while let Some(record) = reader.next(&mut input, 305).unwrap() {
                    assert_eq!(Record::decode(record), Ok(sent[came]), "in pieces of {size}");
                    came += 1;
                }
                assert!(input.is_empty());
            }
            assert_eq!((came, reader.is_amid()), (4, false), "in pieces of {size}");
        }
    }

    /// Fault X9: a length is checked before anything of the record is kept.
    #[test]
    fn a_record_above_the_limit_is_refused_by_its_length_alone() {
        for (limit, expected) in [(10, 10), (100, 64)] {
            let mut reader = Reader::new([0; 64]);
            let mut input = &[0xff, 0xff][..];
            assert_eq!(reader.next(&mut input, limit), Err(TooLong { len: 65535, limit: expected }));
        }
    }

    #[test]
    fn a_record_needs_room_for_itself_and_its_length() {
        let record = Record::Data { link: 2, bytes: &vec![0; 65531] };
        assert_eq!(encode(&record, &mut vec![0; 70_000]), Err(NoRoom));
        assert_eq!(encode(&Record::Pulse, &mut [0; 2]), Err(NoRoom));
        assert_eq!(encode(&Record::Pulse, &mut [0; 3]), Ok(3));
    }
}
