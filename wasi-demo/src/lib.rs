//! A guest in a sandbox that is a full peer of a native bus: what it can be told, and how it serves.
//!
//! ```text
//! order    what a guest can be told
//! guest    does it, on whatever transport
//! main     the program: by message files in a preopened directory, or by a gateway on standard input and output
//! ```

mod guest;
mod order;

pub use guest::serve;
pub use order::Order;
