//! [`Heart`]: the thread that beats for a member while the member does whatever it does.

use super::beat::{BEAT, Beat};
use crate::clock::Monotonic;
use ipcm_core::Clock;
use std::io;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};

/// Beats until it is dropped, or the process ends.
#[derive(Debug)]
pub(super) struct Heart {
    /// Dropped to stop.
    alive: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Heart {
    /// Begins to beat in this file.
    pub(super) fn start(path: &Path) -> io::Result<Self> {
        let mut beat = Beat::begin(path)?;
        let (alive, stop) = channel::<()>();
        let thread = Builder::new().name("beat".to_owned()).spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = stop.recv_timeout(BEAT) {
                // A disk that is full now may not be so the next time.
                let _ = beat.go_on(Monotonic.now());
            }
        })?;
        Ok(Self { alive: Some(alive), thread: Some(thread) })
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        self.alive = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
