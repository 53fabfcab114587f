//! The [`Transport`] of one member of a bus. Its `turn` is what a wait is told of and finds.

use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use ipcm_core::transport::{
    Area, Capabilities, ConnectError, PeerStatus, Progress, Transport, TransportEvent,
};
use ipcm_core::{Clock, Incarnation, Instant, LinkId, time};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};

use super::connection::{Connection, Interest};
use super::poller::{Found, Poller};
use super::pool::{LARGE, SLOT};
use super::waker::Waker;
use crate::bus::{self, BusDir, Membership, PeerKind, PeerRecord, PeerWatch, Presence, news};
use crate::clock::Monotonic;
use crate::log;
use crate::sys::shared_memory::Trust;

mod turn;

/// How long nothing is accepted after descriptors have run out.
const DESCRIPTOR_PAUSE: Duration = Duration::from_millis(50);

/// Unix sockets as the transport of one member of a bus.
///
/// A connection that carries packets of 16 KiB and more maps, for each direction that does, eight slots of 1 MiB and
/// 64 KiB. Memory is taken for those that were in use at once, and given back with the connection.
pub struct UnixTransport {
    /// Dropped first: to leave does not wait for the descriptors to close.
    membership: Membership,
    listener: OwnedFd,
    /// By the index of the link.
    connections: Vec<Option<Connection>>,
    poller: Poller,
    /// Connections that are not in the epoll yet; they enter it when a wait is about to block.
    unwatched: Vec<LinkId>,
    /// Someone else polls the epoll: every connection must be in it.
    is_shared: bool,
    events: VecDeque<TransportEvent>,
    watch: Option<PeerWatch>,
    presence: Option<Presence>,
    changes: Vec<bus::PeerChange>,
    waker: Option<Waker>,
    /// The pause between two looks for peers where there is no watch.
    interval: Duration,
    /// Descriptors have run out: accepting goes on then.
    accept_again: Option<Instant>,
    /// Large packets of later connections are read where peers wrote them.
    trust: Option<Trust>,
}

impl UnixTransport {
    /// The transport of a member, which reports the end of the bus if it has a `presence`.
    pub(crate) fn new(
        membership: Membership,
        listener: OwnedFd,
        presence: Option<Presence>,
    ) -> rustix::io::Result<Self> {
        let poller = Poller::new()?;
        poller.add_listener(listener.as_fd())?;
        if let Some(told) = presence.as_ref().and_then(Presence::fd) {
            poller.add_presence(told)?;
        }
        Ok(Self {
            connections: Vec::new(),
            poller,
            unwatched: Vec::new(),
            is_shared: false,
            events: VecDeque::new(),
            watch: None,
            presence,
            changes: Vec::new(),
            waker: None,
            interval: bus::POLL_INTERVAL,
            accept_again: None,
            trust: None,
            listener,
            membership,
        })
    }

    /// What the bus knows of this member.
    pub fn record(&self) -> &PeerRecord {
        self.membership.record()
    }

    /// Looks for peers that often where there is no watch, and at least every 50 ms.
    pub(crate) fn set_interval(&mut self, interval: Duration) {
        self.interval = interval.clamp(Duration::from_millis(1), bus::POLL_INTERVAL);
    }

    /// Reads the large packets of later connections where peers wrote them.
    pub(crate) fn set_trust(&mut self, trust: Option<Trust>) {
        self.trust = trust;
    }

    /// A descriptor that is readable when there is something to take in.
    ///
    /// # Errors
    ///
    /// If a connection cannot be watched.
    pub fn readiness(&mut self) -> rustix::io::Result<BorrowedFd<'_>> {
        self.is_shared = true;
        self.watch_all()?;
        Ok(self.poller.fd())
    }

    /// What wakes this member from another thread.
    ///
    /// # Errors
    ///
    /// If there is no descriptor left.
    pub fn waker(&mut self) -> std::io::Result<Waker> {
        if let Some(waker) = &self.waker {
            return Ok(waker.clone());
        }
        let waker = Waker::new()?;
        self.poller.add_waker(waker.as_fd())?;
        Ok(self.waker.insert(waker).clone())
    }

    /// A socket whose number is above that of the watch on the bus.
    ///
    /// When a process is killed, the kernel closes its descriptors from the highest number down, and takes
    /// some 5 ms for an inotify watch: peers would learn of the end of what lies below it that much later.
    fn lift(&self, socket: OwnedFd) -> OwnedFd {
        match self.presence.as_ref().and_then(Presence::fd) {
            Some(watch) if socket.as_raw_fd() < watch.as_raw_fd() => {
                rustix::io::fcntl_dupfd_cloexec(&socket, watch.as_raw_fd() + 1).unwrap_or(socket)
            }
            _ => socket,
        }
    }

    /// The kernel's word on who is at the other end of a link: process id and user id.
    pub fn credentials(&self, link: LinkId) -> Option<(u32, u32)> {
        self.connection(link).map(|connection| (connection.pid, connection.uid))
    }

    fn dir(&self) -> &BusDir {
        self.membership.dir()
    }

    fn connection(&self, link: LinkId) -> Option<&Connection> {
        self.connections.get(link.index())?.as_ref().filter(|connection| connection.link == link)
    }

    fn connection_mut(&mut self, link: LinkId) -> Option<&mut Connection> {
        self.connections.get_mut(link.index())?.as_mut().filter(|connection| connection.link == link)
    }

    fn insert(&mut self, connection: Connection) -> rustix::io::Result<()> {
        let link = connection.link;
        if self.connections.len() <= link.index() {
            self.connections.resize_with(link.index() + 1, || None);
        }
        self.poller.watch_process(&connection)?;
        self.connections[link.index()] = Some(connection);
        if self.is_shared {
            return self.watch_link(link, Interest::Read);
        }
        self.unwatched.push(link);
        Ok(())
    }
}

