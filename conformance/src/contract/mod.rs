//! What a transport owes the core: the contract of [`Transport`](ipcm_core::transport::Transport), by its calls alone.

pub mod links;
pub mod peers;
pub mod streams;
pub mod suspension;
pub mod waits;
