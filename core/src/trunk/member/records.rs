//! What a member does about the records of its gateway.

use super::*;

/// `Err(None)`: the session is lost without anybody's fault.
type Outcome = Result<(), Option<TrunkError>>;

impl Side {
    pub(super) fn handle_record(&mut self, now: Instant, record: Record<'_>) -> Outcome {
        match (&self.standing, record) {
            (Standing::Joining { .. }, Record::Joined { version, window, limit, silence }) => {
                self.handle_joined(now, version, window, limit, silence)?;
            }
            (Standing::Joining { .. }, Record::Refused { trouble: Trouble::Version, version, .. }) => {
                self.refuse(TrunkEnd::Version { ours: TRUNK_VERSION, theirs: version });
            }
            (Standing::Joining { .. }, Record::Refused { trouble, detail, .. }) => {
                self.refuse(TrunkEnd::Refused { trouble, detail: detail.to_owned() });
            }
            (Standing::Joined, record) => self.handle_traffic(now, record)?,
            _ => return Err(Some(TrunkError::OutOfTurn)),
        }
        Ok(())
    }

    /// The member is not to be one.
    fn refuse(&mut self, end: TrunkEnd) {
        match self.config.framing {
            Framing::Pipe => self.finish(end),
            // The name may be free soon, the bus be there, and the gateway another.
            Framing::Serial => self.refusal = Some(end),
        }
    }

    fn handle_joined(
        &mut self,
        now: Instant,
        version: u16,
        window: u32,
        limit: u16,
        silence: u16,
    ) -> Outcome {
        if version != TRUNK_VERSION {
            self.refuse(TrunkEnd::Version { ours: TRUNK_VERSION, theirs: version });
            return Ok(());
        }
        if limit < super::super::LEAST_LIMIT || window == 0 {
            return Err(Some(TrunkError::TooSmall));
        }
        (self.window, self.limit) = (window, usize::from(limit));
        self.silence = Duration::from_millis(silence.into());
        self.pulse = now + self.silence / PULSES;
        self.standing = Standing::Joined;
        self.refusal = None;
        if self.watched.is_some() {
            // Nobody waits for this answer: the peers are told as they are found.
            self.stale += 1;
            self.outward.push(&Record::Watch);
        }
        Ok(())
    }

    fn handle_traffic(&mut self, now: Instant, record: Record<'_>) -> Outcome {
        match record {
            Record::Data { link, bytes } => {
                let window = self.config.window;
                if let Some(held) = self.links.by_number(link) {
                    if !held.put(bytes, window) {
                        return Err(Some(TrunkError::WindowExceeded { link, window }));
                    }
                    let id = held.id;
                    self.queue(id);
                }
            }
            Record::Credit { link, bytes } => {
                let is_full = self.is_full();
                if let Some(held) = self.links.by_number(link) {
                    held.credit = held.credit.saturating_add(bytes);
                    if held.is_blocked && !is_full {
                        held.is_blocked = false;
                        self.events.push_back(TransportEvent::Writable(held.id));
                    }
                }
            }
            Record::Close { link } => {
                self.incoming.retain(|&number| number != link);
                self.end_link(link);
            }
            Record::Incoming { link } if self.incoming.len() >= MAX_INCOMING => {
                self.outward.push(&Record::Reject { link });
            }
            Record::Incoming { link } => {
                if link % 2 == 0 || self.links.by_number(link).is_some() {
                    return Err(Some(TrunkError::Link { link }));
                }
                self.incoming.push_back(link);
                self.events.push_back(TransportEvent::Incoming);
            }
            Record::Suspended { link, micros } => {
                if let Some(held) = self.links.by_number(link) {
                    let until = now + Duration::from_micros(micros);
                    self.events.push_back(TransportEvent::Suspended(held.id, until));
                }
            }
            Record::Peer { incarnation, state, name } => self.handle_peer(now, incarnation, state, name),
            Record::BusGone { detail } => {
                self.end_links();
                self.finish(TrunkEnd::BusGone { detail: detail.to_owned() });
            }
            Record::Pulse => {}
            record => self.handle_answer(record)?,
        }
        Ok(())
    }

    fn handle_peer(&mut self, now: Instant, incarnation: Incarnation, state: State, name: &str) {
        let Some(watched) = &mut self.watched else { return };
        let name: Arc<str> = name.into();
        let state = peer_state(now, state);
        if state == PeerState::Gone {
            watched.remove(&name);
        } else {
            watched.insert(name.clone(), incarnation);
        }
        self.events.push_back(TransportEvent::Peer(PeerChange { name, incarnation, state }));
    }

    fn handle_answer(&mut self, record: Record<'_>) -> Outcome {
        let answer = match record {
            Record::Connected { link, .. } if self.stale > 0 => {
                self.outward.push(&Record::Close { link });
                Answer::Found(None)
            }
            Record::Connected { status, .. } => Answer::Connected(Ok(status)),
            Record::Failed { failure, .. } => Answer::Connected(Err(connect_error(failure))),
            Record::Found { status } => Answer::Found(status),
            Record::PeerList { is_last, packed } => {
                self.listing.extend(record::names(packed).flatten().map(str::to_owned));
                if !is_last {
                    return Ok(());
                }
                Answer::Peers(core::mem::take(&mut self.listing))
            }
            Record::Watching => Answer::Watching,
            Record::Authenticated { genuine, .. } => Answer::Authenticated(genuine),
            Record::Unable { failure } => Answer::Unable(connect_error(failure)),
            _ => return Err(Some(TrunkError::OutOfTurn)),
        };
        match self.stale.checked_sub(1) {
            Some(stale) => self.stale = stale,
            None => self.answer = Some(answer),
        }
        Ok(())
    }
}

/// A peer's state by this side's clock.
fn peer_state(now: Instant, state: State) -> PeerState {
    match state {
        State::Active => PeerState::Active,
        State::Suspended { micros } => PeerState::Suspended(now + Duration::from_micros(micros)),
        State::Gone => PeerState::Gone,
    }
}

/// A peer's status by this side's clock.
pub(in crate::trunk) fn peer_status(now: Instant, status: Status) -> PeerStatus {
    PeerStatus { incarnation: status.incarnation, state: peer_state(now, status.state), pid: status.pid }
}

fn connect_error(failure: Failure<'_>) -> ConnectError {
    match failure.trouble {
        Trouble::NoSuchPeer => ConnectError::NoSuchPeer,
        Trouble::Busy => ConnectError::Busy,
        Trouble::NotPermitted => ConnectError::NotPermitted(failure.detail.to_owned()),
        _ => ConnectError::Bus(failure.detail.to_owned()),
    }
}
