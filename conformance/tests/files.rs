//! Message files: members of one process, in several threads where they wait.

mod bus;

ipcm_conformance::conformance_tests!(bus::Files);
