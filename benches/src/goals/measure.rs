//! The goals, one function a group.

use std::io;

use super::effort::Effort;
use super::figures::{Figures, Idle, SMALL};
use crate::child::Server;
use crate::contender::Contender;
use crate::crowd::{self, Accompanied};
use crate::failures::Failures;
use crate::goal::{Goal, Target, Unit};
use crate::growth::{self, Load};
use crate::in_place::InPlace;
use crate::ipcm::Ipcm;
use crate::notice::Notice;
use crate::pipeline::{self, Coalesced, Flooding};
use crate::placement::Placement;
use crate::statistics::median;
use crate::{death, idle, latency, raw, size, syscalls};

/// All groups, in the order of the table.
pub(super) const GROUPS: [(&str, Measure); 7] = [
    ("P1", Progress::p1),
    ("P3", Progress::p3),
    ("P4", Progress::p4),
    ("P5", Progress::p5),
    ("P6", Progress::p6),
    ("P7", Progress::p7),
    ("P8", Progress::p8),
];

type Measure = fn(&mut Progress) -> io::Result<()>;

/// Crowds that goals are about.
pub(super) const CROWDS: [usize; 2] = [64, 512];

/// What has been measured so far.
pub(super) struct Progress {
    pub(super) goals: Vec<Goal>,
    pub(super) figures: Figures,
    pub(super) failures: Failures,
    effort: Effort,
    placement: Placement,
    peers: Vec<&'static dyn Contender>,
    sizes: &'static [usize],
    crowds: &'static [usize],
}

impl Progress {
    /// Nothing measured yet. Round trips will be measured with bodies of `sizes` bytes, and `crowds` of clients.
    pub(super) fn new(
        effort: Effort,
        placement: Placement,
        peers: Vec<&'static dyn Contender>,
        sizes: &'static [usize],
        crowds: &'static [usize],
    ) -> Self {
        let failures = Failures::allowed_to(&peers, effort.patience);
        let (goals, figures) = (Vec::new(), Figures::default());
        Self { goals, figures, failures, effort, placement, peers, sizes, crowds }
    }

    /// Adds a goal that peers have no part in.
    fn add(
        &mut self,
        group: &'static str,
        what: impl Into<String>,
        target: Target,
        measured: impl Into<Option<f64>>,
    ) {
        self.goals.push(Goal::new(group, what, target, measured));
    }

