//! The [`Transport`] of one member of a bus.
//!
//! ```text
//! mail      what comes to its mailbox
//! life      the lives of the peers at the other ends
//! turn      what a wait has found
//! parting   what a life leaves to the next
//! ```

use std::collections::VecDeque;
use std::io::ErrorKind;
#[cfg(target_os = "linux")]
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use ipcm_core::transport::{
    Capabilities, ConnectError, Parting, PeerState, PeerStatus, Progress, SuspendError, Transport,
    TransportEvent,
};
use ipcm_core::{Clock, Incarnation, Instant, LinkId, time};

use super::alarm::{Alarm, Found};
use super::connection::{self, Connection};
use super::entry::{Entry, Side, Wire};
use super::incoming::{BACKLOG, Incoming};
use super::kept::{Before, Kept};
use super::links::Links;
use super::opening::Opening;
use super::row;
use crate::Waker;
use crate::bus::{self, BusDir, BusError, Medium, Membership, PeerRecord, PeerWatch, Presence, news};
use crate::clock::Monotonic;
use crate::log;

mod life;
mod mail;
mod parting;
mod turn;

/// How often it is looked for what nothing tells of.
const LOOK: Duration = Duration::from_millis(50);
/// How long a peer that came back in time may take to be heard of.
const GREETING: Duration = Duration::from_secs(10);

/// Message files as the transport of one member of a bus.
pub struct FilesTransport {
    membership: Membership,
    /// This member as it says itself when it connects.
    me: Opening,
    mailbox: PathBuf,
    durable: bool,
    links: Links,
    incoming: Incoming,
    events: VecDeque<TransportEvent>,
    alarm: Alarm,
    /// Readable while there is something to take in that the alarm has told of, and whether it is. For someone
    /// else who polls.
    more: Option<(Waker, bool)>,
    /// What the mailbox holds is not known.
    must_list: bool,
    /// The mailbox was removed, or the record is another's: this member is none any more.
    is_lost: bool,
    /// That was told, or that the bus is gone.
    is_over: bool,
    watch: Option<PeerWatch>,
    presence: Option<Presence>,
    waker: Option<Waker>,
    /// The pause between two looks for peers where there is no watch.
    interval: Duration,
    /// When it was last looked for what nothing tells of.
    looked: Instant,
    /// Links that were begun by this member.
    begun: u128,
    /// What this life has kept for the next one.
    notes: u128,
    /// What this member says of itself at the beginning of a link, for those who connect while it is suspended.
    hello: Vec<u8>,
}

impl FilesTransport {
    /// The transport of a member, which reports the end of the bus if it has a `presence`.
    pub(crate) fn new(membership: Membership, presence: Option<Presence>) -> io::Result<Self> {
        let (dir, record) = (membership.dir(), membership.record());
        let id = record.mailbox().ok_or(ErrorKind::Unsupported)?;
        let me = Opening { name: record.name().to_owned(), incarnation: record.incarnation(), mailbox: id };
        let mailbox = dir.path_of(&bus::mailbox_file(id));
        let alarm = Alarm::new(&mailbox, presence.as_ref())?;
        Ok(Self {
            me,
            durable: dir.medium() == Medium::DurableFiles,
            links: Links::default(),
            incoming: Incoming::default(),
            events: VecDeque::new(),
            more: None,
            must_list: true,
            is_lost: false,
            is_over: false,
            watch: None,
            presence,
            waker: None,
            interval: LOOK,
            looked: Monotonic.now(),
            begun: 0,
            notes: 0,
            hello: Vec::new(),
            alarm,
            mailbox,
            membership,
        })
    }

    /// What the bus knows of this member.
    pub fn record(&self) -> &PeerRecord {
        self.membership.record()
    }

    /// Looks for peers that often where there is no watch, and at least every 50 ms.
    pub(crate) fn set_interval(&mut self, interval: Duration) {
        self.interval = interval.clamp(Duration::from_millis(1), LOOK);
    }

    /// Says what this member says of itself at the beginning of a link.
    pub(crate) fn set_hello(&mut self, hello: Vec<u8>) {
        self.hello = hello;
    }

