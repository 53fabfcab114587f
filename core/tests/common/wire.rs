//! Frames made and read by hand, for peers that do not behave.

extern crate alloc;

use alloc::string::ToString;
use alloc::vec::Vec;
use ipcm_core::{Incarnation, PROTOCOL_VERSION, Refusal, RemoteErrorKind, RequestId};
use serde::Serialize;

/// The heads of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Head {
    Hello { version: u16 },
    Refused { reason: Refusal },
    Request { id: Id, budget: Option<u64> },
    Response { id: Id },
    Failure { id: Id, kind: RemoteErrorKind },
    Cancel { id: Id },
    Message { sequence: u64, stamp: u64, broadcast: bool },
    Terminate,
    Credit { bytes: u32 },
}

/// A request's id as it travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id {
    pub(crate) slot: u16,
    pub(crate) generation: u64,
}

/// The codes of failures, in their order.
const KINDS: [RemoteErrorKind; 7] = [
    RemoteErrorKind::Failed,
    RemoteErrorKind::Internal,
    RemoteErrorKind::Unanswered,
    RemoteErrorKind::BadRequest,
    RemoteErrorKind::Overloaded,
    RemoteErrorKind::NotAService,
    RemoteErrorKind::ResponseTooLarge,
];

#[derive(Serialize)]
struct Hello<'a> {
    name: &'a str,
    incarnation: Incarnation,
    body_limit: u32,
    window: u32,
}

/// A frame in bytes.
pub(crate) fn frame(head: Head, body: &[u8]) -> Vec<u8> {
    frame_of(&encode(head), body)
}

fn encode(head: Head) -> Vec<u8> {
    let fields =
        |kind: u8, small: u16, first: u64| [&[kind][..], &small.to_le_bytes(), &first.to_le_bytes()].concat();
    let longer = |fields: Vec<u8>, second: u64| [&fields[..], &second.to_le_bytes()].concat();
    match head {
        Head::Hello { version } => fields(1, version, 0),
        Head::Refused { reason: Refusal::Version { version } } => fields(2, version, 0),
        Head::Refused { reason: Refusal::Identity } => fields(2, 0, 1),
        Head::Refused { reason: Refusal::Full } => fields(2, 0, 2),
        Head::Refused { reason } => unreachable!("{reason} has no code"),
        Head::Request { id, budget: None } => fields(3, id.slot, id.generation),
        Head::Request { id, budget: Some(budget) } => longer(fields(4, id.slot, id.generation), budget),
        Head::Response { id } => fields(5, id.slot, id.generation),
        Head::Failure { id, kind } => {
            let code = KINDS.iter().position(|known| *known == kind).unwrap();
            longer(fields(6, id.slot, id.generation), code as u64)
        }
        Head::Cancel { id } => fields(7, id.slot, id.generation),
        Head::Message { sequence, stamp, broadcast } => {
            longer(fields(8, u16::from(broadcast), sequence), stamp)
        }
        Head::Terminate => fields(9, 0, 0),
        Head::Credit { bytes } => fields(10, 0, u64::from(bytes)),
    }
}

fn decode(head: &[u8]) -> Head {
    let u64_at = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().unwrap());
    let small = u16::from_le_bytes([head[1], head[2]]);
    let id = Id { slot: small, generation: u64_at(3) };
    match head[0] {
        1 => Head::Hello { version: small },
        2 => Head::Refused {
            reason: match u64_at(3) {
                0 => Refusal::Version { version: small },
                1 => Refusal::Identity,
                2 => Refusal::Full,
                other => panic!("no refusal has the code {other}"),
            },
        },
        3 => Head::Request { id, budget: None },
        4 => Head::Request { id, budget: Some(u64_at(11)) },
        5 => Head::Response { id },
        6 => Head::Failure { id, kind: KINDS[u64_at(11) as usize] },
        7 => Head::Cancel { id },
        8 => Head::Message { sequence: u64_at(3), stamp: u64_at(11), broadcast: small == 1 },
        9 => Head::Terminate,
        10 => Head::Credit { bytes: u64_at(3) as u32 },
        other => panic!("no head has the kind {other}"),
    }
}

/// A frame whose head may be anything.
pub(crate) fn frame_of(head: &[u8], body: &[u8]) -> Vec<u8> {
    let units = (5 + head.len()).div_ceil(16);
    let size = units * 16 + body.len();
    let mut bytes = Vec::from((size as u32).to_le_bytes());
    bytes.push(units as u8);
    bytes.extend_from_slice(head);
    bytes.resize(units * 16, 0);
    bytes.extend_from_slice(body);
    bytes
}

pub(crate) fn hello(name: &str, incarnation: Incarnation) -> Vec<u8> {
    hello_of(name, incarnation, 1 << 24, 1 << 20)
}

pub(crate) fn hello_of(name: &str, incarnation: Incarnation, body_limit: u32, window: u32) -> Vec<u8> {
    let mut encoded = [0; 1024];
    let hello = Hello { name, incarnation, body_limit, window };
    let body = postcard::to_slice(&hello, &mut encoded).unwrap();
    frame(Head::Hello { version: PROTOCOL_VERSION }, body)
}

/// A request's id as a peer would make it up.
pub(crate) fn request_id(slot: u32, generation: u64) -> Id {
    Id { slot: slot as u16, generation }
}

/// A request's id as it travels.
pub(crate) fn id_of(id: RequestId) -> Id {
    let text = id.to_string();
    let (slot, generation) = text.split_once('.').unwrap();
    Id { slot: slot.parse().unwrap(), generation: generation.parse().unwrap() }
}

/// Cuts a stream into frames.
#[derive(Default)]
pub(crate) struct Cutter {
    bytes: Vec<u8>,
}

impl Cutter {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn next(&mut self) -> Option<(Head, Vec<u8>)> {
        let size = u32::from_le_bytes(self.bytes.get(..4)?.try_into().unwrap()) as usize;
        if self.bytes.len() < size {
            return None;
        }
        let frame: Vec<u8> = self.bytes.drain(..size).collect();
        let body_at = frame[4] as usize * 16;
        Some((decode(&frame[5..body_at]), frame[body_at..].to_vec()))
    }
}
