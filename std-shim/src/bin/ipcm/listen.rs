//! `ipcm listen`: a member that serves nothing and prints what comes.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use ipcm::{CoreHandle, Handle, Info, Message};
use ipcm_core::time::deadline_after;
use ipcm_core::transport::Transport;
use serde_json::{Map, Value};

use crate::arguments::{Format, Timeout, operands, peer_name};
use crate::failure::{Failure, Kind};
use crate::output;
use crate::signals::EndSignals;

const HELP: &str = "\
One line a message: the sender, a tab, the content, printed as soon as it comes. Backslashes, control
characters and bytes that are not UTF-8 are escaped as in Rust: \\\\ \\t \\n \\u{1b} \\xff. With --json it is one
object a line; content that is not UTF-8 is \"content_base64\".

Ends when SIGTERM or SIGINT comes, or a peer asks it to end. A second signal ends it at once.

Examples:
  ipcm listen inbox
  ipcm listen --count 1 --timeout 60 inbox | cut -f2";

#[derive(Debug, Args)]
#[command(override_usage = "ipcm listen [OPTIONS] [INFO] <NAME>", after_long_help = HELP)]
pub(crate) struct ListenArguments {
    /// The bus [default: $IPCM_BUS]
    info: Option<OsString>,
    /// The name to listen under
    name: Option<OsString>,
    /// End after so many messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// How long to listen at most; to end so is to time out
    #[arg(long, value_name = "SECONDS", default_value = "none", value_parser = Timeout::parse)]
    timeout: Timeout,
    #[command(flatten)]
    pub(crate) format: Format,
}

pub(crate) fn run(arguments: ListenArguments) -> Result<(), Failure> {
    let ListenArguments { info, name, count, timeout, format } = arguments;
    let (info, [name]) = operands(["NAME"], [info, name])?;
    let name = peer_name(name)?;
    let signals = EndSignals::catch()?;
    let mut handle = Handle::builder(&info, &name).name(&name).build();
    let core = handle.join()?;
    let transport = core.client_mut().transport_mut();
    transport.watch().map_err(|error| Failure::new(Kind::Bus, error.to_string()))?;
    let waker = transport.waker().map_err(|error| Failure::new(Kind::Other, error.to_string()))?;
    let is_stopped = Arc::new(AtomicBool::new(false));
    let stop = is_stopped.clone();
    signals.on_first(move || {
        stop.store(true, Ordering::Release);
        waker.wake();
    })?;
    if io::stderr().is_terminal() {
        let _ = writeln!(io::stderr(), "ipcm: {name:?} is listening; Ctrl-C ends it");
    }
    listen(core, &info, count, &is_stopped, timeout, format)
}

fn listen(
    handle: &mut CoreHandle,
    info: &Info,
    count: Option<u64>,
    is_stopped: &AtomicBool,
    timeout: Timeout,
    format: Format,
) -> Result<(), Failure> {
    let deadline = deadline_after(handle.client().now(), timeout.0);
    let mut left = count.unwrap_or(u64::MAX);
    loop {
        for message in handle.messages() {
            if left == 0 {
                return Ok(());
            }
            left -= 1;
            output::line(if format.json { as_json(&message) } else { as_line(&message) })?;
        }
        let client = handle.client_mut();
        if left == 0 || is_stopped.load(Ordering::Acquire) || client.is_terminated() {
            return Ok(());
        }
        if client.is_bus_gone() {
            let text = format!("the bus at {} is gone", info.route().display());
            return Err(Failure::new(Kind::Bus, text));
        }
        // One turn, not `poll`, which a wake-up without a message does not end.
        if !client.turn(deadline) && deadline.is_some_and(|deadline| deadline <= client.now()) {
            let text = match count {
                None => format!("{:?} has listened for its time", handle.name()),
                Some(count) => format!("{} of {count} messages came in time", count - left),
            };
            return Err(Failure::new(Kind::TimedOut, text).within(timeout));
        }
    }
}

fn as_line(message: &Message) -> String {
    format!("{}\t{}", output::escape(message.from.as_bytes()), output::escape(&message.content))
}

fn as_json(message: &Message) -> String {
    let fields = [
        ("from".to_owned(), message.from.as_ref().into()),
        ("incarnation".to_owned(), message.incarnation.to_string().into()),
        ("sequence".to_owned(), message.sequence.into()),
        ("broadcast".to_owned(), message.broadcast.into()),
        ("stamp".to_owned(), message.stamp.into()),
        output::json_field("content", &message.content),
    ];
    Value::from(Map::from_iter(fields)).to_string()
}
