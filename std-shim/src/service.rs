//! A service on a bus of Linux processes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ipcm_core::{Client, Config, Handler, Message, RemoteErrorKind, ReplyToken, Request};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Trust;
use crate::bus::{JoinError, PeerKind};
use crate::clock::Monotonic;
use crate::info::Info;
use crate::joining::{self, Life};
use crate::transport::BusTransport;

mod call;
mod reply;
mod run;
#[cfg(target_os = "linux")]
mod thread;

pub use call::{Call, Context};
pub use reply::Reply;
pub use run::{ServiceError, Stopper};
#[cfg(target_os = "linux")]
pub use thread::ServiceThread;

use reply::Answers;

/// What a service does with a request.
type OnCall = Box<dyn FnMut(Call<'_>) + Send>;
/// What a service does with a message.
type OnMessage = Box<dyn FnMut(&mut Context<'_>, Message) + Send>;
/// What a service does before its first request.
type OnStart = Box<dyn FnOnce(&mut Context<'_>) -> Result<(), BoxError> + Send>;
/// Any error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A service: a peer that answers requests.
///
/// It is put together by the methods that take what it does, and then runs in this thread
/// ([`run`](Self::run)), in another one ([`spawn`](Self::spawn)), or in a process of its own
/// ([`ServiceProcess`](crate::ServiceProcess)).
///
/// ```
/// use ipcm::{Bus, Handle, Service};
/// use std::time::Duration;
///
/// let bus = Bus::spawn()?;
/// let service = Service::new(bus.info(), "divider")
///     .on_request(|(a, b): (u32, u32)| Ok(a.checked_div(b).ok_or("division by zero")?))
///     .expose_error_details()
///     .spawn()?;
///
/// let mut handle = Handle::new(bus.info(), "divider");
/// let third: u32 = handle.sync_request("divider", &(9u32, 3u32), Duration::from_secs(1))?;
/// assert_eq!(third, 3);
/// let error = handle.sync_request::<u32>("divider", &(9u32, 0u32), Duration::from_secs(1)).unwrap_err();
/// assert_eq!(error.to_string(), "\"divider\" reports: division by zero");
/// # drop(service);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a service does nothing until it runs"]
pub struct Service {
    info: Info,
    name: String,
    config: Config,
    expose_error_details: bool,
    trust: Option<Trust>,
    on_call: Option<OnCall>,
    on_message: Option<OnMessage>,
    on_start: Option<OnStart>,
    life: Life,
}

impl Service {
    /// A service under `name` on the bus named by `info`. Without a handler it refuses every request.
    pub fn new(info: &Info, name: &str) -> Self {
        Self {
            info: info.clone(),
            name: name.to_owned(),
            config: Config::default(),
            expose_error_details: false,
            trust: None,
            on_call: None,
            on_message: None,
            on_start: None,
            life: Life::First,
        }
    }

    /// The echo service: it answers every request with the request's own payload.
    pub fn echo(info: &Info, name: &str) -> Self {
        Self::new(info, name).on_call(|call| {
            let body = call.body();
            call.reply_bytes(body);
        })
    }

    /// Answers each request at once with what `handler` makes of it.
    ///
    /// A request that is not a `Q` is answered with [`RemoteErrorKind::BadRequest`], an error with
    /// "internal service error" or, under [`expose_error_details`](Self::expose_error_details), with its
    /// text. A panic is answered as an error and survived.
    pub fn on_request<Q: DeserializeOwned, A: Serialize>(
        self,
        mut handler: impl FnMut(Q) -> Result<A, BoxError> + Send + 'static,
    ) -> Self {
        self.on_call(move |call| match call.decode::<Q>() {
            Err(error) => call.fail(RemoteErrorKind::BadRequest, &error.to_string()),
            Ok(request) => match handler(request) {
                Ok(answer) => call.reply(&answer),
                Err(error) => call.fail_with(&error),
            },
        })
    }

    /// Handles each request with its whole [`Call`]: who asks, until when, and a reply that may be given
    /// later.
    pub fn on_call(mut self, handler: impl FnMut(Call<'_>) + Send + 'static) -> Self {
        self.on_call = Some(Box::new(handler));
        self
    }

    /// Handles each message that is not a request. Without it they are dropped.
    pub fn on_message(mut self, handler: impl FnMut(&mut Context<'_>, Message) + Send + 'static) -> Self {
        self.on_message = Some(Box::new(handler));
        self
    }

    /// Runs once, after the bus is joined and before the first request. Its error ends the service, and is
    /// told to whoever started it.
    pub fn on_start(
        mut self,
        start: impl FnOnce(&mut Context<'_>) -> Result<(), BoxError> + Send + 'static,
    ) -> Self {
        self.on_start = Some(Box::new(start));
        self
    }

    /// Takes up the life of a suspended peer of this name: what was sent to it meanwhile comes, in order.
    ///
    /// To start fails with [`JoinError::NotSuspended`] if there is no such peer, or not any more.
    pub fn reconnect(mut self) -> Self {
        self.life = Life::Next;
        self
    }

    /// Tells callers what went wrong, not just that something did.
    pub fn expose_error_details(mut self) -> Self {
        self.expose_error_details = true;
        self
    }

    /// Large requests are read where the peer wrote them instead of being copied first. Only for a bus whose peers can
    /// be relied on: see [`Trust::new`].
    pub fn read_in_place(mut self, trust: Trust) -> Self {
        self.trust = Some(trust);
        self
    }

    /// The bounds of tables, buffers and windows.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// The service's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The bus.
    pub fn info(&self) -> &Info {
        &self.info
    }
}
