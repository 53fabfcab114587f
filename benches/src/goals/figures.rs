//! What was measured of each contender, floors, peers and this project, beside the goals.

use std::fmt::{self, Display};

use serde_json::{Value, json};

use crate::crowd;
use crate::death;
use crate::idle::WakeUps;
use crate::latency;
use crate::pipeline;
use crate::syscalls;

/// The size of a small body, in bytes.
pub(super) const SMALL: usize = 32;

/// Everything that was measured of several contenders; empty where it was not.
#[derive(Default)]
pub(super) struct Figures {
    /// Round trips, one request at a time.
    pub(super) latency: Vec<latency::Row>,
    /// Windows of [`pipeline::WINDOW`] small requests.
    pub(super) together: Vec<latency::Row>,
    pub(super) crowds: Vec<crowd::Row>,
    /// Latency beside 511 idle clients to that of a single client.
    pub(super) taxes: Vec<(&'static str, f64)>,
    /// Of small round trips.
    pub(super) syscalls: Vec<syscalls::Row>,
    pub(super) idle: Vec<Idle>,
    pub(super) deaths: Vec<death::Row>,
}

/// A contender's wake-ups.
pub(super) struct Idle {
    pub(super) name: &'static str,
    pub(super) wake_ups: WakeUps,
}

impl Figures {
    /// A figure of every contender that was measured with bodies of `len` bytes.
    pub(super) fn of_size(&self, len: usize, figure: fn(&latency::Row) -> f64) -> Vec<(&'static str, f64)> {
        self.latency.iter().filter(|row| row.len == len).map(|row| (row.name, figure(row))).collect()
    }

    /// A figure of every contender that was measured with so many clients.
    pub(super) fn of_crowd(
        &self,
        clients: usize,
        figure: fn(&crowd::Row) -> f64,
    ) -> Vec<(&'static str, f64)> {
        self.crowds.iter().filter(|row| row.clients == clients).map(|row| (row.name, figure(row))).collect()
    }

    /// Thousands of requests a second, from the time of a window.
    pub(super) fn rate(window: &latency::Row) -> f64 {
        pipeline::WINDOW as f64 / window.p50_us * 1e3
    }

    /// All contenders, in the order in which they were first measured.
    fn names(&self) -> Vec<&'static str> {
        let latency = self.latency.iter().map(|row| row.name);
        let together = self.together.iter().map(|row| row.name);
        let others = self.crowds.iter().map(|row| row.name).chain(self.deaths.iter().map(|row| row.name));
        let mut names: Vec<&str> = Vec::new();
        for name in latency.chain(together).chain(others) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// For a program to read.
    pub(super) fn to_json(&self) -> Value {
        let latency = |rows: &[latency::Row]| -> Value { rows.iter().map(latency::Row::to_json).collect() };
        let crowds = self.crowds.iter().map(|row| {
            json!({
                "name": row.name, "clients": row.clients, "per_second": row.per_second,
                "ratio": row.ratio[1], "tail": row.tail,
            })
        });
        let taxes = self.taxes.iter().map(|(name, ratio)| json!({ "name": name, "ratio": ratio }));
        let syscalls = self.syscalls.iter().map(syscalls::Row::to_json);
        let idle = self.idle.iter().map(
            |row| json!({ "name": row.name, "client": row.wake_ups.handle, "service": row.wake_ups.service }),
        );
        let deaths = self.deaths.iter().map(death::Row::to_json);
        json!({
            "latency": latency(&self.latency), "outstanding": latency(&self.together),
            "throughput": crowds.collect::<Value>(), "idle_tax": taxes.collect::<Value>(),
            "syscalls": syscalls.collect::<Value>(), "wake_ups": idle.collect::<Value>(),
            "death": deaths.collect::<Value>(),
        })
    }
}

/// One line a contender, beside the table of goals.
impl Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Each contender. Round trips relative to the raw stream; what one costs at {SMALL} B, both sides;"
        )?;
        writeln!(
            f,
            "thousands a second of {} outstanding, and of 64 and 512 clients; latency beside 511 idle clients",
            pipeline::WINDOW
        )?;
        writeln!(f, "relative to that of one; SIGKILL until noticed.\n")?;
        write!(f, "{:<26}", "")?;
        for (title, width, _) in COLUMNS {
            write!(f, " {title:>width$}")?;
        }
        for name in self.names() {
            write!(f, "\n{name:<26}")?;
            for (_, width, figure) in COLUMNS {
                let shown = figure(self, name).unwrap_or("-".into());
                write!(f, " {shown:>width$}")?;
            }
        }
        writeln!(f)
    }
}

/// Title, width, and the figure of a contender, if it was measured.
type Column = (&'static str, usize, fn(&Figures, &str) -> Option<String>);

const COLUMNS: [Column; 16] = [
    ("32 B us", 7, |of, name| of.round_trip(name, SMALL, |row| format!("{:.2}", row.p50_us))),
    ("32 B", 5, |of, name| of.ratio(name, SMALL)),
    ("1 KiB", 5, |of, name| of.ratio(name, 1 << 10)),
    ("64 KiB", 6, |of, name| of.ratio(name, 64 << 10)),
    ("1 MiB", 5, |of, name| of.ratio(name, 1 << 20)),
    ("p99/p50", 7, |of, name| of.round_trip(name, SMALL, |row| format!("{:.2}", row.tail))),
    ("CPU us", 6, |of, name| of.round_trip(name, SMALL, |row| format!("{:.1}", row.cpu_us))),
    ("calls", 5, |of, name| {
        let row = of.syscalls.iter().find(|row| row.name == name)?;
        Some(format!("{:.1}", row.client + row.server))
    }),
    ("allocs", 6, |of, name| {
        of.round_trip(name, SMALL, |row| format!("{:.1}", row.client_allocations + row.server_allocations))
    }),
    ("RSS MiB", 7, |of, name| of.round_trip(name, SMALL, |row| format!("{:.1}", row.resident_mib))),
    ("64 out", 7, |of, name| {
        let row = of.together.iter().find(|row| row.name == name)?;
        Some(format!("{:.0}", Figures::rate(row)))
    }),
    ("64 cl", 6, |of, name| of.crowd(name, 64)),
    ("512 cl", 6, |of, name| of.crowd(name, 512)),
    ("512 p99/p50", 11, |of, name| {
        let row = of.crowds.iter().find(|row| row.name == name && row.clients == 512)?;
        Some(format!("{:.1}", row.tail))
    }),
    ("511 idle", 8, |of, name| {
        let (_, ratio) = of.taxes.iter().find(|(whose, _)| *whose == name)?;
        Some(format!("{ratio:.2}"))
    }),
    ("death ms", 8, |of, name| {
        let row = of.deaths.iter().find(|row| row.name == name)?;
        Some(format!("{:.2}", row.noticed_us[1] / 1e3))
    }),
];

impl Figures {
    fn round_trip(&self, name: &str, len: usize, show: fn(&latency::Row) -> String) -> Option<String> {
        self.latency.iter().find(|row| row.name == name && row.len == len).map(show)
    }

    fn ratio(&self, name: &str, len: usize) -> Option<String> {
        self.round_trip(name, len, |row| format!("{:.2}", row.ratio[1]))
    }

    fn crowd(&self, name: &str, clients: usize) -> Option<String> {
        let row = self.crowds.iter().find(|row| row.name == name && row.clients == clients)?;
        Some(format!("{:.0}", row.per_second / 1e3))
    }
}
