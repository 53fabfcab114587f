//! A handle on a bus of Linux processes.

#[cfg(target_os = "linux")]
use std::os::fd::OwnedFd;
use std::time::Duration;

use ipcm_core::transport::{PeerChange, PeerStatus, SuspendError};
use ipcm_core::{
    AwaitAllError, CallError, Config, Delivery, Instant, Message, RequestError, RequestId, Response,
    SendError,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Waker;
use crate::bus::news::with_sources;
#[cfg(target_os = "linux")]
use crate::bus::{Bus, BusError};
use crate::bus::{JoinError, PeerKind};
use crate::clock::Monotonic;
use crate::info::{Info, TransportKind};
use crate::joining::{Life, join, join_failed, random_incarnation};
use crate::transport::BusTransport;

mod builder;
mod messages;
mod requests;

pub use builder::HandleBuilder;

/// See [`HandleBuilder::interval`].
const INTERVAL: Duration = Duration::from_millis(200);

/// The handle of the core that does the work once the bus is joined.
pub type CoreHandle = ipcm_core::Handle<BusTransport, Monotonic>;

/// A client made to talk to one service; it can talk to the service's peers as well.
///
/// It joins the bus at first use, once, and leaves it when dropped. A timeout is a [`Duration`], or `None`
/// to wait for ever. Payloads are whatever serde can serialize; the methods whose names end in `_bytes`
/// take and give plain bytes.
///
/// One thread uses a handle at a time; [`SharedHandle`](crate::SharedHandle) is for several.
///
/// ```
/// use ipcm::{Bus, Handle, Service};
/// use std::time::Duration;
///
/// let bus = Bus::spawn()?;
/// let _adder = Service::new(bus.info(), "adder").on_request(|(a, b): (i64, i64)| Ok(a + b)).spawn()?;
/// let mut handle = Handle::new(bus.info(), "adder");
/// let sum: i64 = handle.sync_request("adder", &(2i64, 3i64), Duration::from_secs(1))?;
/// assert_eq!(sum, 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Handle {
    settings: HandleBuilder,
    joined: Option<CoreHandle>,
    /// How much came with [`reconnect`](Self::reconnect) and was not told of by a poll.
    brought: usize,
    #[cfg(target_os = "linux")]
    /// Dropped last: a bus that the handle owns outlives its membership.
    bus: Option<Bus>,
}

impl Handle {
    /// A handle of the service `service` on the bus named by `info`, under a fresh UUID for a name.
    pub fn new(info: &Info, service: &str) -> Self {
        Self::builder(info, service).build()
    }

    /// A handle with a name or bounds of its own.
    pub fn builder(info: &Info, service: &str) -> HandleBuilder {
        HandleBuilder {
            info: info.clone(),
            service: service.to_owned(),
            name: random_incarnation().to_string(),
            interval: INTERVAL,
            config: Config::default(),
            child_pid: None,
            trust: None,
        }
    }

    /// The service's name.
    pub fn service_name(&self) -> &str {
        &self.settings.service
    }

    /// This handle's own name.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// The bus that this handle owns.
    #[cfg(target_os = "linux")]
    pub fn bus(&self) -> Option<&Bus> {
        self.bus.as_ref()
    }

    /// What names the bus.
    pub fn info(&self) -> &Info {
        &self.settings.info
    }

    /// Joins the bus now instead of at first use. Does nothing if it is joined.
    ///
    /// # Errors
    ///
    /// Why the bus could not be joined, for instance [`JoinError::NameTaken`].
    pub fn join(&mut self) -> Result<&mut CoreHandle, JoinError> {
        self.begin(Life::First)
    }

    /// Joins the bus in the place of a suspended peer of this name, whether it was this handle or one of
    /// another process. What was sent meanwhile comes, in order, behind the messages that were put back.
    /// Does nothing if the bus is joined. What has come by then is counted by the next [`poll`](Self::poll), which does
    /// not wait.
    ///
    /// # Errors
    ///
    /// [`JoinError::NotSuspended`] if there is no such peer, or not any more; else as [`join`](Self::join).
    pub fn reconnect(&mut self) -> Result<&mut CoreHandle, JoinError> {
        self.begin(Life::Next)
    }

