//! A serial line, and whatever stands in for one.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use ipcm_core::trunk::RelayConfig;
use ipcm_core::{Clock, time};
use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;
use rustix::termios::{
    ControlModes, OptionalActions, QueueSelector, ioctl_tiocexcl, ioctl_tiocnxcl, isatty, tcflush, tcgetattr,
    tcsetattr,
};

use super::GatewayError;
use super::pump::{Pump, Trunk, set_nonblocking};
use super::standing::Standing;
use crate::bus::BusDir;
use crate::clock::Monotonic;
use crate::log;

/// How often a line that is away is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// How long what is waited for; `None` for as long as it takes.
pub(super) struct Patience {
    /// The first join.
    pub(super) greeting: Option<Duration>,
    /// A line that is away.
    pub(super) absence: Option<Duration>,
}

/// Relays for what is at the end of a line, until `stop` is readable.
pub(super) fn run(
    dir: BusDir,
    config: RelayConfig,
    patience: Patience,
    stop: Option<BorrowedFd<'_>>,
    path: &Path,
    baud: Option<u32>,
) -> Result<(), GatewayError> {
    let opened = open(path, baud).map_err(|source| match source.kind() {
        io::ErrorKind::ResourceBusy => GatewayError::LineInUse { path: path.into() },
        _ => GatewayError::Line { path: path.into(), source },
    })?;
    let mut line = Some(opened);
    // When it was opened or looked for last, and since when it is away.
    let mut looked = Monotonic.now();
    let mut away_since = looked;
    let mut pump = Pump::new(dir, config);
    let mut standing = Standing::default();
    // Until somebody has joined.
    let mut greeting = patience.greeting.map(|timeout| (timeout, looked + timeout));
    loop {
        let now = Monotonic.now();
        if line.is_none() && looked + LOOK <= now {
            looked = now;
            let outcome = open(path, baud);
            if let Some(absence) = patience.absence.filter(|&absence| away_since + absence <= now) {
                let source = outcome.err().unwrap_or_else(|| {
                    io::Error::new(io::ErrorKind::UnexpectedEof, "it ends as soon as it is opened")
                });
                return Err(GatewayError::LineGone { path: path.into(), absence, source });
            }
            line = outcome.ok();
            if line.is_some() {
                log::info!("the serial line {} is back", path.display());
            }
        }
        let trunk = line.as_ref().map(|line| Trunk { input: line.as_fd(), output: line.as_fd() });
        let deadline = line.is_none().then_some(looked + LOOK);
        let deadline = time::earlier(deadline, greeting.map(|(_, until)| until));
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
            Some(failure) => standing.refused(&failure),
            None => {}
        }
        if standing.look(pump.relay.member()) {
            greeting = None;
        }
        if let Some((timeout, _)) = greeting.filter(|&(_, until)| until <= Monotonic.now()) {
            return Err(GatewayError::NobodyJoined { path: path.into(), timeout });
        }
        if turned.is_closed {
            log::warn!("the serial line {} has gone away", path.display());
            line = None;
            pump.end_trunk();
            // One that ends as soon as it is opened, again and again, has not been back.
            if looked + LOOK <= Monotonic.now() {
                away_since = Monotonic.now();
            }
        }
    }
}

/// A line that is open.
struct Line(OwnedFd);

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // Else it would outlast this as long as anybody has the terminal open. Of what is none it is refused.
        let _ = ioctl_tiocnxcl(&self.0);
    }
}

/// Makes a terminal this process's alone: for gateways and for tools that lock by `flock`, which counts for the
/// superuser too, and for whoever else would open it.
fn claim(terminal: OwnedFd) -> io::Result<Line> {
    match flock(&terminal, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => return Err(io::ErrorKind::ResourceBusy.into()),
        outcome => outcome?,
    }
    ioctl_tiocexcl(&terminal)?;
    Ok(Line(terminal))
}

/// Opens a line: a terminal, which is claimed and made raw, another character device, or a Unix socket.
fn open(path: &Path, baud: Option<u32>) -> io::Result<Line> {
    let kind = std::fs::metadata(path)?.file_type();
    if kind.is_socket() {
        let socket = UnixStream::connect(path)?;
        socket.set_nonblocking(true)?;
        return Ok(Line(socket.into()));
    }
    if !kind.is_char_device() {
        let what = "it is neither a terminal, nor another character device, nor a Unix socket";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    // Nonblocking, since to open a line without a carrier would wait for one.
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let line = rustix::fs::open(path, flags, Mode::empty())?;
    if !isatty(&line) {
        set_nonblocking(&line)?;
        return Ok(Line(line));
    }
    let line = claim(line)?;
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
    set_nonblocking(&line)?;
    Ok(line)
}
