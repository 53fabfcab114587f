//! Request/response messaging without I/O: the core of `ipcm`.
//!
//! It has no operating system, no clock and no randomness of its own. Without features it needs no allocator
//! either; `alloc` adds all that grows. From the wire to the user, each layer a module:
//!
//! ```text
//! layout     a frame in bytes              the length checked before anything is kept
//! frame      bytes <-> frames              any chunking
//! message    frames <-> heads              hello, request, response, failure, cancel, message, credit
//! table      requests sent                 fixed slots, generations, deadlines
//! serving    requests to be answered       the same for the other direction
//! link       one peer                      handshake, windows, suspension
//! sink       where a frame is written      the outbox, or memory of the transport
//! endpoint   all of it                     bytes and `now` in; bytes, events, next deadline out
//! -------------------------------------------------------------------------------------------------
//! transport  moves bytes, never decides    `Transport`, and `memory` as one that needs nothing
//! client     endpoint + transport + clock  waits
//! handle     a client that asks            send, await one or all, poll, callbacks
//! service    a client that answers         dispatch, deferred replies
//! -------------------------------------------------------------------------------------------------
//! fixed      all of it once more           in memory of a fixed size, for microcontrollers
//! trunk      a transport over one stream   for guests and firmware, by way of a gateway; and the gateway's side
//! ```
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(feature = "alloc", test))]
extern crate alloc;
#[cfg(test)]
extern crate std;

#[cfg(feature = "alloc")]
mod area;
pub mod body;
mod failure;
pub mod fixed;
mod id;
mod layout;
mod message;
pub mod name;
mod serving;
mod table;
pub mod time;

#[cfg(feature = "alloc")]
mod client;
#[cfg(feature = "alloc")]
mod config;
#[cfg(feature = "alloc")]
mod endpoint;
#[cfg(feature = "alloc")]
mod error;
#[cfg(feature = "alloc")]
mod event;
#[cfg(feature = "alloc")]
mod frame;
#[cfg(feature = "alloc")]
mod handle;
#[cfg(feature = "alloc")]
mod link;
#[cfg(feature = "alloc")]
pub mod memory;
#[cfg(feature = "alloc")]
mod service;
#[cfg(feature = "alloc")]
mod sink;
#[cfg(feature = "alloc")]
pub mod transport;
pub mod trunk;

pub use failure::{Refusal, RemoteErrorKind};
pub use id::{Incarnation, LinkId, ReplyToken, RequestId};
pub use layout::FrameError;
pub use message::PROTOCOL_VERSION;
pub use time::{Clock, Instant};

#[cfg(feature = "alloc")]
pub use {
    client::{Client, Message, Response},
    config::{Config, Overflow},
    endpoint::{Counters, Endpoint},
    error::{CallError, GoneReason, ProtocolError, RemoteError, RequestError, SendError},
    event::{End, Event},
    frame::{Body, Input},
    handle::{AwaitAllError, Delivery, Handle},
    service::{Handler, Request, Service},
    sink::Sink,
};
