//! What the command line says. Nothing is done here.

use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use ipcm::Info;

use crate::bus::BusArguments;
use crate::call::CallArguments;
use crate::completions::CompletionsArguments;
use crate::echo::EchoArguments;
use crate::failure::Failure;
use crate::gateway::GatewayArguments;
use crate::listen::ListenArguments;
use crate::peers::PeersArguments;
use crate::ready::ReadyArguments;
use crate::send::SendArguments;

/// Names the bus where the command line does not.
pub(crate) const BUS_VARIABLE: &str = "IPCM_BUS";

const ABOUT: &str = "\
Local request/response messaging in which a call always ends.

A bus is a directory in which peers meet; INFO is the line of text that names it. `ipcm bus new`
prints one, and every other subcommand takes it as its first operand, or from IPCM_BUS.";

const EXAMPLES: &str = "\
Examples:
  ipcm demo                              see it all work, in under a second

  export IPCM_BUS=\"$(ipcm bus new)\"      make a bus, and name it for what follows
  ipcm echo parrot &                     a service that answers with what it is asked
  ipcm ready parrot                      wait until it is there
  ipcm call parrot 'hello'               prints hello
  tar c . | ipcm call parrot - | tar t   bytes in, bytes out
  ipcm listen inbox &                    print messages as they come
  ipcm send inbox 'good morning'
  ipcm peers                             who is there
  kill %1 %2; ipcm bus rm                end it

A name or body that begins with a dash comes behind `--`:
  ipcm call -- -dash- -1

Results go to standard output, all else to standard error.

Exit codes:
  0  done
  1  anything not listed here: the output cannot be written, the body is too large
  2  the command line is wrong, or an INFO is malformed
  3  timed out
  4  the peer is gone: it left or died before it answered
  5  no such peer
  6  the peer answered with an error
  7  the bus is missing, not permitted, in use, or has the name taken
  8  the guest of a gateway failed: not started, ended badly, or broke the rules; or its line is gone";

/// Local request/response messaging in which a call always ends.
#[derive(Debug, Parser)]
#[command(name = "ipcm", version, about, long_about = ABOUT, after_long_help = EXAMPLES)]
#[command(after_help = "`ipcm --help` shows examples and the exit codes.")]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show a service called, killed in the middle of a call, and started again
    #[command(long_about = crate::demo::ABOUT)]
    Demo,
    /// Make or remove a bus
    Bus(BusArguments),
    /// Serve: answer every request with its own body
    Echo(EchoArguments),
    /// Send a request and print the reply
    Call(CallArguments),
    /// Send a message
    Send(SendArguments),
    /// Print messages as they come
    Listen(ListenArguments),
    /// Wait until a peer is there
    Ready(ReadyArguments),
    /// List who is there
    Peers(PeersArguments),
    /// Make a program, or what is at the end of a serial line, a peer
    Gateway(GatewayArguments),
    /// Print a completion script for a shell
    Completions(CompletionsArguments),
}

impl Command {
    /// Whether failures are to be told as JSON.
    pub(crate) fn is_json(&self) -> bool {
        match self {
            Self::Demo | Self::Completions(_) => false,
            Self::Bus(arguments) => arguments.is_json(),
            Self::Echo(arguments) => arguments.format.json,
            Self::Call(arguments) => arguments.format.json,
            Self::Send(arguments) => arguments.format.json,
            Self::Listen(arguments) => arguments.format.json,
            Self::Ready(arguments) => arguments.format.json,
            Self::Peers(arguments) => arguments.format.json,
            Self::Gateway(arguments) => arguments.format.json,
        }
    }
}

/// How results and failures are told.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Format {
    /// Print results as JSON, and a failure as {"error":{"kind":...,"message":...}}
    #[arg(long)]
    pub(crate) json: bool,
}

/// How long something is waited for; `none` is for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeout(pub(crate) Option<Duration>);

