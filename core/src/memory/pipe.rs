//! A connection of two members: a pipe each way.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::Parting;
use crate::id::{Incarnation, LinkId};
use crate::time::Instant;
use crate::transport::Progress;

/// The end of a connection: that of the member who connected, or the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Caller = 0,
    Callee = 1,
}

impl Side {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Caller => Self::Callee,
            Self::Callee => Self::Caller,
        }
    }
}

/// One end.
#[derive(Debug)]
pub(super) struct End {
    pub(super) member: Arc<str>,
    /// The member's own id for the connection; `None` before it accepts and while it is suspended.
    pub(super) link: Option<LinkId>,
    /// The member has closed it, or is gone.
    closed: bool,
    /// Its last send did not take everything.
    pub(super) blocked: bool,
    /// The lives of the member that have had this end, the present one last.
    pub(super) lives: Vec<Incarnation>,
    /// What is under way to this end.
    segments: VecDeque<Segment>,
    /// Bytes in `segments`.
    queued: usize,
    /// What former lives of the member have used up of the other one's window.
    pub(super) spent: u64,
}

impl End {
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }
}

#[derive(Debug)]
enum Segment {
    /// Bytes and their time of arrival.
    Bytes(Instant, Vec<u8>),
    /// The other end's life ends here; its member is suspended until then. Nothing passes before this is told.
    Suspended { until: Instant, found: bool },
}

#[derive(Debug)]
pub(super) struct Connection {
    ends: [End; 2],
    /// Nothing passes any more, and what was under way is lost.
    cut: bool,
}

impl Connection {
    pub(super) fn new(
        (caller, caller_life): (Arc<str>, Incarnation),
        link: LinkId,
        (callee, callee_life): (Arc<str>, Incarnation),
    ) -> Self {
        let end = |member, life, link| End {
            member,
            link,
            closed: false,
            blocked: false,
            lives: vec![life],
            segments: VecDeque::new(),
            queued: 0,
            spent: 0,
        };
        Self { ends: [end(caller, caller_life, Some(link)), end(callee, callee_life, None)], cut: false }
    }

    pub(super) fn end(&mut self, side: Side) -> &mut End {
        &mut self.ends[side as usize]
    }

    /// The end that a member knows by this link.
    pub(super) fn side(&self, member: &str, link: LinkId) -> Option<Side> {
        [Side::Caller, Side::Callee].into_iter().find(|&side| {
            let end = &self.ends[side as usize];
            !end.closed && end.link == Some(link) && *end.member == *member
        })
    }

    /// The end of a suspended member.
    pub(super) fn detached_side(&self, member: &str) -> Option<Side> {
        [Side::Caller, Side::Callee].into_iter().find(|&side| {
            let end = &self.ends[side as usize];
            !end.closed && end.link.is_none() && *end.member == *member
        })
    }

    pub(super) fn joins(&self, one: &str, other: &str) -> bool {
        let [a, b] = [&*self.ends[0].member, &*self.ends[1].member];
        (a, b) == (one, other) || (b, a) == (one, other)
    }

    /// Whether both ends are closed.
    pub(super) fn is_over(&self) -> bool {
        self.ends.iter().all(|end| end.closed)
    }

    /// Closes the ends of a member.
    pub(super) fn leave(&mut self, member: &str) {
        for end in self.ends.iter_mut().filter(|end| *end.member == *member) {
            end.closed = true;
            end.segments.clear();
            end.queued = 0;
        }
    }

    pub(super) fn close(&mut self, side: Side) {
        let end = self.end(side);
        end.closed = true;
        end.segments.clear();
        end.queued = 0;
    }

    /// Breaks the connection: both ends find it closed.
    pub(super) fn cut(&mut self) {
        self.cut = true;
        for end in &mut self.ends {
            end.segments.clear();
            end.queued = 0;
        }
    }

    /// Detaches the end of a member that is suspended.
    pub(super) fn detach(&mut self, side: Side, now: Instant, until: Instant, parting: Parting) {
        let Parting { unsent, hello, partial, asleep, spent, .. } = parting;
        let end = self.end(side);
        end.spent = spent;
        end.link = None;
        end.blocked = false;
        end.queued += hello.len() + partial.len();
        // The beginning of a frame is that of the life which is to come, if the last one has ended.
        let bytes = |bytes: Vec<u8>| (!bytes.is_empty()).then_some(Segment::Bytes(now, bytes));
        for segment in [bytes(partial), asleep.map(suspended), bytes(hello)].into_iter().flatten() {
            end.segments.push_front(segment);
        }
        self.send(side, now, &unsent, usize::MAX);
        self.detach_unaccepted(side, until);
    }

