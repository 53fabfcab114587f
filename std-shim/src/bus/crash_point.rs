//! Where a test can let a process die in the middle of a change on disk.

/// Names of the environment variable by which a test picks the point.
#[cfg(test)]
pub(super) const VARIABLE: &str = "IPCM_TEST_CRASH_POINT";

/// Kills this process, as SIGKILL does, if a test picked this point. Nothing otherwise.
pub(super) fn crash_point(_name: &str) {
    #[cfg(test)]
    if std::env::var(VARIABLE).is_ok_and(|picked| picked == _name) {
        use rustix::process::{Signal, getpid, kill_process};
        let _ = kill_process(getpid(), Signal::KILL);
    }
}
