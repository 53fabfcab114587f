//! Unix sockets as a transport: one `SOCK_SEQPACKET` connection a link, one epoll a member.
//!
//! ```text
//! transport   the `Transport` of one member
//! connection  one socket: send, receive, and when its process is dead
//! sharing     large packets of one connection through mapped memory
//! pool        that memory, at the sender's and at the receiver's
//! note        what is said of it
//! poller      the epoll: what is readable, whose process died, who came and went
//! waker       wakes a member's loop from another thread
//! ```

mod connection;
mod note;
mod poller;
mod pool;
mod sharing;
mod transport;
mod waker;

pub use transport::UnixTransport;
pub use waker::Waker;
