//! A gateway: it makes a program that has only its standard input and output, or a microcontroller at the end of a
//! serial line, a peer of a bus.
//!
//! ```text
//! program     a child process on two pipes: its end is the peer's death
//! serial      a line that may go and come back
//! standing    says how a firmware stands with the bus, when that changes
//! pump        moves bytes between the trunk and the bus: the core's `Relay` decides
//! stream      the other end, for a program that is the guest
//! ```

use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use ipcm_core::trunk::{RelayConfig, TrunkError};

use crate::bus::{BusDir, BusError, JoinError};
use crate::info::{Info, TransportKind};
use crate::unix::Waker;

mod program;
mod pump;
mod serial;
mod standing;
mod stream;

pub use stream::FdStream;

/// How long a program may take to join.
const GREETING: Duration = Duration::from_secs(10);
/// How long a serial line may be away.
const ABSENCE: Duration = Duration::from_secs(10);

/// Makes one guest a peer of a bus.
///
/// The guest joins under its own name, by what it says on the trunk; the bus knows it by the process of the gateway.
/// One process should run the gateways of guests that trust one another.
///
/// ```no_run
/// use ipcm::{Bus, Gateway};
/// use std::process::Command;
///
/// let bus = Bus::spawn()?;
/// let mut guest = Command::new("wasmtime");
/// guest.args(["run", "guest.wasm"]);
/// let status = Gateway::new(bus.info()).run_program(guest)?;
/// assert!(status.success());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Gateway {
    info: Info,
    config: Option<RelayConfig>,
    greeting: Option<Duration>,
    absence: Option<Duration>,
    waker: Option<Waker>,
}

/// Stops a gateway from another thread. Cheap to clone.
#[derive(Clone, Debug)]
pub struct GatewayStopper(Waker);

impl GatewayStopper {
    /// Ends the gateway: the guest is told that the bus is gone, and has a moment to end.
    pub fn stop(&self) {
        self.0.wake();
    }
}

