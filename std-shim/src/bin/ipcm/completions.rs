//! `ipcm completions`: a script for a shell.

use std::io::Write;

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use crate::arguments::Cli;
use crate::failure::Failure;
use crate::output;

const HELP: &str = "\
Examples:
  ipcm completions bash > ~/.local/share/bash-completion/completions/ipcm
  ipcm completions fish > ~/.config/fish/completions/ipcm.fish
  ipcm completions zsh > \"${fpath[1]}/_ipcm\"";

#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(crate) struct CompletionsArguments {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(arguments: &CompletionsArguments) -> Result<(), Failure> {
    // Into memory first: the generator panics where it cannot write.
    let mut script = Vec::new();
    generate(arguments.shell, &mut Cli::command(), "ipcm", &mut script);
    output::write(|out| out.write_all(&script))
}
