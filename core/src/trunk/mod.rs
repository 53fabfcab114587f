//! The trunk: one duplex stream of bytes that carries all links of one member.
//!
//! A WebAssembly guest has two pipes and a microcontroller a serial line; neither can connect to a bus. A *gateway*
//! is a member of the bus in its place. Between the two runs a trunk: records that say which link is connected,
//! accepted or closed, and carry the bytes of links as they are. The gateway relays and does not translate, so
//! windows, deadlines, cancellation and errors are those of the peers at both ends.
//!
//! ```text
//! record   what the two say to each other          bytes <-> records, in slices of the caller
//! pipe     a length before each record             where nothing is lost: pipes, sockets
//! serial   COBS, a checksum, a number, a session   where it is: damage is found, and the session ends by it
//! ```
//!
//! None of these three allocates.

mod crc;
pub mod pipe;
mod record;
pub mod serial;

pub use record::{
    Failure, Join, MAX_JOIN, MemberKind, NoRoom, Record, RecordError, State, Status, TRUNK_VERSION, Trouble,
    names, pack_name,
};
