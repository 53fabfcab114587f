//! The bus directory: who is there, who lives, who comes and goes. No message passes through here.
//!
//! ```text
//! .bus                 what makes the directory a bus: its format, its users, its owner (locked by it)
//! .join                locked while a peer joins or remains are cleared
//! NAME.peer            the record of one peer, locked by it for its whole life
//! INCARNATION.sock     the socket on which that peer listens
//! .NAME.new            a record whose peer is still joining
//! ```
//!
//! A peer lives as long as the lock on its record, which the kernel ends with the process; a pid is only
//! ever used to disprove life. Nothing is named by a pid, and no socket's name is ever used twice.

mod abandoned;
mod builder;
mod by_file;
mod crash_point;
mod dir;
mod error;
mod fields;
mod guard;
mod join_lock;
mod marker;
mod membership;
mod name;
mod presence;
mod process_id;
mod record;
mod socket;
mod sweep;
#[cfg(test)]
mod tests;
mod users;
mod watch;

pub use builder::BusBuilder;
pub(crate) use error::ConnectError;
pub use error::{BusError, JoinError};
pub use guard::{Bus, ShutdownReport};
pub use record::{PeerKind, PeerRecord};
pub use users::Users;

// For the transport, the handle and the service.
pub(crate) use dir::BusDir;
pub(crate) use membership::Membership;
pub(crate) use presence::Presence;
pub(crate) use watch::{POLL_INTERVAL, PeerChange, PeerWatch};
