//! The body codec.

use alloc::{boxed::Box, string::String, vec, vec::Vec};
use ipcm_core::body::{self, DecodeError, MAX_DEPTH};
use serde::{Deserialize, Serialize};

/// Every width, so that a decoder that reads words in place would read them misaligned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Widths {
    small: (u8, i8, bool, char),
    middle: (u16, i16, u32, i32, f32),
    large: (u64, i64, u128, i128, f64),
    sizes: (usize, isize),
    text: String,
    parts: Vec<Option<i64>>,
}

fn widths() -> Widths {
    Widths {
        small: (u8::MAX, i8::MIN, true, '\u{10ffff}'),
        middle: (u16::MAX, i16::MIN, u32::MAX, i32::MIN, f32::MIN_POSITIVE),
        large: (u64::MAX, i64::MIN, u128::MAX, i128::MIN, f64::MAX),
        // As large as 32-bit sizes go.
        sizes: (u32::MAX as usize, i32::MIN as isize),
        text: String::from("Grüße"),
        parts: vec![Some(1 << 40), None, Some(-1)],
    }
}

fn encoded() -> Vec<u8> {
    let mut bytes = Vec::new();
    body::encode_into(&widths(), &mut bytes, 1000).unwrap();
    bytes
}

#[cfg_attr(test, test)]
pub(crate) fn every_width_survives_the_trip_at_any_alignment() {
    let value = encoded();
    for before in 0..16 {
        let mut bytes = vec![0xff; before];
        bytes.extend_from_slice(&value);
        assert_eq!(body::decode(&bytes[before..]), Ok(widths()), "{before} bytes before it");
    }
}

#[cfg_attr(test, test)]
pub(crate) fn a_value_cut_anywhere_is_truncated() {
    let value = encoded();
    for end in 0..value.len() {
        assert_eq!(body::decode::<Widths>(&value[..end]), Err(DecodeError::Truncated), "cut at {end}");
    }
}

#[derive(Debug, PartialEq, Deserialize)]
struct Nested(Option<Box<Nested>>);

/// Fault X26: also where a length of the wire does not fit in a `usize`.
#[cfg_attr(test, test)]
pub(crate) fn bombs_are_refused() {
    assert_eq!(body::decode::<Nested>(&[1; 2000]), Err(DecodeError::TooDeep { limit: MAX_DEPTH }));
    let lengths: [&[u8]; 2] = [&[0x80, 0x80, 0x80, 0x10], &[0xff, 0xff, 0xff, 0xff, 0x0f]];
    for length in lengths {
        let limit = body::max_elements(length.len());
        assert_eq!(body::decode::<Vec<()>>(length), Err(DecodeError::TooManyValues { limit }));
        assert!(body::decode::<Vec<u64>>(length).is_err());
    }
    let longer_than_32_bits = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    assert!(body::decode::<Vec<()>>(&longer_than_32_bits).is_err());
}
