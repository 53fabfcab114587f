//! Records: what a member and its gateway say to each other.
//!
//! ```text
//! member                                gateway
//! Join -------------------------------> Joined, or Refused              first of all
//! Connect(link, peer) ----------------> Connected, or Failed            a link that the member begins
//! Accept(link), or Reject(link) <-----> Incoming(link)                  a link that a peer begins
//! Data, Credit, Close <---------------> Data, Credit, Close             on a link; Suspended too
//! Find, Peers, Watch, Authenticate ---> Found, PeerList, Watching, Authenticated, or Unable
//!                                       Peer, BusGone                   as it happens
//! Pulse <-----------------------------> Pulse, Lost                     on serial lines
//! ```
//!
//! A record is a byte that says which it is, fields of fixed size (little-endian), and at most one text or run of
//! bytes, which ends with the record:
//!
//! ```text
//! 01 Join           version u16, kind u8, incarnation u128, window u32, limit u16, name
//! 02 Connect        link u32, name                     81 Joined         version u16, window u32, limit u16,
//! 03 Accept         link u32                                             silence u16 (ms)
//! 04 Reject         link u32                           82 Refused        trouble u8, version u16, detail
//! 05 Find           name                               83 Connected      link u32, status
//! 06 Peers                                             84 Failed         link u32, trouble u8, detail
//! 07 Watch                                             85 Incoming       link u32
//! 08 Authenticate   link u32, incarnation u128, name   86 Found          status, or nothing
//! 40 Data           link u32, bytes                    87 PeerList       last u8, names, each behind a u16 length
//! 41 Credit         link u32, bytes u32                88 Watching
//! 42 Close          link u32                           89 Authenticated  link u32, genuine u8
//! 43 Pulse                                             8a Unable         trouble u8, detail
//! 44 Lost                                              8b Peer           incarnation u128, state, name
//!                                                      8c Suspended      link u32, micros u64
//! status            incarnation u128, state,           8d BusGone        detail
//!                   pid u32 (0: none)
//! state             0 active, 1 suspended, 2 gone: u8, micros until a suspension ends: u64
//! ```
//!
//! Links that the member begins have even numbers, those that peers begin odd ones. No number is used twice in a
//! session. A link ends on a side that has said or heard `Close`; what still comes for a number that is not in use
//! is ignored.
//!
//! **Windows.** `window` says how many bytes of `Data` its sender takes in on each link ahead of dealing with them.
//! What it has dealt with comes back as `Credit`. More than that is a breach. `limit` is the longest record that its
//! sender takes. A gateway takes a `Join` of any valid name, whatever its limit.
//!
//! **Questions.** `Connect`, `Find`, `Peers`, `Watch` and `Authenticate` are answered in the order in which they
//! were asked. A peer whose name is longer than the member's limit has room for is not told of. A second `Watch` tells
//! anew who is there.

use crate::id::Incarnation;

mod codec;
#[cfg(test)]
mod tests;

pub use codec::{names, pack_name};

/// The version of the trunk's records that this library speaks.
pub const TRUNK_VERSION: u16 = 1;

/// The longest `Join`, in bytes.
pub const MAX_JOIN: usize = 26 + crate::name::MAX_NAME;

