//! Moves bytes between a trunk and a bus.

use std::os::fd::{AsFd, BorrowedFd};

use ipcm_core::trunk::{MemberKind, Relay, RelayConfig, RelayEvent, SessionEnd, Trouble};
use ipcm_core::{Clock, Instant, time};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::GatewayError;
use crate::bus::news::with_sources;
use crate::bus::{BusDir, BusError, JoinError, PeerKind};
use crate::clock::{Monotonic, timespec_until};
use crate::log;
use crate::unix::UnixTransport;

/// Bytes read from the trunk at once: what a pipe holds.
const READ: usize = 64 * 1024;
/// Reads of what a trunk still holds when its end is known.
const LAST_READS: usize = 16;

/// A relay, its bus, and what it has read and not taken.
pub(super) struct Pump {
    dir: BusDir,
    pub(super) relay: Relay<UnixTransport>,
    buffer: Vec<u8>,
    /// The part of `buffer` that the relay has not taken.
    held: std::ops::Range<usize>,
    /// The bus has something, or may have.
    turn_due: bool,
    /// Why a guest was not let in, or was cut off.
    pub(super) failure: Option<GatewayError>,
}

/// A trunk's two descriptors; nonblocking.
#[derive(Clone, Copy)]
pub(super) struct Trunk<'t> {
    pub(super) input: BorrowedFd<'t>,
    pub(super) output: BorrowedFd<'t>,
}

/// What came of one turn.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turned {
    /// The trunk has ended; what had come on it was taken in.
    pub(super) is_closed: bool,
    /// Which of the other descriptors are readable.
    pub(super) ready: [bool; 2],
}

impl Pump {
    pub(super) fn new(dir: BusDir, config: RelayConfig) -> Self {
        let relay = Relay::new(config);
        Self { dir, relay, buffer: vec![0; READ], held: 0..0, turn_due: false, failure: None }
    }

    /// The trunk has ended: the guest's links end, once what it had sent is sent on.
    pub(super) fn end_trunk(&mut self) {
        self.held = 0..0;
        self.relay.handle_closed(Monotonic.now());
        self.answer();
    }

