//! A guest in WebAssembly that calls a native service: by a gateway and by message files, beside the same bytes over
//! bare pipes.
//!
//! The guest measures by itself and says the median on its standard error, for its other streams are not free. Each
//! round starts it once for each way. This process is the other end of the bare pipes, and runs the gateway in a thread;
//! the service is a child process.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};

use ipcm::{Bus, Gateway, Service, ServiceProcess, TransportKind};

use crate::directory::Directory;
use crate::statistics::median;

/// The name of the service, and of its entry in the child.
const ECHO: &str = "echo";

/// By how much fewer round trips are made by message files, each of which takes longer.
const FEWER: usize = 10;

/// To be called at the beginning of `main`: serves, if this process was started for that.
pub fn serve_if_child() {
    ServiceProcess::entry(ECHO, |service: Service| {
        service.on_call(|call| {
            let body = call.body();
            call.reply_bytes(body);
        })
    });
}

/// The guest that measures, and what runs it.
#[derive(Clone, Debug)]
pub struct Program {
    /// The words that run a module.
    pub engine: Vec<String>,
    /// The module.
    pub module: OsString,
}

/// Microseconds of a round trip with 32 bytes: medians of rounds of medians; and ratios of the same round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// Over bare pipes.
    pub pipe: f64,
    /// By a gateway.
    pub gateway: f64,
    /// By message files.
    pub files: f64,
    /// By a gateway to that over bare pipes.
    pub gateway_ratio: f64,
    /// By message files to that over bare pipes.
    pub files_ratio: f64,
}

impl Program {
    /// Measures `rounds` rounds of `trips` round trips each way, by message files a tenth of them.
    ///
    /// # Errors
    /// If the guest cannot be run, or says why it failed.
    pub fn measure(&self, rounds: usize, trips: usize) -> io::Result<Figures> {
        let other = io::Error::other;
        let sockets = Bus::spawn().map_err(other)?;
        let files = Bus::builder().transport(TransportKind::Files).guests(true).create().map_err(other)?;
        let serve = |bus: &Bus| ServiceProcess::spawn(bus.info(), ECHO, ECHO).map_err(io::Error::other);
        let _services = [serve(&sockets)?, serve(&files)?];
        let mut seen: [Vec<f64>; 3] = Default::default();
        for _ in 0..rounds {
            let [pipe, gateway, by_files] = &mut seen;
            pipe.push(self.by_pipe(trips)?);
            gateway.push(self.by_gateway(&sockets, trips)?);
            by_files.push(self.by_files(&files, trips.div_ceil(FEWER))?);
        }
        let ratio = |of: &[f64]| median(of.iter().zip(&seen[0]).map(|(time, floor)| time / floor));
        let micros = |of: &[f64]| median(of.iter().map(|nanos| nanos / 1000.0));
        Ok(Figures {
            pipe: micros(&seen[0]),
            gateway: micros(&seen[1]),
            files: micros(&seen[2]),
            gateway_ratio: ratio(&seen[1]),
            files_ratio: ratio(&seen[2]),
        })
    }

    fn by_pipe(&self, trips: usize) -> io::Result<f64> {
        let said = Said::new()?;
        let mut command = self.command(None, "--pipe", trips, &said)?;
        let mut guest = Ended(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
        let (to, from) = (guest.0.stdin.take(), guest.0.stdout.take());
        let (Some(mut to), Some(mut from)) = (to, from) else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let mut buffer = [0; 4096];
        loop {
            match from.read(&mut buffer)? {
                0 => break,
                n => to.write_all(&buffer[..n])?,
            }
        }
        guest.0.wait()?;
        said.nanos()
    }

    fn by_gateway(&self, bus: &Bus, trips: usize) -> io::Result<f64> {
        let said = Said::new()?;
        let command = self.command(None, "--gateway", trips, &said)?;
        Gateway::new(bus.info()).run_program(command).map_err(|error| said.also(error))?;
        said.nanos()
    }

    fn by_files(&self, bus: &Bus, trips: usize) -> io::Result<f64> {
        let said = Said::new()?;
        let mut command = self.command(Some(bus), &bus.info().to_string(), trips, &said)?;
        Ended(command.stdin(Stdio::null()).spawn()?).0.wait()?;
        said.nanos()
    }

    fn command(&self, bus: Option<&Bus>, way: &str, trips: usize, said: &Said) -> io::Result<Command> {
        let (program, words) = self.engine.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(program);
        command.args(words);
        if let Some(bus) = bus {
            command.arg("--dir").arg(format!("{0}::{0}", bus.info().route().display()));
        }
        command.arg(&self.module).arg(way).arg(trips.to_string()).stderr(said.file()?);
        Ok(command)
    }
}

/// What a guest says on its standard error.
struct Said(Directory);

impl Said {
    fn new() -> io::Result<Self> {
        Ok(Self(Directory::new()?))
    }

    fn file(&self) -> io::Result<File> {
        File::create(self.0.path().join("said"))
    }

    fn text(&self) -> io::Result<String> {
        std::fs::read_to_string(self.0.path().join("said"))
    }

    /// The number that it said.
    fn nanos(&self) -> io::Result<f64> {
        let text = self.text()?;
        text.trim().parse().map_err(|_| io::Error::other(format!("the guest said {:?}", text.trim())))
    }

    /// An error, and what the guest said of it.
    fn also(&self, error: impl std::fmt::Display) -> io::Error {
        io::Error::other(format!("{error}; the guest said {:?}", self.text().unwrap_or_default().trim()))
    }
}

/// A child that does not outlive this.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended by itself
        let _ = self.0.wait();
    }
}
