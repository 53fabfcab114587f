//! What is sent: every payload says which it is, so that a mix-up shows.

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What the service is to do with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Wish {
    AtOnce,
    Later,
    Failure,
    Never,
    /// An answer that is larger than a body may be.
    TooLarge,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ask {
    pub(crate) token: u64,
    pub(crate) wish: Wish,
    pub(crate) pad: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) token: u64,
    /// The life of the service that gives it.
    pub(crate) life: u128,
    pub(crate) pad: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) number: u64,
    pub(crate) pad: Vec<u8>,
}

/// Bytes that follow from what they belong to.
pub(crate) fn pad(token: u64, len: usize) -> Vec<u8> {
    (0..len).map(|at| (token as usize * 31 + at) as u8).collect()
}

impl Ask {
    pub(crate) fn new(token: u64, wish: Wish, len: usize) -> Self {
        Self { token, wish, pad: pad(token, len) }
    }

    /// The answer that this request has from a life of a service.
    pub(crate) fn answer(&self, life: u128) -> Answer {
        Answer { token: self.token, life, pad: pad(self.token + 1, self.pad.len()) }
    }
}

/// The details of a failure.
pub(crate) fn refusal(token: u64) -> String {
    format!("no answer for {token}")
}
