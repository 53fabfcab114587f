//! What the body codec promises, each promise by its own test.

use super::*;
use alloc::vec::Vec;
use alloc::{
    borrow::Cow,
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    format,
    string::String,
    vec,
};
use core::{cell::Cell, fmt, marker::PhantomData};
use proptest::{collection, option, prelude::*};
use serde::Serialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Meters(f64);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Point,
    Circle(Meters),
    Line(i16, i64),
    Named { name: String, inner: Option<Box<Shape>> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Numbers {
    signed: (i8, i16, i32, i64, i128),
    unsigned: (u8, u16, u32, u64, u128),
    sizes: (usize, isize),
    floats: (f32, f64),
    flag: bool,
    letter: char,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Rich {
    numbers: Numbers,
    shapes: Vec<Shape>,
    by_name: BTreeMap<String, Vec<u16>>,
    maybe: Option<Option<u32>>,
    outcome: Result<u8, String>,
    bytes: [u8; 3],
    nothing: ((), Unit, PhantomData<u64>),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Borrowed<'a> {
    text: &'a str,
    raw: &'a [u8],
    #[serde(borrow)]
    cow: Cow<'a, str>,
    number: u32,
}

fn numbers() -> impl Strategy<Value = Numbers> {
    let floats = (any::<f32>(), any::<f64>());
    let rest = (any::<(usize, isize)>(), floats, any::<bool>(), any::<char>());
    (any::<(i8, i16, i32, i64, i128)>(), any::<(u8, u16, u32, u64, u128)>(), rest).prop_map(
        |(signed, unsigned, (sizes, floats, flag, letter))| Numbers {
            signed,
            unsigned,
            sizes,
            floats,
            flag,
            letter,
        },
    )
}

fn shape() -> impl Strategy<Value = Shape> {
    let leaf = prop_oneof![
        Just(Shape::Point),
        any::<f64>().prop_map(|meters| Shape::Circle(Meters(meters))),
        any::<(i16, i64)>().prop_map(|(a, b)| Shape::Line(a, b)),
    ];
    leaf.prop_recursive(4, 8, 1, |inner| {
        (any::<String>(), option::of(inner.prop_map(Box::new)))
            .prop_map(|(name, inner)| Shape::Named { name, inner })
    })
}

fn rich() -> impl Strategy<Value = Rich> {
    (
        numbers(),
        collection::vec(shape(), 0..4),
        collection::btree_map(any::<String>(), collection::vec(any::<u16>(), 0..5), 0..4),
        option::of(option::of(any::<u32>())),
        prop_oneof![any::<u8>().prop_map(Ok), any::<String>().prop_map(Err)],
        any::<[u8; 3]>(),
    )
        .prop_map(|(numbers, shapes, by_name, maybe, outcome, bytes)| Rich {
            numbers,
            shapes,
            by_name,
            maybe,
            outcome,
            bytes,
            nothing: ((), Unit, PhantomData),
        })
}

fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_into(value, &mut bytes, usize::MAX).unwrap();
    bytes
}

fn plain_postcard<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    postcard::to_extend(value, Vec::new()).unwrap()
}

/// A postcard varint: the length of a sequence.
fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

