//! The trunk: one duplex stream of bytes that carries all links of one member.
//!
//! A WebAssembly guest has two pipes and a microcontroller a serial line; neither can connect to a bus. A *gateway*
//! is a member of the bus in its place. Between the two runs a trunk: records that say which link is connected,
//! accepted or closed, and carry the bytes of links as they are. The gateway relays and does not translate, so
//! windows, deadlines, cancellation and errors are those of the peers at both ends.
//!
//! ```text
//! record      what the two say to each other         bytes <-> records, in slices of the caller
//! pipe        a length before each record            where nothing is lost: pipes, sockets
//! serial      COBS, a checksum, a number, a session  where it is: damage is found, and the session ends by it
//! ---------------------------------------------------------------------------------------------------------------
//! stream      what a trunk runs on                   bytes, without waiting
//! config, end the bounds of both sides; why they part
//! member      the member's side, without I/O         windows, sessions, signs of life
//! transport   member + stream + clock                a `Transport`, for `Client`, `Handle` and `Service`
//! relay       the gateway's side, without a stream   one `Transport` of the bus and one trunk
//! ```
//!
//! The first three do not allocate.

#[cfg(feature = "alloc")]
mod config;
mod crc;
#[cfg(feature = "alloc")]
mod end;
#[cfg(feature = "alloc")]
mod member;
pub mod pipe;
mod record;
#[cfg(feature = "alloc")]
mod relay;
pub mod serial;
#[cfg(feature = "alloc")]
mod stream;
#[cfg(feature = "alloc")]
mod transport;
#[cfg(feature = "alloc")]
mod wire;

#[cfg(feature = "alloc")]
pub use config::{RelayConfig, TrunkConfig};
#[cfg(feature = "alloc")]
pub use end::{SessionEnd, TrunkEnd};
#[cfg(feature = "alloc")]
pub use member::Identity;
pub use record::{
    Failure, Join, MAX_JOIN, MemberKind, NoRoom, Record, RecordError, State, Status, TRUNK_VERSION, Trouble,
    names, pack_name,
};
#[cfg(feature = "alloc")]
pub use relay::{JoinRequest, Relay, RelayEvent};
#[cfg(feature = "alloc")]
pub use stream::Stream;
#[cfg(feature = "alloc")]
pub use transport::TrunkTransport;
#[cfg(feature = "alloc")]
pub use wire::{Framing, TrunkError};

/// The longest record that either side may say it takes is at least this long, in bytes.
pub const LEAST_LIMIT: u16 = 64;

/// What precedes the bytes of a `Data` record.
#[cfg(feature = "alloc")]
const DATA_HEAD: usize = 5;