    /// A descriptor that is readable when there is something to take in.
    #[cfg(target_os = "linux")]
    pub(crate) fn readiness(&mut self) -> rustix::io::Result<BorrowedFd<'_>> {
        if self.more.is_none() {
            let more = Waker::new()?;
            self.alarm.add_more(&more)?;
            self.more = Some((more, false));
            self.show_more();
        }
        Ok(self.alarm.fd())
    }

    /// Shows whoever polls whether there is more to take in.
    fn show_more(&mut self) {
        let has_more = self.has_more();
        let Some((more, shown)) = &mut self.more else { return };
        match (has_more, *shown) {
            (true, false) => more.wake(),
            (false, true) => more.clear(),
            _ => {}
        }
        *shown = has_more;
    }

    /// What wakes this member from another thread.
    pub(crate) fn waker(&mut self) -> io::Result<Waker> {
        if let Some(waker) = &self.waker {
            return Ok(waker.clone());
        }
        let waker = Waker::new()?;
        self.alarm.add_waker(&waker)?;
        Ok(self.waker.insert(waker).clone())
    }

    fn dir(&self) -> &BusDir {
        self.membership.dir()
    }

    /// Begins a link: see [`Transport::connect`].
    fn call(&mut self, link: LinkId, peer: &str) -> Result<PeerStatus, ConnectError> {
        let record = self.dir().lookup(peer).map_err(news::bus_error)?.ok_or(ConnectError::NoSuchPeer)?;
        if self.is_lost {
            return Err(news::bus_error(BusError::Ousted { path: self.dir().path().to_owned() }));
        }
        let mailbox = record.mailbox().ok_or_else(|| ConnectError::Bus("the peer has no mailbox".into()))?;
        // No other life of any member has these ids.
        let wire = Wire(self.me.incarnation.as_bits().wrapping_add(self.begun));
        self.begun += 1;
        let theirs = Opening { name: peer.to_owned(), incarnation: record.incarnation(), mailbox };
        let fresh = Kept::new(&theirs, (0, 0), Vec::new());
        let mut connection = self.connection(link, (wire, Side::Caller), &fresh);
        let attended = self.attend(&mut connection).map_err(news::bus_error)?;
        let record = attended.ok_or(ConnectError::NoSuchPeer)?;
        let failed = |error: io::Error| match error.kind() {
            ErrorKind::NotFound => ConnectError::NoSuchPeer,
            _ => news::bus_error(self.dir().error("connecting to a peer", error)),
        };
        let waiting = fs::read_dir(&connection.path).map_err(failed)?.flatten();
        let is_opening = |name: &std::ffi::OsStr| name.as_encoded_bytes().ends_with(b".open");
        if waiting.filter(|file| is_opening(&file.file_name())).count() >= BACKLOG {
            return Err(ConnectError::Busy);
        }
        let path = connection.path.join(Entry::Opening(wire).to_string());
        // Written where it is cleared away with this member if that dies before it gets its name.
        let draft = self.mailbox.join(format!(".{}", Entry::Opening(wire)));
        let prepared = connection.prepare_ends();
        let begun = prepared.and_then(|()| row::put(&draft, &path, &self.me.to_bytes(), self.durable));
        if let Err(error) = begun {
            connection.forget();
            return Err(failed(error));
        }
        let mut status = news::status(&record);
        if let Some(terms) = self.find_terms(&connection, &record).map_err(news::bus_error)? {
            // It is heard like a peer that is there, and then falls asleep.
            status.state = PeerState::Active;
            connection.hear_first(terms);
        }
        self.links.insert(connection);
        Ok(status)
    }

    /// One end of a link, as it was left or as it begins.
    fn connection(&self, link: LinkId, end: (Wire, Side), kept: &Kept) -> Connection {
        let path = self.dir().path_of(&bus::mailbox_file(kept.peer().mailbox));
        Connection::new(link, end, kept, (self.mailbox.clone(), path), self.durable)
    }
}

