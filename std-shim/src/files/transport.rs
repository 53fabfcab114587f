//! The [`Transport`] of one member of a bus.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io::ErrorKind;
#[cfg(target_os = "linux")]
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::time::Duration;
use std::{fs, io};

use ipcm_core::transport::{
    Capabilities, ConnectError, Parting, PeerStatus, Progress, SuspendError, Transport, TransportEvent,
};
use ipcm_core::{Clock, Incarnation, Instant, LinkId, Message, time};

use super::alarm::{Alarm, Found};
use super::connection::{self, Connection};
use super::entry::{Entry, Side, Wire};
use super::kept::{self, Before, Kept, Requeued};
use super::opening::{self, Opening};
use super::row;
use crate::Waker;
use crate::bus::{self, BusDir, BusError, Medium, Membership, PeerRecord, PeerWatch, Presence, news};
use crate::clock::Monotonic;
use crate::log;

/// How often it is looked for what nothing tells of.
const LOOK: Duration = Duration::from_millis(50);
/// Connections that wait to be accepted by one member, at most.
const BACKLOG: usize = 1024;
/// How long a peer that came back in time may take to be heard of.
const GREETING: Duration = Duration::from_secs(10);

/// Message files as the transport of one member of a bus.
pub struct FilesTransport {
    membership: Membership,
    /// This member as it says itself when it connects.
    me: Opening,
    mailbox: PathBuf,
    durable: bool,
    /// By the index of the link.
    connections: Vec<Option<Connection>>,
    /// The links by their names on disk and this member's end.
    wires: HashMap<(Wire, Side), LinkId>,
    /// Links that were not accepted, in order: openings, and what a former life has left.
    incoming: VecDeque<(Wire, Side)>,
    waiting: HashSet<(Wire, Side)>,
    /// Links that may have something to receive.
    ready: Vec<LinkId>,
    events: VecDeque<TransportEvent>,
    alarm: Alarm,
    /// Readable while there is something to take in that the alarm has told of, and whether it is. For someone
    /// else who polls.
    more: Option<(Waker, bool)>,
    /// What the mailbox holds is not known.
    must_list: bool,
    watch: Option<PeerWatch>,
    presence: Option<Presence>,
    waker: Option<Waker>,
    /// The pause between two looks for peers where there is no watch.
    interval: Duration,
    /// Links whose senders wait for room, and links whose peers' ends nothing tells of.
    blocked: Vec<LinkId>,
    unsure: Vec<LinkId>,
    /// Links whose peers are suspended.
    asleep: Vec<LinkId>,
    /// When that was last looked at.
    looked: Instant,
    /// Links that were begun by this member.
    begun: u128,
    /// Messages that were put back by this life.
    requeued: u128,
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
            connections: Vec::new(),
            wires: HashMap::new(),
            incoming: VecDeque::new(),
            waiting: HashSet::new(),
            ready: Vec::new(),
            events: VecDeque::new(),
            more: None,
            must_list: true,
            watch: None,
            presence,
            waker: None,
            interval: LOOK,
            blocked: Vec::new(),
            unsure: Vec::new(),
            asleep: Vec::new(),
            looked: Monotonic.now(),
            begun: 0,
            requeued: 0,
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

    fn connection_mut(&mut self, link: LinkId) -> Option<&mut Connection> {
        self.connections.get_mut(link.index())?.as_mut().filter(|connection| connection.link == link)
    }

    fn insert(&mut self, connection: Connection) {
        let link = connection.link;
        if self.connections.len() <= link.index() {
            self.connections.resize_with(link.index() + 1, || None);
        }
        self.wires.insert((connection.wire, connection.side), link);
        if connection.is_unsure {
            self.unsure.push(link);
        }
        if connection.asleep.is_some() {
            self.asleep.push(link);
        }
        self.connections[link.index()] = Some(connection);
        self.list(link);
    }

    /// Notes that a link may have something to receive.
    fn list(&mut self, link: LinkId) {
        if let Some(connection) = self.connection_mut(link)
            && !std::mem::replace(&mut connection.is_listed, true)
        {
            self.ready.push(link);
        }
    }

    /// One end of a link, as it was left or as it begins.
    fn connection(&self, link: LinkId, end: (Wire, Side), kept: &Kept) -> Connection {
        let path = self.dir().path_of(&bus::mailbox_file(kept.peer().mailbox));
        Connection::new(link, end, kept, (self.mailbox.clone(), path), self.durable)
    }