proptest! {
    #[test]
    fn a_value_survives_the_trip_in_postcards_own_bytes(value in rich()) {
        let bytes = encode(&value);
        prop_assert_eq!(&bytes, &plain_postcard(&value));
        prop_assert_eq!(decode::<Rich>(&bytes), Ok(value));
    }

    #[test]
    fn borrowed_text_and_bytes_point_into_the_body(text: String, raw: Vec<u8>, number: u32) {
        let sent = Borrowed { text: &text, raw: &raw, cow: Cow::Borrowed(&text), number };
        let bytes = encode(&sent);
        prop_assert_eq!(&bytes, &plain_postcard(&sent));
        let got: Borrowed<'_> = decode(&bytes).unwrap();
        prop_assert_eq!(&got, &sent);
        prop_assert!(bytes.as_ptr_range().contains(&got.text.as_ptr()));
        prop_assert!(bytes.as_ptr_range().contains(&got.raw.as_ptr()));
        prop_assert!(matches!(got.cow, Cow::Borrowed(_)));
    }

    #[test]
    fn every_truncation_of_a_value_is_truncated(value in rich()) {
        let bytes = encode(&value);
        for len in 0..bytes.len() {
            prop_assert_eq!(decode::<Rich>(&bytes[..len]), Err(DecodeError::Truncated), "at {}", len);
        }
    }

    #[test]
    fn every_byte_behind_a_value_is_counted(value in rich(), tail in collection::vec(any::<u8>(), 1..9)) {
        let mut bytes = encode(&value);
        bytes.extend(&tail);
        prop_assert_eq!(decode::<Rich>(&bytes), Err(DecodeError::Trailing { bytes: tail.len() }));
    }

    #[test]
    fn encoding_stops_at_any_limit_and_leaves_the_buffer_as_it_was(value in rich(), before: Vec<u8>) {
        let need = encode(&value).len();
        for limit in 0..need {
            let mut out = before.clone();
            prop_assert_eq!(encode_into(&value, &mut out, limit), Err(EncodeError::TooLarge { limit }));
            prop_assert_eq!(&out, &before);
        }
        let mut out = before.clone();
        prop_assert_eq!(encode_into(&value, &mut out, need), Ok(()));
        prop_assert_eq!(out, [before, encode(&value)].concat());
    }

    #[test]
    fn a_slice_takes_the_same_bytes_and_says_when_it_is_too_short(value in rich()) {
        let bytes = encode(&value);
        let mut out = vec![0xaa; bytes.len() + 3];
        prop_assert_eq!(super::encode(&value, &mut out), Ok(bytes.len()));
        prop_assert_eq!(&out[..bytes.len()], &bytes);
        prop_assert_eq!(&out[bytes.len()..], [0xaa; 3]);
        for limit in 0..bytes.len() {
            let short = super::encode(&value, &mut out[..limit]);
            prop_assert_eq!(short, Err(EncodeError::TooLarge { limit }));
        }
    }

    /// What plain postcard accepts whole, the guard accepts with the same value, and the reverse. (Lengths
    /// are small here, so nothing is refused.)
    #[test]
    fn flipped_bytes_decode_as_postcard_decodes_them(value in rich(), at: prop::sample::Index, to: u8) {
        let mut bytes = encode(&value);
        let at = at.index(bytes.len());
        bytes[at] = to;
        match (decode::<Rich>(&bytes), postcard::take_from_bytes::<Rich>(&bytes)) {
            (Ok(ours), Ok((theirs, rest))) => {
                prop_assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
                prop_assert!(rest.is_empty());
            }
            (Err(DecodeError::Trailing { bytes }), Ok((_, rest))) => prop_assert_eq!(bytes, rest.len()),
            (Err(_), Err(_)) => {}
            (ours, theirs) => prop_assert!(false, "{:?} but postcard {:?}", ours, theirs),
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in collection::vec(any::<u8>(), 0..200)) {
        decode_as_many_types(&bytes);
    }

    /// Small numbers are the valid discriminants and lengths, so these get further.
    #[test]
    fn random_small_bytes_never_panic(bytes in collection::vec(0u8..4, 0..400)) {
        decode_as_many_types(&bytes);
    }
}

fn decode_as_many_types(bytes: &[u8]) {
    macro_rules! decode_as {
        ($($type:ty),* $(,)?) => { $( let _ = decode::<$type>(bytes); )* };
    }
    decode_as!(
        (), bool, char, u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, f32, f64,
        String, &str, &[u8], Cow<'_, str>, Vec<u8>, Vec<String>, Vec<()>, Vec<Vec<()>>, [u64; 4],
        Option<Option<bool>>, Result<Shape, String>, Rich, Borrowed<'_>, Node, Tree, Pairs,
        BTreeMap<String, Vec<Shape>>, BTreeMap<(), ()>, BTreeMap<u8, Tree>, BTreeSet<u64>, BTreeSet<String>,
        core::time::Duration, core::ops::Range<u32>, core::num::NonZeroU16,
    );
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Node(Option<Box<Node>>);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Tree(Vec<Tree>);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum List {
    End,
    Next(Box<List>),
    Named { next: Box<List> },
    Pair(u8, Box<List>),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Link {
    next: Option<Box<Link>>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Map(BTreeMap<u8, Map>);

/// Recurs through tuples only, which no derived type can.
#[derive(Debug, PartialEq)]
struct Pairs(Option<Box<Pairs>>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairVisitor;
        impl<'de> Visitor<'de> for PairVisitor {
            type Value = Pairs;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("whether there is more, and the rest")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Pairs, A::Error> {
                let more = seq.next_element()?.unwrap_or(false);
                Ok(Pairs(if more { seq.next_element()?.map(Box::new) } else { None }))
            }
        }
        deserializer.deserialize_tuple(2, PairVisitor)
    }
}

/// Runs `test` on a stack too small for a few thousand levels.
fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    // No threads there, and the one stack is 1 MiB.
    if cfg!(target_family = "wasm") {
        return test();
    }
    std::thread::Builder::new().stack_size(SMALL_STACK).spawn(test).unwrap().join().unwrap();
}

/// More than twice what 128 levels of the types here take without optimisation.
const SMALL_STACK: usize = 512 * 1024;

/// Fault X26.
#[test]
fn a_depth_bomb_is_refused_on_a_small_stack() {
    on_a_small_stack(|| {
        let too_deep = DecodeError::TooDeep { limit: 128 };
        let ones = vec![1; 200_000];
        assert_eq!(decode::<Node>(&ones), Err(too_deep.clone()));
        assert_eq!(decode::<Tree>(&ones), Err(too_deep.clone()));
        assert_eq!(decode::<List>(&ones), Err(too_deep.clone()));
        assert_eq!(decode::<List>(&[2; 200_000]), Err(too_deep.clone()));
        assert_eq!(decode::<List>(&[3; 200_000]), Err(too_deep.clone()));
        assert_eq!(decode::<Link>(&ones), Err(too_deep.clone()));
        assert_eq!(decode::<Map>(&ones), Err(too_deep.clone()));
        assert_eq!(decode::<Pairs>(&ones), Err(too_deep));
        let mut complete = ones;
        complete.push(0);
        assert_eq!(decode::<Node>(&complete), Err(DecodeError::TooDeep { limit: 128 }));
    });
}

/// Fault X26: what is accepted is shallow enough to drop, too.
#[test]
fn the_deepest_value_accepted_is_decoded_and_dropped_on_a_small_stack() {
    fn chain(byte: u8, links: usize) -> Vec<u8> {
        let mut bytes = vec![byte; links];
        bytes.push(0);
        bytes
    }
    on_a_small_stack(|| {
        let refused = Err(DecodeError::TooDeep { limit: MAX_DEPTH });
        let nodes = decode::<Node>(&chain(1, 128)).unwrap();
        let mut depth = 0;
        let mut at = &nodes;
        while let Some(next) = &at.0 {
            depth += 1;
            at = next;
        }
        assert_eq!(depth, 128);
        drop(nodes);
        assert_eq!(decode::<Node>(&chain(1, 129)), refused);
        assert!(decode::<List>(&chain(1, 127)).is_ok());
        assert!(decode::<List>(&chain(1, 128)).is_err());
        assert!(decode::<Link>(&chain(1, 63)).is_ok());
        assert!(decode::<Link>(&chain(1, 64)).is_err());
    });
}

#[test]
fn levels_that_end_do_not_add_up() {
    let wide = vec![Some(Some(vec![(1u8, Some('x'))])); 1000];
    assert_eq!(decode(&encode(&wide)), Ok(wide));
}

std::thread_local! {
    static VISITS: Cell<usize> = const { Cell::new(0) };
}

/// Takes no bytes and counts how often it is decoded.
#[derive(Debug, PartialEq)]
struct Counted;

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        VISITS.set(VISITS.get() + 1);
        <()>::deserialize(deserializer).map(|()| Self)
    }
}

