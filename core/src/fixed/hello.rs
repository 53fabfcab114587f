//! The body of a hello in bytes: postcard's encoding of [`Hello`] by hand, which is half as much code.

use crate::id::Incarnation;
use crate::message::Hello;

/// The most bytes of the fields of a hello beside the name.
pub(super) const FIELDS: usize = LENGTH + INCARNATION + 2 * WORD;
/// The most bytes of the name's length, of the incarnation, and of a bound.
const LENGTH: usize = 2;
const INCARNATION: usize = 19;
const WORD: usize = 5;

/// Writes a hello to the front of `out`, which has room for it, and returns its length.
pub(super) fn write(hello: &Hello<'_>, out: &mut [u8]) -> usize {
    let len = hello.name.len();
    let mut at = put(out, 0, len as u128);
    if let Some(place) = out.get_mut(at..at + len) {
        place.copy_from_slice(hello.name.as_bytes());
        at += len;
    }
    for field in [hello.incarnation.as_bits(), hello.body_limit.into(), hello.window.into()] {
        at = put(out, at, field);
    }
    at
}

/// Reads a hello; `None` for anything else.
pub(super) fn read(mut body: &[u8]) -> Option<Hello<'_>> {
    let len = take(&mut body, WORD)? as usize;
    let (name, mut body) = body.split_at_checked(len)?;
    let name = core::str::from_utf8(name).ok()?;
    let incarnation = Incarnation::from_bits(take(&mut body, INCARNATION)?);
    let body_limit = take(&mut body, WORD)?.try_into().ok()?;
    let window = take(&mut body, WORD)?.try_into().ok()?;
    let is_sound = body.is_empty() && crate::name::check(name).is_ok();
    is_sound.then_some(Hello { name, incarnation, body_limit, window })
}

/// Writes a number at `at`, seven bits a byte and the lowest first, and returns where it ends.
#[inline(never)]
fn put(out: &mut [u8], mut at: usize, mut number: u128) -> usize {
    loop {
        let is_last = number < 0x80;
        if let Some(place) = out.get_mut(at) {
            *place = number as u8 & 0x7f | if is_last { 0 } else { 0x80 };
        }
        at += 1;
        number >>= 7;
        if is_last {
            return at;
        }
    }
}

/// Takes a number of at most `longest` bytes from the front.
#[inline(never)]
fn take(bytes: &mut &[u8], longest: usize) -> Option<u128> {
    let end = bytes.iter().take(longest).position(|&byte| byte < 0x80)? + 1;
    let (digits, rest) = bytes.split_at(end);
    // Of nineteen times seven bits, five are too many.
    if end == INCARNATION && digits[end - 1] > 3 {
        return None;
    }
    *bytes = rest;
    Some(digits.iter().rev().fold(0, |number, &byte| number << 7 | u128::from(byte & 0x7f)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::String;
    use std::vec::Vec;

    proptest! {
        /// Clause H1: a member of a fixed size says hello as every other does.
        #[test]
        fn a_hello_is_what_postcard_makes_of_it(
            name in "[a-zé]{1,300}",
            (incarnation, shift) in (any::<u128>(), 0..128u32),
            (body_limit, window) in (any::<u32>(), 0..1000u32),
        ) {
            let incarnation = Incarnation::from_bits(incarnation >> shift);
            let hello = Hello { name: &name, incarnation, body_limit, window };
            let mut out = [0; 700];
            let len = write(&hello, &mut out);
            prop_assert!(len <= FIELDS + name.len());
            let mut expected = [0; 700];
            prop_assert_eq!(&out[..len], &*postcard::to_slice(&hello, &mut expected).unwrap());
            prop_assert_eq!(read(&out[..len]), Some(hello));
        }

        /// Fault X8: what postcard would not read as a hello is none, and nothing else is refused.
        #[test]
        fn what_is_no_hello_is_refused_as_postcard_does(
            name in "[a-z]{1,3}",
            fields in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0x80), Just(0xff), 0..4u8], 0..40),
            cut in 0..4usize,
        ) {
            let mut body: Vec<u8> = [&[name.len() as u8], name.as_bytes(), &fields].concat();
            let expected = match postcard::take_from_bytes::<Hello<'_>>(&body) {
                Ok((hello, rest)) => {
                    let (hello, end) = (Some((String::from(hello.name), hello)), body.len() - rest.len());
                    hello.map(|(name, hello)| (name, hello.incarnation, hello.body_limit, hello.window, end))
                }
                Err(_) => None,
            };
            if let Some((.., end)) = expected {
                // What follows a hello makes it none.
                prop_assert_eq!(read(&body).is_some(), end == body.len());
                body.truncate(end);
            }
            let found = read(&body);
            prop_assert_eq!(
                found.map(|hello| (hello.name.into(), hello.incarnation, hello.body_limit, hello.window)),
                expected.map(|(name, incarnation, limit, window, _)| (name, incarnation, limit, window))
            );
            body.truncate(body.len().saturating_sub(cut + 1));
            prop_assert_eq!(read(&body), None);
        }
    }

    #[test]
    fn the_largest_number_of_each_size_is_read_and_one_more_is_not() {
        let mut largest = [0xff; INCARNATION];
        largest[INCARNATION - 1] = 3;
        assert_eq!(take(&mut &largest[..], INCARNATION), Some(u128::MAX));
        largest[INCARNATION - 1] = 4;
        assert_eq!(take(&mut &largest[..], INCARNATION), None);
        for (last, is_read) in [(0x0f, true), (0x10, false)] {
            let body = [&[1, b'a', 0][..], &[0xff, 0xff, 0xff, 0xff, last], &[0]].concat();
            assert_eq!(read(&body).is_some(), is_read);
            assert_eq!(postcard::take_from_bytes::<Hello<'_>>(&body).is_ok(), is_read);
        }
    }
}
