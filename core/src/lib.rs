//! Request/response messaging without I/O: the core of `ipcm`.
//!
//! It has no operating system, no clock and no randomness of its own, and needs `alloc` alone. From the
//! wire to the user, each layer a module:
//!
//! ```text
//! frame      bytes <-> frames              any chunking, the length checked before anything is kept
//! message    frames <-> heads              hello, request, response, failure, cancel, message, credit
//! table      requests sent                 fixed slots, generations, deadlines
//! serving    requests to be answered       the same for the other direction
//! link       one peer                      handshake, windows, suspension
//! endpoint   all of it                     bytes and `now` in; bytes, events, next deadline out
//! -------------------------------------------------------------------------------------------------
//! transport  moves bytes, never decides    `Transport`, and `memory` as one that needs nothing
//! client     endpoint + transport + clock  waits
//! handle     a client that asks            send, await one or all, poll, callbacks
//! service    a client that answers         dispatch, deferred replies
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod body;
mod client;
mod config;
mod endpoint;
mod error;
mod event;
mod frame;
mod handle;
mod id;
mod link;
pub mod memory;
mod message;
pub mod name;
mod service;
mod serving;
mod table;
pub mod time;
pub mod transport;

pub use client::{Client, Message, Response};
pub use config::{Config, Overflow};
pub use endpoint::{Counters, Endpoint};
pub use error::{
    CallError, GoneReason, ProtocolError, Refusal, RemoteError, RemoteErrorKind, RequestError, SendError,
};
pub use event::{End, Event};
pub use frame::{Body, Input};
pub use handle::{AwaitAllError, Delivery, Handle};
pub use id::{Incarnation, LinkId, ReplyToken, RequestId};
pub use message::PROTOCOL_VERSION;
pub use service::{Handler, Request, Service};
pub use time::{Clock, Instant};
