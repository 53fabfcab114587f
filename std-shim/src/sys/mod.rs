//! What the operating system offers and no safe crate wraps: the only `unsafe` of this crate.

pub(crate) mod ofd;
pub(crate) mod shared_memory;
