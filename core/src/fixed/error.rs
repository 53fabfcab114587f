//! Errors of a fixed size, one enum for each party that must act.

use crate::body::EncodeError;
use crate::failure::Refusal;
use crate::layout::FrameError;
use crate::message::PROTOCOL_VERSION;
use crate::trunk::Trouble;

/// Why a link is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkEnd {
    /// Its connection ended: the peer left or died, or this side hung up.
    #[error("its connection ended")]
    Closed,
    /// The gateway could not connect it.
    #[error("the peer cannot be reached: {0}")]
    Unreachable(Trouble),
    /// The peer would not have it.
    #[error("the peer refused the link: {0}")]
    Refused(Refusal),
    /// This side would not have it.
    #[error("the peer was not welcome")]
    Unwelcome,
    /// The peer sent a malformed frame.
    #[error("the peer broke the protocol: {0}")]
    Frame(FrameError),
    /// The peer's hello does not decode.
    #[error("the peer broke the protocol: a hello does not decode")]
    BadHello,
    /// A frame other than hello came first, or a second hello came.
    #[error("the peer broke the protocol: a link begins with one hello")]
    OutOfTurn,
    /// The peer speaks another version of the protocol.
    #[error("the peer speaks protocol version {theirs}, this side version {PROTOCOL_VERSION}")]
    Version {
        /// The peer's version.
        theirs: u16,
    },
    /// The peer that answered is not the one that was called.
    #[error("the peer that answered is not the one that was called")]
    WrongPeer,
    /// The peer sent more than its window allows.
    #[error("the peer sent more than its window allows")]
    WindowExceeded,
    /// The peer said no hello in time.
    #[error("no hello came in time")]
    NoHello,
}

/// Why something was not sent. Nothing has happened, and the payload is still the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The link is over.
    #[error("the link is over")]
    LinkOver,
    /// No hello has come yet, the peer's window is used up, or the outbox has no room: try again later.
    #[error("sending now would block")]
    WouldBlock,
    /// Every request slot is taken: wait for a request to end.
    #[error("all {limit} request slots are in use")]
    TooManyInFlight {
        /// The number of slots.
        limit: usize,
    },
    /// Every link is taken.
    #[error("all {limit} links are in use")]
    TooManyLinks {
        /// The number of links.
        limit: usize,
    },
    /// The body is larger than the peer takes or this side can hold; or the name of a peer to call is.
    #[error("no more than {limit} bytes can be sent")]
    TooLarge {
        /// The most, in bytes.
        limit: usize,
    },
    /// The payload cannot be encoded.
    #[error("the payload cannot be encoded: {0}")]
    Encode(EncodeError),
}