    /// Gives up the process's membership and keeps the name for `expiry`: what is sent meanwhile is kept, and
    /// messages that were not collected are put back, for the life that begins with
    /// [`reconnect`](Self::reconnect), in this process or another. Requests that have not ended are
    /// forgotten, with their callbacks; whoever asks this member waits for its return.
    ///
    /// # Errors
    ///
    /// [`SuspendError::Unsupported`] on Unix sockets; the handle is as it was then. After
    /// [`SuspendError::Bus`] it has left the bus.
    pub fn suspend(&mut self, expiry: Duration) -> Result<(), SuspendError> {
        self.join_to_suspend()?;
        match self.joined.take() {
            Some(joined) => {
                let client = joined.into_client();
                let until = client.now() + expiry;
                client.suspend(until)
            }
            None => unreachable!("joined above"),
        }
    }

    fn join_to_suspend(&mut self) -> Result<&mut CoreHandle, SuspendError> {
        if self.settings.info.transport() == TransportKind::Unix {
            return Err(SuspendError::Unsupported);
        }
        self.join().map_err(|error| SuspendError::Bus(with_sources(&error)))
    }

    fn begin(&mut self, life: Life) -> Result<&mut CoreHandle, JoinError> {
        if self.joined.is_none() {
            let HandleBuilder { info, service, name, interval, config, trust, .. } = &self.settings;
            let mut client = join(info, name, PeerKind::Handle, config.clone(), life)?;
            client.transport_mut().set_interval(*interval);
            client.transport_mut().set_trust(*trust);
            if life == Life::Next {
                self.brought = client.take_up_links();
            }
            self.joined = Some(CoreHandle::new(client, service));
        }
        match &mut self.joined {
            Some(joined) => Ok(joined),
            None => unreachable!("joined above"),
        }
    }

    /// Whether the service is active now.
    ///
    /// # Errors
    ///
    /// [`SendError::Bus`] and [`SendError::NotPermitted`] if the bus cannot be joined or looked at.
    pub fn ready(&mut self) -> Result<bool, SendError> {
        self.core()?.ready()
    }

    /// Waits until the service is active: until then the bus is watched, not polled.
    ///
    /// # Errors
    ///
    /// [`SendError::TimedOut`], or as for [`ready`](Self::ready).
    pub fn wait_ready(&mut self, timeout: impl Into<Option<Duration>>) -> Result<(), SendError> {
        self.core()?.wait_ready(timeout)
    }

    /// The process that now serves; `None` while there is none.
    ///
    /// # Errors
    ///
    /// As for [`ready`](Self::ready).
    pub fn service_pid(&mut self) -> Result<Option<u32>, SendError> {
        self.core()?.service_pid()
    }

    /// The process that starting the service returned, where the handle is one of
    /// [`ServiceProcess::handle`](crate::ServiceProcess::handle). It differs from
    /// [`service_pid`](Self::service_pid) where that process has another one serve.
    pub fn child_pid(&self) -> Option<u32> {
        self.settings.child_pid
    }

    /// See [`HandleBuilder::interval`].
    pub fn interval(&self) -> Duration {
        self.settings.interval
    }

    /// Takes in what has arrived, waiting for something at most `timeout`, and returns how many requests
    /// ended, messages came and, where they are watched, peers changed. Callbacks run. A wish that this
    /// member end, and the end of the bus, count as well; a [`Waker`] ends the wait.
    ///
    /// # Errors
    ///
    /// [`SendError::Bus`] and [`SendError::NotPermitted`] if the bus cannot be joined.
    pub fn poll(&mut self, timeout: impl Into<Option<Duration>>) -> Result<usize, SendError> {
        match std::mem::take(&mut self.brought) {
            0 => Ok(self.core()?.poll(timeout)),
            // It is there already.
            brought => Ok(brought + self.core()?.poll(Duration::ZERO)),
        }
    }