    /// Makes the end of a peer's process known, or known to be past. One that cannot be looked at now is looked
    /// at again.
    fn look_at(&mut self, connection: &mut Connection) {
        match self.attend(connection) {
            Ok(Some(record)) => {
                if let Some(until) = record.suspended() {
                    connection.learn_of_sleep(until);
                }
            }
            Ok(None) | Err(BusError::NoBus { .. }) => connection.is_dead = true,
            Err(_) => connection.is_unsure = true,
        }
    }

    /// Makes the end of a peer's process known, and returns what the bus knows of it after that; `None` if it
    /// does not live in that mailbox.
    fn attend(&mut self, connection: &mut Connection) -> Result<Option<PeerRecord>, BusError> {
        if let Some(process) = connection.process.take() {
            self.alarm.forget_process(process);
        }
        let lives = |record: &PeerRecord| record.mailbox() == Some(connection.peer.mailbox);
        let Some(record) = self.dir().lookup(&connection.peer.name)?.filter(lives) else { return Ok(None) };
        connection.is_unsure = false;
        connection.peer.incarnation = record.incarnation();
        if record.suspended().is_some() {
            return Ok(Some(record));
        }
        if record.is_guest() {
            let file = self.dir().path_of(&bus::record_file(record.name()));
            self.alarm.watch_guest(connection.link, &file);
        } else if record.pid() == self.record().pid() && !record.is_elsewhere() {
            // It says so when it leaves; and with this process, nobody is left to be told.
            return Ok(Some(record));
        }
        if !record.is_elsewhere() {
            connection.process = self.alarm.watch_process(connection.link, record.pid());
        }
        connection.is_unsure = connection.process.is_none();
        // Its process may have died before it was watched, and its id be another's.
        let again = self.dir().lookup(&connection.peer.name)?;
        Ok(again.filter(|again| again.incarnation() == record.incarnation()))
    }

    /// Looks whether the peer of a link lives.
    fn look_after(&mut self, link: LinkId) {
        let Some(slot) = self.connections.get_mut(link.index()) else { return };
        let Some(mut connection) = slot.take_if(|connection| connection.link == link) else { return };
        let was_unsure = connection.is_unsure;
        self.look_at(&mut connection);
        let is_unsure = connection.is_unsure;
        self.connections[link.index()] = Some(connection);
        self.list(link);
        if is_unsure && !was_unsure {
            self.unsure.push(link);
        }
    }

    /// Takes up what has come to the mailbox.
    fn take_mail(&mut self) {
        let mut entries = Vec::new();
        self.must_list |= !self.alarm.mail(&mut entries);
        if self.must_list {
            self.must_list = !self.alarm.tells_of_mail();
            match fs::read_dir(&self.mailbox) {
                Ok(files) => {
                    let names = files.flatten().map(|file| file.file_name());
                    entries.extend(names.filter_map(|name| Entry::parse(name.to_str()?)));
                    entries.sort_unstable();
                }
                Err(_) => self.must_list = true,
            }
        }
        entries.into_iter().for_each(|entry| self.take_entry(entry));
    }

    fn take_entry(&mut self, entry: Entry) {
        match entry {
            Entry::Opening(wire) => self.take_incoming(wire, Side::Callee),
            Entry::Kept(wire, side) => self.take_incoming(wire, side),
            Entry::Requeued(_) => {}
            Entry::Row(wire, side, place, _) => match self.wires.get(&(wire, side)).copied() {
                Some(link) => {
                    if let Some(connection) = self.connection_mut(link) {
                        connection.see(place);
                    }
                    self.list(link);
                }
                None if self.waiting.contains(&(wire, side)) => {}
                // Sent to a link that was closed meanwhile.
                None => drop(fs::remove_file(self.mailbox.join(entry.to_string()))),
            },
        }
    }

    fn take_incoming(&mut self, wire: Wire, side: Side) {
        if self.incoming.len() < 2 * BACKLOG
            && !self.wires.contains_key(&(wire, side))
            && self.waiting.insert((wire, side))
        {
            self.incoming.push_back((wire, side));
        }
    }

    /// Takes the first link that was not accepted, and its file.
    fn take_first(&mut self) -> Option<((Wire, Side), Kept)> {
        let (wire, side) = self.incoming.pop_front()?;
        self.waiting.remove(&(wire, side));
        let path = |entry: Entry| self.mailbox.join(entry.to_string());
        let (kept, opening) = (path(Entry::Kept(wire, side)), path(Entry::Opening(wire)));
        let first = match fs::read(&kept) {
            Ok(bytes) => kept::parse::<Kept>(&bytes),
            Err(_) => read_short(&opening)
                .and_then(|bytes| Opening::parse(&bytes))
                .map(|opening| Kept::new(&opening, (0, 0), Vec::new())),
        };
        for path in [kept, opening] {
            let _ = fs::remove_file(path);
        }
        Some(((wire, side), first?))
    }