/// One record; texts and bytes lie in the buffer it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record<'r> {
    /// The member wants to be one.
    Join(Join<'r>),
    /// The member begins a link to a peer.
    Connect {
        /// The link, an even number.
        link: u32,
        /// The peer's name.
        peer: &'r str,
    },
    /// The member takes in a link that a peer has begun.
    Accept {
        /// The link.
        link: u32,
    },
    /// The member does not.
    Reject {
        /// The link.
        link: u32,
    },
    /// What is known of a peer?
    Find {
        /// The peer's name.
        peer: &'r str,
    },
    /// Who is there?
    Peers,
    /// The member wants to hear who comes and goes.
    Watch,
    /// Is the process at the other end of a link the member of that name and life?
    Authenticate {
        /// The link.
        link: u32,
        /// The life that it claims.
        incarnation: Incarnation,
        /// The name that it claims.
        name: &'r str,
    },

    /// Bytes of a link's stream.
    Data {
        /// The link.
        link: u32,
        /// The bytes, at least one.
        bytes: &'r [u8],
    },
    /// So many bytes of a link were dealt with and may be sent anew.
    Credit {
        /// The link.
        link: u32,
        /// How many, at least one.
        bytes: u32,
    },
    /// A link is over. What was sent before was sent.
    Close {
        /// The link.
        link: u32,
    },
    /// Nothing: the line and who sends on it are alive.
    Pulse,
    /// The session of the frame that this comes in is over, or unknown: it is to be begun anew.
    Lost,

    /// The member is one.
    Joined {
        /// The version that the gateway speaks.
        version: u16,
        /// Bytes that the gateway takes in on each link ahead of dealing with them.
        window: u32,
        /// The longest record that the gateway takes, in bytes.
        limit: u16,
        /// Milliseconds of silence after which either side counts as dead, and in a quarter of which it speaks;
        /// zero where silence means nothing.
        silence: u16,
    },
    /// The member is not to be one.
    Refused {
        /// Why.
        trouble: Trouble,
        /// The version that the gateway speaks.
        version: u16,
        /// For a person.
        detail: &'r str,
    },
    /// The link to the peer is there.
    Connected {
        /// The link.
        link: u32,
        /// Who is at its other end.
        status: Status,
    },
    /// The link to the peer is not.
    Failed {
        /// The link, whose number is used up.
        link: u32,
        /// Why.
        failure: Failure<'r>,
    },
    /// A peer begins a link.
    Incoming {
        /// The link, an odd number.
        link: u32,
    },
    /// What is known of the peer that was asked for, if it is there.
    Found {
        /// That.
        status: Option<Status>,
    },
    /// Some of the peers' names.
    PeerList {
        /// Whether these are the last.
        is_last: bool,
        /// The names, to be read by [`names`].
        packed: &'r [u8],
    },
    /// Who comes and goes will be told.
    Watching,
    /// Whether the peer is who it claims to be.
    Authenticated {
        /// The link.
        link: u32,
        /// Whether it is.
        genuine: bool,
    },
    /// The answer to `Find`, `Peers` or `Watch` where there is none.
    Unable {
        /// Why.
        failure: Failure<'r>,
    },
    /// A peer came or went.
    Peer {
        /// Which life of it.
        incarnation: Incarnation,
        /// What it is now.
        state: State,
        /// Its name.
        name: &'r str,
    },
    /// The peer of a link has given up its process, and keeps its name for so long.
    Suspended {
        /// The link.
        link: u32,
        /// Microseconds until that ends.
        micros: u64,
    },
    /// The bus is gone, or the gateway leaves it: nothing follows.
    BusGone {
        /// For a person.
        detail: &'r str,
    },
}

/// What a member says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Join<'r> {
    /// The version of the records that follow.
    pub version: u16,
    /// What the member is to its peers.
    pub kind: MemberKind,
    /// This life of it.
    pub incarnation: Incarnation,
    /// Bytes that it takes in on each link ahead of dealing with them.
    pub window: u32,
    /// The longest record that it takes, in bytes.
    pub limit: u16,
    /// Its name.
    pub name: &'r str,
}

/// What a member is to its peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberKind {
    /// It asks.
    Handle,
    /// It answers.
    Service,
}

/// What is known of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Which life of it.
    pub incarnation: Incarnation,
    /// What it is now.
    pub state: State,
    /// The id of its process, where there are processes.
    pub pid: Option<u32>,
}

/// What a peer is. The time left is told, since clocks are not shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It has a process that takes in what is sent.
    Active,
    /// It keeps its name for so many microseconds more.
    Suspended {
        /// How many.
        micros: u64,
    },
    /// It has left, or its process has died.
    Gone,
}

/// Why something could not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure<'r> {
    /// What kind of trouble it is.
    pub trouble: Trouble,
    /// For a person.
    pub detail: &'r str,
}

/// A kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[repr(u8)]
#[non_exhaustive]
pub enum Trouble {
    /// The gateway speaks another version.
    #[error("the gateway speaks another version")]
    Version = 0,
    /// The name is not a peer's name.
    #[error("the name is not a peer's name")]
    Name = 1,
    /// A live peer has the name.
    #[error("a live peer has the name")]
    NameTaken = 2,
    /// No live peer has the name.
    #[error("no live peer has the name")]
    NoSuchPeer = 3,
    /// To be tried again later.
    #[error("to be tried again later")]
    Busy = 4,
    /// The gateway may not.
    #[error("the gateway may not")]
    NotPermitted = 5,
    /// The bus is gone or unusable.
    #[error("the bus is gone or unusable")]
    Bus = 6,
    /// What the member takes is too little to work with.
    #[error("what the member takes is too little to work with")]
    Limits = 7,
}

impl Trouble {
    const ALL: [Self; 8] = [
        Self::Version,
        Self::Name,
        Self::NameTaken,
        Self::NoSuchPeer,
        Self::Busy,
        Self::NotPermitted,
        Self::Bus,
        Self::Limits,
    ];
}

/// What is wrong with the bytes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// It has no bytes.
    #[error("a record is empty")]
    Empty,
    /// Its first byte is none of the known.
    #[error("there is no record of the kind {kind:#04x}")]
    Unknown {
        /// The first byte.
        kind: u8,
    },
    /// It is too short or too long for its kind.
    #[error("a record of the kind {kind:#04x} does not have the length of one")]
    Length {
        /// The first byte.
        kind: u8,
    },
    /// A field has a value that it cannot have, or a text is not UTF-8.
    #[error("a record of the kind {kind:#04x} has a field that makes no sense")]
    Field {
        /// The first byte.
        kind: u8,
    },
}

/// A record, or a frame, does not fit where it was to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the buffer is too small for the record")]
pub struct NoRoom;
