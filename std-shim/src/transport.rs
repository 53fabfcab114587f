//! [`BusTransport`]: the transport that the bus of a member has, whichever that is.

#[cfg(target_os = "linux")]
use std::os::fd::BorrowedFd;
use std::time::Duration;

use ipcm_core::transport::{
    Area, Capabilities, ConnectError, Parting, PeerStatus, Progress, SuspendError, Transport, TransportEvent,
};
use ipcm_core::{Client, Config, Incarnation, Instant, LinkId};

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
    ($self:expr, $transport:ident => $call:expr) => {
        match $self {
            #[cfg(target_os = "linux")]
            BusTransport::Unix($transport) => $call,
            BusTransport::Files($transport) => $call,
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
        each!(self, transport => transport.record())
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
        each!(self, transport => transport.readiness())
    }

    /// What wakes this member from another thread.
    ///
    /// # Errors
    ///
    /// If there is no descriptor left.
    pub fn waker(&mut self) -> std::io::Result<Waker> {
        each!(self, transport => Ok(transport.waker()?))
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
        each!(self, transport => transport.set_interval(interval));
    }
}

impl Transport for BusTransport {
    #[cfg(target_os = "linux")]
    const PACKET: usize = UnixTransport::PACKET;
    #[cfg(target_os = "linux")]
    const BUFFER: usize = UnixTransport::BUFFER;
    #[cfg(target_os = "linux")]
    const LARGE: usize = UnixTransport::LARGE;
    #[cfg(not(target_os = "linux"))]
    const PACKET: usize = FilesTransport::PACKET;

    fn capabilities(&self) -> Capabilities {
        each!(self, transport => transport.capabilities())
    }

    fn connect(&mut self, link: LinkId, peer: &str) -> Result<PeerStatus, ConnectError> {
        each!(self, transport => transport.connect(link, peer))
    }

    fn accept(&mut self, link: LinkId) -> bool {
        each!(self, transport => transport.accept(link))
    }

    fn reject(&mut self) {
        each!(self, transport => transport.reject());
    }

    fn authenticate(&mut self, link: LinkId, name: &str, incarnation: Incarnation) -> bool {
        each!(self, transport => transport.authenticate(link, name, incarnation))
    }

    fn packet(&self, link: LinkId) -> usize {
        each!(self, transport => transport.packet(link)).max(Self::PACKET)
    }

    fn room(&mut self, link: LinkId, len: usize) -> Option<&mut [u8]> {
        each!(self, transport => transport.room(link, len))
    }

    fn send_room(&mut self, link: LinkId, len: usize) -> Result<(), &[u8]> {
        each!(self, transport => transport.send_room(link, len))
    }

    fn take_area(&mut self, link: LinkId) -> Option<Area> {
        each!(self, transport => transport.take_area(link))
    }

    #[inline]
    fn send(&mut self, link: LinkId, bytes: &[u8]) -> Progress {
        each!(self, transport => transport.send(link, bytes))
    }

    #[inline]
    fn receive(&mut self, link: LinkId, buffer: &mut [u8]) -> Progress {
        each!(self, transport => transport.receive(link, buffer))
    }

    #[inline]
    fn receive_or_wait(
        &mut self,
        link: LinkId,
        buffer: &mut [u8],
        now: Instant,
        deadline: Option<Instant>,
    ) -> Progress {
        each!(self, transport => transport.receive_or_wait(link, buffer, now, deadline))
    }

    fn set_receiving(&mut self, link: LinkId, receiving: bool) {
        each!(self, transport => transport.set_receiving(link, receiving));
    }

    fn close(&mut self, link: LinkId) {
        each!(self, transport => transport.close(link));
    }

    #[inline]
    fn poll_event(&mut self) -> Option<TransportEvent> {
        each!(self, transport => transport.poll_event())
    }

    #[inline]
    fn wait(&mut self, deadline: Option<Instant>) {
        each!(self, transport => transport.wait(deadline));
    }

    fn next_deadline(&self) -> Option<Instant> {
        each!(self, transport => transport.next_deadline())
    }

    fn suspend(&mut self, until: Instant, links: Vec<Parting>) -> Result<(), SuspendError> {
        each!(self, transport => transport.suspend(until, links))
    }

    fn spent(&self, link: LinkId) -> u64 {
        each!(self, transport => transport.spent(link))
    }

    fn keep(&mut self, note: &[u8]) -> Result<(), SuspendError> {
        each!(self, transport => transport.keep(note))
    }

    fn take_kept(&mut self) -> Result<Vec<Vec<u8>>, SuspendError> {
        each!(self, transport => transport.take_kept())
    }

    fn find(&mut self, peer: &str) -> Result<Option<PeerStatus>, ConnectError> {
        each!(self, transport => transport.find(peer))
    }

    fn peers(&mut self) -> Result<Vec<String>, ConnectError> {
        each!(self, transport => transport.peers())
    }

    fn watch(&mut self) -> Result<(), ConnectError> {
        each!(self, transport => transport.watch())
    }
}
