//! `ipcm call`: one request, one reply.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Read, Write};
use std::os::unix::ffi::OsStringExt;

use clap::Args;
use ipcm::{Config, Handle};
use serde_json::{Map, Value};

use crate::arguments::{Format, Timeout, operands, peer_name};
use crate::failure::{Failure, Kind};
use crate::output;

const HELP: &str = "\
BODY and the reply are plain bytes. The reply is printed as it is, followed by a line break only on a
terminal. With --json it is {\"peer\":...,\"reply\":...}, or \"reply_base64\" where it is not UTF-8.

Examples:
  ipcm call parrot 'hello'
  ipcm call --timeout 0.5 parrot - < question > answer
  ipcm call '[\"unix\",\"postcard\",\"/run/user/1000/bus\"]' parrot hello
  ipcm call -- -parrot -1";

#[derive(Debug, Args)]
#[command(override_usage = "ipcm call [OPTIONS] [INFO] <PEER> <BODY>", after_long_help = HELP)]
pub(crate) struct CallArguments {
    /// The bus [default: $IPCM_BUS]
    info: Option<OsString>,
    /// The peer that is asked
    peer: Option<OsString>,
    /// The request; `-` reads it from standard input
    body: Option<OsString>,
    /// How long to wait for the reply; fractions and `none` are taken
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = Timeout::parse)]
    timeout: Timeout,
    #[command(flatten)]
    pub(crate) format: Format,
}

pub(crate) fn run(arguments: CallArguments) -> Result<(), Failure> {
    let CallArguments { info, peer, body, timeout, format } = arguments;
    let (info, [peer, body]) = operands(["PEER", "BODY"], [info, peer, body])?;
    let (peer, body) = (peer_name(peer)?, body_bytes(body)?);
    let mut handle = Handle::new(&info, &peer);
    handle.join()?;
    let response = handle
        .sync_request_bytes(&peer, &body, timeout.0)
        .map_err(|error| Failure::from(error).on(&info).within(timeout))?;
    let reply = response.bytes();
    if format.json {
        let fields = [("peer".to_owned(), peer.into()), output::json_field("reply", reply)];
        return output::line(Value::from(Map::from_iter(fields)).to_string());
    }
    output::write(|out| {
        out.write_all(reply)?;
        if out.is_terminal() && !reply.ends_with(b"\n") { out.write_all(b"\n") } else { Ok(()) }
    })
}

/// The bytes of a BODY operand, or for `-` those of standard input.
pub(crate) fn body_bytes(operand: OsString) -> Result<Vec<u8>, Failure> {
    if operand != "-" {
        return Ok(operand.into_vec());
    }
    let mut body = Vec::new();
    // One byte more than may be sent, so that sending says what the limit is.
    let limit = u64::from(Config::default().body_limit) + 1;
    let read = io::stdin().lock().take(limit).read_to_end(&mut body);
    read.map_err(|error| Failure::new(Kind::Other, format!("cannot read the body: {error}")))?;
    Ok(body)
}