    /// Tells the other end that the member of this one is suspended.
    pub(super) fn detach_unaccepted(&mut self, side: Side, until: Instant) {
        let other = self.end(side.other());
        if !other.closed {
            other.segments.push_back(suspended(until));
        }
    }

    /// How many bytes can be sent now.
    pub(super) fn space(&self, side: Side, buffer: usize) -> usize {
        buffer.saturating_sub(self.ends[side.other() as usize].queued)
    }

    pub(super) fn send(&mut self, side: Side, arrival: Instant, bytes: &[u8], buffer: usize) -> Progress {
        if self.cut || self.end(side.other()).closed {
            self.end(side).blocked = false;
            return Progress::Closed;
        }
        let to = self.end(side.other());
        let n = bytes.len().min(buffer.max(1).saturating_sub(to.queued));
        if n > 0 {
            let last = to.segments.iter().rev().find_map(|segment| match segment {
                Segment::Bytes(arrival, _) => Some(*arrival),
                Segment::Suspended { .. } => None,
            });
            let arrival = last.map_or(arrival, |last| last.max(arrival));
            to.segments.push_back(Segment::Bytes(arrival, bytes[..n].to_vec()));
            to.queued += n;
        }
        self.end(side).blocked = n < bytes.len();
        if n > 0 { Progress::Moved(n) } else { Progress::Blocked }
    }

    pub(super) fn receive(&mut self, side: Side, now: Instant, buffer: &mut [u8], chunk: usize) -> Progress {
        let is_over = self.cut || self.end(side.other()).closed;
        let end = self.end(side);
        let (arrival, segment) = match end.segments.front_mut() {
            Some(Segment::Bytes(arrival, segment)) => (arrival, segment),
            None if is_over => return Progress::Closed,
            Some(Segment::Suspended { .. }) | None => return Progress::Blocked,
        };
        if *arrival > now {
            return Progress::Blocked;
        }
        let n = segment.len().min(buffer.len()).min(chunk.max(1));
        buffer[..n].copy_from_slice(&segment[..n]);
        segment.drain(..n);
        if segment.is_empty() {
            end.segments.pop_front();
        }
        end.queued -= n;
        Progress::Moved(n)
    }

    /// Finds the news that the other end's member was suspended, once all that it had sent was received.
    pub(super) fn find_news(&mut self, side: Side) -> Option<Instant> {
        match self.end(side).segments.front_mut() {
            Some(Segment::Suspended { until, found }) if !*found => {
                *found = true;
                Some(*until)
            }
            _ => None,
        }
    }

    /// The news that was found is told.
    pub(super) fn pass_news(&mut self, side: Side) {
        let segments = &mut self.end(side).segments;
        if let Some(Segment::Suspended { found: true, .. }) = segments.front() {
            segments.pop_front();
        }
    }

    /// Whether a receive at this end would return something other than blocked.
    pub(super) fn is_readable(&self, side: Side, now: Instant) -> bool {
        match self.ends[side as usize].segments.front() {
            Some(&Segment::Bytes(arrival, _)) => arrival <= now,
            Some(Segment::Suspended { .. }) => false,
            None => self.cut || self.ends[side.other() as usize].closed,
        }
    }

    pub(super) fn is_writable(&self, side: Side, buffer: usize) -> bool {
        let to = &self.ends[side.other() as usize];
        self.cut || to.closed || to.queued < buffer.max(1)
    }

    /// When the next bytes arrive that have not arrived yet.
    pub(super) fn next_arrival(&self, now: Instant) -> Option<Instant> {
        let first = |end: &End| match end.segments.front() {
            Some(&Segment::Bytes(arrival, _)) if arrival > now => Some(arrival),
            _ => None,
        };
        self.ends.iter().filter(|end| end.link.is_some()).filter_map(first).min()
    }
}

fn suspended(until: Instant) -> Segment {
    Segment::Suspended { until, found: false }
}
