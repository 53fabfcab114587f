//! The bounds of both sides of a trunk.

use core::time::Duration;

use super::wire::Framing;

/// The bounds of a member's side of a trunk.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrunkConfig {
    /// How records are framed: as the gateway does it.
    pub framing: Framing,
    /// Bytes of one link that may have come and not been taken in, at least 1.
    pub window: u32,
    /// The longest record that is taken, in bytes; at least [`LEAST_LIMIT`](super::LEAST_LIMIT).
    pub limit: u16,
    /// How long the gateway may take for an answer. Default 1 s.
    pub patience: Duration,
}

impl TrunkConfig {
    /// For pipes: windows of 128 KiB, records of 64 KiB.
    pub fn pipe() -> Self {
        let patience = Duration::from_secs(1);
        Self { framing: Framing::Pipe, window: 128 * 1024, limit: u16::MAX, patience }
    }

    /// For serial lines: windows of 1 KiB, records of 256 bytes. A peer whose name does not fit in a record cannot be spoken
    /// to; where names may be long, up to 512 bytes, the limit is to be 1024.
    pub fn serial() -> Self {
        Self { framing: Framing::Serial, window: 1024, limit: 256, ..Self::pipe() }
    }
}

/// The bounds of a gateway's side of a trunk.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RelayConfig {
    /// How records are framed: as the member does it.
    pub framing: Framing,
    /// Bytes of one link that may wait for its peer; a smaller number than 64 counts as 64.
    pub window: u32,
    /// The longest record that is taken, in bytes; a smaller number than [`LEAST_LIMIT`](super::LEAST_LIMIT) counts as that.
    pub limit: u16,
    /// Links that may be open at once, at least 1. Default 1024.
    pub links: usize,
    /// How long a serial line may be silent before the member counts as dead, and how long a membership outlives its
    /// session; up to 65 s, and zero for ever. Default 1 s, and on pipes zero: their end is told.
    pub silence: Duration,
}

impl RelayConfig {
    /// For pipes.
    pub fn pipe() -> Self {
        let (window, limit, links) = (128 * 1024, u16::MAX, 1024);
        Self { framing: Framing::Pipe, window, limit, links, silence: Duration::ZERO }
    }

    /// For serial lines.
    pub fn serial() -> Self {
        let silence = Duration::from_secs(1);
        Self { framing: Framing::Serial, window: 4096, limit: 1024, silence, ..Self::pipe() }
    }
}
