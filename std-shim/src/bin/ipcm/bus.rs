//! `ipcm bus`: makes and removes buses.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use ipcm::{Bus, TransportKind};
use serde_json::json;

use crate::arguments::{Format, operands};
use crate::failure::Failure;
use crate::output;

#[derive(Debug, Args)]
pub(crate) struct BusArguments {
    #[command(subcommand)]
    pub(crate) command: BusCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BusCommand {
    /// Make a bus and print its INFO
    ///
    /// The bus stays until `ipcm bus rm`. It is private to this user.
    #[command(after_long_help = "Example:\n  export IPCM_BUS=\"$(ipcm bus new)\"")]
    New(NewArguments),
    /// Remove a bus on which nobody is left
    #[command(override_usage = "ipcm bus rm [OPTIONS] [INFO]")]
    Rm(RmArguments),
}

#[derive(Debug, Args)]
pub(crate) struct NewArguments {
    /// The directory to make [default: a fresh one in $XDG_RUNTIME_DIR or $TMPDIR]
    ///
    /// Its parent must exist. A bus that is there already is taken over, and what dead peers have left on
    /// it is cleared away.
    #[arg(long, value_name = "P")]
    path: Option<PathBuf>,
    /// Move the bytes by message files instead of Unix sockets
    #[arg(long)]
    files: bool,
    /// Let guests join that have nothing but the directory; needs --files
    #[arg(long, requires = "files")]
    guests: bool,
    /// Have every message file on the disk before it counts; needs --files
    #[arg(long, requires = "files")]
    fsync: bool,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct RmArguments {
    /// The bus [default: $IPCM_BUS]
    info: Option<OsString>,
    #[command(flatten)]
    format: Format,
}

impl BusArguments {
    pub(crate) fn is_json(&self) -> bool {
        match &self.command {
            BusCommand::New(arguments) => arguments.format.json,
            BusCommand::Rm(arguments) => arguments.format.json,
        }
    }
}

pub(crate) fn run(command: BusCommand) -> Result<(), Failure> {
    match command {
        BusCommand::New(arguments) => make(arguments),
        BusCommand::Rm(arguments) => remove(arguments),
    }
}

fn make(arguments: NewArguments) -> Result<(), Failure> {
    let mut builder = Bus::builder().guard(false);
    if let Some(path) = arguments.path {
        builder = builder.path(path);
    }
    if arguments.files {
        builder = builder.transport(TransportKind::Files).guests(arguments.guests).fsync(arguments.fsync);
    }
    let bus = builder.create()?;
    let info = bus.info();
    if arguments.format.json {
        output::line(json!({"info": info.to_string(), "path": info.route()}).to_string())
    } else {
        output::line(info.to_string())
    }
}

fn remove(arguments: RmArguments) -> Result<(), Failure> {
    let (info, []) = operands([], [arguments.info])?;
    Ok(Bus::remove(&info)?)
}
