//! A guest in a sandbox that is a full peer of a native bus: what it can be told, and how it serves.
//!
//! ```text
//! order    what a guest can be told
//! guest    does it, on whatever transport
//! way      the two ways in: message files in a preopened directory; a gateway on standard input and output
//! main     the program
//! ```

mod guest;
mod order;
mod way;

pub use guest::serve;
pub use order::Order;
pub use way::{NoWay, Way, join};
