//! What a member of a fixed size tells its driver.

use super::error::LinkEnd;
use super::member::Loss;
use crate::failure::RemoteErrorKind;
use crate::id::{Incarnation, LinkId, ReplyToken, RequestId};

/// Something that happened. What it borrows lies in the [`Inbox`](super::Inbox) until the next event is taken.
#[derive(Debug, PartialEq)]
#[non_exhaustive]
pub enum Event<'i> {
    /// There is a session with the gateway. A [`Member`](super::Member) alone says so.
    Joined,
    /// The session with the gateway is over, and so is every link; another is begun. A [`Member`](super::Member)
    /// alone says so.
    Left {
        /// Why.
        loss: Loss,
    },
    /// A peer that connected has said who it is. The driver checks that and answers with
    /// [`Endpoint::welcome`](super::Endpoint::welcome) or [`Endpoint::refuse`](super::Endpoint::refuse).
    Greeted {
        /// The link.
        link: LinkId,
        /// The name that the peer gives.
        peer: &'i str,
        /// The life of it that the peer gives.
        incarnation: Incarnation,
    },
    /// A link that this side opened is ready for traffic.
    Opened {
        /// The link.
        link: LinkId,
    },
    /// A peer asks.
    Request {
        /// The right to answer. There is always room for an answer of [`Endpoint::largest_body`](super::Endpoint).
        token: ReplyToken,
        /// The link it came on.
        link: LinkId,
        /// The payload.
        body: &'i [u8],
    },
    /// A peer has given up a request that is not answered yet, or is gone.
    Withdrawn {
        /// The request's [`ReplyToken::key`].
        key: u64,
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
        /// The payload.
        body: &'i [u8],
    },
    /// A peer asks this member to end.
    Terminate {
        /// The link it came on.
        link: LinkId,
    },
    /// A request of this member has ended; its slot is free.
    Ended {
        /// Which.
        id: RequestId,
        /// How it ended.
        end: End<'i>,
    },
    /// A link is over, and every request on it was reported before. Its id finds nothing from now on.
    Closed {
        /// The link.
        link: LinkId,
        /// Why.
        reason: LinkEnd,
    },
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum End<'i> {
    /// The response came.
    Response(&'i [u8]),
    /// The peer reports a failure.
    Failure {
        /// What kind of failure.
        kind: RemoteErrorKind,
        /// UTF-8 for a person, or nothing.
        detail: &'i [u8],
    },
    /// Its deadline passed.
    TimedOut,
    /// Its link is over.
    Gone {
        /// Why.
        reason: LinkEnd,
        /// Whether any byte of the request had left; if not, it was not carried out.
        sent: bool,
    },
}

impl<'i> Event<'i> {
    /// The same with a body, if it has one.
    pub(super) fn with_body(self, bytes: &'i [u8]) -> Self {
        match self {
            Self::Request { token, link, .. } => Self::Request { token, link, body: bytes },
            Self::Message { link, sequence, stamp, broadcast, .. } => {
                Self::Message { link, sequence, stamp, broadcast, body: bytes }
            }
            Self::Ended { id, end: End::Response(_) } => Self::Ended { id, end: End::Response(bytes) },
            Self::Ended { id, end: End::Failure { kind, .. } } => {
                Self::Ended { id, end: End::Failure { kind, detail: bytes } }
            }
            Self::Greeted { link, incarnation, .. } => {
                let peer = super::hello::read(bytes).map_or("", |hello| hello.name);
                Self::Greeted { link, peer, incarnation }
            }
            other => other,
        }
    }
}