    /// Takes the messages that a former life has put back, in order.
    pub(crate) fn take_requeued(&mut self) -> Vec<Message> {
        let Ok(files) = fs::read_dir(&self.mailbox) else { return Vec::new() };
        let mut entries: Vec<_> =
            files.flatten().filter_map(|file| Entry::parse(file.file_name().to_str()?)).collect();
        entries.sort_unstable();
        let requeued =
            entries.iter().filter(|entry| matches!(entry, Entry::Requeued(_))).filter_map(|entry| {
                let path = self.mailbox.join(entry.to_string());
                let message = fs::read(&path).ok().and_then(|bytes| kept::parse::<Requeued>(&bytes));
                let _ = fs::remove_file(path);
                message.map(Message::from)
            });
        requeued.collect()
    }

    /// Puts a message back for the next life of this member.
    pub(crate) fn requeue(&mut self, message: &Message) -> io::Result<()> {
        self.requeued += 1;
        self.keep(Entry::Requeued(self.requeued), &kept::to_bytes(&Requeued::from(message)))
    }

    fn keep(&self, entry: Entry, bytes: &[u8]) -> io::Result<()> {
        let path = |name: String| self.mailbox.join(name);
        row::put(&path(format!(".{entry}")), &path(entry.to_string()), bytes, self.durable)
    }

    /// Leaves all links to the next life.
    fn leave(&mut self, until: u64, mut partings: Vec<Parting>) -> io::Result<()> {
        // Whoever has connected and was not accepted is told as well.
        self.take_mail();
        while let Some(((wire, side), kept)) = self.take_first() {
            let mut end = self.connection(LinkId::from_bits(0), (wire, side), &kept);
            self.keep_end(&mut end, &[], Vec::new(), until)?;
        }
        for mut connection in std::mem::take(&mut self.connections).into_iter().flatten() {
            let of_link = |parting: &Parting| parting.link == connection.link;
            let Some(at) = partings.iter().position(of_link) else {
                connection.close();
                continue;
            };
            let Parting { unsent, hello, partial, asleep, .. } = partings.swap_remove(at);
            let asleep = asleep.map(|until| Before::Asleep(news::to_wall(until)));
            // The beginning of a frame is that of the life which is to come, if the last one has ended.
            let before = [Some(Before::Bytes(hello)), asleep, Some(Before::Bytes(partial))];
            let is_something = |before: &Before| !matches!(before, Before::Bytes(bytes) if bytes.is_empty());
            let before = before.into_iter().flatten().filter(is_something).collect();
            self.keep_end(&mut connection, &unsent, before, until)?;
        }
        Ok(())
    }

    fn keep_end(
        &self,
        connection: &mut Connection,
        unsent: &[u8],
        before: Vec<Before>,
        until: u64,
    ) -> io::Result<()> {
        let entry = Entry::Kept(connection.wire, connection.side);
        let kept = connection.leave(unsent, before, until)?;
        self.keep(entry, &kept::to_bytes(&kept))
    }

    /// Tells those whose sends had blocked of room, and has the others told.
    fn look_for_room(&mut self) {
        let now = Monotonic.now();
        for link in std::mem::take(&mut self.blocked) {
            let Some(slot) = self.connections.get_mut(link.index()) else { continue };
            let Some(connection) = slot.as_mut().filter(|connection| connection.link == link) else {
                continue;
            };
            if connection.again.is_some_and(|again| again > now) {
                self.blocked.push(link);
                continue;
            }
            // To watch comes first: a file may be taken in just now.
            let was_paused = connection.again.take().is_some();
            let mut has_room = connection.has_room();
            if !has_room {
                self.alarm.watch_room(&connection.path);
                has_room = connection.has_room();
            }
            if has_room {
                connection.is_blocked = false;
                self.events.push_back(TransportEvent::Writable(link));
            } else {
                self.blocked.push(link);
            }
            if was_paused {
                self.list(link);
            }
        }
    }

