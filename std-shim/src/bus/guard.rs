//! [`Bus`]: a bus as its users see it, and the guard that ends it.

use super::builder::BusBuilder;
use super::dir::{BusDir, Created};
use super::error::BusError;
use super::marker::Marker;
use super::process_id::own_pid;
use super::record::{PeerKind, PeerRecord};
use super::watch::{POLL_INTERVAL, PeerWatch};
use crate::joining::Life;
use crate::{Info, log};
use ipcm_core::{Config, SendError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long a dropped guard waits for services to leave.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// How long the farewell of a shutdown may take to leave.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How often the wait for services looks for those that died unannounced.
const RESCAN_INTERVAL: Duration = Duration::from_millis(500);

/// A bus: a directory in which peers meet.
///
/// The value that [`spawn`](Self::spawn) returns is a guard: when it is dropped, in the process that made
/// it, the bus ends. One that [`open`](Self::open) returns ends nothing.
///
/// ```
/// let bus = ipcm::Bus::spawn()?;
/// let same = ipcm::Bus::open(&bus.info().to_string().parse().unwrap())?;
/// assert!(same.peers()?.is_empty());
/// # Ok::<(), ipcm::BusError>(())
/// ```
#[derive(Debug)]
pub struct Bus {
    pub(super) dir: BusDir,
    /// The process that made the bus; none if it was opened.
    maker: Option<u32>,
    /// The locked marker, which shows the others that the bus has an owner.
    ownership: Option<OwnedFd>,
}

/// What a shutdown came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "it names the services that did not leave"]
pub struct ShutdownReport {
    /// The services that were still there when the time was over, sorted by name.
    pub stuck: Vec<String>,
}

impl Bus {
    /// Makes a temporary bus, private to this user, and returns its guard.
    ///
    /// It is a new directory in `$XDG_RUNTIME_DIR`, or else in the directory for temporary files. Those
    /// that killed owners have left there are cleared away.
    ///
    /// # Errors
    /// What the file system says: [`Permission`](BusError::Permission), [`DiskFull`](BusError::DiskFull)
    /// and the like.
    pub fn spawn() -> Result<Self, BusError> {
        Self::builder().create()
    }

    /// Makes a bus at a chosen place, for chosen users, or one that outlives its maker.
    pub fn builder() -> BusBuilder {
        BusBuilder::default()
    }

    /// Opens a bus that is there.
    ///
    /// # Errors
    /// [`NoBus`](BusError::NoBus) if there is none, and another error if it is not to be trusted: it
    /// belongs to a user who has not made it for us, it lets in others, or it has a newer format.
    pub fn open(info: &Info) -> Result<Self, BusError> {
        Ok(Self { dir: BusDir::open(info)?, maker: None, ownership: None })
    }

    pub(super) fn made(created: Created) -> Self {
        Self { dir: created.dir, maker: Some(own_pid()), ownership: created.ownership }
    }

    /// What to tell a process that is to find this bus.
    pub fn info(&self) -> &Info {
        self.dir.info()
    }

    /// The live and suspended peers, sorted by name.
    ///
    /// # Errors
    /// When the directory cannot be read, in particular [`NoBus`](BusError::NoBus) when it is gone.
    pub fn peers(&self) -> Result<Vec<PeerRecord>, BusError> {
        self.dir.peers()
    }

    /// Whether a peer of this name is there.
    ///
    /// # Errors
    /// As [`peers`](Self::peers).
    pub fn peer_exists(&self, name: &str) -> Result<bool, BusError> {
        Ok(self.dir.lookup(name)?.is_some())
    }

    /// The process of the peer, if it is there and not suspended.
    ///
    /// # Errors
    /// As [`peers`](Self::peers).
    pub fn peer_pid(&self, name: &str) -> Result<Option<u32>, BusError> {
        let has_process = |peer: &PeerRecord| peer.suspended().is_none() && !peer.is_guest();
        Ok(self.dir.lookup(name)?.filter(has_process).map(|peer| peer.pid()))
    }

    /// Whether the peer is there and has a process, which a suspended peer has not.
    ///
    /// # Errors
    /// As [`peers`](Self::peers).
    pub fn peer_active(&self, name: &str) -> Result<bool, BusError> {
        Ok(self.dir.lookup(name)?.is_some_and(|peer| peer.suspended().is_none()))
    }

    /// Removes what dead peers have left; how many files that were.
    ///
    /// # Errors
    /// As [`peers`](Self::peers), and [`JoinLocked`](BusError::JoinLocked).
    pub fn sweep(&self) -> Result<usize, BusError> {
        self.dir.sweep()
    }

    /// Ends the bus: asks the peers to leave, waits at most `timeout` for the services, removes the bus. Those that
    /// are suspended are not waited for, and what is kept for them is lost.
    ///
    /// # Errors
    /// [`NotOwner`](BusError::NotOwner) if this value did not make the bus in this process; else what keeps
    /// the directory from being removed.
    pub fn shutdown(mut self, timeout: Duration) -> Result<ShutdownReport, BusError> {
        if self.maker != Some(own_pid()) {
            return Err(BusError::NotOwner { path: self.dir.path().to_owned() });
        }
        let ended = self.end(Instant::now() + timeout);
        self.maker = None;
        ended
    }

    /// Removes the bus that `info` names: one that nobody uses any more.
    ///
    /// # Errors
    /// [`Owned`](BusError::Owned) if a guard lives that will end it, [`InUse`](BusError::InUse) if peers
    /// are there; else as [`open`](Self::open).
    pub fn remove(info: &Info) -> Result<(), BusError> {
        let dir = BusDir::open(info)?;
        let path = || dir.path().to_owned();
        for guest in dir.peers()?.iter().filter(|peer| peer.is_guest()) {
            dir.judge(guest.name())?;
        }
        let lock = dir.lock_joins()?;
        if let Some(pid) = Marker::find(dir.as_fd(), dir.path())?.and_then(|found| found.live_owner()) {
            return Err(BusError::Owned { path: path(), pid });
        }
        let peers = dir.peers()?;
        if !peers.is_empty() {
            return Err(BusError::InUse { path: path(), peers: names(&peers) });
        }
        dir.remove(&lock)
    }

    fn end(&self, deadline: Instant) -> Result<ShutdownReport, BusError> {
        self.ask_peers_to_leave(deadline);
        let stuck = self.wait_for_services(deadline)?;
        self.dir.remove(&self.dir.lock_joins()?)?;
        Ok(ShutdownReport { stuck })
    }

    /// Tells every service that the bus ends; one that takes nothing in is not waited for here.
    fn ask_peers_to_leave(&self, deadline: Instant) {
        let name = format!("shutdown-{}", own_pid());
        let mut client = match crate::joining::join(
            self.info(),
            &name,
            PeerKind::Handle,
            Config::default(),
            Life::First,
        ) {
            Ok(client) => client,
            Err(error) => {
                return log::warn!(info = %self.info(), %error, "the services cannot be told to leave");
            }
        };
        let Ok(peers) = self.peers() else { return };
        let mut services: Vec<_> = peers.iter().filter(|peer| is_serving(peer)).collect();
        while !services.is_empty() && Instant::now() < deadline {
            services.retain(|peer| {
                matches!(client.try_terminate(peer.name()), Err(SendError::WouldBlock { .. }))
            });
            services.retain(|peer| self.peer_exists(peer.name()).unwrap_or(false));
            if !services.is_empty() {
                let pause = client.now() + RESCAN_INTERVAL.min(deadline - Instant::now());
                client.turn(Some(pause));
            }
        }
        client.flush_all(client.now() + LAST_WORDS);
    }

    /// Waits until no service is left; the names of those that are when the time is over.
    fn wait_for_services(&self, deadline: Instant) -> Result<Vec<String>, BusError> {
        let mut watch = self.dir.watch()?;
        let mut changes = Vec::new();
        loop {
            let services = watch.known().filter(|peer| is_serving(peer));
            let left = names(services);
            let time = deadline.saturating_duration_since(Instant::now());
            if left.is_empty() || time.is_zero() {
                return Ok(left);
            }
            if wait_for_change(&watch, time.min(RESCAN_INTERVAL)) {
                watch.changes(&mut changes)?;
            } else {
                watch.rescan(&mut changes)?;
            }
            changes.clear();
        }
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        if self.ownership.is_none() || self.maker != Some(own_pid()) {
            return;
        }
        match self.end(Instant::now() + PATIENCE) {
            Ok(report) if report.stuck.is_empty() => {}
            Ok(report) => {
                log::warn!(info = %self.info(), stuck = ?report.stuck, "services did not leave the bus")
            }
            Err(error) => log::warn!(info = %self.info(), %error, "the bus was not removed"),
        }
    }
}

/// Waits until the watch has something to tell; `false` when the time is over before.
fn wait_for_change(watch: &PeerWatch, time: Duration) -> bool {
    let time = if watch.waits_by_polling() { time.min(POLL_INTERVAL) } else { time };
    let Ok(timeout) = Timespec::try_from(time) else {
        return false;
    };
    let mut fds: Vec<_> = watch.fd().iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    !matches!(poll(&mut fds, Some(&timeout)), Ok(0) | Err(Errno::INTR))
}

/// Whether it is a service that can leave: one that is suspended has no process to do so.
fn is_serving(peer: &PeerRecord) -> bool {
    peer.kind() == PeerKind::Service && peer.suspended().is_none()
}

fn names<'a>(peers: impl IntoIterator<Item = &'a PeerRecord>) -> Vec<String> {
    let mut names: Vec<_> = peers.into_iter().map(|peer| peer.name().to_owned()).collect();
    names.sort_unstable();
    names
}
