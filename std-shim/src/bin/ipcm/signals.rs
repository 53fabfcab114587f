//! SIGTERM and SIGINT: the first ends a subcommand in good order, the second at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use crate::failure::{Failure, Kind};

/// The signals that end a subcommand, caught from now on.
#[derive(Debug)]
pub(crate) struct EndSignals(Signals);

impl EndSignals {
    /// Catches them. One that comes before [`on_first`](Self::on_first) is kept for it.
    pub(crate) fn catch() -> Result<Self, Failure> {
        let caught = Arc::new(AtomicBool::new(false));
        let register = || {
            for signal in [SIGTERM, SIGINT] {
                // In this order: the flag brings the default back, and the first signal sets it.
                flag::register_conditional_default(signal, caught.clone())?;
                flag::register(signal, caught.clone())?;
            }
            Signals::new([SIGTERM, SIGINT])
        };
        register().map(Self).map_err(|error| failed(&error))
    }

    /// Calls `act` at the first signal, in a thread of its own.
    pub(crate) fn on_first(mut self, act: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
        let watch = move || {
            if self.0.forever().next().is_some() {
                act();
            }
        };
        let started = thread::Builder::new().name("signals".into()).spawn(watch);
        started.map(|_| ()).map_err(|error| failed(&error))
    }
}

fn failed(error: &io::Error) -> Failure {
    Failure::new(Kind::Other, format!("signals cannot be caught: {error}"))
}