impl Timeout {
    /// Reads seconds, with or without a fraction, or `none`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(None));
        }
        let seconds: f64 = text.parse().map_err(|_| "not a number of seconds, nor `none`".to_owned())?;
        Duration::try_from_secs_f64(seconds).map(|span| Self(Some(span))).map_err(|error| error.to_string())
    }
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(span) => write!(f, "{} s", span.as_secs_f64()),
            None => f.write_str("none"),
        }
    }
}

/// Tells the bus from the `N` operands behind it, which have these names.
///
/// With one operand more than `N` the first is the info; with `N` the info is in `IPCM_BUS`.
pub(crate) fn operands<const N: usize>(
    names: [&str; N],
    given: impl IntoIterator<Item = Option<OsString>>,
) -> Result<(Info, [OsString; N]), Failure> {
    let mut given: Vec<OsString> = given.into_iter().flatten().collect();
    let first = given.first().and_then(|first| first.to_str());
    let begins_with_info = first.is_some_and(|first| first.starts_with('[') && first.parse::<Info>().is_ok());
    let have = given.len() - usize::from(begins_with_info);
    if have < N {
        return Err(Failure::usage(format!("{} is missing", names[have])));
    }
    let info = if given.len() > N { parse_info(&given.remove(0), "INFO")? } else { info_from_environment()? };
    match given.try_into() {
        Ok(rest) => Ok((info, rest)),
        Err(_) => Err(Failure::usage("too many operands".to_owned())),
    }
}

/// A peer's name, as any peer could have it.
pub(crate) fn peer_name(operand: OsString) -> Result<String, Failure> {
    let name = operand.into_string();
    let name = name.map_err(|name| Failure::usage(format!("the name {name:?} is not UTF-8")))?;
    match ipcm::check_name(&name) {
        Ok(()) => Ok(name),
        Err(error) => Err(Failure::usage(format!("{name:?} is no peer's name: {error}"))),
    }
}

fn info_from_environment() -> Result<Info, Failure> {
    match std::env::var_os(BUS_VARIABLE) {
        Some(text) if !text.is_empty() => parse_info(&text, BUS_VARIABLE),
        _ => Err(Failure::usage(format!("no bus is named: give INFO first, or set {BUS_VARIABLE}"))),
    }
}

fn parse_info(text: &OsString, place: &str) -> Result<Info, Failure> {
    let Some(line) = text.to_str() else {
        return Err(Failure::usage(format!("{place} is {text:?}, which is not UTF-8")));
    };
    line.parse().map_err(|error| Failure::usage(format!("{place} is {line:?}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_timeout_is_seconds_or_none() {
        let of = |text: &str| Timeout::parse(text).map(|timeout| timeout.0);
        assert_eq!(of("1.5"), Ok(Some(Duration::from_millis(1500))));
        assert_eq!(of("0"), Ok(Some(Duration::ZERO)));
        assert_eq!(of("none"), Ok(None));
        for text in ["", "-1", "soon", "inf", "NaN", "1e300", "1s"] {
            assert!(of(text).is_err(), "{text:?}");
        }
    }

    /// Clause A2.
    #[test]
    fn one_operand_more_than_needed_is_the_info() {
        let info = r#"["unix","postcard","/x"]"#;
        let words = |words: &[&str]| words.iter().map(|word| Some(word.into())).collect::<Vec<_>>();
        let (bus, [peer]) = operands(["PEER"], words(&[info, "[odd"])).unwrap();
        assert_eq!((bus.to_string().as_str(), peer.to_str()), (info, Some("[odd")));
        let missing = operands(["PEER", "BODY"], words(&[info, "peer"])).unwrap_err();
        assert_eq!(missing.to_string(), "BODY is missing");
        let missing = operands(["PEER", "BODY"], words(&[])).unwrap_err();
        assert_eq!(missing.to_string(), "PEER is missing");
        let many = operands([], words(&[info, info])).unwrap_err();
        assert_eq!(many.to_string(), "too many operands");
        let wrong = operands(["PEER"], words(&["bus", "peer"])).unwrap_err().to_string();
        assert!(wrong.starts_with(r#"INFO is "bus": a bus info is a JSON array"#), "{wrong}");
    }
}