impl Transport for FilesTransport {
    const PACKET: usize = connection::PACKET;

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        // A guest finds it out by looking.
        capabilities.prompt_death = cfg!(target_os = "linux");
        capabilities.suspend = true;
        capabilities
    }

    fn connect(&mut self, link: LinkId, peer: &str) -> Result<PeerStatus, ConnectError> {
        let connected = self.call(link, peer);
        if connected.is_err() {
            self.alarm.forget_record(link);
        }
        connected
    }

    fn accept(&mut self, link: LinkId) -> bool {
        let Ok(Some((end, kept))) = self.incoming.take_first(&self.mailbox) else {
            self.show_more();
            return false;
        };
        let mut connection = self.connection(link, end, &kept);
        // One that has died meanwhile is heard out.
        self.look_at(&mut connection);
        self.links.insert(connection);
        self.show_more();
        true
    }

    fn spent(&self, link: LinkId) -> u64 {
        self.links.get(link).map_or(0, |connection| connection.spent)
    }

    fn reject(&mut self) {
        let first = self.incoming.take_first(&self.mailbox);
        self.show_more();
        if let Ok(Some((end, kept))) = first {
            self.connection(LinkId::from_bits(0), end, &kept).close();
        }
    }

    fn authenticate(&mut self, link: LinkId, name: &str, incarnation: Incarnation) -> bool {
        let Some(connection) = self.links.get_mut(link) else { return false };
        // A former life has seen to the life of a peer that was its own; that may have changed.
        connection.peer.name == name
            && (connection.is_inherited
                || [connection.peer.incarnation, connection.said].contains(&incarnation))
    }

    fn send(&mut self, link: LinkId, bytes: &[u8]) -> Progress {
        let Some(connection) = self.links.get_mut(link) else { return Progress::Closed };
        let was_blocked = connection.is_blocked;
        let progress = connection.send(&bytes[..bytes.len().min(Self::PACKET)]);
        match progress {
            Progress::Blocked => {
                if !was_blocked {
                    self.links.blocked.push(link);
                }
                // Whoever waits is woken when there is room; it may be there by now.
                self.look_for_room();
            }
            Progress::Closed => {
                self.links.list(link);
                self.show_more();
            }
            Progress::Moved(_) => self.alarm.be_quick(),
            Progress::Broken => {}
        }
        progress
    }

    fn receive(&mut self, link: LinkId, buffer: &mut [u8]) -> Progress {
        let Some(connection) = self.links.get_mut(link) else { return Progress::Blocked };
        let progress = connection.receive(buffer);
        let is_awake = matches!(progress, Progress::Moved(_)) && connection.asleep.take().is_some();
        if connection.again.is_some() && !std::mem::replace(&mut connection.is_blocked, true) {
            self.links.blocked.push(link);
        }
        if is_awake {
            // The next life of the peer speaks.
            self.look_after(link);
        }
        self.show_more();
        progress
    }

    fn close(&mut self, link: LinkId) {
        let Some(mut connection) = self.links.remove(link) else { return };
        connection.close();
        if let Some(process) = connection.process.take() {
            self.alarm.forget_process(process);
        }
        self.alarm.forget_record(link);
        self.show_more();
    }

    fn poll_event(&mut self) -> Option<TransportEvent> {
        let event = self.events.pop_front();
        if let Some(TransportEvent::Suspended(link, _)) = event
            && let Some(connection) = self.links.get_mut(link)
        {
            connection.pass_sleep();
            self.links.list(link);
        }
        event
    }

    fn wait(&mut self, deadline: Option<Instant>) {
        let deadline = match !self.events.is_empty() || self.has_more() {
            true => Some(Instant::ZERO),
            false => time::earlier(deadline, self.next_deadline()),
        };
        if let Err(error) = self.alarm.wait(deadline) {
            log::error!(%error, "waiting for events failed");
        }
        self.take_found();
        self.look();
        self.report();
        if !self.events.is_empty() {
            self.alarm.be_quick();
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let beat = self.membership.next_beat();
        if self.must_list || self.must_look_for_peers() {
            return time::earlier(beat, Some(Monotonic.now() + self.interval));
        }
        let expiry = self.watch.as_ref().and_then(PeerWatch::next_expiry);
        let is_told_of_end = !self.presence.as_ref().is_some_and(Presence::waits_by_polling);
        let must_look = !is_told_of_end || !self.links.unsure.is_empty() || !self.links.blocked.is_empty();
        let look = must_look.then(|| self.looked + LOOK);
        [expiry, look, self.incoming.again()].into_iter().fold(beat, time::earlier)
    }

    fn suspend(&mut self, until: Instant, links: Vec<Parting>) -> Result<(), SuspendError> {
        let left = self.leave(news::to_wall(until), links);
        left.map_err(|error| suspend_error(&error))
    }

    fn keep(&mut self, note: &[u8]) -> Result<(), SuspendError> {
        let kept = self.keep_note(note);
        kept.map_err(|error| suspend_error(&self.dir().error("keeping something for the next life", error)))
    }

    fn take_kept(&mut self) -> Result<Vec<Vec<u8>>, SuspendError> {
        let taken = self.take_notes();
        taken.map_err(|error| suspend_error(&self.dir().error("taking up what was kept", error)))
    }

    fn find(&mut self, peer: &str) -> Result<Option<PeerStatus>, ConnectError> {
        Ok(self.dir().lookup(peer).map_err(news::bus_error)?.as_ref().map(news::status))
    }

    fn peers(&mut self) -> Result<Vec<String>, ConnectError> {
        let peers = self.dir().peers().map_err(news::bus_error)?;
        let names = peers.iter().map(|peer| peer.name().to_owned());
        Ok(names.filter(|name| *name != self.me.name).collect())
    }

    fn watch(&mut self) -> Result<(), ConnectError> {
        if self.watch.is_some() {
            return Ok(());
        }
        let watch = self.dir().watch().map_err(news::bus_error)?;
        if let Some(fd) = watch.fd() {
            let added = self.alarm.add_watch(fd);
            added.map_err(|error| news::bus_error(self.dir().error("watching the bus", error)))?;
        }
        let others = watch.known().filter(|peer| peer.name() != self.me.name);
        self.events.extend(others.map(news::arrived));
        self.watch = Some(watch);
        Ok(())
    }
}

impl Drop for FilesTransport {
    /// Closes every link, so that each peer knows at once, and refuses those who wait. In a forked child it does
    /// nothing, nor where a life is to come.
    fn drop(&mut self) {
        if self.membership.is_ours() && !self.membership.keeps_mailbox() {
            self.links.iter_mut().for_each(Connection::close);
            self.refuse_all();
        }
    }
}

fn suspend_error(error: &BusError) -> SuspendError {
    SuspendError::Bus(news::with_sources(error))
}
