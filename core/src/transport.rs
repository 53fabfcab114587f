//! What moves bytes between members of a bus. It never decides and, but for `wait`, never waits.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

pub use crate::area::{Area, Lender};
#[doc(inline)]
pub use crate::hand_on_transport as hand_on;
use crate::id::{Incarnation, LinkId};
use crate::time::Instant;

mod hand_on;

/// What [`hand_on`](macro@hand_on) names, whose users may have no `alloc` in scope.
#[doc(hidden)]
pub mod __alloc {
    pub use alloc::string::String;
    pub use alloc::vec::Vec;
}

/// What one attempt to move bytes came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// This many bytes moved, at least one.
    Moved(usize),
    /// Nothing can move now.
    Blocked,
    /// The connection has ended. Everything that had reached it was received before.
    Closed,
    /// The peer broke a rule of the transport: the connection is of no use.
    Broken,
}

/// Something that a transport reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportEvent {
    /// A peer connects; [`Transport::accept`] takes it in.
    Incoming,
    /// Bytes, or the end, can be received on this link.
    Readable(LinkId),
    /// A link on which sending had blocked can take bytes again.
    Writable(LinkId),
    /// The peer of this link keeps its name and has given up its process until then.
    Suspended(LinkId, Instant),
    /// A peer came or went; only after [`Transport::watch`].
    Peer(PeerChange),
    /// Another thread woke this member.
    Woken,
    /// The bus itself is gone, or has no place for this member any more.
    BusGone,
}

/// A peer came or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerChange {
    /// Whose state changed.
    pub name: Arc<str>,
    /// Which life of the peer.
    pub incarnation: Incarnation,
    /// What it is now.
    pub state: PeerState,
}

/// What a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerState {
    /// It has a process that takes in what is sent.
    Active,
    /// It keeps its name until then, and what is sent is kept for it.
    Suspended(Instant),
    /// It has left, or its process has died.
    Gone,
}

/// What a transport knows of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    /// Which life of the peer.
    pub incarnation: Incarnation,
    /// Active or suspended.
    pub state: PeerState,
    /// The id of its process, where there are processes.
    pub pid: Option<u32>,
}

/// Why a peer cannot be reached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No live peer has this name.
    #[error("no such peer")]
    NoSuchPeer,
    /// More peers connect to it than it has taken in; to be tried again.
    #[error("more peers connect to it than it has taken in")]
    Busy,
    /// This process may not.
    #[error("no permission: {0}")]
    NotPermitted(String),
    /// The bus is gone or unusable.
    #[error("{0}")]
    Bus(String),
}

/// Why a member was not suspended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SuspendError {
    /// No member of this transport can be.
    #[error("peers cannot be suspended on this transport")]
    Unsupported,
    /// The bus is gone or unusable.
    #[error("{0}")]
    Bus(String),
}

/// What is left of one link of a life that is suspended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parting {
    /// The link.
    pub link: LinkId,
    /// What was accepted for sending and has not left.
    pub unsent: Vec<u8>,
    /// What the next life must hear first: the hello of the peer, once more.
    pub hello: Vec<u8>,
    /// The beginning of a frame that has come, to be heard after the hello.
    pub partial: Vec<u8>,
    /// The peer is suspended as well, until then; to be told between the two.
    pub asleep: Option<Instant>,
    /// How much of the peer's window is used up: see [`Transport::spent`].
    pub spent: u64,
}

/// What a transport can do beyond moving bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// A peer can keep its name without a process.
    pub suspend: bool,
    /// The end of a peer is reported by the system and not found out by looking.
    pub prompt_death: bool,
}

/// A way to move bytes between the members of a bus, for one member of it.
///
/// A link carries a stream of bytes each way, in order and without loss, to one life of one peer. Where
/// packets have boundaries, a link keeps to them for speed; nothing relies on it. A transport may cut and
/// join as it likes and must not repeat or reorder.
///
/// A transport that is made of others hands on every call, also those that have a default: see
/// [`hand_on!`](macro@hand_on), in which a method that is new here has its place. `#[deny(clippy::missing_trait_methods)]`
/// finds the wrapper that lacks one.
pub trait Transport {
    /// The most bytes that one `send` moves, but see [`packet`](Self::packet); at least 32.
    const PACKET: usize;
    /// The most bytes that one `receive` moves.
    const BUFFER: usize = Self::PACKET;
    /// Frames and packets that take at least so many bytes may lie in memory of the transport: [`room`](Self::room),
    /// [`take_area`](Self::take_area).
    const LARGE: usize = usize::MAX;

    /// What this transport can do.
    fn capabilities(&self) -> Capabilities;

    /// Connects `link` to a peer.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`]; the link is not connected then.
    fn connect(&mut self, link: LinkId, peer: &str) -> Result<PeerStatus, ConnectError>;

    /// Takes in the connection announced by [`TransportEvent::Incoming`]; false if it has gone already.
    fn accept(&mut self, link: LinkId) -> bool;

    /// How much of the peer's window former lives of this member have used up, on a link that they left to this one.
    fn spent(&self, link: LinkId) -> u64 {
        let _ = link;
        0
    }

