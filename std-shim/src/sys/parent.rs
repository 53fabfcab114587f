//! A child that does not outlive who started it.

use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};

/// Lets what `command` starts be killed when the thread that starts it ends, whatever ended that.
///
/// The thread has to wait for the child. A program that changes its user when it starts is left alone by the kernel.
pub(crate) fn end_with_thread(command: &mut Command) {
    let parent = getpid();
    let prepare = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // It may have ended before that.
        if getppid() == Some(parent) { Ok(()) } else { Err(rustix::io::Errno::SRCH.into()) }
    };
    // SAFETY: between fork and exec this makes two system calls, allocates nothing and takes no lock.
    unsafe { command.pre_exec(prepare) };
}
