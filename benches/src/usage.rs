//! CPU time and context switches of a client (this process) and its server, between two moments.

use std::fs;
use std::io;
use std::ops::{Add, Sub};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// What one or more processes have used so far, all their threads together.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Time on a CPU, in user and kernel mode.
    pub cpu: Duration,
    /// Times a thread gave up its CPU to wait.
    pub voluntary: u64,
    /// Times a thread was made to give up its CPU to another.
    pub involuntary: u64,
}

/// What both sides used since the meter was started.
#[derive(Debug)]
pub struct Meter {
    server: u32,
    started: Usage,
}

impl Meter {
    /// Starts measuring this process and the server with process id `server`.
    ///
    /// # Errors
    /// If `/proc` cannot be read, or the server has ended.
    pub fn start(server: u32) -> io::Result<Self> {
        let switches = Usage::of(server)? + Usage::switches_of(std::process::id())?;
        // Own time last, so that reading /proc is not in it.
        Ok(Self { server, started: switches + Usage::own_cpu() })
    }

    /// What was used since the start.
    ///
    /// # Errors
    /// As for [`Meter::start`].
    pub fn stop(self) -> io::Result<Usage> {
        let own = Usage::own_cpu(); // first, for the same reason
        Ok(own + Usage::switches_of(std::process::id())? + Usage::of(self.server)? - self.started)
    }
}

impl Usage {
    fn own_cpu() -> Self {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        let cpu = Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32);
        Self { cpu, ..Self::default() }
    }

    /// The use of a process that waits; were it running, its current time slice would be left out.
    fn of(pid: u32) -> io::Result<Self> {
        let mut usage = Self::switches_of(pid)?;
        for task in tasks(pid)? {
            let line = fs::read_to_string(format!("{task}/schedstat"))?;
            let nanoseconds = line.split_whitespace().next().and_then(|word| word.parse().ok());
            usage.cpu += Duration::from_nanos(nanoseconds.ok_or(io::ErrorKind::InvalidData)?);
        }
        Ok(usage)
    }

    /// The context switches of all threads of a process.
    pub(crate) fn switches_of(pid: u32) -> io::Result<Self> {
        tasks(pid)?.iter().try_fold(Self::default(), |sum, task| Ok(sum + Self::switches_in(task)?))
    }

    /// The context switches of one thread of this process.
    pub(crate) fn switches_of_thread(thread: u32) -> io::Result<Self> {
        Self::switches_in(&format!("/proc/self/task/{thread}"))
    }

    fn switches_in(task: &str) -> io::Result<Self> {
        let mut usage = Self::default();
        let status = fs::read_to_string(format!("{task}/status"))?;
        for line in status.lines() {
            let Some((key, value)) = line.split_once(':') else { continue };
            let count = || value.trim().parse::<u64>().map_err(io::Error::other);
            match key {
                "voluntary_ctxt_switches" => usage.voluntary += count()?,
                "nonvoluntary_ctxt_switches" => usage.involuntary += count()?,
                _ => {}
            }
        }
        Ok(usage)
    }
}

/// What a process has resident in memory, in MiB, pages shared with others included.
pub(crate) fn resident_mib(pid: u32) -> io::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok());
    Ok(kib.ok_or(io::ErrorKind::InvalidData).map(|kib: f64| kib / 1024.0)?)
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            cpu: self.cpu + other.cpu,
            voluntary: self.voluntary + other.voluntary,
            involuntary: self.involuntary + other.involuntary,
        }
    }
}

/// Saturates: a thread that ended in between takes its share with it.
impl Sub for Usage {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(earlier.cpu),
            voluntary: self.voluntary.saturating_sub(earlier.voluntary),
            involuntary: self.involuntary.saturating_sub(earlier.involuntary),
        }
    }
}

/// The directories of a process's threads.
fn tasks(pid: u32) -> io::Result<Vec<String>> {
    let entries = fs::read_dir(format!("/proc/{pid}/task"))?;
    entries.map(|entry| Ok(entry?.path().display().to_string())).collect()
}
