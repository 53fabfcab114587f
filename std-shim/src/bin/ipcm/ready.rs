//! `ipcm ready`: waits for a peer.

use std::ffi::OsString;

use clap::Args;
use ipcm::{Handle, SendError};
use serde_json::json;

use crate::arguments::{Format, Timeout, operands, peer_name};
use crate::failure::{Failure, Kind};
use crate::output;

const HELP: &str = "\
Prints nothing: the exit code is the answer. With --json it prints the peer and its process.

Example:
  ipcm echo parrot & ipcm ready parrot && ipcm call parrot hello";

#[derive(Debug, Args)]
#[command(override_usage = "ipcm ready [OPTIONS] [INFO] <PEER>", after_long_help = HELP)]
pub(crate) struct ReadyArguments {
    /// The bus [default: $IPCM_BUS]
    info: Option<OsString>,
    /// The peer that is waited for
    peer: Option<OsString>,
    /// How long to wait; fractions and `none` are taken
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = Timeout::parse)]
    timeout: Timeout,
    #[command(flatten)]
    pub(crate) format: Format,
}

pub(crate) fn run(arguments: ReadyArguments) -> Result<(), Failure> {
    let ReadyArguments { info, peer, timeout, format } = arguments;
    let (info, [peer]) = operands(["PEER"], [info, peer])?;
    let peer = peer_name(peer)?;
    let mut handle = Handle::new(&info, &peer);
    handle.join()?;
    handle.wait_ready(timeout.0).map_err(|error| match error {
        SendError::TimedOut { peer } => {
            let text = format!("{peer:?} was not ready in time, on the bus at {}", info.route().display());
            Failure::new(Kind::TimedOut, text).within(timeout)
        }
        error => error.into(),
    })?;
    if format.json {
        let pid = handle.service_pid()?;
        output::line(json!({"peer": peer, "pid": pid}).to_string())?;
    }
    Ok(())
}
