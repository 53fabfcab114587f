//! Frames made and read by hand, for peers that do not behave.

use ipcm_core::{Incarnation, PROTOCOL_VERSION, Refusal, RemoteErrorKind, RequestId};
use serde::{Deserialize, Serialize};

/// The heads of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Head {
    Hello { version: u16 },
    Refused { reason: Refusal },
    Request { id: RequestId, budget: Option<u64> },
    Response { id: RequestId },
    Failure { id: RequestId, kind: RemoteErrorKind },
    Cancel { id: RequestId },
    Message { sequence: u64, stamp: u64, broadcast: bool },
    Terminate,
    Credit { bytes: u32 },
}

#[derive(Serialize)]
struct Hello<'a> {
    name: &'a str,
    incarnation: Incarnation,
    body_limit: u32,
    window: u32,
}

/// A frame in bytes.
pub(crate) fn frame(head: Head, body: &[u8]) -> Vec<u8> {
    let mut encoded = [0; 64];
    let head = postcard::to_slice(&head, &mut encoded).unwrap();
    frame_of(head, body)
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
pub(crate) fn request_id(slot: u32, generation: u64) -> RequestId {
    let mut encoded = [0; 32];
    let bytes = postcard::to_slice(&(slot, generation), &mut encoded).unwrap();
    postcard::from_bytes(bytes).unwrap()
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
        let (head, _) = postcard::take_from_bytes(&frame[5..body_at]).unwrap();
        Some((head, frame[body_at..].to_vec()))
    }
}
