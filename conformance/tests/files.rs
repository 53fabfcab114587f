//! Message files: members of one process, in several threads where they wait; or of one guest in WebAssembly.

#[cfg(target_os = "linux")]
mod bus;
#[cfg(target_os = "wasi")]
#[path = "bus/guest.rs"]
mod bus;

ipcm_conformance::conformance_tests!(bus::Files);