impl Transport for UnixTransport {
    /// A body of 64 KiB and its head fit in one packet, and a packet in any socket's default buffer.
    const PACKET: usize = 68 * 1024;
    const BUFFER: usize = SLOT;
    const LARGE: usize = LARGE;

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.prompt_death = true;
        capabilities
    }

    fn connect(&mut self, link: LinkId, peer: &str) -> Result<PeerStatus, ConnectError> {
        let record = self.dir().lookup(peer).map_err(news::bus_error)?.ok_or(ConnectError::NoSuchPeer)?;
        let socket = self.dir().connect(&record).map_err(connect_error)?;
        let io = |error: Errno| ConnectError::Bus(error.to_string());
        let connection =
            Connection::new(link, self.lift(socket), Self::PACKET, true, self.trust).map_err(io)?;
        self.insert(connection).map_err(io)?;
        Ok(news::status(&record))
    }

    fn accept(&mut self, link: LinkId) -> bool {
        let socket = loop {
            match accept_with(self.listener.as_fd(), SocketFlags::CLOEXEC) {
                Ok(socket) => break socket,
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                    self.pause_accepting();
                    return false;
                }
                Err(_) => return false,
            }
        };
        let connection = Connection::new(link, self.lift(socket), Self::PACKET, false, self.trust);
        let Ok(connection) = connection else { return false };
        if !self.dir().admits(connection.uid) {
            log::warn!(uid = connection.uid, "refused a connection of a user the bus is not for");
            return false;
        }
        self.insert(connection).is_ok()
    }

    fn reject(&mut self) {
        let _ = accept_with(self.listener.as_fd(), SocketFlags::CLOEXEC);
    }

    fn authenticate(&mut self, link: LinkId, name: &str, incarnation: Incarnation) -> bool {
        let Some((pid, uid)) = self.credentials(link) else { return false };
        let Ok(Some(record)) = self.dir().lookup(name) else { return false };
        // Zero is a process in a pid namespace that this one cannot see into.
        let same_process = pid == record.pid() || pid == 0 || record.is_elsewhere();
        let genuine = record.incarnation() == incarnation && record.uid() == uid && same_process;
        // Services are asked over the connections that they have made; a mere client is spared the pidfd.
        if genuine && record.kind() == PeerKind::Service {
            self.watch_process(link);
        }
        genuine
    }

    fn packet(&self, link: LinkId) -> usize {
        self.connection(link).map_or(Self::PACKET, |connection| connection.room_len().max(Self::PACKET))
    }

    fn room(&mut self, link: LinkId, len: usize) -> Option<&mut [u8]> {
        // While the socket is full, what is new waits behind what is old.
        let is_free = |connection: &&mut Connection| connection.interest != Some(Interest::ReadAndWrite);
        self.connection_mut(link).filter(is_free)?.room(len)
    }

    fn send_room(&mut self, link: LinkId, len: usize) -> Result<(), &[u8]> {
        self.connection_mut(link).map_or(Err(&[]), |connection| connection.send_room(len))
    }

    fn send(&mut self, link: LinkId, bytes: &[u8]) -> Progress {
        let Some(connection) = self.connection_mut(link) else { return Progress::Closed };
        let progress = connection.send(bytes);
        if progress == Progress::Blocked && self.watch_link(link, Interest::ReadAndWrite).is_err() {
            return Progress::Closed;
        }
        progress
    }

    fn take_area(&mut self, link: LinkId) -> Option<Area> {
        self.connection_mut(link)?.take_area()
    }

    fn receive(&mut self, link: LinkId, buffer: &mut [u8]) -> Progress {
        self.connection_mut(link).map_or(Progress::Blocked, |connection| connection.receive(buffer))
    }

    fn receive_or_wait(
        &mut self,
        link: LinkId,
        buffer: &mut [u8],
        now: Instant,
        deadline: Option<Instant>,
    ) -> Progress {
        let must_look_again = self.accept_again.is_some() || self.must_look_for_peers();
        let Some(slot) = self.connections.get_mut(link.index()) else { return Progress::Blocked };
        let Some(connection) = slot.as_mut().filter(|connection| connection.link == link && !must_look_again)
        else {
            return Progress::Blocked;
        };
        match connection.interest {
            // Its output waits as well.
            Some(Interest::ReadAndWrite | Interest::Write) => return Progress::Blocked,
            // A socket in an epoll takes longer to wake a plain receive.
            Some(Interest::Read) if !self.is_shared => {
                self.poller.forget(connection);
                self.unwatched.push(link);
            }
            _ => {}
        }
        connection.receive_or_wait(buffer, now, deadline, self.poller.fd())
    }

    fn set_receiving(&mut self, link: LinkId, receiving: bool) {
        let connection = self.connections.get_mut(link.index()).and_then(Option::as_mut);
        let Some(connection) = connection.filter(|connection| connection.link == link) else { return };
        if connection.is_paused != receiving {
            return;
        }
        connection.is_paused = !receiving;
        let interest = match connection.interest {
            Some(Interest::ReadAndWrite | Interest::Write) => Interest::ReadAndWrite,
            _ => Interest::Read,
        };
        self.unwatched.retain(|&other| other != link);
        let watched = self.watch_link(link, interest);
        if watched.is_err() {
            self.unwatched.push(link);
        }
    }

    fn close(&mut self, link: LinkId) {
        let Some(slot) = self.connections.get_mut(link.index()) else { return };
        if let Some(mut connection) = slot.take_if(|connection| connection.link == link) {
            self.poller.forget(&mut connection);
            self.poller.forget_process(&mut connection);
        }
        self.unwatched.retain(|&other| other != link);
    }

    fn poll_event(&mut self) -> Option<TransportEvent> {
        self.events.pop_front()
    }

    fn wait(&mut self, deadline: Option<Instant>) {
        self.resume_accepting();
        let mut deadline = time::earlier(deadline, self.accept_again);
        if self.must_look_for_peers() {
            deadline = time::earlier(deadline, Some(Monotonic.now() + self.interval));
        }
        let at_once = !self.events.is_empty() || deadline.is_some_and(|deadline| deadline <= Monotonic.now());
        if at_once {
            deadline = Some(Instant::ZERO);
            // Cheaper to try than to watch, if nobody is going to wait for them.
            let unwatched = self.unwatched.iter().map(|&link| TransportEvent::Readable(link));
            self.events.extend(unwatched);
        } else if let Err(error) = self.watch_all() {
            log::warn!(%error, "a connection cannot be watched");
            deadline = time::earlier(deadline, Some(Monotonic.now() + DESCRIPTOR_PAUSE));
        }
        if let Err(error) = self.poller.wait(deadline) {
            log::error!(%error, "waiting for events failed");
        }
        self.take_found();
        if self.must_look_for_peers() {
            self.take_changes();
            if self.presence.as_ref().is_some_and(|bus| bus.waits_by_polling() && bus.is_gone()) {
                self.events.push_back(TransportEvent::BusGone);
            }
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let look = self.must_look_for_peers().then(|| Monotonic.now() + self.interval);
        time::earlier(self.accept_again, look)
    }

    fn find(&mut self, peer: &str) -> Result<Option<PeerStatus>, ConnectError> {
        Ok(self.dir().lookup(peer).map_err(news::bus_error)?.as_ref().map(news::status))
    }

    fn peers(&mut self) -> Result<Vec<String>, ConnectError> {
        let peers = self.dir().peers().map_err(news::bus_error)?;
        let names = peers.iter().map(|peer| peer.name().to_owned());
        Ok(names.filter(|name| name != self.membership.name()).collect())
    }

    fn watch(&mut self) -> Result<(), ConnectError> {
        if self.watch.is_some() {
            return Ok(());
        }
        let watch = self.dir().watch().map_err(news::bus_error)?;
        if let Some(fd) = watch.fd() {
            let added = self.poller.add_watch(fd);
            added.map_err(|error| news::bus_error(self.dir().error("watching the bus", error)))?;
        }
        let others = watch.known().filter(|peer| peer.name() != self.membership.name());
        self.events.extend(others.map(news::arrived));
        self.watch = Some(watch);
        Ok(())
    }
}

fn connect_error(error: bus::ConnectError) -> ConnectError {
    match error {
        bus::ConnectError::Backlog { .. } => ConnectError::Busy,
        bus::ConnectError::Gone { .. } => ConnectError::NoSuchPeer,
        bus::ConnectError::Impostor { .. } => ConnectError::NotPermitted(error.to_string()),
        bus::ConnectError::Bus { source, .. } => news::bus_error(source),
    }
}
