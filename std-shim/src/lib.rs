//! Local request/response messaging in which **a call always ends**: with the response, or with a typed
//! reason, and at once when the peer dies, whatever killed it.
//!
//! A process talks to a named *service* through a [`Handle`]. There is no broker: peers meet on a [`Bus`],
//! a directory whose [`Info`] is one line of text, and connect to one another by Unix sockets.
//!
//! ```
//! use ipcm::{Bus, Handle, Service};
//! use std::time::Duration;
//!
//! let bus = Bus::spawn()?;
//! let _adder = Service::new(bus.info(), "adder").on_request(|(a, b): (i64, i64)| Ok(a + b)).spawn()?;
//!
//! let mut handle = Handle::new(bus.info(), "adder");
//! let sum: i64 = handle.sync_request("adder", &(2i64, 3i64), Duration::from_secs(1))?;
//! assert_eq!(sum, 5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The protocol, its tables and its deadlines are in [`ipcm_core`], which needs no operating system; here
//! are the bus, the sockets and the processes of Linux:
//!
//! ```text
//! info, bus   where peers meet: who is there, who lives, who comes and goes
//! unix        the sockets, as the core's transport
//! handle      one that asks; shared: by several threads
//! service     one that answers: in this thread, another thread; process: in a child process
//! gateway     makes a guest on two pipes, or firmware at the end of a serial line, a peer
//! ```

mod bus;
mod clock;
mod files;
#[cfg(target_os = "linux")]
mod gateway;
mod handle;
mod info;
mod joining;
mod log;
#[cfg(target_os = "linux")]
mod process;
mod service;
#[cfg(target_os = "linux")]
mod shared;
#[cfg(target_os = "wasi")]
mod stdio;
#[cfg(any(target_os = "linux", target_os = "wasi"))]
mod sys;
mod transport;
#[cfg(target_os = "linux")]
mod unix;
#[cfg(not(target_os = "linux"))]
mod waker;

#[cfg(target_os = "linux")]
pub use bus::{Bus, BusBuilder, ShutdownReport};
pub use bus::{BusError, JoinError, PeerKind, PeerRecord, Users};
pub use clock::Monotonic;
pub use files::FilesTransport;
#[cfg(target_os = "linux")]
pub use gateway::{FdStream, Gateway, GatewayError, GatewayStopper};
pub use handle::{CoreHandle, Handle, HandleBuilder};
pub use info::{Info, InfoError, TransportKind};
pub use ipcm_core::body::{DecodeError, EncodeError};
pub use ipcm_core::name::{NameError, check as check_name};
pub use ipcm_core::transport::{Capabilities, PeerChange, PeerState, PeerStatus, SuspendError};
pub use ipcm_core::{
    AwaitAllError, CallError, Config, Counters, Delivery, GoneReason, Incarnation, Instant, Message,
    Overflow, ProtocolError, Refusal, RemoteError, RemoteErrorKind, RequestError, RequestId, Response,
    SendError,
};
pub use joining::random_incarnation;
#[cfg(target_os = "linux")]
pub use process::ServiceProcess;
#[cfg(target_os = "linux")]
pub use service::ServiceThread;
pub use service::{BoxError, Call, Context, Reply, Service, ServiceError, Stopper};
#[cfg(target_os = "linux")]
pub use shared::SharedHandle;
/// A guest has no memory that it shares.
#[cfg(not(target_os = "linux"))]
pub(crate) use std::convert::Infallible as Trust;
#[cfg(target_os = "wasi")]
pub use stdio::StdioStream;
#[cfg(target_os = "linux")]
pub use sys::shared_memory::Trust;
pub use transport::BusTransport;
#[cfg(target_os = "linux")]
pub use unix::{UnixTransport, Waker};
#[cfg(not(target_os = "linux"))]
pub use waker::Waker;

/// The README's example, compiled and run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
