//! A handle that several threads use at once.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipcm_core::time::{deadline_after, earlier};
use ipcm_core::{CallError, Clock, Instant, Message, RequestId, SendError};
use rustix::event::{PollFd, PollFlags, poll};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bus::{Bus, JoinError};
use crate::clock::{Monotonic, timespec_until};
use crate::handle::{CoreHandle, Handle};
use crate::unix::Waker;

/// How long a peer that takes in no connection is left alone.
const BUSY_PAUSE: Duration = Duration::from_millis(1);

/// A handle that several threads use at once; clones are the same member of the bus.
///
/// Their requests do not wait on one another. One of the threads that wait does so for all of them, in the
/// kernel; the others sleep until their own request has ended.
///
/// ```
/// use ipcm::{Bus, Handle, Service, SharedHandle};
/// use std::time::Duration;
///
/// let bus = Bus::spawn()?;
/// let _echo = Service::echo(bus.info(), "echo").spawn()?;
/// let shared = SharedHandle::new(Handle::new(bus.info(), "echo"))?;
/// std::thread::scope(|scope| {
///     for number in 0..4u32 {
///         let shared = shared.clone();
///         scope.spawn(move || {
///             let echoed: u32 = shared.sync_request("echo", &number, Duration::from_secs(5)).unwrap();
///             assert_eq!(echoed, number);
///         });
///     }
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SharedHandle {
    shared: Arc<Shared>,
}

struct Shared {
    /// Wakes the thread that waits in the kernel.
    waker: Waker,
    /// Readable when there is something to take in.
    readiness: OwnedFd,
    /// Told whenever a thread has taken something in, or stops waiting for all.
    progress: Condvar,
    state: Mutex<State>,
}

struct State {
    core: CoreHandle,
    /// A thread waits in the kernel for all of them.
    has_leader: bool,
    /// Dropped last: a bus that the handle owned outlives the membership.
    _bus: Option<Bus>,
}

impl SharedHandle {
    /// Shares a handle; joins the bus if it was not joined.
    ///
    /// Callbacks of requests that are under way run while a thread waits for a request of its own; they hold
    /// up the other threads. Requests without a callback are cancelled: nobody could await them any more.
    ///
    /// # Errors
    ///
    /// Why the bus could not be joined.
    pub fn new(mut handle: Handle) -> Result<Self, JoinError> {
        let client = handle.join()?.client_mut();
        client.set_eager();
        let readiness =
            client.transport_mut().readiness().and_then(|fd| rustix::io::fcntl_dupfd_cloexec(fd, 0));
        let readiness = readiness.map_err(|error| handle.system_error("watching the bus", error))?;
        let waker = handle.join()?.client_mut().transport_mut().waker();
        let waker = waker.map_err(|error| handle.system_error("making a descriptor", error))?;
        let (mut core, bus) = handle.into_parts()?;
        core.cancel_all();
        let state = Mutex::new(State { core, has_leader: false, _bus: bus });
        Ok(Self { shared: Arc::new(Shared { waker, readiness, progress: Condvar::new(), state }) })
    }

    /// Sends a request and awaits its response.
    ///
    /// # Errors
    ///
    /// As for [`Handle::sync_request`].
    pub fn sync_request<A: DeserializeOwned>(
        &self,
        peer: &str,
        payload: &(impl Serialize + ?Sized),
        timeout: impl Into<Option<Duration>>,
    ) -> Result<A, CallError> {
        let deadline = deadline_after(Monotonic.now(), timeout.into());
        let (id, mut state) = self.send(peer, payload, deadline)?;
        loop {
            match state.core.take_response(id) {
                Some(end) => {
                    let response = end?;
                    let peer = response.peer().clone();
                    return response.decode().map_err(|error| CallError::Decode { peer, error });
                }
                None => state = self.wait(state, deadline),
            }
        }
    }

    /// Sends a message and returns once it is handed to the transport, or queued for it within the peer's
    /// window, at the latest after `timeout`.
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    pub fn send_message(
        &self,
        peer: &str,
        payload: &(impl Serialize + ?Sized),
        timeout: impl Into<Option<Duration>>,
    ) -> Result<(), SendError> {
        let deadline = deadline_after(Monotonic.now(), timeout.into());
        self.retry(peer, deadline, |core| core.try_send(peer, payload)).map(|_| ())
    }

    /// The messages that have come, in the order of arrival; the buffer is empty afterwards.
    pub fn messages(&self) -> Vec<Message> {
        self.act(&mut self.lock(), |core| {
            core.client_mut().turn(Some(Instant::ZERO));
            core.messages()
        })
    }

    fn send(
        &self,
        peer: &str,
        payload: &(impl Serialize + ?Sized),
        deadline: Option<Instant>,
    ) -> Result<(RequestId, MutexGuard<'_, State>), SendError> {
        self.retry(peer, deadline, |core| {
            core.client_mut().try_request(peer, deadline, &mut |out, limit| out.encode(payload, limit))
        })
    }

    /// Tries until it does not say that it would block, or the time is up.
    fn retry<R>(
        &self,
        peer: &str,
        deadline: Option<Instant>,
        mut attempt: impl FnMut(&mut CoreHandle) -> Result<R, SendError>,
    ) -> Result<(R, MutexGuard<'_, State>), SendError> {
        let mut state = self.lock();
        loop {
            match self.act(&mut state, &mut attempt) {
                Err(SendError::WouldBlock { .. }) => {}
                other => return other.map(|done| (done, state)),
            }
            let now = Monotonic.now();
            if deadline.is_some_and(|deadline| deadline <= now) {
                return Err(SendError::TimedOut { peer: peer.into() });
            }
            // A peer that takes in no connection does not tell when it does again.
            let is_busy = state.core.client().endpoint().route(peer).is_none();
            let again = is_busy.then(|| now + BUSY_PAUSE);
            state = self.wait(state, earlier(deadline, again));
        }
    }

    /// Waits until something was taken in, or `deadline`.
    fn wait<'s>(
        &'s self,
        mut state: MutexGuard<'s, State>,
        deadline: Option<Instant>,
    ) -> MutexGuard<'s, State> {
        let until = earlier(deadline, state.core.client().next_deadline());
        if state.has_leader {
            state = match until {
                None => self.shared.progress.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let span = until - Monotonic.now();
                    let waited = self.shared.progress.wait_timeout(state, span);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
            if until.is_some_and(|until| until <= Monotonic.now()) {
                self.act(&mut state, |core| core.poll(Duration::ZERO));
            }
            return state;
        }
        state.has_leader = true;
        drop(state);
        let mut fds = [PollFd::new(&self.shared.readiness, PollFlags::IN)];
        let timeout = until.map(|until| timespec_until(Monotonic.now(), until));
        // Whatever it says, the turn below looks for itself.
        let _ = poll(&mut fds, timeout.as_ref());
        let mut state = self.lock();
        state.core.poll(Duration::ZERO);
        state.has_leader = false;
        self.shared.progress.notify_all();
        state
    }

    /// Does something with the handle. If that takes in what another thread may be waiting for, all look
    /// again.
    fn act<R>(&self, state: &mut State, act: impl FnOnce(&mut CoreHandle) -> R) -> R {
        let before = state.core.client().received();
        let done = act(&mut state.core);
        if state.core.client().received() != before {
            self.shared.progress.notify_all();
            if state.has_leader {
                self.shared.waker.wake();
            }
        }
        done
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while encoding a payload leaves the handle as it was before the call.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
