//! What a wait has found, and what is looked for because nothing tells of it.

use super::*;

impl FilesTransport {
    /// Tells those whose sends had blocked of room, and has the others told.
    pub(super) fn look_for_room(&mut self) {
        let now = Monotonic.now();
        for link in std::mem::take(&mut self.links.blocked) {
            let Some(connection) = self.links.get_mut(link) else { continue };
            if connection.again.is_some_and(|again| again > now) {
                self.links.blocked.push(link);
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
                self.links.blocked.push(link);
            }
            if was_paused {
                self.links.list(link);
            }
        }
    }

    pub(super) fn take_found(&mut self) {
        while let Some(found) = self.alarm.pop() {
            match found {
                Found::Mail => self.take_mail(),
                Found::Room => {
                    self.alarm.clear_room();
                    self.look_for_room();
                }
                Found::Dead(link) => {
                    #[cfg(target_os = "linux")]
                    if let Some(connection) = self.links.get(link).filter(|held| held.is_unsure) {
                        // A guest, whose record was closed.
                        let life = connection.peer.incarnation;
                        self.dir().end_beat(life);
                    }
                    self.look_after(link);
                }
                Found::PeersChanged => self.take_changes(),
                Found::BusTouched => {
                    if self.presence.as_ref().is_some_and(Presence::is_gone) {
                        self.tell_over();
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
    pub(super) fn look(&mut self) {
        if !self.membership.beat() && !self.is_lost {
            self.lose_membership();
        }
        self.incoming.look(Monotonic.now());
        if self.must_list {
            self.take_mail();
        }
        if self.must_look_for_peers() || self.watch.as_ref().is_some_and(PeerWatch::has_expired) {
            self.take_changes();
        }
        let now = Monotonic.now();
        if now.saturating_since(self.looked) >= LOOK {
            self.looked = now;
            if self.presence.as_ref().is_some_and(|bus| bus.waits_by_polling() && bus.is_gone()) {
                self.tell_over();
            }
            let unsure = std::mem::take(&mut self.links.unsure);
            for link in unsure {
                let is_unsure = |connection: &Connection| connection.is_unsure && !connection.is_dead;
                if self.links.get(link).is_some_and(is_unsure) {
                    self.links.unsure.push(link);
                    self.look_after(link);
                }
            }
            self.look_for_room();
        }
    }

    /// Reports what can be received and who connects.
    pub(super) fn report(&mut self) {
        let mut ready = std::mem::take(&mut self.links.ready);
        let mut asleep = Vec::new();
        ready.retain(|&link| {
            let Some(connection) = self.links.get_mut(link) else { return false };
            if let Some(until) = connection.report_sleep() {
                self.events.push_back(TransportEvent::Suspended(link, until));
                asleep.push(link);
            }
            connection.is_listed = connection.is_ready();
            connection.is_listed
        });
        self.events.extend(ready.iter().map(|&link| TransportEvent::Readable(link)));
        self.links.ready = ready;
        for link in asleep {
            self.links.note_asleep(link);
            // The end of its sleep is told of elsewhere than that of its life.
            self.look_after(link);
        }
        self.report_late_risers();
        self.events.extend((0..self.incoming.ready()).map(|_| TransportEvent::Incoming));
    }

    /// Whether there is something to take in that was told of.
    pub(super) fn has_more(&self) -> bool {
        self.incoming.ready() > 0 || self.links.has_ready()
    }

    /// Nothing tells who comes and goes: the system has no watch left.
    pub(super) fn must_look_for_peers(&self) -> bool {
        self.watch.as_ref().is_some_and(PeerWatch::waits_by_polling)
    }

    /// Takes in who came and went.
    pub(super) fn take_changes(&mut self) {
        let Some(watch) = &mut self.watch else { return };
        let mut changes = Vec::new();
        if let Err(error) = watch.changes(&mut changes) {
            log::warn!(%error, "the peers of the bus cannot be watched");
        }
        for change in changes {
            match news::told(change) {
                TransportEvent::BusGone => self.tell_over(),
                told => self.events.push_back(told),
            }
        }
    }
}
