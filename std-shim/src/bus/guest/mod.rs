//! The bus as a guest in a sandbox sees it, who has the standard library and a directory, and nothing else.
//!
//! A guest sees no locks: who lives is told by the beats alone, and a name is taken by a link that is made only
//! where there is no file. It can join no bus that was not made for guests.

mod dir;
mod hold;
mod watch;

pub(crate) use dir::BusDir;
pub(super) use hold::Hold;
pub(crate) use watch::{PeerWatch, Presence};
