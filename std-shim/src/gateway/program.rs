//! A program as the guest, on two pipes.

use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use ipcm_core::trunk::RelayConfig;
use ipcm_core::{Clock, Instant};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::GatewayError;
use super::pump::{Pump, Trunk, set_nonblocking};
use crate::bus::BusDir;
use crate::clock::{Monotonic, timespec_until};
use crate::log;
use crate::sys;
use crate::unix::Waker;

/// How long what a guest had sent before its end is still sent to its peers.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// How long a program may take to end once its trunk has, before it is killed.
const END: Duration = Duration::from_secs(2);

/// Starts a program and relays until it ends.
pub(super) fn run(
    dir: BusDir,
    config: RelayConfig,
    greeting: Duration,
    stop: Option<&Waker>,
    mut command: Command,
) -> Result<ExitStatus, GatewayError> {
    let program = command.get_program().into();
    sys::end_with_thread(&mut command);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let child = child.map_err(|source| GatewayError::Start { program, source })?;
    let mut guest = Guest::new(child)?;
    let mut pump = Pump::new(dir, config);
    let relayed = guest.relay(&mut pump, greeting, stop);
    // It leaves the bus before the program is waited for.
    drop(pump);
    let (status, is_killed) = guest.end()?;
    match relayed? {
        Ending::OfGuest { .. } if is_killed => Err(GatewayError::Outlived),
        Ending::OfGuest { had_joined: false } => Err(GatewayError::NeverJoined { status }),
        _ => Ok(status),
    }
}

/// Who ended first.
enum Ending {
    OfGuest { had_joined: bool },
    OfGateway,
}

/// A program and the ends of its pipes.
struct Guest {
    child: Child,
    pidfd: OwnedFd,
    input: OwnedFd,
    /// Closed when the program is to end.
    output: Option<OwnedFd>,
}

impl Guest {
    fn new(mut child: Child) -> Result<Self, GatewayError> {
        let pipes = child.stdout.take().zip(child.stdin.take());
        let prepared = || {
            let (input, output) = pipes.ok_or(Errno::BADF)?;
            let (input, output) = (OwnedFd::from(input), OwnedFd::from(output));
            set_nonblocking(&input)?;
            set_nonblocking(&output)?;
            Ok((pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?, input, output))
        };
        match prepared() {
            Ok((pidfd, input, output)) => Ok(Self { child, pidfd, input, output: Some(output) }),
            Err(error) => {
                let error: Errno = error;
                let _ = child.kill();
                let _ = child.wait();
                Err(GatewayError::System { doing: "watch the program", source: error.into() })
            }
        }
    }

    /// Relays until the program ends, or is to end.
    fn relay(
        &self,
        pump: &mut Pump,
        greeting: Duration,
        stop: Option<&Waker>,
    ) -> Result<Ending, GatewayError> {
        let Some(output) = &self.output else {
            return Ok(Ending::OfGuest { had_joined: false });
        };
        let trunk = Trunk { input: self.input.as_fd(), output: output.as_fd() };
        let others = [Some(self.pidfd.as_fd()), stop.map(AsFd::as_fd)];
        let patience = Monotonic.now() + greeting;
        // A session that is lost later has its own bounds.
        let mut had_joined = false;
        loop {
            let deadline = (!had_joined).then_some(patience);
            let turned = pump.turn(Some(trunk), others, deadline)?;
            had_joined |= pump.relay.is_joined();
            if let Some(failure) = pump.failure.take() {
                self.say_last_words(pump, trunk);
                return Err(failure);
            }
            if turned.ready[1] {
                pump.relay.close("the gateway ends");
                self.say_last_words(pump, trunk);
                return Ok(Ending::OfGateway);
            }
            if turned.is_closed || turned.ready[0] {
                pump.drain(trunk);
                pump.end_trunk();
                had_joined |= pump.relay.member().is_some();
                self.hear_out(pump);
                return pump.failure.take().map_or(Ok(Ending::OfGuest { had_joined }), Err);
            }
            if !had_joined && patience <= Monotonic.now() {
                return Err(GatewayError::NotJoined { timeout: greeting });
            }
        }
    }

    /// Writes what the guest is to hear at the end, if it takes it in a moment.
    fn say_last_words(&self, pump: &mut Pump, trunk: Trunk<'_>) {
        let deadline = Monotonic.now() + END;
        let last = Trunk { input: trunk.input, output: trunk.output };
        while !pump.relay.pending_output().is_empty() && Monotonic.now() < deadline {
            match pump.turn(Some(last), [Some(self.pidfd.as_fd()), None], Some(deadline)) {
                Ok(turned) if !turned.is_closed && !turned.ready[0] => {}
                _ => return,
            }
        }
    }

    /// Sends on what the guest had sent before its end.
    fn hear_out(&self, pump: &mut Pump) {
        let deadline = Monotonic.now() + LAST_WORDS;
        while pump.relay.has_unsent() && Monotonic.now() < deadline {
            if pump.turn(None, [None, None], Some(deadline)).is_err() {
                return;
            }
        }
    }

    /// Waits for the program to end, and kills it if it does not. Returns also whether it was killed so.
    fn end(&mut self) -> Result<(ExitStatus, bool), GatewayError> {
        self.output = None;
        let deadline = Monotonic.now() + END;
        let is_killed = !has_ended(&self.pidfd, deadline);
        if is_killed {
            log::warn!(pid = self.child.id(), "the program did not end with its trunk and is killed");
            let _ = self.child.kill();
        }
        let status = self.child.wait();
        let status =
            status.map_err(|source| GatewayError::System { doing: "wait for the program", source })?;
        Ok((status, is_killed))
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // Does nothing once it has been reaped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until a process has ended, but not beyond `deadline`.
fn has_ended(pidfd: &OwnedFd, deadline: Instant) -> bool {
    loop {
        let timeout = timespec_until(Monotonic.now(), deadline);
        match poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&timeout)) {
            Err(Errno::INTR) => {}
            found => return found == Ok(1),
        }
    }
}
