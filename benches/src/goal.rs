//! A goal, what was measured for it, and the table of all of them.

use std::fmt::{self, Display};

use serde_json::{Value, json};

/// One goal and what was measured for it.
#[derive(Clone, Debug)]
pub struct Goal {
    /// The group it belongs to.
    pub group: &'static str,
    /// What is measured.
    pub what: String,
    /// What it must come to.
    pub target: Target,
    /// What it came to; `None` if it was not measured this time.
    pub measured: Option<f64>,
    /// The best of the peers in the same run, and what it came to; `None` if none was measured.
    pub best_peer: Option<(&'static str, f64)>,
}

/// What a figure must come to. A figure counts as it is printed: rounded to the digits of its unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    bound: Bound,
    value: f64,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    AtMost,
    AtLeast,
}

/// What a figure is a number of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// How many times another figure.
    Times,
    /// Things, per round trip or second.
    Each,
    /// Things in all.
    Count,
    /// Thousands a second.
    Thousands,
    /// Kibibytes.
    Kib,
    /// Mebibytes.
    Mib,
    /// Seconds.
    Seconds,
}

impl Unit {
    fn digits(self) -> usize {
        match self {
            Self::Times | Self::Mib => 2,
            Self::Each | Self::Seconds => 1,
            Self::Count | Self::Thousands | Self::Kib => 0,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Times => "x",
            Self::Each | Self::Count => "",
            Self::Thousands => "k/s",
            Self::Kib => "KiB",
            Self::Mib => "MiB",
            Self::Seconds => "s",
        }
    }

    fn show(self, value: f64) -> String {
        format!("{value:.*} {}", self.digits(), self.name()).trim_end().to_owned()
    }
}

impl Target {
    /// The figure must not be larger.
    pub fn at_most(value: f64, unit: Unit) -> Self {
        Self { bound: Bound::AtMost, value, unit }
    }

    /// The figure must not be smaller.
    pub fn at_least(value: f64, unit: Unit) -> Self {
        Self { bound: Bound::AtLeast, value, unit }
    }

    fn is_met_by(self, measured: f64) -> bool {
        let scale = 10_f64.powi(self.unit.digits() as i32);
        let [measured, value] = [measured, self.value].map(|figure| (figure * scale).round());
        match self.bound {
            Bound::AtMost => measured <= value,
            Bound::AtLeast => measured >= value,
        }
    }

    fn bound_sign(self) -> &'static str {
        match self.bound {
            Bound::AtMost => "<=",
            Bound::AtLeast => ">=",
        }
    }
}

impl Goal {
    /// A goal and what was measured for it.
    pub fn new(
        group: &'static str,
        what: impl Into<String>,
        target: Target,
        measured: impl Into<Option<f64>>,
    ) -> Self {
        Self { group, what: what.into(), target, measured: measured.into(), best_peer: None }
    }

    /// The goal with the best of the peers' figures; the first, if several are as good.
    pub fn beside(self, peers: impl IntoIterator<Item = (&'static str, f64)>) -> Self {
        let better = |one: (&'static str, f64), other: (&'static str, f64)| match self.target.bound {
            Bound::AtMost if other.1 < one.1 => other,
            Bound::AtLeast if other.1 > one.1 => other,
            _ => one,
        };
        Self { best_peer: peers.into_iter().reduce(better), ..self }
    }

    /// Whether it was reached; `None` if it was not measured.
    pub fn is_met(&self) -> Option<bool> {
        self.measured.map(|measured| self.target.is_met_by(measured))
    }

    /// The goal for a program to read.
    pub fn to_json(&self) -> Value {
        let Target { value, unit, .. } = self.target;
        json!({
            "goal": self.group, "what": self.what, "bound": self.target.bound_sign(), "target": value,
            "unit": unit.name(), "measured": self.measured, "met": self.is_met(),
            "best_peer": self.best_peer.map(|(name, figure)| json!({ "name": name, "measured": figure })),
        })
    }
}

/// All goals, one a line, and how many of them were met.
#[derive(Clone, Copy, Debug)]
pub struct Table<'g>(pub &'g [Goal]);

impl Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [target, measured, peer] = ["target", "measured", "best peer"];
        writeln!(f, "{:<5} {:<62} {target:>12} {measured:>12} {peer:>26}  met", "goal", "what")?;
        for goal in self.0 {
            let target = format!("{} {}", goal.target.bound_sign(), goal.target.unit.show(goal.target.value));
            let measured = goal.measured.map_or("-".into(), |measured| goal.target.unit.show(measured));
            let peer = goal
                .best_peer
                .map_or("-".into(), |(name, figure)| format!("{name} {}", goal.target.unit.show(figure)));
            let met = match goal.is_met() {
                None => "-",
                Some(true) => "yes",
                Some(false) => "NO",
            };
            writeln!(f, "{:<5} {:<62} {target:>12} {measured:>12} {peer:>26}  {met}", goal.group, goal.what)?;
        }
        let met = self.0.iter().filter(|goal| goal.is_met() == Some(true)).count();
        let measured = self.0.iter().filter(|goal| goal.measured.is_some()).count();
        write!(f, "{met} of {measured} met, {} not measured", self.0.len() - measured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_counts_as_it_is_printed() {
        let target = Target::at_most(1.05, Unit::Times);
        assert_eq!([1.049, 1.0549, 1.0551].map(|ratio| target.is_met_by(ratio)), [true, true, false]);
        let target = Target::at_least(2500.0, Unit::Thousands);
        assert_eq!([2499.4, 2499.6].map(|rate| target.is_met_by(rate)), [false, true]);
    }

    #[test]
    fn the_best_peer_is_the_one_nearest_to_what_is_wanted_and_the_first_of_equals() {
        let peers = [("slow", 3.0), ("fast", 1.5), ("as fast", 1.5), ("middling", 2.0)];
        let of = |target| Goal::new("P0", "something", target, 1.0).beside(peers).best_peer;
        assert_eq!(of(Target::at_most(1.0, Unit::Times)), Some(("fast", 1.5)));
        assert_eq!(of(Target::at_least(1.0, Unit::Times)), Some(("slow", 3.0)));
    }

    #[test]
    fn the_best_peer_has_a_column_and_is_a_dash_if_there_is_none() {
        let goal = Goal::new("P0", "something", Target::at_most(2.0, Unit::Times), 1.0);
        let alone = goal.clone().beside([]);
        assert_eq!((alone.best_peer, alone.to_json()["best_peer"].is_null()), (None, true));
        let beside = goal.beside([("other", 1.25)]);
        assert_eq!(beside.to_json()["best_peer"], json!({ "name": "other", "measured": 1.25 }));
        let table = Table(&[alone, beside]).to_string();
        let ends: Vec<&str> = table.lines().skip(1).take(2).map(|line| &line[line.len() - 31..]).collect();
        assert_eq!(ends, [&format!("{:>26}  yes", "-"), &format!("{:>26}  yes", "other 1.25 x")]);
    }

    #[test]
    fn what_was_not_measured_is_neither_met_nor_missed() {
        let goal = Goal::new("P0", "nothing", Target::at_most(0.0, Unit::Each), None);
        assert_eq!(goal.is_met(), None);
        assert!(Table(&[goal]).to_string().ends_with("0 of 0 met, 1 not measured"));
    }
}