/// Fault X26.
#[test]
fn a_length_bomb_of_elements_without_bytes_is_refused_at_once() {
    for len in [1 << 25, u64::from(u32::MAX), u64::MAX] {
        let bomb = varint(len);
        let refused = DecodeError::TooManyValues { limit: 65_536 + 8 * bomb.len() };
        assert_eq!(decode::<Vec<()>>(&bomb), Err(refused.clone()));
        assert_eq!(decode::<Vec<Unit>>(&bomb), Err(refused.clone()));
        assert_eq!(decode::<Vec<[u8; 0]>>(&bomb), Err(refused.clone()));
        assert_eq!(decode::<Vec<PhantomData<u8>>>(&bomb), Err(refused.clone()));
        assert_eq!(decode::<Vec<((), ())>>(&bomb), Err(refused.clone()));
        assert_eq!(decode::<BTreeMap<(), ()>>(&bomb), Err(refused.clone()));
        assert_eq!(decode::<BTreeSet<()>>(&bomb), Err(refused.clone()));
        assert_eq!(decode::<Vec<u64>>(&bomb), Err(refused.clone()));
        assert_eq!(decode::<Vec<Counted>>(&bomb), Err(refused));
    }
    assert_eq!(VISITS.get(), 0);
}

/// Fault X26: many small lengths are no way around one large one.
#[test]
fn elements_without_bytes_are_counted_over_the_whole_body() {
    let part = varint(60_000);
    let bytes = [varint(1000), part.repeat(1000)].concat();
    let limit = max_elements(bytes.len());
    assert_eq!(decode::<Vec<Vec<Counted>>>(&bytes), Err(DecodeError::TooManyValues { limit }));
    assert!(VISITS.get() <= limit, "{} visits", VISITS.get());
}

