//! What a client hands to its user: messages and responses.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::body::DecodeError;
use crate::id::Incarnation;

/// A message of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who sent it: the name bound to the connection it came on.
    pub from: Arc<str>,
    /// Which life of the sender.
    pub incarnation: Incarnation,
    /// Its place among the messages of that life of the sender, from 1 on. With `incarnation` it is the
    /// message's id.
    pub sequence: u64,
    /// Who received it.
    pub to: Arc<str>,
    /// It went to every peer.
    pub broadcast: bool,
    /// When it was sent: microseconds of the Unix epoch, by the sender's clock.
    pub stamp: u64,
    /// The payload.
    pub content: Vec<u8>,
}

impl Message {
    /// Decodes the payload.
    ///
    /// # Errors
    ///
    /// When it is not what `M` encodes to.
    pub fn decode<'a, M: serde::Deserialize<'a>>(&'a self) -> Result<M, DecodeError> {
        crate::body::decode(&self.content)
    }
}

/// A response, in the buffers of the handle that received it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response<'h> {
    peer: &'h Arc<str>,
    bytes: &'h [u8],
}

impl<'h> Response<'h> {
    #[inline]
    pub(crate) fn new(peer: &'h Arc<str>, bytes: &'h [u8]) -> Self {
        Self { peer, bytes }
    }

    /// Who answered.
    pub fn peer(&self) -> &'h Arc<str> {
        self.peer
    }

    /// The payload.
    pub fn bytes(&self) -> &'h [u8] {
        self.bytes
    }

    /// Decodes the payload.
    ///
    /// # Errors
    ///
    /// When it is not what `A` encodes to.
    pub fn decode<A: serde::Deserialize<'h>>(&self) -> Result<A, DecodeError> {
        crate::body::decode(self.bytes)
    }
}
