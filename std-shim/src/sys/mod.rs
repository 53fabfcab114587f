//! What the operating system offers and no safe crate wraps: the only `unsafe` of this crate.

#[cfg(target_os = "linux")]
pub(crate) mod ofd;
#[cfg(target_os = "linux")]
mod parent;
#[cfg(target_os = "linux")]
pub(crate) mod returns;
#[cfg(target_os = "linux")]
pub(crate) mod shared_memory;
#[cfg(target_os = "wasi")]
pub(crate) mod wasi;

#[cfg(target_os = "linux")]
pub(crate) use parent::end_with_thread;
