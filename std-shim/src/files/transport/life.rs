//! The lives of the peers of this member's links.

use super::*;

/// How often a peer is looked at that changes meanwhile.
const ATTEMPTS: usize = 4;
/// By how much the clock that a record goes by may be ahead of the one that ends a suspension here.
const SLACK: Duration = Duration::from_millis(500);

impl FilesTransport {
    /// Makes the end of a peer's process known, or known to be past. One that cannot be looked at now is looked
    /// at again.
    pub(super) fn look_at(&mut self, connection: &mut Connection) {
        match self.attend(connection) {
            Ok(Some(record)) => {
                if let Some(until) = record.suspended() {
                    connection.learn_of_sleep(until);
                }
            }
            // Its suspension runs out, which whoever waits for it is told of as such.
            Ok(None) if connection.asleep.is_some_and(|until| until <= Monotonic.now() + SLACK) => {
                connection.is_unsure = true;
            }
            Ok(None) | Err(BusError::NoBus { .. }) => connection.is_dead = true,
            Err(_) => connection.is_unsure = true,
        }
    }

    /// Makes the end of a peer's life known, or that of its sleep, and returns what the bus knows of it after that;
    /// `None` if it does not live in that mailbox.
    pub(super) fn attend(&mut self, connection: &mut Connection) -> Result<Option<PeerRecord>, BusError> {
        let mut found = self.find_life(connection)?;
        for _ in 0..ATTEMPTS {
            let Some(record) = found else { break };
            connection.peer.incarnation = record.incarnation();
            connection.is_unsure = !self.watch_life(connection, &record);
            // Its process may have died before it was watched, and its id be another's; or it has come back.
            found = self.find_life(connection)?;
            let is_same = |now: &PeerRecord| {
                (now.incarnation(), now.suspended()) == (record.incarnation(), record.suspended())
            };
            if found.as_ref().is_some_and(is_same) {
                return Ok(found);
            }
        }
        connection.is_unsure = true;
        Ok(found)
    }

    /// What the bus knows of the peer of a link, if that lives in the mailbox of the link.
    pub(super) fn find_life(&self, connection: &Connection) -> Result<Option<PeerRecord>, BusError> {
        let lives = |record: &PeerRecord| record.mailbox() == Some(connection.peer.mailbox);
        Ok(self.dir().lookup(&connection.peer.name)?.filter(lives))
    }

    /// Has it told when this life ends, or the sleep; false if nothing will tell.
    fn watch_life(&mut self, connection: &mut Connection, record: &PeerRecord) -> bool {
        if let Some(process) = connection.process.take() {
            self.alarm.forget_process(process);
        }
        let file = self.dir().path_of(&bus::record_file(record.name()));
        if record.suspended().is_some() {
            return self.alarm.watch_suspended(connection.link, &file);
        }
        if record.is_guest() {
            self.alarm.watch_guest(connection.link, &file);
            return false;
        }
        if record.is_elsewhere() {
            return false;
        }
        if record.pid() == self.record().pid() {
            // It says so when it leaves, unless it had not taken the link in; and with this process, nobody is left to
            // be told. One that falls asleep says so before it does.
            return connection.asleep.is_none()
                && (connection.side == Side::Callee || connection.has_heard());
        }
        connection.process = self.alarm.watch_process(connection.link, record.pid());
        connection.process.is_some()
    }

    /// Looks whether the peer of a link lives.
    pub(super) fn look_after(&mut self, link: LinkId) {
        let Some(mut connection) = self.links.take(link) else { return };
        let was_unsure = connection.is_unsure;
        self.look_at(&mut connection);
        let is_unsure = connection.is_unsure;
        self.links.put(connection);
        self.links.list(link);
        if is_unsure && !was_unsure {
            self.links.note_unsure(link);
        }
    }

    /// Reports who is back though its time is over and nothing of it has come.
    pub(super) fn report_late_risers(&mut self) {
        if self.links.asleep.is_empty() {
            return;
        }
        let now = Monotonic.now();
        for link in std::mem::take(&mut self.links.asleep) {
            let Some(connection) = self.links.get_mut(link).filter(|held| held.asleep.is_some()) else {
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
                if let Some(connection) = self.links.get_mut(link) {
                    connection.asleep = Some(until);
                }
            }
            self.links.asleep.push(link);
        }
    }
}
