//! `ipcm send`: one message.

use std::ffi::OsString;

use clap::Args;
use ipcm::Handle;

use crate::arguments::{Format, Timeout, operands, peer_name};
use crate::call::body_bytes;
use crate::failure::Failure;

const HELP: &str = "\
Prints nothing. It succeeds once the message is handed over to the peer's side of the connection.

Examples:
  ipcm send inbox 'good morning'
  ipcm send inbox - < letter";

#[derive(Debug, Args)]
#[command(override_usage = "ipcm send [OPTIONS] [INFO] <PEER> <BODY>", after_long_help = HELP)]
pub(crate) struct SendArguments {
    /// The bus [default: $IPCM_BUS]
    info: Option<OsString>,
    /// The peer that the message is for
    peer: Option<OsString>,
    /// The message; `-` reads it from standard input
    body: Option<OsString>,
    /// How long to wait until the peer takes it; fractions and `none` are taken
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = Timeout::parse)]
    timeout: Timeout,
    #[command(flatten)]
    pub(crate) format: Format,
}

pub(crate) fn run(arguments: SendArguments) -> Result<(), Failure> {
    let SendArguments { info, peer, body, timeout, format: _ } = arguments;
    let (info, [peer, body]) = operands(["PEER", "BODY"], [info, peer, body])?;
    let (peer, body) = (peer_name(peer)?, body_bytes(body)?);
    let mut handle = Handle::new(&info, &peer);
    handle.join()?;
    handle
        .send_message_bytes(&peer, &body, timeout.0)
        .map_err(|error| Failure::from(error).on(&info).within(timeout))
}
