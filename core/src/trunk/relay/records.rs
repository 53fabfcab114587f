//! What a relay does about the records of its member.

use super::*;
use crate::transport::{ConnectError, PeerState, PeerStatus};
use crate::trunk::record::{State, Status};

impl<T: Transport> Side<T> {
    pub(super) fn handle_record(&mut self, now: Instant, record: Record<'_>) -> Result<(), TrunkError> {
        if self.session.is_none() {
            // The first record on a pipe; on a serial line a join comes by itself.
            return self.handle_join(0, record);
        }
        self.heard = now;
        match record {
            Record::Data { link, bytes } => self.handle_data(link, bytes),
            Record::Credit { link, bytes } => {
                self.handle_credit(link, bytes);
                Ok(())
            }
            Record::Close { link } => {
                self.handle_close(link);
                Ok(())
            }
            Record::Connect { link, peer } => self.connect(now, link, peer),
            Record::Accept { link } => {
                self.accept(link);
                Ok(())
            }
            Record::Reject { link } => {
                if self.links.get_mut(link).is_some_and(|held| held.is_offered) {
                    self.drop_link(link);
                }
                Ok(())
            }
            Record::Pulse => Ok(()),
            question => self.answer(now, question),
        }
    }

    fn connect(&mut self, now: Instant, number: u32, peer: &str) -> Result<(), TrunkError> {
        if number % 2 == 1 || self.links.contains(number) {
            return Err(TrunkError::Link { link: number });
        }
        let Some(member) = &mut self.member else { return Ok(()) };
        let outcome = if self.links.len() < self.config.links {
            let id = self.links.insert(number, self.window);
            member.transport.connect(id, peer)
        } else {
            Err(ConnectError::Busy)
        };
        match outcome {
            Ok(status) => {
                self.outward.push(&Record::Connected { link: number, status: told(now, status) });
            }
            Err(error) => {
                self.links.remove(number);
                let (trouble, detail) = trouble(&error);
                let failure = Failure { trouble, detail: cut(detail, self.limit - 8) };
                self.outward.push(&Record::Failed { link: number, failure });
            }
        }
        Ok(())
    }

    fn answer(&mut self, now: Instant, question: Record<'_>) -> Result<(), TrunkError> {
        let Some(member) = &mut self.member else { return Ok(()) };
        let outcome = match question {
            Record::Find { peer } => member.transport.find(peer).map(|status| {
                let status = status.map(|status| told(now, status));
                self.outward.push(&Record::Found { status });
            }),
            Record::Peers => member.transport.peers().map(|names| self.listing = Some(names.into_iter())),
            Record::Watch => self.watch(),
            Record::Authenticate { link, incarnation, name } => {
                let id = self.links.get_mut(link).filter(|held| !held.is_closing).map(|held| held.id);
                let genuine = id.is_some_and(|id| member.transport.authenticate(id, name, incarnation));
                self.outward.push(&Record::Authenticated { link, genuine });
                Ok(())
            }
            _ => return Err(TrunkError::OutOfTurn),
        };
        if let Err(error) = outcome {
            let (trouble, detail) = trouble(&error);
            let failure = Failure { trouble, detail: cut(detail, self.limit - 8) };
            self.outward.push(&Record::Unable { failure });
        }
        Ok(())
    }

    /// The transport tells who is there when it is first asked to watch; a later session is told by asking.
    fn watch(&mut self) -> Result<(), ConnectError> {
        let Some(member) = &mut self.member else { return Ok(()) };
        if member.watches {
            self.arrivals = member.transport.peers()?.into_iter();
        } else {
            member.transport.watch()?;
            member.watches = true;
        }
        self.is_watching = true;
        self.outward.push(&Record::Watching);
        Ok(())
    }
}

/// A status as it is told on the trunk, where clocks are not shared.
fn told(now: Instant, status: PeerStatus) -> Status {
    let state = told_state(now, status.state);
    Status { incarnation: status.incarnation, state, pid: status.pid }
}

pub(super) fn told_state(now: Instant, state: PeerState) -> State {
    match state {
        PeerState::Active => State::Active,
        PeerState::Suspended(until) => State::Suspended { micros: micros_until(now, until) },
        PeerState::Gone => State::Gone,
    }
}

pub(super) fn micros_until(now: Instant, until: Instant) -> u64 {
    u64::try_from(until.saturating_since(now).as_micros()).unwrap_or(u64::MAX)
}

fn trouble(error: &ConnectError) -> (Trouble, &str) {
    match error {
        ConnectError::NoSuchPeer => (Trouble::NoSuchPeer, ""),
        ConnectError::Busy => (Trouble::Busy, ""),
        ConnectError::NotPermitted(detail) => (Trouble::NotPermitted, detail),
        ConnectError::Bus(detail) => (Trouble::Bus, detail),
    }
}