    fn take_found(&mut self) {
        while let Some(found) = self.alarm.pop() {
            match found {
                Found::Mail => self.take_mail(),
                Found::Room => {
                    self.alarm.clear_room();
                    self.look_for_room();
                }
                Found::Dead(link) => {
                    #[cfg(target_os = "linux")]
                    if let Some(connection) = self.connection_mut(link).filter(|held| held.is_unsure) {
                        // A guest, whose record was closed.
                        let life = connection.peer.incarnation;
                        self.dir().end_beat(life);
                    }
                    self.look_after(link);
                }
                Found::PeersChanged => self.take_changes(),
                Found::BusTouched => {
                    if self.presence.as_ref().is_some_and(Presence::is_gone) {
                        self.events.push_back(TransportEvent::BusGone);
                    }
                }
                Found::Woken => {
                    self.waker.iter().for_each(Waker::clear);
                    self.events.push_back(TransportEvent::Woken);
                }
            }
        }
    }

    /// Looks for what nothing tells of.
    fn look(&mut self) {
        self.membership.beat();
        if self.must_list {
            self.take_mail();
        }
        if self.must_look_for_peers() || self.watch.as_ref().is_some_and(PeerWatch::has_expired) {
            self.take_changes();
        }
        let now = Monotonic.now();
        if now.saturating_since(self.looked) >= LOOK {
            self.looked = now;
            if !self.alarm.tells_of_mail() && self.presence.as_ref().is_some_and(Presence::is_gone) {
                self.events.push_back(TransportEvent::BusGone);
            }
            let unsure = std::mem::take(&mut self.unsure);
            for link in unsure {
                let is_unsure = |connection: &mut Connection| connection.is_unsure && !connection.is_dead;
                if self.connection_mut(link).is_some_and(is_unsure) {
                    self.unsure.push(link);
                    self.look_after(link);
                }
            }
            self.look_for_room();
        }
    }

    /// Reports what can be received and who connects.
    fn report(&mut self) {
        let mut ready = std::mem::take(&mut self.ready);
        ready.retain(|&link| {
            let Some(connection) = self.connection_mut(link) else { return false };
            let asleep = connection.report_sleep();
            connection.is_listed = connection.is_ready();
            let is_ready = connection.is_listed;
            if let Some(until) = asleep {
                self.asleep.push(link);
                self.events.push_back(TransportEvent::Suspended(link, until));
            }
            is_ready
        });
        self.events.extend(ready.iter().map(|&link| TransportEvent::Readable(link)));
        self.ready = ready;
        self.report_late_risers();
        self.events.extend(self.incoming.iter().map(|_| TransportEvent::Incoming));
    }

    /// Reports who is back though its time is over and nothing of it has come.
    fn report_late_risers(&mut self) {
        if self.asleep.is_empty() {
            return;
        }
        let now = Monotonic.now();
        for link in std::mem::take(&mut self.asleep) {
            let Some(connection) = self.connection_mut(link).filter(|held| held.asleep.is_some()) else {
                continue;
            };
            let is_due = connection.asleep.is_some_and(|until| until <= now);
            let (name, mailbox) = (connection.peer.name.clone(), connection.peer.mailbox);
            if is_due
                && let Ok(Some(record)) = self.dir().lookup(&name)
                && record.mailbox() == Some(mailbox)
                && record.suspended().is_none()
            {
                let until = now + GREETING;
                self.events.push_back(TransportEvent::Suspended(link, until));
                if let Some(connection) = self.connection_mut(link) {
                    connection.asleep = Some(until);
                }
            }
            self.asleep.push(link);
        }
    }

    /// Whether there is something to take in that was told of.
    fn has_more(&self) -> bool {
        let is_ready = |link: &LinkId| {
            let connection = self.connections.get(link.index()).and_then(Option::as_ref);
            connection.is_some_and(|connection| {
                connection.link == *link && (connection.is_ready() || connection.has_news())
            })
        };
        !self.incoming.is_empty() || self.ready.iter().any(is_ready)
    }

    /// Nothing tells who comes and goes: the system has no watch left.
    fn must_look_for_peers(&self) -> bool {
        self.watch.as_ref().is_some_and(PeerWatch::waits_by_polling)
    }

    /// Takes in who came and went.
    fn take_changes(&mut self) {
        let Some(watch) = &mut self.watch else { return };
        let mut changes = Vec::new();
        if let Err(error) = watch.changes(&mut changes) {
            log::warn!(%error, "the peers of the bus cannot be watched");
        }
        self.events.extend(changes.into_iter().map(news::told));
    }
}

