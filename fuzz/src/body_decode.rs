//! Bytes into many types through the body codec.

use ipcm_core::body::{decode, encode_into};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, HashSet},
    fmt::Debug,
};

#[derive(Debug, Serialize, Deserialize)]
struct Node(Option<Box<Node>>);

#[derive(Debug, Serialize, Deserialize)]
struct Tree {
    label: u8,
    branches: Vec<Tree>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Expression {
    Number(i64),
    Not(Box<Expression>),
    Both(Box<Expression>, Box<Expression>),
    Named { name: String, of: HashMap<u8, Expression> },
}

/// Neither recursive nor with elements that take no bytes, so that plain postcard is safe on it.
#[derive(Debug, Serialize, Deserialize)]
struct Flat<'a> {
    numbers: (u8, i16, u32, i64, u128, f32, f64),
    text: &'a str,
    #[serde(borrow)]
    cow: Cow<'a, str>,
    raw: &'a [u8],
    list: Vec<(char, Option<bool>)>,
    map: BTreeMap<u16, String>,
    outcome: Result<[u8; 3], String>,
}

/// Decodes `input` as each type.
///
/// # Panics
///
/// When a value that was decoded does not survive another trip, or when what plain postcard makes of the
/// input differs.
pub fn run(input: &[u8]) {
    again::<Node>(input);
    again::<Tree>(input);
    again::<Expression>(input);
    again::<Vec<Vec<()>>>(input);
    again::<HashMap<(), ()>>(input);
    again::<HashMap<String, HashSet<i32>>>(input);
    again::<Vec<[u8; 0]>>(input);
    again::<Option<Result<(u64, String), Vec<u8>>>>(input);
    same_as_postcard(input);
}

/// Inputs that one type or another accepts.
pub fn samples() -> Vec<Vec<u8>> {
    let tree = |label, branches| Tree { label, branches };
    let named = Expression::Named {
        name: "sum".into(),
        of: HashMap::from([(1, Expression::Not(Box::new(Expression::Number(-1))))]),
    };
    let flat = Flat {
        numbers: (1, -2, 300, -40_000, 5 << 100, 0.5, -1e300),
        text: "text",
        cow: Cow::Borrowed("cow"),
        raw: b"raw",
        list: vec![('x', None), ('\u{1f980}', Some(true))],
        map: BTreeMap::from([(7, "seven".into())]),
        outcome: Err("no".into()),
    };
    vec![
        encode(&Node(Some(Box::new(Node(None))))),
        encode(&tree(1, vec![tree(2, vec![]), tree(3, vec![tree(4, vec![])])])),
        encode(&Expression::Both(Box::new(named), Box::new(Expression::Number(i64::MAX)))),
        encode(&vec![vec![(); 1000]; 3]),
        encode(&HashMap::from([("a", HashSet::from([1, -1]))])),
        encode(&flat),
        // The bombs: depth, and length.
        vec![1; 4000],
        vec![0xff, 0xff, 0xff, 0x0f],
        vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    ]
}

/// What is decoded is at most as long when encoded again, and from there on stays the same.
fn again<T: DeserializeOwned + Serialize>(input: &[u8]) {
    if let Ok(value) = decode::<T>(input) {
        let canonical = encode(&value);
        assert!(canonical.len() <= input.len(), "{canonical:?} is longer");
        let value: T = decode(&canonical).expect("what was decoded once is decoded again");
        assert_eq!(encode(&value).len(), canonical.len());
    }
}

fn same_as_postcard(input: &[u8]) {
    let plain = postcard::take_from_bytes::<Flat<'_>>(input).ok().filter(|(_, rest)| rest.is_empty());
    match (decode::<Flat<'_>>(input), plain) {
        (Ok(ours), Some((theirs, _))) => assert_eq!(format!("{ours:?}"), format!("{theirs:?}")),
        (Err(_), None) => {}
        (ours, theirs) => panic!("{ours:?}, but postcard: {theirs:?}"),
    }
}

fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_into(value, &mut bytes, usize::MAX).expect("these types can be encoded");
    bytes
}
