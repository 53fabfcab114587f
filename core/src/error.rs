//! Errors, one enum for each party that must act.

use alloc::string::String;
use alloc::sync::Arc;

use crate::body::{DecodeError, EncodeError};
use crate::failure::{Refusal, RemoteErrorKind};
use crate::id::{Incarnation, RequestId};
use crate::layout::FrameError;

/// What a peer did against the protocol. Its link is closed and the violation counted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A frame is malformed.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A hello does not decode.
    #[error("a hello does not decode")]
    BadHello,
    /// A frame other than hello came first, or a second hello came.
    #[error("a frame came out of turn: a link begins with one hello")]
    OutOfTurn,
    /// The peer speaks another version of the protocol.
    #[error("the peer speaks protocol version {theirs}, this side version {ours}")]
    Version {
        /// This side's version.
        ours: u16,
        /// The peer's version.
        theirs: u16,
    },
    /// The peer that answered is not the one that was called.
    #[error("the peer that answered is {name:?} ({incarnation}), not the one that was called")]
    WrongPeer {
        /// The name it gave.
        name: String,
        /// The incarnation it gave.
        incarnation: Incarnation,
    },
    /// The peer sent more than its window allows.
    #[error("the peer sent more than its window of {window} bytes")]
    WindowExceeded {
        /// The window that it was given.
        window: u32,
    },
    /// A packet broke a rule of the transport.
    #[error("a packet broke the rules of its transport")]
    BadPacket,
    /// The link said nothing, or no hello, for too long.
    #[error("no hello came in time")]
    NoHello,
}

/// Why a peer counts as gone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GoneReason {
    /// Its connection ended: it left, or its process died.
    #[error("its connection ended")]
    Closed,
    /// It was suspended and did not come back in time.
    #[error("it was suspended and did not come back in time")]
    SuspensionExpired,
    /// It broke the protocol and was cut off.
    #[error("it broke the protocol: {0}")]
    Protocol(#[from] ProtocolError),
    /// It refused the link.
    #[error("it refused the link: {0}")]
    Refused(Refusal),
}

/// A failure that the peer reports for a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", if detail.is_empty() { kind.summary() } else { detail })]
pub struct RemoteError {
    /// What kind of failure it is.
    pub kind: RemoteErrorKind,
    /// The peer's own words, or empty.
    pub detail: String,
}

/// Why a request ended without a response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// No response came in time. The request is forgotten; a late response is dropped.
    #[error("{peer:?} did not answer in time")]
    TimedOut {
        /// Who was asked.
        peer: Arc<str>,
    },
    /// The peer is gone and its answer cannot come any more.
    #[error("{peer:?} is gone: {reason}")]
    PeerGone {
        /// Who was asked.
        peer: Arc<str>,
        /// What became of it.
        reason: GoneReason,
    },
    /// The peer was gone before the request had left: it was not carried out, and may be repeated.
    #[error("{peer:?} was gone before the request had left: {reason}")]
    NotSent {
        /// Who was asked.
        peer: Arc<str>,
        /// What became of it.
        reason: GoneReason,
    },
    /// The peer answered with a failure.
    #[error("{peer:?} reports: {error}")]
    Remote {
        /// Who was asked.
        peer: Arc<str>,
        /// What it reports.
        error: RemoteError,
    },
    /// The caller cancelled the request.
    #[error("the request to {peer:?} was cancelled")]
    Cancelled {
        /// Who was asked.
        peer: Arc<str>,
    },
    /// No request has this id: it has ended and its end was collected, or it is another handle's.
    #[error("no request has the id {id}")]
    UnknownId {
        /// The id.
        id: RequestId,
    },
    /// The request's end goes to its callback.
    #[error("the end of request {id} goes to its callback")]
    HasCallback {
        /// The id.
        id: RequestId,
    },
}

/// Why something could not be sent. The payload is still the caller's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// No live peer has this name.
    #[error("no peer is named {peer:?}")]
    NoSuchPeer {
        /// The name.
        peer: Arc<str>,
    },
    /// The peer is gone, or refused the link.
    #[error("{peer:?} is gone: {reason}")]
    PeerGone {
        /// The name.
        peer: Arc<str>,
        /// What became of it.
        reason: GoneReason,
    },
    /// The peer did not take it in time: it is stopped, or busier than it can bear.
    #[error("{peer:?} did not take it in time")]
    TimedOut {
        /// The name.
        peer: Arc<str>,
    },
    /// The peer has not yet dealt with what was sent before; try again later.
    #[error("{peer:?} has not dealt with what was sent before; sending now would block")]
    WouldBlock {
        /// The name.
        peer: Arc<str>,
    },
    /// Every request slot is taken: collect a response, or wait for one, and try again.
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
    /// The body is larger than the peer takes.
    #[error("the body has more than {limit} bytes, the most that {peer:?} takes")]
    TooLarge {
        /// The name.
        peer: Arc<str>,
        /// The most that a body may have, in bytes.
        limit: usize,
    },
    /// The payload cannot be encoded.
    #[error("the payload cannot be encoded: {0}")]
    Encode(EncodeError),
    /// This process may not talk to the peer.
    #[error("no permission to talk to {peer:?}: {detail}")]
    NotPermitted {
        /// The name.
        peer: Arc<str>,
        /// The system's words.
        detail: String,
    },
    /// The bus is gone, or unusable.
    #[error("the bus is unusable: {detail}")]
    Bus {
        /// What is wrong, with the path.
        detail: String,
    },
}

/// Why a call did not return a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The request could not be sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The request ended without a response.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The response does not decode as the type that was asked for.
    #[error("the response of {peer:?} does not decode: {error}")]
    Decode {
        /// Who answered.
        peer: Arc<str>,
        /// What is wrong with it.
        error: DecodeError,
    },
}