impl Transport for FilesTransport {
    const PACKET: usize = connection::PACKET;

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.prompt_death = true;
        capabilities.suspend = true;
        capabilities
    }

    fn connect(&mut self, link: LinkId, peer: &str) -> Result<PeerStatus, ConnectError> {
        let record = self.dir().lookup(peer).map_err(news::bus_error)?.ok_or(ConnectError::NoSuchPeer)?;
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
        let draft = connection.path.join(format!(".{}", Entry::Opening(wire)));
        row::put(&draft, &path, &self.me.to_bytes(), self.durable).map_err(failed)?;
        self.insert(connection);
        Ok(news::status(&record))
    }

    fn accept(&mut self, link: LinkId) -> bool {
        let Some(((wire, side), kept)) = self.take_first() else {
            self.show_more();
            return false;
        };
        let mut connection = self.connection(link, (wire, side), &kept);
        // One that has died meanwhile is heard out.
        self.look_at(&mut connection);
        self.insert(connection);
        self.show_more();
        true
    }

    fn reject(&mut self) {
        let first = self.take_first();
        self.show_more();
        if let Some((end, kept)) = first {
            self.connection(LinkId::from_bits(0), end, &kept).close();
        }
    }

    fn authenticate(&mut self, link: LinkId, name: &str, incarnation: Incarnation) -> bool {
        let Some(connection) = self.connection_mut(link) else { return false };
        // A former life has seen to the life of a peer that was its own; that may have changed.
        connection.peer.name == name
            && (connection.is_inherited
                || [connection.peer.incarnation, connection.said].contains(&incarnation))
    }

    fn send(&mut self, link: LinkId, bytes: &[u8]) -> Progress {
        let Some(slot) = self.connections.get_mut(link.index()) else { return Progress::Closed };
        let Some(connection) = slot.as_mut().filter(|connection| connection.link == link) else {
            return Progress::Closed;
        };
        let was_blocked = connection.is_blocked;
        let progress = connection.send(&bytes[..bytes.len().min(Self::PACKET)]);
        match progress {
            Progress::Blocked => {
                if !was_blocked {
                    self.blocked.push(link);
                }
                // Whoever waits is woken when there is room; it may be there by now.
                self.look_for_room();
            }
            Progress::Closed => {
                self.list(link);
                self.show_more();
            }
            Progress::Moved(_) => self.alarm.be_quick(),
            Progress::Broken => {}
        }
        progress
    }

    fn receive(&mut self, link: LinkId, buffer: &mut [u8]) -> Progress {
        let Some(connection) = self.connection_mut(link) else { return Progress::Blocked };
        let progress = connection.receive(buffer);
        let is_awake = matches!(progress, Progress::Moved(_)) && connection.asleep.take().is_some();
        if connection.again.is_some() && !std::mem::replace(&mut connection.is_blocked, true) {
            self.blocked.push(link);
        }
        if is_awake {
            // The next life of the peer speaks.
            self.look_after(link);
        }
        self.show_more();
        progress
    }

    fn close(&mut self, link: LinkId) {
        let Some(slot) = self.connections.get_mut(link.index()) else { return };
        let Some(mut connection) = slot.take_if(|connection| connection.link == link) else { return };
        connection.close();
        self.wires.remove(&(connection.wire, connection.side));
        if let Some(process) = connection.process.take() {
            self.alarm.forget_process(process);
        }
        self.blocked.retain(|&other| other != link);
        self.unsure.retain(|&other| other != link);
        self.asleep.retain(|&other| other != link);
        self.show_more();
    }

    fn poll_event(&mut self) -> Option<TransportEvent> {
        let event = self.events.pop_front();
        if let Some(TransportEvent::Suspended(link, _)) = event
            && let Some(connection) = self.connection_mut(link)
        {
            connection.pass_sleep();
            self.list(link);
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
        let must_look = !self.unsure.is_empty() || !self.blocked.is_empty();
        time::earlier(time::earlier(beat, expiry), must_look.then(|| self.looked + LOOK))
    }

    fn suspend(&mut self, until: Instant, links: Vec<Parting>) -> Result<(), SuspendError> {
        let until = news::to_wall(until);
        let failed = |error: BusError| SuspendError::Bus(news::with_sources(&error));
        self.leave(until, links).map_err(|error| failed(self.dir().error("suspending a peer", error)))?;
        self.membership.suspend(until).map_err(failed)
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
    /// Closes every link, so that each peer knows at once. In a forked child it does nothing.
    fn drop(&mut self) {
        if self.membership.is_ours() {
            self.connections.iter_mut().flatten().for_each(Connection::close);
        }
    }
}

/// Reads a file that is not longer than an opening.
fn read_short(path: &std::path::Path) -> Option<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(opening::LONGEST as u64 + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() <= opening::LONGEST).then_some(bytes)
}