    /// Refuses the connection announced by [`TransportEvent::Incoming`].
    fn reject(&mut self);

    /// Whether the process at the other end of `link` is the member of that name and life.
    fn authenticate(&mut self, link: LinkId, name: &str, incarnation: Incarnation) -> bool;

    /// The most bytes that the next `send` on this link is given, where there are [`LARGE`](Self::LARGE) or more; at
    /// least [`PACKET`](Self::PACKET).
    fn packet(&self, link: LinkId) -> usize {
        let _ = link;
        Self::PACKET
    }

    /// Sends from the front of `bytes`, which is not empty, and at most [`packet`](Self::packet) long.
    ///
    /// A transport that sends all that it is given, or leaves 16 bytes or more of it, is never given less than
    /// 16 bytes.
    ///
    /// After [`Progress::Blocked`] a [`TransportEvent::Writable`] follows. [`Progress::Closed`] says
    /// nothing of what can still be received.
    fn send(&mut self, link: LinkId, bytes: &[u8]) -> Progress;

    /// Memory of the transport that can hold the next `len` bytes of a link's stream, and may hold more; `None`
    /// if there is none at present. It may hold what was left from before.
    fn room(&mut self, link: LinkId, len: usize) -> Option<&mut [u8]> {
        let _ = (link, len);
        None
    }

    /// Sends the first `len` bytes of the room that was given last for this link, all of them.
    ///
    /// # Errors
    ///
    /// These bytes, if they cannot leave now; they are then sent by [`send`](Self::send).
    fn send_room(&mut self, link: LinkId, len: usize) -> Result<(), &[u8]> {
        let _ = (link, len);
        Err(&[])
    }

    /// Receives into `buffer`, which has [`BUFFER`](Self::BUFFER) bytes.
    fn receive(&mut self, link: LinkId, buffer: &mut [u8]) -> Progress;

    /// The packet that was received last on this link, if it is not in the buffer but in memory of the transport;
    /// it then has [`LARGE`](Self::LARGE) bytes or more.
    fn take_area(&mut self, link: LinkId) -> Option<Area> {
        let _ = link;
        None
    }

    /// Receives into `buffer` and waits for it if need be, but not beyond `deadline`.
    ///
    /// `now` is a moment not long ago. May give up early with [`Progress::Blocked`]; the caller then uses
    /// [`wait`](Self::wait), which also sees what happens elsewhere.
    fn receive_or_wait(
        &mut self,
        link: LinkId,
        buffer: &mut [u8],
        now: Instant,
        deadline: Option<Instant>,
    ) -> Progress {
        let _ = (now, deadline);
        self.receive(link, buffer)
    }

    /// Reports [`TransportEvent::Readable`] for this link no longer, or again. For one who cannot take in what comes;
    /// by default nothing is done, and it may be reported though nobody looks.
    fn set_receiving(&mut self, link: LinkId, receiving: bool) {
        let _ = (link, receiving);
    }

    /// Closes a link. The peer receives what was sent before.
    fn close(&mut self, link: LinkId);

    /// Takes an event that has been found by the last [`wait`](Self::wait).
    fn poll_event(&mut self) -> Option<TransportEvent>;

    /// Looks for events, and waits for one if there is none, but not beyond `deadline`. May return early.
    fn wait(&mut self, deadline: Option<Instant>);

    /// When [`wait`](Self::wait) has something to do though nothing is readable; `None` is never.
    fn next_deadline(&self) -> Option<Instant> {
        None
    }

    /// Gives up this life of the member, with what is left of its links, and keeps its name until `until`. Links
    /// without a parting are closed.
    ///
    /// What is sent to the member meanwhile is kept. Its next life is told of every link by
    /// [`TransportEvent::Incoming`]. Nothing is asked of this transport afterwards.
    ///
    /// # Errors
    ///
    /// See [`SuspendError`]; the member's life goes on then.
    fn suspend(&mut self, until: Instant, links: Vec<Parting>) -> Result<(), SuspendError> {
        let _ = (until, links);
        Err(SuspendError::Unsupported)
    }

    /// Keeps something for the next life of this member, behind what it keeps already.
    ///
    /// # Errors
    ///
    /// See [`SuspendError`]: a member that cannot be suspended has no next life.
    fn keep(&mut self, note: &[u8]) -> Result<(), SuspendError> {
        let _ = note;
        Err(SuspendError::Unsupported)
    }

    /// Takes what the former life has kept, in order.
    ///
    /// # Errors
    ///
    /// See [`SuspendError`]; it is all still there then.
    fn take_kept(&mut self) -> Result<Vec<Vec<u8>>, SuspendError> {
        Ok(Vec::new())
    }

    /// What is known of a peer; `None` if no live peer has this name.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`].
    fn find(&mut self, peer: &str) -> Result<Option<PeerStatus>, ConnectError>;

    /// The names of all live and suspended peers but this member, sorted.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`].
    fn peers(&mut self) -> Result<Vec<String>, ConnectError>;

    /// Reports from now on which peers come and go, beginning with those that are there.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`].
    fn watch(&mut self) -> Result<(), ConnectError>;
}
