//! Why a member is none any more, and why a session is over.

use alloc::string::String;
use core::time::Duration;

use super::record::Trouble;
use super::wire::TrunkError;

/// Why a member is none, or none any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrunkEnd {
    /// The gateway did not answer in time.
    #[error("no gateway answered in time")]
    TimedOut,
    /// The stream ended: the gateway has gone.
    #[error("the trunk has ended: the gateway is gone")]
    Closed,
    /// The gateway refused the member.
    #[error("the gateway refused: {trouble}{}{detail}", if detail.is_empty() { "" } else { ": " })]
    Refused {
        /// Why.
        trouble: Trouble,
        /// In the gateway's words.
        detail: String,
    },
    /// The gateway speaks another version.
    #[error("the gateway speaks version {theirs} of the trunk's records, this side version {ours}")]
    Version {
        /// This side's version.
        ours: u16,
        /// The gateway's.
        theirs: u16,
    },
    /// The gateway broke the rules of the trunk.
    #[error("the gateway broke the rules of the trunk: {0}")]
    Broken(#[from] TrunkError),
    /// The bus is gone.
    #[error("the bus is gone: {detail}")]
    BusGone {
        /// In the gateway's words.
        detail: String,
    },
}

/// Why a session is over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionEnd {
    /// The stream ended.
    #[error("the stream ended")]
    Closed,
    /// A frame was lost on the line.
    #[error("a frame was lost on the line")]
    Gap,
    /// Nothing was heard for too long.
    #[error("nothing was heard of the member for {0:?}")]
    Silence(Duration),
    /// The member began another session.
    #[error("the member began anew")]
    Renewed,
    /// The member broke the rules.
    #[error("the member broke the rules of the trunk: {0}")]
    Broken(#[from] TrunkError),
}