    /// The names of all live peers but this one, sorted.
    ///
    /// # Errors
    ///
    /// As for [`ready`](Self::ready).
    pub fn peers(&mut self) -> Result<Vec<String>, SendError> {
        self.core()?.peers()
    }

    /// What is known of a peer; `None` if no live peer has this name.
    ///
    /// # Errors
    ///
    /// As for [`ready`](Self::ready).
    pub fn peer_status(&mut self, peer: &str) -> Result<Option<PeerStatus>, SendError> {
        self.core()?.peer_status(peer)
    }

    /// Takes in from now on who comes and goes, beginning with those that are there, for
    /// [`peer_changes`](Self::peer_changes).
    ///
    /// # Errors
    ///
    /// As for [`ready`](Self::ready).
    pub fn watch_peers(&mut self) -> Result<(), SendError> {
        self.core()?.watch_peers()
    }

    /// Who came and went, in order, as far as it was taken in by [`poll`](Self::poll) or an await.
    pub fn peer_changes(&mut self) -> Vec<PeerChange> {
        self.joined.as_mut().map(|joined| joined.peer_changes()).unwrap_or_default()
    }

    /// Descriptors for the caller's own event loop: when one is readable, `poll(Duration::ZERO)` has
    /// something to do. They serve `poll`, `epoll`, tokio's `AsyncFd`, `async-io` and `mio` as they are;
    /// nothing is to be read from them.
    ///
    /// They are the caller's to close and of no use once the handle is dropped.
    /// [`next_deadline`](Self::next_deadline) says when to poll though nothing is readable.
    ///
    /// # Errors
    ///
    /// [`SendError::Bus`] and [`SendError::NotPermitted`] if the bus cannot be joined or watched.
    #[cfg(target_os = "linux")]
    pub fn select_handles(&mut self) -> Result<[OwnedFd; 1], SendError> {
        let bus = |error: rustix::io::Errno| SendError::Bus { detail: error.to_string() };
        let client = self.core()?.client_mut();
        client.set_eager();
        let readiness = client.transport_mut().readiness().map_err(bus)?;
        Ok([rustix::io::fcntl_dupfd_cloexec(readiness, 0).map_err(bus)?])
    }

    /// What ends a [`poll`](Self::poll) from another thread.
    ///
    /// # Errors
    ///
    /// [`SendError::Bus`] and [`SendError::NotPermitted`] if the bus cannot be joined, or no descriptor is
    /// left.
    pub fn waker(&mut self) -> Result<Waker, SendError> {
        let waker = self.core()?.client_mut().transport_mut().waker();
        waker.map_err(|error| SendError::Bus { detail: error.to_string() })
    }

    /// Whether a peer asked this member to end, as far as it was taken in.
    pub fn is_terminated(&self) -> bool {
        self.joined.as_ref().is_some_and(|joined| joined.client().is_terminated())
    }

    /// Whether the bus was removed, as far as it was taken in; noticed where peers are watched.
    pub fn is_bus_gone(&self) -> bool {
        self.joined.as_ref().is_some_and(|joined| joined.client().is_bus_gone())
    }

    /// When a request times out next, on the clock [`Monotonic`]; `None` if none does.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.joined.as_ref().and_then(|joined| joined.client().next_deadline())
    }

    fn core(&mut self) -> Result<&mut CoreHandle, SendError> {
        self.join().map_err(|error| join_failed(&error))
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn system_error(&self, doing: &'static str, error: impl Into<std::io::Error>) -> JoinError {
        let path = self.info().route().to_owned();
        let source = BusError::Io { path, doing, source: error.into() };
        JoinError::Bus { name: self.name().to_owned(), source }
    }

    /// The joined handle and the bus that it owns.
    #[cfg(target_os = "linux")]
    pub(crate) fn into_parts(mut self) -> Result<(CoreHandle, Option<Bus>), JoinError> {
        self.join()?;
        match self.joined {
            Some(joined) => Ok((joined, self.bus)),
            None => unreachable!("joined above"),
        }
    }
}