    /// Waits until something can be done, but not beyond `deadline`, and does it.
    pub(super) fn turn(
        &mut self,
        trunk: Option<Trunk<'_>>,
        others: [Option<BorrowedFd<'_>>; 2],
        deadline: Option<Instant>,
    ) -> Result<Turned, GatewayError> {
        let mut turned = Turned::default();
        self.move_what_can_be_moved();
        turned.is_closed |= trunk.is_some_and(|trunk| !self.write(trunk));
        let ready = self.wait(trunk, others, deadline)?;
        turned.ready = ready.others;
        self.turn_due |= ready.bus;
        if let Some(trunk) = trunk.filter(|_| ready.input) {
            turned.is_closed |= !self.read(trunk);
        }
        self.move_what_can_be_moved();
        self.relay.handle_timeout(Monotonic.now());
        self.answer();
        turned.is_closed |= trunk.is_some_and(|trunk| !self.write(trunk));
        Ok(turned)
    }

    /// Takes in what the trunk still holds, now that its end is known.
    pub(super) fn drain(&mut self, trunk: Trunk<'_>) {
        for _ in 0..LAST_READS {
            self.move_what_can_be_moved();
            if !self.held.is_empty() || !self.read(trunk) || self.held.is_empty() {
                break;
            }
        }
        self.move_what_can_be_moved();
    }

    /// Gives the relay what was read, and lets it take what the bus has.
    fn move_what_can_be_moved(&mut self) {
        while !self.held.is_empty() {
            let taken = self.relay.handle_input(Monotonic.now(), &self.buffer[self.held.clone()]);
            self.held.start += taken;
            if !self.answer() && taken == 0 {
                break;
            }
        }
        if self.turn_due && !self.relay.is_full() {
            self.relay.turn(Monotonic.now());
            // What was left for want of room is taken when there is some.
            self.turn_due = self.relay.is_full();
            self.answer();
        }
    }

    /// Reads from the trunk; false if it has ended.
    fn read(&mut self, trunk: Trunk<'_>) -> bool {
        match rustix::io::read(trunk.input, &mut self.buffer) {
            Ok(0) => false,
            Ok(n) => {
                self.held = 0..n;
                true
            }
            Err(Errno::AGAIN | Errno::INTR) => true,
            Err(_) => false,
        }
    }

    /// Writes what is to go; false if the trunk has ended.
    fn write(&mut self, trunk: Trunk<'_>) -> bool {
        while !self.relay.pending_output().is_empty() {
            match rustix::io::write(trunk.output, self.relay.pending_output()) {
                Ok(n) => self.relay.consume_output(Monotonic.now(), n),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return true,
                // On a pipe, what the guest had said is still to be read, and its end behind it.
                Err(Errno::PIPE) => {
                    let n = self.relay.pending_output().len();
                    self.relay.consume_output(Monotonic.now(), n);
                    return true;
                }
                Err(_) => return false,
            }
        }
        true
    }

    fn wait(
        &mut self,
        trunk: Option<Trunk<'_>>,
        others: [Option<BorrowedFd<'_>>; 2],
        deadline: Option<Instant>,
    ) -> Result<Ready, GatewayError> {
        let failed = |doing, error: Errno| GatewayError::System { doing, source: error.into() };
        let deadline = time::earlier(deadline, self.relay.poll_timeout());
        let (to_write, is_full) = (!self.relay.pending_output().is_empty(), self.relay.is_full());
        let now = Monotonic.now();
        let timeout = match deadline {
            _ if self.turn_due && !is_full => Some(timespec_until(now, now)),
            Some(deadline) => Some(timespec_until(now, deadline)),
            None => None,
        };
        let is_held = !self.held.is_empty();
        let bus = self.relay.transport_mut().filter(|_| !is_full).map(UnixTransport::readiness);
        let bus = bus.transpose().map_err(|error| failed("watch its links", error))?;
        let mut fds = Vec::with_capacity(5);
        let mut places = [None; 5];
        let watched = [
            (trunk.map(|trunk| trunk.input).filter(|_| !is_held), PollFlags::IN),
            (trunk.map(|trunk| trunk.output).filter(|_| to_write), PollFlags::OUT),
            (bus, PollFlags::IN),
            (others[0], PollFlags::IN),
            (others[1], PollFlags::IN),
        ];
        for (place, (fd, flags)) in places.iter_mut().zip(watched) {
            if let Some(fd) = fd {
                *place = Some(fds.len());
                fds.push(PollFd::from_borrowed_fd(fd, flags));
            }
        }
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(failed("wait", error)),
        }
        let is_ready = |place: usize| places[place].is_some_and(|at: usize| !fds[at].revents().is_empty());
        Ok(Ready { input: is_ready(0), bus: is_ready(2), others: [is_ready(3), is_ready(4)] })
    }

    /// Deals with what the relay tells. Returns whether it told anything.
    fn answer(&mut self) -> bool {
        let mut any = false;
        while let Some(event) = self.relay.poll_event() {
            any = true;
            match event {
                RelayEvent::Join(request) => match self.join(&request.name, &request) {
                    Ok(transport) => {
                        self.relay.join(Monotonic.now(), transport);
                        self.turn_due = true;
                    }
                    Err(error) => {
                        self.relay.refuse(trouble(&error), &with_sources(&error));
                        self.failure = Some(error.into());
                    }
                },
                RelayEvent::Ended(SessionEnd::Broken(error)) => self.failure = Some(error.into()),
                RelayEvent::Ended(loss) => log::debug!(%loss, "the session of a guest is over"),
                RelayEvent::BusGone => {
                    self.failure = Some(GatewayError::BusGone { path: self.dir.path().to_owned() });
                }
                RelayEvent::Left => log::debug!("a guest is a member no more"),
                _ => {}
            }
        }
        any
    }

    fn join(&self, name: &str, request: &ipcm_core::trunk::JoinRequest) -> Result<UnixTransport, JoinError> {
        let kind = match request.kind {
            MemberKind::Handle => PeerKind::Handle,
            MemberKind::Service => PeerKind::Service,
        };
        // The watch is made first: see `UnixTransport::lift`.
        let presence = self.dir.presence();
        let mut membership = self.dir.join(name, kind, request.incarnation)?;
        // A bus over sockets gives every member one.
        let listener = membership.take_listener().ok_or(Errno::NOTSUP);
        let transport =
            listener.and_then(|listener| UnixTransport::new(membership, listener, Some(presence)));
        transport.map_err(|error| JoinError::Bus {
            name: name.to_owned(),
            source: self.dir.error("joining", error),
        })
    }
}

/// What the wait found.
struct Ready {
    input: bool,
    bus: bool,
    others: [bool; 2],
}

fn trouble(error: &JoinError) -> Trouble {
    match error {
        JoinError::Name { .. } => Trouble::Name,
        JoinError::NameTaken { .. } | JoinError::NameSuspended { .. } => Trouble::NameTaken,
        JoinError::Bus { source: BusError::Permission { .. } | BusError::NotAdmitted { .. }, .. } => {
            Trouble::NotPermitted
        }
        JoinError::Bus { .. } | JoinError::NotSuspended { .. } => Trouble::Bus,
    }
}

/// Makes a descriptor nonblocking.
pub(super) fn set_nonblocking(fd: impl AsFd) -> rustix::io::Result<()> {
    rustix::io::ioctl_fionbio(fd, true)
}
