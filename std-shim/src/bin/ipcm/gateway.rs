//! `ipcm gateway`: makes a guest a peer.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use ipcm::{Gateway, GatewayError};
use ipcm_core::trunk::{RelayConfig, TrunkError};

use crate::arguments::{Format, Timeout, operands};
use crate::failure::{Failure, Kind};
use crate::signals::EndSignals;

const HELP: &str = "\
The guest joins under the name that it gives, and is a peer like any other: it calls, serves, sends and is told who
comes and goes. Its end is the peer's end. A program speaks on its standard input and output; what it prints to
standard error passes through. A serial line may be a device, a pseudo-terminal or a Unix socket.

For a serial line it says on standard error who has joined, left or been refused, and when the line goes and comes
back. A terminal has one gateway.

SIGTERM and SIGINT end it: the guest is told, and has a moment to end by itself.

Examples:
  ipcm gateway -- wasmtime run guest.wasm
  ipcm gateway --serial /dev/ttyACM0 --baud 115200";

#[derive(Debug, Args)]
#[command(override_usage = "ipcm gateway [OPTIONS] [INFO] -- <PROGRAM> [ARGUMENT]...
       ipcm gateway [OPTIONS] [INFO] --serial <PATH>", after_long_help = HELP)]
pub(crate) struct GatewayArguments {
    /// The bus [default: $IPCM_BUS]
    info: Option<OsString>,
    /// The guest is at the end of this line
    #[arg(long, value_name = "PATH", conflicts_with = "program")]
    serial: Option<PathBuf>,
    /// Bits a second of the line; as it is set if not given
    #[arg(long, value_name = "N", conflicts_with = "program", value_parser = clap::value_parser!(u32).range(1..))]
    baud: Option<u32>,
    /// Seconds that the line may be away, or `none`
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = Timeout::parse,
          conflicts_with = "program")]
    absence: Timeout,
    /// Seconds that the guest may take to join, or `none` [default: 10 for a program, none for a line]
    #[arg(long, value_name = "SECONDS", value_parser = Timeout::parse)]
    greeting: Option<Timeout>,
    /// The program speaks as firmware at the end of a line does, in frames with checksums
    #[arg(long, conflicts_with = "serial")]
    framed: bool,
    /// The guest is this program, with its arguments
    #[arg(last = true, value_name = "PROGRAM")]
    program: Vec<OsString>,
    #[command(flatten)]
    pub(crate) format: Format,
}

pub(crate) fn run(arguments: GatewayArguments) -> Result<(), Failure> {
    let (info, []) = operands([], [arguments.info])?;
    let signals = EndSignals::catch()?;
    let mut gateway = Gateway::new(&info).absence(arguments.absence.0);
    if let Some(Timeout(greeting)) = arguments.greeting {
        gateway = gateway.greeting(greeting.unwrap_or(Duration::MAX));
    }
    let stopper = gateway.stopper();
    let stopper =
        stopper.map_err(|error| Failure::new(Kind::Other, format!("no descriptor can be made: {error}")))?;
    let is_stopped = Arc::new(AtomicBool::new(false));
    let stopped = is_stopped.clone();
    signals.on_first(move || {
        stopped.store(true, Ordering::Release);
        stopper.stop();
    })?;
    if let Some(path) = arguments.serial {
        return Ok(gateway.run_serial(path, arguments.baud)?);
    }
    let mut words = arguments.program.into_iter();
    let Some(program) = words.next() else {
        return Err(Failure::usage("give the guest: `-- PROGRAM`, or `--serial PATH`".to_owned()));
    };
    let mut command = Command::new(program);
    command.args(words);
    if arguments.framed {
        gateway = gateway.config(RelayConfig::serial());
    }
    let status = gateway.run_program(command)?;
    // A guest that was stopped is not asked how it took that.
    if status.success() || is_stopped.load(Ordering::Acquire) {
        return Ok(());
    }
    Err(Failure::new(Kind::Guest, format!("the guest ended with {status}")))
}

impl From<GatewayError> for Failure {
    fn from(error: GatewayError) -> Self {
        let kind = match error {
            GatewayError::Bus(error) => return error.into(),
            GatewayError::BusGone { .. } | GatewayError::OtherTransport { .. } | GatewayError::Join(_) => {
                Kind::Bus
            }
            GatewayError::NotJoined { .. } => Kind::TimedOut,
            GatewayError::System { .. } => Kind::Other,
            _ => Kind::Guest,
        };
        let failure = Self::caused(kind, &error);
        match advice(&error) {
            Some(advice) => failure.advised(advice),
            None => failure,
        }
    }
}

/// What may be done about an error that does not say so itself.
fn advice(error: &GatewayError) -> Option<&'static str> {
    Some(match error {
        GatewayError::NotJoined { .. } | GatewayError::NobodyJoined { .. } => "--greeting gives it longer",
        GatewayError::NeverJoined { .. } => "a guest joins by what it says on its standard output",
        GatewayError::Broken(TrunkError::Version { .. }) => "build both sides from one version",
        GatewayError::Broken(TrunkError::TooLong(_) | TrunkError::Record(_)) => {
            "what a guest prints for people belongs on its standard error"
        }
        GatewayError::Line { source, .. } if source.kind() == ErrorKind::PermissionDenied => {
            "the group that owns a line may use it"
        }
        GatewayError::LineInUse { .. } => "a line has one gateway",
        GatewayError::LineGone { .. } => "--absence waits longer for it",
        _ => return None,
    })
}
