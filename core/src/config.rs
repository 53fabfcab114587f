//! The bounds of one endpoint: every table, buffer and window has its size here.

use core::time::Duration;

/// The bounds of one endpoint.
///
/// For each link, peers can make an endpoint hold twice `window` plus one frame of input that is not dealt with,
/// and a service `window` plus the answers to one packet of unsent output; deferred answers come on top.
/// What a transport maps for large packets is its own, and bounded there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Requests that may be pending or answered but not yet collected, 1 to 65,536. Default 1024.
    pub requests: usize,
    /// Requests of peers that may be accepted and not yet answered, at least 1. Default 65536.
    ///
    /// A request beyond it is answered with [`RemoteErrorKind::Overloaded`](crate::RemoteErrorKind).
    pub serving: usize,
    /// Links that may be open at once, at least 1. Default 16384.
    pub links: usize,
    /// Bytes of one body, at most. Default 16 MiB.
    pub body_limit: u32,
    /// Bytes of requests and messages that a peer may have sent and this endpoint not yet dealt with.
    /// Default 1 MiB. A single body may exceed it when nothing else is under way.
    pub window: u32,
    /// How long an accepted link may take to say hello. Default 10 s.
    pub greeting: Duration,
    /// What happens to messages that are not collected. Default [`Overflow::Backpressure`].
    pub overflow: Overflow,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            requests: 1024,
            serving: 65536,
            links: 16384,
            body_limit: 16 * 1024 * 1024,
            window: 1024 * 1024,
            greeting: Duration::from_secs(10),
            overflow: Overflow::Backpressure,
        }
    }
}

impl Config {
    /// The largest frame that this endpoint takes in: a body at its limit behind the longest head.
    pub(crate) fn frame_limit(&self) -> u32 {
        self.body_limit.saturating_add(crate::layout::MAX_HEAD as u32)
    }
}

/// What happens to buffered messages when nobody collects them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// The sender's window closes: its next `try_send` says that it would block. Nothing is lost.
    Backpressure,
    /// The oldest message is dropped, and counted, when more than `capacity` are buffered.
    DropOldest {
        /// Messages kept, at least 1.
        capacity: usize,
    },
}
