//! How a client waits: for everything, a turn at a time, or for one link alone.

use super::*;

/// A caller that waits for one link alone looks at the others at least this often.
const NEGLECT: core::time::Duration = core::time::Duration::from_millis(20);
/// A service that waits for its only peer alone looks out for others at least this often.
const SERVICE_NEGLECT: core::time::Duration = core::time::Duration::from_millis(1);
/// How much longer than its time a wait takes in what has come.
const GRACE: core::time::Duration = core::time::Duration::from_millis(10);

impl<T: Transport, C: Clock> Client<T, C> {
    /// One turn of the loop: sends what is to go, waits until something comes but not beyond `deadline`,
    /// takes in what has come, and ends what is over. Returns whether anything happened.
    pub fn turn(&mut self, deadline: Option<Instant>) -> bool {
        self.turn_with(deadline, &mut |_| {})
    }

    /// [`turn`](Self::turn), with a call of `each` after every packet, before its output is sent.
    pub(crate) fn turn_with(&mut self, deadline: Option<Instant>, each: EachPacket<'_, T, C>) -> bool {
        self.take_rest();
        self.flush();
        let mut happened = self.settle_ends();
        if self.unclogged().is_some() {
            let kept = self.kept_back_len();
            each(self);
            self.flush();
            // What leaves may make room for more; one who only waits deals with nothing.
            happened |= self.kept_back_len() < kept;
        }
        let until =
            if happened { Some(Instant::ZERO) } else { earlier(deadline, self.endpoint.poll_timeout()) };
        self.looked = self.recent;
        self.transport.wait(until);
        if self.serves && !(self.inbox.is_empty() && self.kept_back.is_empty()) {
            // What came before the wait may have run out of time in it.
            self.look_at_clock();
        }
        happened |= self.take_events(each);
        self.last_turn = self.look_at_clock();
        if self.endpoint.poll_timeout().is_some_and(|deadline| deadline <= self.last_turn) {
            happened |= self.drain(each);
            happened |= self.expire();
        } else {
            happened |= self.settle_ends();
        }
        each(self);
        self.flush();
        self.is_busy = happened;
        happened
    }

    /// Waits for a request's end: one packet of its own link at best, else one turn.
    pub(crate) fn advance(&mut self, id: RequestId, deadline: Option<Instant>) -> bool {
        self.flush();
        match self.endpoint.sole_link(id) {
            Some(link) => self.advance_on(link, deadline),
            None => self.turn(deadline),
        }
    }

    /// Waits for one packet of a link, if the transport can wait for one link alone and no other was
    /// neglected for long; else makes one turn.
    fn advance_on(&mut self, link: LinkId, deadline: Option<Instant>) -> bool {
        let until = earlier(deadline, self.endpoint.poll_timeout());
        if self.recent.saturating_since(self.last_turn) > NEGLECT {
            return self.turn(Some(Instant::ZERO));
        }
        let may_wait = until.is_none_or(|until| until > self.recent);
        if may_wait && self.receive_or_wait(link, until) != Progress::Blocked {
            return true;
        }
        self.turn(deadline)
    }

    /// Waits for one packet of the only link, where nothing else can be expected but a new peer, and that
    /// one does not mind a moment. `None` if the whole turn is to be made.
    pub(crate) fn turn_on_busy_link(&mut self, deadline: Option<Instant>) -> Option<bool> {
        self.flush();
        let link = self.last_link.filter(|&link| self.is_busy && self.endpoint.is_only_link(link))?;
        let until = earlier(deadline, self.endpoint.poll_timeout());
        let neglected = self.recent.saturating_since(self.last_turn) > SERVICE_NEGLECT;
        if neglected || self.endpoint.serving() > 0 || until.is_some_and(|until| until <= self.recent) {
            return None;
        }
        self.looked = self.recent;
        self.is_busy = self.receive_or_wait(link, until) != Progress::Blocked;
        self.read_ahead(link);
        self.is_busy.then_some(true)
    }

    /// Receives one packet of a link, waiting for it if the transport can wait for one link alone.
    pub(crate) fn receive_or_wait(&mut self, link: LinkId, until: Option<Instant>) -> Progress {
        self.prepare_packet();
        if self.is_stale {
            self.look_at_clock();
        }
        let progress = self.transport.receive_or_wait(link, &mut self.packet, self.recent, until);
        self.take_progress(link, progress)
    }

    /// Whether a wait until `deadline` ends now: what has come by then is taken in first, but a peer that
    /// keeps sending does not prolong it for long.
    pub(crate) fn is_over(&self, deadline: Option<Instant>, happened: bool) -> bool {
        deadline.is_some_and(|deadline| {
            let grace = if happened { GRACE } else { core::time::Duration::ZERO };
            deadline + grace <= self.now()
        })
    }
}
