//! Unix sockets: members of one process, in several threads where they wait.
#![cfg(target_os = "linux")]

mod bus;

ipcm_conformance::conformance_tests!(bus::Sockets);