#[test]
fn as_many_elements_as_stated_are_accepted() {
    let limit = max_elements(3);
    let bytes = varint(limit as u64);
    assert_eq!((limit, bytes.len()), (65_560, 3));
    assert_eq!(decode::<Vec<()>>(&bytes).map(|units| units.len()), Ok(limit));
    assert_eq!(decode::<Vec<()>>(&varint(limit as u64 + 1)), Err(DecodeError::TooManyValues { limit }));
    assert_eq!(max_elements(usize::MAX), usize::MAX);
}

#[test]
fn elements_that_take_bytes_are_never_too_many() {
    let value = (vec![(7u8, [(); 3]); 300_000], vec![vec![true; 3]; 100_000]);
    assert_eq!(decode(&encode(&value)), Ok(value));
}

/// Returns the size hint that it was given.
struct Hint(Option<usize>);

impl<'de> Deserialize<'de> for Hint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HintVisitor;
        impl<'de> Visitor<'de> for HintVisitor {
            type Value = Hint;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a sequence")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Hint, A::Error> {
                let hint = seq.size_hint();
                while seq.next_element::<u8>().is_ok_and(|element| element.is_some()) {}
                Ok(Hint(hint))
            }
        }
        deserializer.deserialize_seq(HintVisitor)
    }
}

/// Fault X26: a length alone reserves no memory.
#[test]
fn a_size_hint_is_at_most_the_bytes_that_are_left() {
    assert_eq!(decode::<Hint>(&[3, 1, 2, 3]).unwrap().0, Some(3));
    let lying = [varint(60_000), vec![1, 2, 3]].concat();
    assert_eq!(decode::<Hint>(&lying).unwrap().0, Some(3));
}

/// A `Deserialize` that turns every error into a default.
#[derive(Debug, PartialEq)]
struct Forgiving<T>(Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Forgiving<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(T::deserialize(deserializer).ok()))
    }
}

#[test]
fn a_violation_cannot_be_swallowed() {
    let limit = max_elements(10);
    assert_eq!(decode::<Forgiving<Vec<()>>>(&varint(u64::MAX)), Err(DecodeError::TooManyValues { limit }));
    assert_eq!(decode::<Forgiving<Node>>(&[1; 200]), Err(DecodeError::TooDeep { limit: MAX_DEPTH }));
}

