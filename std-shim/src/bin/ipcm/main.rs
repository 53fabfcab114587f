//! The `ipcm` command: a bus from the shell.
//!
//! ```text
//! arguments   what the command line says        failure   what went wrong, and the exit code for it
//! output      results, on standard output       signals   SIGTERM and SIGINT
//! log         what the library logs, on standard error
//! the rest    one file a subcommand
//! ```

mod arguments;
mod bus;
mod call;
mod completions;
mod demo;
mod echo;
mod failure;
mod gateway;
mod listen;
mod log;
mod output;
mod peers;
mod ready;
mod send;
mod signals;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use arguments::{Cli, Command};
use failure::Failure;

fn main() -> ExitCode {
    // In the process that the demo starts this serves, and does not return.
    demo::entry();
    log::show();
    let line: Vec<OsString> = std::env::args_os().collect();
    match Cli::try_parse_from(&line) {
        Ok(cli) => {
            let as_json = cli.command.is_json();
            run(cli.command).map_or_else(|failure| failure.report(as_json), |()| ExitCode::SUCCESS)
        }
        Err(error) if !error.use_stderr() => print_help(&error),
        Err(error) => {
            let as_json = line.iter().take_while(|&argument| argument != "--").any(|word| word == "--json");
            Failure::from(error).report(as_json)
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Demo => demo::run(),
        Command::Bus(arguments) => bus::run(arguments.command),
        Command::Echo(arguments) => echo::run(arguments),
        Command::Call(arguments) => call::run(arguments),
        Command::Send(arguments) => send::run(arguments),
        Command::Listen(arguments) => listen::run(arguments),
        Command::Ready(arguments) => ready::run(arguments),
        Command::Peers(arguments) => peers::run(arguments),
        Command::Gateway(arguments) => gateway::run(arguments),
        Command::Completions(arguments) => completions::run(&arguments),
    }
}

/// Help and version were asked for: they are results.
fn print_help(text: &clap::Error) -> ExitCode {
    let printed = output::write(|out| write!(out, "{}", text.render()));
    printed.map_or_else(|failure| failure.report(false), |()| ExitCode::SUCCESS)
}
