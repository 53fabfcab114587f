//! What was seen over all seeds, so that a simulation that sees too little fails.

/// What was seen over all seeds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) asked: u64,
    pub(crate) responses: u64,
    pub(crate) failures: u64,
    pub(crate) overloads: u64,
    pub(crate) unanswered: u64,
    pub(crate) timeouts: u64,
    pub(crate) gone: u64,
    pub(crate) not_sent: u64,
    pub(crate) cancelled: u64,
    pub(crate) orphans: u64,
    pub(crate) messages: u64,
    pub(crate) delivered: u64,
    pub(crate) dropped: u64,
    pub(crate) suspensions: u64,
    pub(crate) resumed: u64,
    pub(crate) would_block: u64,
}

impl Totals {
    pub(crate) fn add(&mut self, seen: &Self) {
        for (total, seen) in self.fields().into_iter().zip((*seen).clone().fields()) {
            *total += *seen;
        }
    }

    fn fields(&mut self) -> [&mut u64; 16] {
        [
            &mut self.asked,
            &mut self.responses,
            &mut self.failures,
            &mut self.overloads,
            &mut self.unanswered,
            &mut self.timeouts,
            &mut self.gone,
            &mut self.not_sent,
            &mut self.cancelled,
            &mut self.orphans,
            &mut self.messages,
            &mut self.delivered,
            &mut self.dropped,
            &mut self.suspensions,
            &mut self.resumed,
            &mut self.would_block,
        ]
    }

    /// The simulation has seen every kind of end.
    pub(crate) fn check_variety(mut self) {
        let copy = self;
        assert!(self.fields().iter().all(|count| **count > 0), "{copy:?}");
    }
}
