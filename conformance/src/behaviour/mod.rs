//! What handles, services and messages come to on a transport: the drivers of the core over it.

pub mod batches;
pub mod bounds;
pub mod callbacks;
pub mod calls;
pub mod endings;
pub mod ends;
pub mod greetings;
pub mod handles;
pub mod lives;
pub mod malformed;
pub mod messages;
pub mod services;
pub mod sizes;
pub mod strangers;
pub mod versions;