    /// Adds a goal whose figures of all contenders are known, the last of them this project's.
    fn add_beside(
        &mut self,
        group: &'static str,
        what: impl Into<String>,
        target: Target,
        figures: impl IntoIterator<Item = (&'static str, f64)>,
    ) {
        let mut figures: Vec<_> = figures.into_iter().collect();
        let measured = figures.pop().map(|(_, figure)| figure);
        figures.retain(|(name, _)| self.peers.iter().any(|peer| peer.name() == *name));
        self.goals.push(Goal::new(group, what, target, measured).beside(figures));
    }

    /// Some contenders, the peers, and this project last. The first is the floor.
    fn among(&self, floors: &[&'static dyn Contender]) -> Vec<&'static dyn Contender> {
        [floors, &self.peers, &[&Ipcm]].concat()
    }

    fn latency(
        &mut self,
        contenders: &[&'static dyn Contender],
        sizes: &[usize],
    ) -> io::Result<Vec<latency::Row>> {
        let plan = latency::Plan {
            contenders,
            sizes,
            together: 1,
            placement: self.placement,
            time: self.effort.latency,
            rounds: self.effort.rounds,
        };
        latency::run(&plan, &mut self.failures)
    }

    /// Round trips by size.
    fn p1(&mut self) -> io::Result<()> {
        let contenders = self.among(&[&raw::STREAM, &raw::SEQPACKET, &InPlace]);
        self.figures.latency = self.latency(&contenders, self.sizes)?;
        for (len, name, limit) in [
            (32, "32 B", 0.95),
            (1 << 10, "1 KiB", 0.95),
            (64 << 10, "64 KiB", 0.65),
            (1 << 20, "1 MiB", 0.40),
        ] {
            let what = format!("typed call, {name}, to raw stream");
            let ratios = self.figures.of_size(len, |row| row.ratio[1]);
            self.add_beside("P1", what, Target::at_most(limit, Unit::Times), ratios);
        }
        for (len, name, limit) in [(64 << 10, "64 KiB", 0.45), (1 << 20, "1 MiB", 0.30)] {
            let what = format!("read and written in place, {name}, to raw stream");
            let mut ratios = self.figures.of_size(len, |row| row.ratio[1]).into_iter();
            let ours = ratios.find(|(name, _)| *name == InPlace.name()).map(|(_, ratio)| ratio);
            self.add("P1", what, Target::at_most(limit, Unit::Times), ours);
        }
        Ok(())
    }

    /// Many requests outstanding.
    fn p3(&mut self) -> io::Result<()> {
        let plan = latency::Plan {
            contenders: &self.among(&[&Coalesced]),
            sizes: &[SMALL],
            together: pipeline::WINDOW,
            placement: self.placement,
            time: self.effort.pipeline,
            rounds: self.effort.rounds,
        };
        self.figures.together = latency::run(&plan, &mut self.failures)?;
        let rows = &self.figures.together;
        let rates: Vec<_> = rows.iter().map(|row| (row.name, Figures::rate(row))).collect();
        let ratios: Vec<_> = rows.iter().map(|row| (row.name, 1.0 / row.ratio[1])).collect();
        self.add_beside("P3", "32 B, 64 outstanding", Target::at_least(2500.0, Unit::Thousands), rates);
        let what = "32 B, 64 outstanding, rate to raw stream, coalesced";
        self.add_beside("P3", what, Target::at_least(0.45, Unit::Times), ratios);

        let server = Server::start(&Flooding, 1, self.placement)?;
        let mut client = Flooding.connect(server.directory())?;
        for _ in 0..self.effort.floods {
            client.together(SMALL, pipeline::FLOOD)?; // fails if a single one is not answered
        }
        let window = pipeline::FLOOD as f64;
        self.add("P3", "answered of 10,000 outstanding", Target::at_least(window, Unit::Count), window);
        Ok(())
    }

    /// Many clients.
    fn p4(&mut self) -> io::Result<()> {
        let plan = crowd::Plan {
            contenders: &self.among(&[&raw::STREAM_EPOLL]),
            clients: self.crowds,
            most: self.effort.most_clients,
            placement: self.placement,
            time: self.effort.crowd_time,
            rounds: self.effort.crowd_rounds,
        };
        self.figures.crowds = crowd::run(&plan, &mut self.failures)?;
        for clients in CROWDS {
            let what = format!("rate with {clients} clients to raw stream, epoll server");
            let ratios = self.figures.of_crowd(clients, |row| row.ratio[1]);
            self.add_beside("P4", what, Target::at_least(1.0, Unit::Times), ratios);
        }
        let tails = self.figures.of_crowd(512, |row| row.tail);
        self.add_beside("P4", "p99 to p50 with 512 clients", Target::at_most(2.5, Unit::Times), tails);
        let what = "latency beside 511 idle clients to that of a single client";
        let mut taxes = Vec::new();
        for contender in self.among(&[]) {
            if contender.most_clients() >= 512 {
                let ratio = self.growth(contender, [Load::Idle(0), Load::Idle(511)])?;
                taxes.extend(ratio.map(|ratio| (contender.name(), ratio)));
            }
        }
        self.figures.taxes.clone_from(&taxes);
        self.add_beside("P4", what, Target::at_most(1.02, Unit::Times), taxes);
        // With a second client the service waits for all of them at once, as it does with 512.
        let what = "latency beside 511 idle clients to that beside one";
        let ratio = self.growth(&Ipcm, [Load::Idle(1), Load::Idle(511)])?;
        self.add("P4", what, Target::at_most(1.02, Unit::Times), ratio);
        Ok(())
    }

    /// What a round trip costs, and what doing nothing costs.
    fn p5(&mut self) -> io::Result<()> {
        if self.figures.latency.is_empty() {
            let contenders = self.among(&[&raw::STREAM]);
            self.figures.latency = self.latency(&contenders, &[SMALL])?;
        }
        for contender in self.among(&[&raw::STREAM]) {
            let row = syscalls::count(contender, SMALL, self.placement, &mut self.failures)?;
            self.figures.syscalls.extend(row);
        }
        // Whole calls: traced, a round trip takes so long that what is done once a millisecond shows.
        let calls: Vec<_> =
            self.figures.syscalls.iter().map(|row| (row.name, row.client + row.server)).collect();
        let what = "system calls a round trip, a single client";
        self.add_beside("P5", what, Target::at_most(4.0, Unit::Count), calls);
        let calls = syscalls::count(&Accompanied, SMALL, self.placement, &mut self.failures)?;
        let what = "system calls a round trip, two connected clients";
        let calls = calls.map(|row| row.client + row.server);
        self.add("P5", what, Target::at_most(5.0, Unit::Count), calls);

        let switches = self.figures.of_size(SMALL, |row| row.voluntary + row.involuntary);
        self.add_beside("P5", "context switches a round trip", Target::at_most(2.0, Unit::Each), switches);
        let allocations = self.figures.of_size(SMALL, |row| row.client_allocations + row.server_allocations);
        self.add_beside("P5", "allocations a round trip", Target::at_most(0.0, Unit::Each), allocations);

        for contender in self.among(&[]) {
            if contender.notices_end() {
                let wake_ups = idle::run(contender, self.placement, self.effort.idle, &mut self.failures)?;
                self.figures.idle.extend(wake_ups.map(|wake_ups| Idle { name: contender.name(), wake_ups }));
            }
        }
        let of_idle = |figure: fn(&idle::WakeUps) -> f64| {
            self.figures.idle.iter().map(|row| (row.name, figure(&row.wake_ups))).collect::<Vec<_>>()
        };
        let [handle, service] = [of_idle(|row| row.handle), of_idle(|row| row.service)];
        let none = Target::at_most(0.0, Unit::Each);
        self.add_beside("P5", "wake-ups a second, handle in an await without timeout", none, handle);
        self.add_beside("P5", "wake-ups a second, service with nothing to do", none, service);
        Ok(())
    }

    /// Death of the service.
    fn p6(&mut self) -> io::Result<()> {
        let target = Target::at_most(1.1, Unit::Times);
        let rows = death::run(&[&Notice, &Ipcm], self.placement, self.effort.deaths, &mut self.failures)?;
        self.add("P6", "SIGKILL until noticed, to a bare socket to the same process", target, rows[1].ratio);
        let mut mortals = self.among(&[&raw::SEQPACKET]);
        mortals.retain(|contender| contender.notices_end());
        self.figures.deaths = death::run(&mortals, self.placement, self.effort.deaths, &mut self.failures)?;
        let ratios: Vec<_> = self.figures.deaths.iter().map(|row| (row.name, row.ratio)).collect();
        let what = "SIGKILL until noticed, to a raw server, which is smaller";
        self.add_beside("P6", what, target, ratios);
        Ok(())
    }

    /// Latency beside much that is kept.
    fn p7(&mut self) -> io::Result<()> {
        let departed = self.effort.departed;
        for (name, base, load) in [
            ("10,000 pending requests to one", Load::Pending(1), Load::Pending(10_000)),
            ("1,000 idle peers to one", Load::Idle(1), Load::Idle(1000)),
            ("10,000 departed peers to one", Load::Departed(1), Load::Departed(departed)),
        ] {
            let ratio = self.growth(&Ipcm, [base, load])?;
            self.add("P7", format!("latency with {name}"), Target::at_most(1.05, Unit::Times), ratio);
        }
        Ok(())
    }

    fn growth(&mut self, contender: &'static dyn Contender, mut loads: [Load; 2]) -> io::Result<Option<f64>> {
        let Effort { mut pairs, mut blocks, most_clients, .. } = self.effort;
        if let Load::Idle(clients) = &mut loads[1] {
            *clients = (*clients).min(most_clients);
        }
        if let Load::Departed(_) = loads[1] {
            (pairs, blocks) = (pairs.div_ceil(3), blocks * 3); // ten thousand take their time to come and go
        }
        let plan = growth::Plan { placement: self.placement, pairs, blocks };
        growth::ratio(contender, plan, loads, &mut self.failures)
    }

    /// Size.
    fn p8(&mut self) -> io::Result<()> {
        let (mut stripped, mut small, mut resident, mut crates, mut cold) = (None, None, None, None, None);
        if self.effort.builds {
            let built = size::Built::new(size::STRIPPED)?;
            stripped = Some(built.kib()?);
            let runs: io::Result<Vec<f64>> = (0..3).map(|_| built.resident_mib(1000)).collect();
            resident = Some(median(runs?));
            small = Some(size::Built::new(size::SMALL)?.kib()?);
            crates = Some(size::crates()? as f64);
        }
        if self.effort.builds_cold {
            cold = Some(size::cold_build_seconds()?);
        }
        self.add("P8", "echo client and service, stripped", Target::at_most(600.0, Unit::Kib), stripped);
        self.add("P8", "the same with a size profile", Target::at_most(400.0, Unit::Kib), small);
        self.add("P8", "resident echo service after 1000 calls", Target::at_most(2.5, Unit::Mib), resident);
        self.add("P8", "crates that a user builds", Target::at_most(20.0, Unit::Count), crates);
        self.add("P8", "CPU time of a cold release build", Target::at_most(20.0, Unit::Seconds), cold);
        Ok(())
    }
}
