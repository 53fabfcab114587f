//! What became of members and connections, and since when.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use ipcm_core::Instant;

/// A count of what has happened to whom so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Moment(u64);

#[derive(Default)]
pub(crate) struct Fates {
    clock: u64,
    /// When each member died last.
    deaths: BTreeMap<String, u64>,
    /// When each member was suspended last.
    sleeps: BTreeMap<String, u64>,
    /// When two members were cut off from each other last.
    cuts: BTreeMap<(String, String), u64>,
    /// The ends of all suspensions.
    wakes: Vec<(String, Instant)>,
    hostile: Vec<String>,
}

impl Fates {
    pub(crate) fn moment(&self) -> Moment {
        Moment(self.clock)
    }

    pub(crate) fn died(&mut self, name: &str) {
        self.clock += 1;
        self.deaths.insert(name.into(), self.clock);
    }

    pub(crate) fn suspended(&mut self, name: &str, until: Instant) {
        self.clock += 1;
        self.sleeps.insert(name.into(), self.clock);
        self.wakes.push((name.into(), until));
    }

    pub(crate) fn cut(&mut self, one: &str, other: &str) {
        self.clock += 1;
        self.cuts.insert(both(one, other), self.clock);
    }

    pub(crate) fn hostile(&mut self, name: &str) {
        self.hostile.push(name.into());
    }

    pub(crate) fn is_hostile(&self, name: &str) -> bool {
        self.hostile.iter().any(|hostile| hostile == name)
    }

    /// The member died since then.
    pub(crate) fn lost_since(&self, name: &str, since: &Moment) -> bool {
        self.is_hostile(name) || self.deaths.get(name).is_some_and(|&at| at > since.0)
    }

    pub(crate) fn slept_since(&self, name: &str, since: &Moment) -> bool {
        self.sleeps.get(name).is_some_and(|&at| at > since.0)
    }

    pub(crate) fn cut_since(&self, one: &str, other: &str, since: &Moment) -> bool {
        self.cuts.get(&both(one, other)).is_some_and(|&at| at > since.0)
    }

    /// The link between a member and its peer came to an end since then.
    pub(crate) fn parted_since(&self, one: &str, peer: &str, since: &Moment) -> bool {
        self.cut_since(one, peer, since) || self.lost_since(peer, since)
    }

    /// A suspension of the member has ended in time.
    pub(crate) fn overslept(&self, name: &str, now: Instant) -> bool {
        self.wakes.iter().any(|(slept, until)| slept == name && *until <= now)
    }
}

fn both(one: &str, other: &str) -> (String, String) {
    let (a, b) = if one < other { (one, other) } else { (other, one) };
    (a.into(), b.into())
}
