//! `ipcm peers`: who is there.

use std::ffi::OsString;
use std::io::Write;

use clap::Args;
use ipcm::{Bus, PeerKind, PeerRecord};
use serde_json::json;

use crate::arguments::{Format, operands};
use crate::failure::Failure;
use crate::output;

const HELP: &str = "\
One line a peer, sorted by name, with a tab between the fields: name, process id (- for a guest), kind (service
or handle), incarnation. In a name, backslashes, tabs and control characters are escaped as in Rust.

Example:
  ipcm peers | cut -f1";

#[derive(Debug, Args)]
#[command(override_usage = "ipcm peers [OPTIONS] [INFO]", after_long_help = HELP)]
pub(crate) struct PeersArguments {
    /// The bus [default: $IPCM_BUS]
    info: Option<OsString>,
    #[command(flatten)]
    pub(crate) format: Format,
}

pub(crate) fn run(arguments: PeersArguments) -> Result<(), Failure> {
    let (info, []) = operands([], [arguments.info])?;
    let peers = Bus::open(&info)?.peers()?;
    if arguments.format.json {
        let peers: Vec<_> = peers.iter().map(as_json).collect();
        return output::line(serde_json::Value::from(peers).to_string());
    }
    output::write(|out| peers.iter().try_for_each(|peer| writeln!(out, "{}", as_line(peer))))
}

fn as_line(peer: &PeerRecord) -> String {
    let name = output::escape(peer.name().as_bytes());
    let pid = pid(peer).map_or("-".to_owned(), |pid| pid.to_string());
    format!("{name}\t{pid}\t{}\t{}", kind(peer), peer.incarnation())
}

fn as_json(peer: &PeerRecord) -> serde_json::Value {
    json!({
        "name": peer.name(),
        "pid": pid(peer),
        "kind": kind(peer),
        "incarnation": peer.incarnation().to_string(),
    })
}

/// A guest has no process that anybody sees.
fn pid(peer: &PeerRecord) -> Option<u32> {
    (!peer.is_guest()).then(|| peer.pid())
}

fn kind(peer: &PeerRecord) -> &'static str {
    match peer.kind() {
        PeerKind::Service => "service",
        PeerKind::Handle => "handle",
        _ => "other",
    }
}
