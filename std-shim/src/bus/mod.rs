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

#[cfg(target_os = "linux")]
mod abandoned;
mod beat;
#[cfg(target_os = "linux")]
mod builder;
mod by_file;
mod change;
#[cfg(target_os = "linux")]
mod crash_point;
#[cfg(target_os = "linux")]
mod dir;
mod error;
#[cfg(target_os = "linux")]
mod examine;
mod fields;
#[cfg(target_os = "linux")]
mod guard;
#[cfg(not(target_os = "linux"))]
mod guest;
#[cfg(target_os = "linux")]
mod heart;
#[cfg(target_os = "linux")]
mod hold;
#[cfg(target_os = "linux")]
mod join_lock;
mod marker;
mod medium;
mod membership;
mod name;
pub(crate) mod news;
#[cfg(target_os = "linux")]
mod presence;
mod process_id;
mod record;
#[cfg(target_os = "linux")]
mod socket;
#[cfg(target_os = "linux")]
mod sweep;
#[cfg(all(test, target_os = "linux"))]
mod tests;
mod users;
#[cfg(target_os = "linux")]
mod watch;

#[cfg(target_os = "linux")]
pub use builder::BusBuilder;
#[cfg(target_os = "linux")]
pub(crate) use error::ConnectError;
pub(crate) use error::is_out_of_descriptors;
pub use error::{BusError, JoinError};
#[cfg(target_os = "linux")]
pub use guard::{Bus, ShutdownReport};
pub use record::{PeerKind, PeerRecord};
pub use users::Users;

// For the transport, the handle and the service.
#[cfg(target_os = "linux")]
pub(crate) use change::PeerChange;
#[cfg(not(target_os = "linux"))]
pub(crate) use guest::{BusDir, PeerWatch, Presence};
pub(crate) use medium::Medium;
pub(crate) use membership::Membership;
pub(crate) use record::{mailbox_file, record_file};
#[cfg(target_os = "linux")]
pub(crate) use {
    dir::BusDir,
    presence::Presence,
    watch::{POLL_INTERVAL, PeerWatch},
};

// For the membership: what differs where there are no locks.
#[cfg(not(target_os = "linux"))]
use guest::Hold;
#[cfg(target_os = "linux")]
use hold::Hold;
