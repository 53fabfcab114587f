//! The loop of a service.

use std::sync::OnceLock;

use ipcm_core::transport::{SuspendError, Transport};

use super::*;
use crate::{Waker, log};

/// How long replies that were given are flushed when a service ends.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Why a service did not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The bus could not be joined.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// `on_start` failed.
    #[error("the service {name:?} could not start: {source}")]
    Start {
        /// The service.
        name: String,
        /// What it said.
        source: BoxError,
    },
    /// The bus was removed while the service ran, or the service's mailbox, as by one who has its name now.
    #[error("the bus of the service {name:?} is gone")]
    BusGone {
        /// The service.
        name: String,
    },
    /// The system refused something that the service needs.
    #[error("the service {name:?} could not {doing}: {source}")]
    System {
        /// The service.
        name: String,
        /// What it needed.
        doing: &'static str,
        /// The system's word.
        source: std::io::Error,
    },
    /// The process that was to serve ended, or said that it could not.
    #[error("the process of the service {name:?} {what}")]
    Process {
        /// The service.
        name: String,
        /// What it did.
        what: String,
    },
    /// It could not be suspended, and has left the bus.
    #[error("the service {name:?} could not be suspended: {source}")]
    Suspend {
        /// The service.
        name: String,
        /// What kept it.
        source: SuspendError,
    },
    /// The service was not ready in time, and was ended.
    #[error("the service {name:?} was not ready in {timeout:?}")]
    NotReady {
        /// The service.
        name: String,
        /// How long it was given.
        timeout: Duration,
    },
}

/// Stops a running service from elsewhere: another thread, a signal handler's thread. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Stopper {
    wish: Arc<Wish>,
    waker: Waker,
}

/// That a service is to end, and how.
#[derive(Debug, Default)]
struct Wish {
    stopped: AtomicBool,
    /// How long its name is kept for the next life.
    expiry: OnceLock<Duration>,
    /// The transport can keep it.
    can_suspend: bool,
}

impl Stopper {
    /// Ends the service after the present request. What it has answered is flushed first.
    pub fn stop(&self) {
        self.wish.stopped.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Ends this life of the service after the present request, and keeps its name for `expiry`: what is sent
    /// to it meanwhile comes to the service that [`reconnect`](Service::reconnect)s. Replies that are not given
    /// by then are failures.
    ///
    /// # Errors
    ///
    /// [`SuspendError::Unsupported`] on Unix sockets; the service goes on then.
    pub fn suspend(&self, expiry: Duration) -> Result<(), SuspendError> {
        if !self.wish.can_suspend {
            return Err(SuspendError::Unsupported);
        }
        let _ = self.wish.expiry.set(expiry);
        self.stop();
        Ok(())
    }

    fn is_stopped(&self) -> bool {
        self.wish.stopped.load(Ordering::Acquire)
    }
}

/// A service that has joined its bus.
pub(super) struct Running {
    service: ipcm_core::Service<BusTransport, Monotonic>,
    handler: CallHandler,
}

struct CallHandler {
    on_call: Option<OnCall>,
    on_message: Option<OnMessage>,
    answers: Answers,
    stop: Stopper,
    expose_error_details: bool,
}

impl Service {
    /// Joins the bus and serves in this thread, until a peer asks the service to end, it is stopped, or the
    /// bus is gone.
    ///
    /// # Errors
    ///
    /// See [`ServiceError`].
    pub fn run(self) -> Result<(), ServiceError> {
        self.run_with(|_| {})
    }

    /// [`run`](Self::run), with a call of `ready` once requests are taken in.
    ///
    /// # Errors
    ///
    /// See [`ServiceError`].
    pub fn run_with(self, ready: impl FnOnce(Stopper)) -> Result<(), ServiceError> {
        let running = self.start()?;
        ready(running.handler.stop.clone());
        running.serve()
    }

    pub(super) fn start(self) -> Result<Running, ServiceError> {
        let mut client = joining::join(&self.info, &self.name, PeerKind::Service, self.config, self.life)?;
        let failed = |error: std::io::Error| ServiceError::System {
            name: self.name.clone(),
            doing: "make a descriptor",
            source: error,
        };
        client.transport_mut().set_trust(self.trust);
        let waker = client.transport_mut().waker().map_err(failed)?;
        let can_suspend = client.transport().capabilities().suspend;
        let stop = Stopper { wish: Arc::new(Wish { can_suspend, ..Wish::default() }), waker: waker.clone() };
        let mut service = ipcm_core::Service::new(client);
        if self.life == joining::Life::Next {
            service.client_mut().take_up_links();
        }
        if let Some(start) = self.on_start {
            let mut context = Context::new(service.client_mut(), &stop);
            start(&mut context).map_err(|source| ServiceError::Start { name: self.name, source })?;
        }
        let handler = CallHandler {
            on_call: self.on_call,
            on_message: self.on_message,
            answers: Answers::new(waker),
            stop,
            expose_error_details: self.expose_error_details,
        };
        Ok(Running { service, handler })
    }
}

impl Running {
    #[cfg(target_os = "linux")]
    pub(super) fn stopper(&self) -> Stopper {
        self.handler.stop.clone()
    }

    pub(super) fn serve(mut self) -> Result<(), ServiceError> {
        // What has come by now, from a former life or during the start, is not waited for.
        let now = self.service.client().now();
        self.service.turn(Some(now), &mut self.handler);
        let ended = loop {
            if self.handler.stop.is_stopped() || self.service.client().is_terminated() {
                break Ok(());
            }
            if self.service.client().is_bus_gone() {
                let name = self.service.client().endpoint().name().to_string();
                break Err(ServiceError::BusGone { name });
            }
            self.service.turn(None, &mut self.handler);
            self.handler.answers.deliver(self.service.client_mut());
        };
        // A reply may have been given between the last look and the wish to end.
        self.handler.answers.deliver(self.service.client_mut());
        let client = self.service.client_mut();
        if let Some(&expiry) = self.handler.stop.wish.expiry.get() {
            let name = client.endpoint().name().to_string();
            let client = self.service.into_client();
            let until = client.now() + expiry;
            let suspended = client.suspend(until);
            return suspended.map_err(|source| ServiceError::Suspend { name, source });
        }
        let deadline = client.now() + LAST_WORDS;
        if !client.flush_all(deadline) {
            log::warn!(service = %client.endpoint().name(), "replies were left behind at the end");
        }
        ended
    }
}

impl Handler<BusTransport, Monotonic> for CallHandler {
    fn handle_request(
        &mut self,
        client: &mut Client<BusTransport, Monotonic>,
        request: Request<'_>,
        token: ReplyToken,
    ) {
        let Some(on_call) = &mut self.on_call else {
            client.fail(token, RemoteErrorKind::NotAService, "");
            return;
        };
        let context = Context::new(client, &self.stop);
        let call = Call::new(context, request, token, &self.answers, self.expose_error_details);
        // The call answers when the panic drops it. What the handler leaves behind is its own.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| on_call(call))) {
            // To drop it could panic again.
            std::mem::forget(payload);
            log::error!("the handler of a request panicked");
        }
    }

    fn handle_message(&mut self, client: &mut Client<BusTransport, Monotonic>, message: Message) {
        let Some(on_message) = &mut self.on_message else { return };
        let mut context = Context::new(client, &self.stop);
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| on_message(&mut context, message))) {
            std::mem::forget(payload);
            log::error!("the handler of a message panicked");
        }
    }

    fn handle_withdrawn(&mut self, key: u64) {
        self.answers.withdraw(key);
    }
}