/// Why a gateway ended before its guest, or could not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GatewayError {
    /// The bus cannot be used.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The bus is not one over sockets.
    #[error("a gateway needs a bus over Unix sockets; that at {} is over message files", path.display())]
    OtherTransport {
        /// The directory of the bus.
        path: PathBuf,
    },
    /// The bus was removed.
    #[error("the bus at {} is gone", path.display())]
    BusGone {
        /// Where it was.
        path: PathBuf,
    },
    /// The guest could not join under the name that it gave.
    #[error("the guest cannot join: {0}")]
    Join(#[from] JoinError),
    /// The program could not be started.
    #[error("the program {program:?} could not be started")]
    Start {
        /// The program.
        program: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// The guest said something else than the records of a trunk.
    #[error("the guest broke the rules of the trunk: {0}")]
    Broken(#[from] TrunkError),
    /// The guest did not join in time.
    #[error("the guest did not join in {timeout:?}")]
    NotJoined {
        /// How long it was given.
        timeout: Duration,
    },
    /// The program ended before it had joined.
    #[error("the guest ended before it had joined: {status}")]
    NeverJoined {
        /// How it ended.
        status: ExitStatus,
    },
    /// The program closed its output, by which a guest leaves, and did not end in the moment that it was given.
    #[error("the guest closed its standard output and did not end; the gateway killed it")]
    Outlived,
    /// Another gateway, or another program that locks what it uses, has the serial line.
    #[error("the serial line {} is in use", path.display())]
    LineInUse {
        /// The line.
        path: PathBuf,
    },
    /// Nobody at the end of the serial line joined in time.
    #[error("nobody joined at the serial line {} in {timeout:?}", path.display())]
    NobodyJoined {
        /// The line.
        path: PathBuf,
        /// How long it was given.
        timeout: Duration,
    },
    /// The serial line cannot be opened.
    #[error("the serial line {} cannot be opened", path.display())]
    Line {
        /// The line.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// The serial line went away and did not come back.
    #[error("the serial line {} went away and did not come back in {absence:?}", path.display())]
    LineGone {
        /// The line.
        path: PathBuf,
        /// How long it was waited for.
        absence: Duration,
        /// Why it cannot be opened now.
        source: io::Error,
    },
    /// The system refused something that the gateway needs.
    #[error("the gateway could not {doing}")]
    System {
        /// What it needed.
        doing: &'static str,
        /// The system's word.
        source: io::Error,
    },
}

impl Gateway {
    /// A gateway to the bus that `info` names.
    pub fn new(info: &Info) -> Self {
        Self { info: info.clone(), config: None, greeting: None, absence: Some(ABSENCE), waker: None }
    }

    /// The bounds: of windows, links, records, and of a serial line's silence. By default those of
    /// [`RelayConfig::pipe`] and [`RelayConfig::serial`]. The latter is also for a program that speaks as firmware does.
    #[must_use]
    pub fn config(mut self, config: RelayConfig) -> Self {
        self.config = Some(config);
        self
    }

    /// How long the guest may take to join for the first time. Default 10 s for a program, and no end for a serial
    /// line, at which nothing need be yet.
    #[must_use]
    pub fn greeting(mut self, greeting: Duration) -> Self {
        self.greeting = Some(greeting);
        self
    }

    /// How long a serial line may be away; `None` for as long as it takes. Default 10 s.
    #[must_use]
    pub fn absence(mut self, absence: impl Into<Option<Duration>>) -> Self {
        self.absence = absence.into();
        self
    }

    /// What stops this gateway from another thread.
    ///
    /// # Errors
    ///
    /// If there is no descriptor left.
    pub fn stopper(&mut self) -> io::Result<GatewayStopper> {
        let waker = match &self.waker {
            Some(waker) => waker.clone(),
            None => self.waker.insert(Waker::new()?).clone(),
        };
        Ok(GatewayStopper(waker))
    }

    /// Starts a program whose standard input and output are the trunk, and relays until it ends; its end is the
    /// peer's. Its standard error is left as it is.
    ///
    /// # Errors
    ///
    /// Why the program could not be a peer; it has ended then, and been reaped.
    pub fn run_program(self, command: Command) -> Result<ExitStatus, GatewayError> {
        let dir = open(&self.info)?;
        let config = self.config.unwrap_or_else(RelayConfig::pipe);
        program::run(dir, config, self.greeting.unwrap_or(GREETING), self.waker.as_ref(), command)
    }

    /// Relays for whatever is at the end of a serial line: a terminal (made raw: eight bits, no parity, one stop bit, no
    /// flow control; at `baud` bits a second if that is given), another character device, or an emulator's Unix socket.
    /// Returns when it is stopped.
    ///
    /// A line that goes away is opened again when it is back. A terminal has one gateway: it is locked (`flock` and
    /// `TIOCEXCL`) while it is open. Who joins, leaves or is refused is logged, once for each change.
    ///
    /// # Errors
    ///
    /// Why the line cannot be opened, or that it did not come back, that nobody joined in time, or that the bus is gone.
    pub fn run_serial(self, path: impl Into<PathBuf>, baud: Option<u32>) -> Result<(), GatewayError> {
        let dir = open(&self.info)?;
        let config = self.config.unwrap_or_else(RelayConfig::serial);
        let stop = self.waker.as_ref().map(AsFd::as_fd);
        let patience = serial::Patience { greeting: self.greeting, absence: self.absence };
        serial::run(dir, config, patience, stop, &path.into(), baud)
    }
}

/// Opens a bus that a gateway can be on.
fn open(info: &Info) -> Result<BusDir, GatewayError> {
    match info.transport() {
        TransportKind::Unix => Ok(BusDir::open(info)?),
        TransportKind::Files => Err(GatewayError::OtherTransport { path: info.route().to_owned() }),
    }
}
