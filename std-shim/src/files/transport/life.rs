//! The lives of the peers of this member's links.

use super::*;

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
            Ok(None) | Err(BusError::NoBus { .. }) => connection.is_dead = true,
            Err(_) => connection.is_unsure = true,
        }
    }

    /// Makes the end of a peer's process known, and returns what the bus knows of it after that; `None` if it
    /// does not live in that mailbox.
    pub(super) fn attend(&mut self, connection: &mut Connection) -> Result<Option<PeerRecord>, BusError> {
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
    pub(super) fn look_after(&mut self, link: LinkId) {
        let Some(mut connection) = self.links.take(link) else { return };
        let was_unsure = connection.is_unsure;
        self.look_at(&mut connection);
        let is_unsure = connection.is_unsure;
        self.links.put(connection);
        self.links.list(link);
        if is_unsure && !was_unsure {
            self.links.unsure.push(link);
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
