//! A serial line, and whatever stands in for one.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use ipcm_core::Clock;
use ipcm_core::trunk::RelayConfig;
use rustix::fs::{Mode, OFlags};
use rustix::termios::{ControlModes, OptionalActions, QueueSelector, isatty, tcflush, tcgetattr, tcsetattr};

use super::GatewayError;
use super::pump::{Pump, Trunk, set_nonblocking};
use crate::bus::BusDir;
use crate::clock::Monotonic;
use crate::log;

/// How often a line that is away is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// Relays for what is at the end of a line, until `stop` is readable.
pub(super) fn run(
    dir: BusDir,
    config: RelayConfig,
    absence: Option<Duration>,
    stop: Option<BorrowedFd<'_>>,
    path: &Path,
    baud: Option<u32>,
) -> Result<(), GatewayError> {
    let opened = open(path, baud).map_err(|source| GatewayError::Line { path: path.into(), source })?;
    let mut line = Some(opened);
    // When it was opened or looked for last, and since when it is away.
    let mut looked = Monotonic.now();
    let mut away_since = looked;
    let mut pump = Pump::new(dir, config);
    loop {
        let now = Monotonic.now();
        if line.is_none() && looked + LOOK <= now {
            looked = now;
            let outcome = open(path, baud);
            if let Some(absence) = absence.filter(|&absence| away_since + absence <= now) {
                let source = outcome.err().unwrap_or_else(|| {
                    io::Error::new(io::ErrorKind::UnexpectedEof, "it ends as soon as it is opened")
                });
                return Err(GatewayError::LineGone { path: path.into(), absence, source });
            }
            line = outcome.ok();
            if line.is_some() {
                log::warn!(path = %path.display(), "the serial line is back");
            }
        }
        let trunk = line.as_ref().map(|line| Trunk { input: line.as_fd(), output: line.as_fd() });
        let deadline = line.is_none().then_some(looked + LOOK);
        let turned = pump.turn(trunk, [stop, None], deadline)?;
        if turned.ready[0] {
            pump.relay.close("the gateway ends");
            // As far as the line takes it now.
            let _ = pump.turn(trunk, [None, None], Some(now));
            return Ok(());
        }
        match pump.failure.take() {
            Some(gone @ GatewayError::BusGone { .. }) => return Err(gone),
            // It is told, and may do better: it is the line's fault as likely as its own.
            Some(failure) => log::warn!(%failure, "a firmware"),
            None => {}
        }
        if turned.is_closed {
            log::warn!(path = %path.display(), "the serial line has gone away");
            line = None;
            pump.end_trunk();
            // One that ends as soon as it is opened, again and again, has not been back.
            if looked + LOOK <= Monotonic.now() {
                away_since = Monotonic.now();
            }
        }
    }
}

/// Opens a line: a terminal, which is made raw, another character device, or a Unix socket.
fn open(path: &Path, baud: Option<u32>) -> io::Result<OwnedFd> {
    let kind = std::fs::metadata(path)?.file_type();
    if kind.is_socket() {
        let socket = UnixStream::connect(path)?;
        socket.set_nonblocking(true)?;
        return Ok(socket.into());
    }
    if !kind.is_char_device() {
        let what = "it is neither a terminal, nor another character device, nor a Unix socket";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    // Nonblocking, since to open a line without a carrier would wait for one.
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let line = rustix::fs::open(path, flags, Mode::empty())?;
    if isatty(&line) {
        let mut settings = tcgetattr(&line)?;
        settings.make_raw();
        // Three wires: neither a carrier nor a clear way is waited for, whoever had the line before.
        settings.control_modes |= ControlModes::CREAD | ControlModes::CLOCAL;
        settings.control_modes -= ControlModes::CRTSCTS | ControlModes::CSTOPB;
        if let Some(baud) = baud {
            settings.set_speed(baud)?;
        }
        tcsetattr(&line, OptionalActions::Now, &settings)?;
        tcflush(&line, QueueSelector::IOFlush)?;
    }
    set_nonblocking(&line)?;
    Ok(line)
}
