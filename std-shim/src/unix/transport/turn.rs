//! What a wait is told of, and what it has found.

use super::*;

impl UnixTransport {
    pub(super) fn watch_link(&mut self, link: LinkId, interest: Interest) -> rustix::io::Result<()> {
        let connection = self.connections.get_mut(link.index()).and_then(Option::as_mut);
        let Some(connection) = connection.filter(|connection| connection.link == link) else { return Ok(()) };
        match (interest, connection.is_paused) {
            (interest, false) => self.poller.watch(connection, interest),
            (Interest::Read, true) => {
                self.poller.forget(connection);
                Ok(())
            }
            (_, true) => self.poller.watch(connection, Interest::Write),
        }
    }

    /// Watches the process at the other end of an accepted connection: a forked child of it may keep the
    /// socket open.
    pub(super) fn watch_process(&mut self, link: LinkId) {
        let connection = self.connections.get_mut(link.index()).and_then(Option::as_mut);
        let Some(connection) = connection.filter(|connection| connection.link == link) else { return };
        connection.open_process();
        if let Err(error) = self.poller.watch_process(connection) {
            log::warn!(%error, "a peer's process cannot be watched");
        }
    }

    pub(super) fn watch_all(&mut self) -> rustix::io::Result<()> {
        while let Some(link) = self.unwatched.pop() {
            if let Some(connection) = self.connection(link)
                && connection.interest.is_none()
                && let Err(error) = self.watch_link(link, Interest::Read)
            {
                self.unwatched.push(link);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Stops accepting for a while: there is no descriptor left, and the epoll would report for ever.
    pub(super) fn pause_accepting(&mut self) {
        log::warn!(peer = self.membership.name(), "no file descriptor left to accept a connection");
        let _ = self.poller.set_listening(self.listener.as_fd(), false);
        self.accept_again = Some(Monotonic.now() + DESCRIPTOR_PAUSE);
    }

    pub(super) fn resume_accepting(&mut self) {
        if self.accept_again.is_some_and(|again| again <= Monotonic.now()) {
            self.accept_again = None;
            let _ = self.poller.set_listening(self.listener.as_fd(), true);
        }
    }

    pub(super) fn take_found(&mut self) {
        while let Some(found) = self.poller.pop() {
            match found {
                Found::Incoming => self.events.push_back(TransportEvent::Incoming),
                Found::Readable(link) => self.events.push_back(TransportEvent::Readable(link)),
                Found::Writable(link) => {
                    let _ = self.watch_link(link, Interest::Read);
                    self.events.push_back(TransportEvent::Writable(link));
                }
                Found::Dead(link) => {
                    let connection = self.connections.get_mut(link.index()).and_then(Option::as_mut);
                    if let Some(connection) = connection.filter(|connection| connection.link == link) {
                        connection.is_dead = true;
                        self.poller.forget_process(connection);
                    }
                    self.events.push_back(TransportEvent::Readable(link));
                }
                Found::Woken => {
                    self.waker.iter().for_each(Waker::clear);
                    self.events.push_back(TransportEvent::Woken);
                }
                Found::PeersChanged => self.take_changes(),
                Found::BusTouched => {
                    if self.presence.as_ref().is_some_and(Presence::is_gone) {
                        self.events.push_back(TransportEvent::BusGone);
                    }
                }
            }
        }
    }

    /// Nothing tells who comes and goes, or of the end of the bus: the system has no watch left.
    pub(super) fn must_look_for_peers(&self) -> bool {
        self.watch.as_ref().is_some_and(PeerWatch::waits_by_polling)
            || self.presence.as_ref().is_some_and(Presence::waits_by_polling)
    }

    /// Takes in who came and went.
    pub(super) fn take_changes(&mut self) {
        let Some(watch) = &mut self.watch else { return };
        if let Err(error) = watch.changes(&mut self.changes) {
            log::warn!(%error, "the peers of the bus cannot be watched");
        }
        for change in self.changes.drain(..) {
            self.events.push_back(news::told(change));
        }
    }
}
