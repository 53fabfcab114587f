//! [`BusTransport`]: the transport that the bus of a member has, whichever that is.

#[cfg(target_os = "linux")]
use std::os::fd::BorrowedFd;
use std::time::Duration;

#[cfg(target_os = "linux")]
use ipcm_core::LinkId;
use ipcm_core::transport::{Transport, hand_on};
use ipcm_core::{Client, Config};

use crate::bus::{JoinError, PeerKind, PeerRecord};
use crate::clock::Monotonic;
use crate::files::FilesTransport;
use crate::info::Info;
use crate::joining::{self, Life};
#[cfg(target_os = "linux")]
use crate::unix::UnixTransport;
use crate::{Trust, Waker};

/// The transport of one member of a bus.
pub enum BusTransport {
    /// Unix sockets.
    #[cfg(target_os = "linux")]
    Unix(Box<UnixTransport>),
    /// Message files.
    Files(Box<FilesTransport>),
}

/// The same call of whichever transport it is.
macro_rules! each {
    // Message files send less of it than sockets may be given.
    ($self:ident.packet($link:ident)) => {
        match $self {
            #[cfg(target_os = "linux")]
            BusTransport::Unix(transport) => transport.packet($link),
            BusTransport::Files(transport) => transport.packet($link).max(BusTransport::PACKET),
        }
    };
    ($self:ident.$($call:tt)+) => {
        match $self {
            #[cfg(target_os = "linux")]
            BusTransport::Unix(transport) => transport.$($call)+,
            BusTransport::Files(transport) => transport.$($call)+,
        }
    };
}

impl BusTransport {
    /// Joins the bus as `name` and gives the core's client of that member, for programs that run on other transports
    /// as well. [`Handle`](crate::Handle) and [`Service`](crate::Service) join by themselves.
    ///
    /// # Errors
    ///
    /// Why the bus would not have the member.
    pub fn join(
        info: &Info,
        name: &str,
        kind: PeerKind,
        config: Config,
    ) -> Result<Client<Self, Monotonic>, JoinError> {
        joining::join(info, name, kind, config, Life::First)
    }

    /// Joins the bus in the place of a suspended member of this name, as [`Handle::reconnect`](crate::Handle::reconnect)
    /// does.
    ///
    /// # Errors
    ///
    /// [`JoinError::NotSuspended`] if there is no such member; else why the bus would not have it.
    pub fn rejoin(
        info: &Info,
        name: &str,
        kind: PeerKind,
        config: Config,
    ) -> Result<Client<Self, Monotonic>, JoinError> {
        joining::join(info, name, kind, config, Life::Next)
    }

    /// What the bus knows of this member.
    pub fn record(&self) -> &PeerRecord {
        each!(self.record())
    }

    /// The kernel's word on who is at the other end of a link: process id and user id. Message files have
    /// none.
    #[cfg(target_os = "linux")]
    pub fn credentials(&self, link: LinkId) -> Option<(u32, u32)> {
        match self {
            Self::Unix(transport) => transport.credentials(link),
            Self::Files(_) => None,
        }
    }

    /// A descriptor that is readable when there is something to take in.
    ///
    /// # Errors
    ///
    /// If a connection cannot be watched.
    #[cfg(target_os = "linux")]
    pub fn readiness(&mut self) -> rustix::io::Result<BorrowedFd<'_>> {
        each!(self.readiness())
    }

    /// What wakes this member from another thread.
    ///
    /// # Errors
    ///
    /// If there is no descriptor left.
    pub fn waker(&mut self) -> std::io::Result<Waker> {
        each!(self.waker())
    }

    /// Believes all peers of the bus, or does not. Of no account on message files.
    #[cfg_attr(
        not(target_os = "linux"),
        expect(unused_variables, reason = "a guest has message files alone")
    )]
    pub(crate) fn set_trust(&mut self, trust: Option<Trust>) {
        match self {
            #[cfg(target_os = "linux")]
            Self::Unix(transport) => transport.set_trust(trust),
            Self::Files(_) => {}
        }
    }

    /// Says what this member says of itself at the beginning of a link.
    pub(crate) fn set_hello(&mut self, hello: impl FnOnce() -> Vec<u8>) {
        match self {
            #[cfg(target_os = "linux")]
            Self::Unix(_) => {}
            Self::Files(transport) => transport.set_hello(hello()),
        }
    }

    /// Looks for peers that often where there is no watch, and at least every 50 ms.
    pub(crate) fn set_interval(&mut self, interval: Duration) {
        each!(self.set_interval(interval));
    }
}

#[deny(clippy::missing_trait_methods)]
impl Transport for BusTransport {
    #[cfg(target_os = "linux")]
    const PACKET: usize = UnixTransport::PACKET;
    #[cfg(target_os = "linux")]
    const BUFFER: usize = UnixTransport::BUFFER;
    #[cfg(target_os = "linux")]
    const LARGE: usize = UnixTransport::LARGE;
    #[cfg(not(target_os = "linux"))]
    const PACKET: usize = FilesTransport::PACKET;

    hand_on!(each);
}
