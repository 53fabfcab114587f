//! `ipcm echo`: a service.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};

use clap::Args;
use ipcm::Service;

use crate::arguments::{Format, operands, peer_name};
use crate::failure::Failure;
use crate::signals::EndSignals;

const HELP: &str = "\
Serves until SIGTERM or SIGINT comes, or a peer asks it to end, and then leaves in good order. A second
signal ends it at once.

Example:
  ipcm echo parrot &
  ipcm ready parrot";

#[derive(Debug, Args)]
#[command(override_usage = "ipcm echo [OPTIONS] [INFO] <NAME>", after_long_help = HELP)]
pub(crate) struct EchoArguments {
    /// The bus [default: $IPCM_BUS]
    info: Option<OsString>,
    /// The name to serve under
    name: Option<OsString>,
    #[command(flatten)]
    pub(crate) format: Format,
}

pub(crate) fn run(arguments: EchoArguments) -> Result<(), Failure> {
    let (info, [name]) = operands(["NAME"], [arguments.info, arguments.name])?;
    let name = peer_name(name)?;
    let signals = EndSignals::catch()?;
    let mut watched = Ok(());
    Service::echo(&info, &name).run_with(|stop| {
        let stop_if_unwatched = stop.clone();
        watched = signals.on_first(move || stop.stop());
        if watched.is_err() {
            stop_if_unwatched.stop();
        } else if io::stderr().is_terminal() {
            let _ = writeln!(io::stderr(), "ipcm: {name:?} is serving; Ctrl-C ends it");
        }
    })?;
    watched
}