#[test]
fn bytes_of_another_type_are_malformed() {
    assert_eq!(decode::<bool>(&[2]), Err(DecodeError::Malformed));
    assert_eq!(decode::<Option<u8>>(&[2, 0]), Err(DecodeError::Malformed));
    assert_eq!(decode::<&str>(&[2, 0xff, 0xff]), Err(DecodeError::Malformed));
    assert_eq!(decode::<Shape>(&[9]), Err(DecodeError::Malformed));
    assert_eq!(decode::<u16>(&[0xff, 0xff, 0x7f]), Err(DecodeError::Malformed));
    assert_eq!(decode::<core::num::NonZeroU8>(&[0]), Err(DecodeError::Malformed));
    assert_eq!(decode::<char>(&[1, 0xff]), Err(DecodeError::Malformed));
}

#[test]
fn a_type_that_asks_what_comes_next_is_unsupported() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Number(u8),
    }
    assert_eq!(decode::<Untagged>(&[1]), Err(DecodeError::Unsupported));
    assert_eq!(decode::<serde::de::IgnoredAny>(&[1]).unwrap_err(), DecodeError::Unsupported);
    assert_eq!(Untagged::Number(1), Untagged::Number(1));
}

#[test]
fn nothing_is_decoded_from_no_bytes() {
    assert_eq!(decode::<()>(&[]), Ok(()));
    assert_eq!(decode::<((), Unit)>(&[]), Ok(((), Unit)));
    assert_eq!(decode::<u8>(&[]), Err(DecodeError::Truncated));
}

#[test]
fn the_format_calls_itself_not_human_readable() {
    struct Asks(bool);
    impl<'de> Deserialize<'de> for Asks {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            Ok(Self(deserializer.is_human_readable()))
        }
    }
    assert!(!decode::<Asks>(&[]).unwrap().0);
}

#[test]
fn nothing_is_allocated_when_the_capacity_suffices() {
    let value = (vec![Shape::Line(-5, 1 << 40); 20], [7u8; 3], "text");
    let need = encode(&value).len();
    let mut out = Vec::with_capacity(need);
    let (pointer, capacity) = (out.as_ptr(), out.capacity());
    encode_into(&value, &mut out, need).unwrap();
    assert_eq!((out.as_ptr(), out.capacity(), out.len()), (pointer, capacity, need));
}

#[test]
fn text_made_by_display_is_held_to_the_limit() {
    struct Shown;
    impl Serialize for Shown {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(&format_args!("{}-{}", 12, 34))
        }
    }
    let mut out = vec![9];
    assert_eq!(encode_into(&Shown, &mut out, 5), Err(EncodeError::TooLarge { limit: 5 }));
    assert_eq!(out, [9]);
    assert_eq!(encode_into(&Shown, &mut out, 6), Ok(()));
    assert_eq!(out, b"\x09\x0512-34");
}

#[test]
fn a_serialize_that_swallows_errors_does_not_pass_for_a_whole_value() {
    struct Careless;
    impl Serialize for Careless {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeTuple;
            let mut tuple = serializer.serialize_tuple(2)?;
            let _ = tuple.serialize_element("too long");
            let _ = tuple.serialize_element(&1u8);
            tuple.end()
        }
    }
    let mut out = Vec::new();
    assert_eq!(encode_into(&Careless, &mut out, 4), Err(EncodeError::TooLarge { limit: 4 }));
    assert_eq!(out, []);
}

#[test]
fn a_value_that_fails_to_serialize_leaves_the_buffer_as_it_was() {
    struct NoLength;
    impl Serialize for NoLength {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeTuple;
            struct Fails;
            impl Serialize for Fails {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.serialize_seq(None).map(|_| unreachable!("a sequence needs a length"))
                }
            }
            let mut tuple = serializer.serialize_tuple(2)?;
            tuple.serialize_element(&77u8)?;
            tuple.serialize_element(&Fails)?;
            tuple.end()
        }
    }
    let mut out = vec![1, 2];
    assert_eq!(encode_into(&NoLength, &mut out, 100), Err(EncodeError::Unserializable));
    assert_eq!(out, [1, 2]);
}

#[test]
fn unsized_values_are_encoded() {
    assert_eq!(encode("ab"), b"\x02ab");
    assert_eq!(encode(&[1u8, 2][..]), [2, 1, 2]);
}
