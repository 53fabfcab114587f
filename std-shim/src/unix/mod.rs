//! Unix sockets as a transport: one `SOCK_SEQPACKET` connection a link, one epoll a member.
//!
//! ```text
//! transport   the `Transport` of one member
//! connection  one socket: send, receive, and when its process is dead
//! poller      the epoll: what is readable, whose process died, who came and went
//! waker       wakes a member's loop from another thread
//! ```

mod connection;
mod poller;
mod transport;
mod waker;

pub use transport::UnixTransport;
pub(crate) use transport::with_sources;
pub use waker::Waker;
