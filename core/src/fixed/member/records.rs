//! Records that come, and the next one that goes.

use super::lane::{Lane, Stage};
use super::{Loss, Trunk};
use crate::failure::Refusal;
use crate::fixed::error::LinkEnd;
use crate::fixed::event::Event;
use crate::id::LinkId;
use crate::time::Instant;
use crate::trunk::serial::{self, Frame};
use crate::trunk::{Join, Record, TRUNK_VERSION, Trouble};

/// What precedes the bytes of a `Data`.
const DATA_HEAD: usize = 5;

impl Trunk<'_> {
    pub(super) fn handle_frame(&mut self, now: Instant, frame: Frame<'_>) {
        if !self.session.is(frame.session) {
            return;
        }
        let record = Record::decode(frame.record);
        if record == Ok(Record::Lost) {
            return self.lose(now, Loss::Told);
        }
        if frame.number != self.session.next_in {
            return self.lose(now, Loss::Frame);
        }
        self.session.hear(now);
        // One that makes no sense is of a newer version, if the gateway is honest.
        let Ok(record) = record else { return };
        if self.session.is_joined() {
            return self.handle_record(now, record);
        }
        match record {
            Record::Joined { version, window, limit, silence } if version == TRUNK_VERSION => {
                self.session.joined(now, window, limit, silence);
                self.news = Some(Event::Joined);
            }
            Record::Joined { version: theirs, .. }
            | Record::Refused { trouble: Trouble::Version, version: theirs, .. } => {
                self.lose(now, Loss::Version { theirs });
            }
            Record::Refused { trouble, .. } => self.lose(now, Loss::Refused(trouble)),
            _ => {}
        }
    }

    fn handle_record(&mut self, now: Instant, record: Record<'_>) {
        match record {
            Record::Data { link, bytes } => self.handle_data(link, bytes),
            Record::Credit { link, bytes } => {
                if let Some((lane, _)) = self.lane(link) {
                    lane.credit = lane.credit.saturating_add(bytes);
                }
            }
            Record::Connected { link, .. } => {
                let window = self.session.window;
                if let Some((lane, _)) = self.lane(link)
                    && lane.stage == Stage::Connecting
                {
                    (lane.stage, lane.credit) = (Stage::Up, window);
                }
            }
            Record::Failed { link, failure } => {
                if let Some((lane, link)) = self.lane(link) {
                    *lane = Lane::FREE;
                    self.endpoint.end(link, LinkEnd::Unreachable(failure.trouble));
                }
            }
            Record::Close { link } => {
                if let Some((lane, link)) = self.lane(link) {
                    *lane = Lane::FREE;
                    self.endpoint.handle_closed(link);
                } else if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.is(link)) {
                    *lane = Lane::FREE;
                }
            }
            // A peer without a process answers nothing.
            Record::Suspended { link, .. } => {
                if let Some((_, link)) = self.lane(link) {
                    self.endpoint.handle_closed(link);
                }
            }
            Record::Incoming { link } => match self.free_lane() {
                Some(lane) if let Some(held) = self.endpoint.accept(now) => {
                    self.lanes[lane] = Lane::new(Stage::Accept, link, held);
                }
                _ => self.reject = Some(link),
            },
            Record::Authenticated { link, genuine } => match self.lane(link) {
                Some((_, link)) if genuine => self.endpoint.welcome(link),
                Some((_, link)) => self.endpoint.refuse(link, Refusal::Identity),
                None => {}
            },
            Record::BusGone { .. } => self.lose(now, Loss::BusGone),
            _ => {}
        }
    }

    fn handle_data(&mut self, number: u32, bytes: &[u8]) {
        let Some((lane, link)) = self.lane(number) else { return };
        lane.uncredited = lane.uncredited.saturating_add(bytes.len() as u32);
        if self.endpoint.handle_input(&mut self.inbox, link, bytes) < bytes.len() {
            // The gateway has sent more than the window, or the peer more than a hello.
            self.endpoint.violate(link, LinkEnd::WindowExceeded);
        }
    }

    /// The lane of a link that is not over.
    fn lane(&mut self, number: u32) -> Option<(&mut Lane, LinkId)> {
        let lane = self.lanes.iter_mut().find(|lane| lane.is(number))?;
        let link = lane.link?;
        Some((lane, link))
    }

    /// The gateway is to be asked whether the peer of this link is who it claims to be.
    pub(super) fn ask_about(&mut self, link: LinkId) {
        let longest = self.longest_name();
        let claimed = self.endpoint.claim(&self.inbox, link).is_some_and(|claim| claim.name.len() <= longest);
        match self.lanes.iter_mut().find(|lane| lane.link == Some(link)) {
            Some(lane) if claimed => lane.asks = true,
            _ => self.endpoint.refuse(link, Refusal::Identity),
        }
    }

    /// Puts the next frame into the buffer for output, if that is empty and there is something to say.
    pub(super) fn fill_output(&mut self, now: Instant) {
        if self.output_at < self.output_end {
            return;
        }
        (self.output_at, self.output_end) = (0, 0);
        self.note_silence(now);
        if self.session.is_joined() {
            if let Some(link) = self.reject.take() {
                return self.write(now, |_| Record::Reject { link });
            }
            for step in 1..=self.lanes.len() {
                let at = (self.turn + step) % self.lanes.len();
                if self.fill_from(now, at) {
                    self.turn = at;
                    return;
                }
            }
            if self.session.owes_pulse(now) {
                self.write(now, |_| Record::Pulse);
            }
        } else if self.session.join(now) {
            self.write(now, |trunk| {
                Record::Join(Join {
                    version: TRUNK_VERSION,
                    kind: trunk.kind,
                    incarnation: trunk.endpoint.incarnation(),
                    window: trunk.inbox.size() as u32,
                    limit: trunk.limit,
                    name: trunk.endpoint.name(),
                })
            });
        }
    }

    /// Says what is to be said of one lane; false if that is nothing.
    fn fill_from(&mut self, now: Instant, at: usize) -> bool {
        let Lane { stage, asks, number, link, credit, uncredited } = self.lanes[at];
        match stage {
            Stage::Free | Stage::Connecting => return false,
            Stage::Connect => {
                self.lanes[at].stage = Stage::Connecting;
                self.write(now, |trunk| {
                    let peer = link.and_then(|link| trunk.endpoint.called(link)).unwrap_or_default();
                    let peer = core::str::from_utf8(peer).unwrap_or_default();
                    Record::Connect { link: number, peer }
                });
            }
            Stage::Accept => {
                (self.lanes[at].stage, self.lanes[at].credit) = (Stage::Up, self.session.window);
                self.write(now, |_| Record::Accept { link: number });
            }
            Stage::Close => {
                self.lanes[at] = Lane::FREE;
                self.write(now, |_| Record::Close { link: number });
            }
            Stage::Up => {
                let Some(link) = link else { return false };
                if asks && let Some(claim) = self.endpoint.claim(&self.inbox, link) {
                    self.lanes[at].asks = false;
                    let incarnation = claim.incarnation;
                    self.write(now, |trunk| {
                        let name = trunk.endpoint.claim(&trunk.inbox, link).map_or("", |claim| claim.name);
                        Record::Authenticate { link: number, incarnation, name }
                    });
                    return true;
                }
                let owed = uncredited.saturating_sub(self.inbox.held(link.index()) as u32);
                if owed > 0 && owed as usize >= self.inbox.size() / 4 {
                    self.lanes[at].uncredited -= owed;
                    self.write(now, |_| Record::Credit { link: number, bytes: owed });
                    return true;
                }
                let most = self.longest_record().min(self.session.limit).saturating_sub(DATA_HEAD);
                let n = self.endpoint.pending_output(link).len().min(credit as usize).min(most);
                if n == 0 {
                    return false;
                }
                self.lanes[at].credit -= n as u32;
                self.write(now, |trunk| Record::Data {
                    link: number,
                    bytes: &trunk.endpoint.pending_output(link)[..n],
                });
                self.endpoint.consume_output(link, n);
            }
        }
        true
    }

    /// Writes the frame of a record into the buffer for output.
    fn write<F>(&mut self, now: Instant, record: F)
    where
        F: for<'r> FnOnce(&'r Self) -> Record<'r>,
    {
        let (session, number) = (self.session.id, self.session.speak(now));
        let output = core::mem::take(&mut self.output);
        // Everything is cut to the buffer before.
        let written = serial::encode(session, number, &record(self), output);
        self.output = output;
        self.output_end = written.unwrap_or_default();
    }
}
