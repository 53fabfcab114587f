//! The session with the gateway: joining, numbers, and signs of life.

use super::Loss;
use crate::id::Incarnation;
use crate::time::Instant;

/// How long a `Join` may stay unanswered, in microseconds.
const PATIENCE: u64 = 400_000;
/// How long a member that is not wanted waits before it tries again, in microseconds.
const REFUSED: u64 = 2_000_000;

#[derive(Debug)]
pub(super) struct Session {
    stage: Stage,
    /// The session's number on the line.
    pub(super) id: u32,
    /// The number of the next frame that goes out, and of the next that comes.
    pub(super) next_out: u16,
    pub(super) next_in: u16,
    /// When the next `Join` is due.
    retry: Instant,
    heard: Instant,
    spoke: Instant,
    /// How many microseconds of silence are the end; zero means nothing.
    silence: u32,
    /// The number of the next link that this side begins.
    link: u32,
    /// Bytes that the gateway takes in on each link ahead of dealing with them.
    pub(super) window: u32,
    /// The longest record that the gateway takes.
    pub(super) limit: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    Down,
    Joining,
    Joined,
}

impl Session {
    pub(super) fn new(incarnation: Incarnation) -> Self {
        Self {
            stage: Stage::Down,
            id: incarnation.as_bits() as u32,
            next_out: 0,
            next_in: 0,
            retry: Instant::ZERO,
            heard: Instant::ZERO,
            spoke: Instant::ZERO,
            silence: 0,
            link: 0,
            window: 0,
            limit: 0,
        }
    }

    pub(super) fn is_joined(&self) -> bool {
        self.stage == Stage::Joined
    }

    /// Whether a frame of this session is for this side.
    pub(super) fn is(&self, id: u32) -> bool {
        self.stage != Stage::Down && self.id == id
    }

    /// Whether a `Join` is due. Begins another session then.
    pub(super) fn join(&mut self, now: Instant) -> bool {
        if self.is_joined() || now < self.retry {
            return false;
        }
        self.stage = Stage::Joining;
        self.id = self.id.wrapping_add(1);
        (self.next_out, self.next_in) = (0, 0);
        self.link = 0;
        self.retry = now.plus_micros(PATIENCE);
        true
    }

    pub(super) fn joined(&mut self, now: Instant, window: u32, limit: u16, silence: u16) {
        self.stage = Stage::Joined;
        (self.heard, self.spoke) = (now, now);
        self.window = window;
        self.limit = limit.into();
        self.silence = u32::from(silence) * 1000;
    }

    pub(super) fn lose(&mut self, now: Instant, loss: Loss) {
        self.stage = Stage::Down;
        let pause = matches!(loss, Loss::Version { .. } | Loss::Refused(_) | Loss::BusGone);
        self.retry = if pause { now.plus_micros(REFUSED) } else { now };
    }

    /// A frame of this session has come in its turn.
    pub(super) fn hear(&mut self, now: Instant) {
        self.next_in = self.next_in.wrapping_add(1);
        self.heard = now;
    }

    /// A frame goes out; returns its number.
    pub(super) fn speak(&mut self, now: Instant) -> u16 {
        let number = self.next_out;
        self.next_out = number.wrapping_add(1);
        self.spoke = now;
        number
    }

    /// The number of a link that this side begins.
    pub(super) fn next_link(&mut self) -> u32 {
        let link = self.link;
        self.link += 2;
        link
    }

    fn has_pulse(&self) -> bool {
        self.is_joined() && self.silence > 0
    }

    pub(super) fn is_silent(&self, now: Instant) -> bool {
        self.has_pulse() && now >= self.silent_at()
    }

    /// Whether it is time to show that this side is alive.
    pub(super) fn owes_pulse(&self, now: Instant) -> bool {
        self.has_pulse() && now >= self.pulse_at()
    }

    fn pulse_at(&self) -> Instant {
        self.spoke.plus_micros((self.silence / 4).into())
    }

    fn silent_at(&self) -> Instant {
        self.heard.plus_micros(self.silence.into())
    }

    /// When something is to be done; what is to be said waits while a frame is on its way out.
    pub(super) fn poll_timeout(&self, is_writing: bool) -> Option<Instant> {
        match self.stage {
            Stage::Down | Stage::Joining => (!is_writing).then_some(self.retry),
            Stage::Joined if !self.has_pulse() => None,
            Stage::Joined => {
                let end = self.silent_at();
                Some(if is_writing { end } else { end.min(self.pulse_at()) })
            }
        }
    }
}
