//! What an endpoint tells its driver.

use alloc::sync::Arc;

use crate::error::GoneReason;
use crate::failure::RemoteErrorKind;
use crate::frame::Body;
use crate::id::{LinkId, ReplyToken, RequestId};

/// Something that the driver of an endpoint must know.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'i> {
    /// A peer that connected has said who it is. The driver checks that and answers with
    /// [`Endpoint::welcome`](crate::Endpoint::welcome) or [`Endpoint::refuse`](crate::Endpoint::refuse)
    /// before it takes more input of this link.
    Greeted {
        /// The link.
        link: LinkId,
    },
    /// A link that this side opened is ready for traffic, or a suspended peer has come back.
    Opened {
        /// The link.
        link: LinkId,
    },
    /// A peer asks.
    Request {
        /// The right to answer.
        token: ReplyToken,
        /// The link it came on.
        link: LinkId,
        /// The payload.
        body: Body<'i>,
    },
    /// A peer sent a message.
    Message {
        /// The link it came on.
        link: LinkId,
        /// Its place among the messages of its sender, from 1 on.
        sequence: u64,
        /// When it was sent: microseconds of the Unix epoch, by the sender's clock.
        stamp: u64,
        /// It went to every peer.
        broadcast: bool,
        /// What to give to [`Endpoint::settle`](crate::Endpoint::settle) once it is dealt with.
        cost: u32,
        /// The payload.
        body: Body<'i>,
    },
    /// A peer asks this endpoint to end.
    Terminate {
        /// The link it came on.
        link: LinkId,
    },
    /// A request of this endpoint has ended; its slot is free.
    Ended {
        /// Which.
        id: RequestId,
        /// The link it went out on; [`Endpoint::peer`](crate::Endpoint::peer) tells whose it is.
        link: LinkId,
        /// How it ended.
        end: End<'i>,
    },
    /// A link is over, and every request on it was reported before. The driver closes its connection.
    Closed {
        /// The link; its id finds nothing from now on.
        link: LinkId,
        /// Who was at its other end; empty if no hello came.
        peer: Arc<str>,
        /// Why it is over.
        reason: GoneReason,
        /// Bytes of output that had left, of all that were accepted since the link began.
        sent: u64,
        /// Bytes of output that were accepted and had not left.
        unsent: usize,
    },
}

/// How a request ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum End<'i> {
    /// The response came.
    Response(Body<'i>),
    /// The peer reports a failure; the body is UTF-8 for a person.
    Failure {
        /// What kind of failure.
        kind: RemoteErrorKind,
        /// Details, or nothing.
        detail: Body<'i>,
    },
    /// Its deadline passed.
    TimedOut,
    /// Its peer is gone.
    Gone {
        /// Why the peer counts as gone.
        reason: GoneReason,
        /// Whether any byte of the request had left.
        sent: bool,
    },
    /// The caller cancelled it.
    Cancelled,
}
