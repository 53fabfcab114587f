//! [`ProcessId`]: a process that is not mistaken for a later one with the same pid.

#[cfg(target_os = "linux")]
use {
    rustix::io::Errno,
    rustix::process::{Pid, getpid, test_kill_process},
    std::os::unix::fs::MetadataExt,
    std::{fs, io},
};

/// A process: its pid, when it started, and where those numbers are valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProcessId {
    pub(crate) pid: u32,
    /// Clock ticks since boot: field 22 of `/proc/PID/stat`.
    pub(super) start: u64,
    /// Inode of the pid namespace; 0 where `/proc` is not there, and then nothing is concluded.
    pub(super) pid_ns: u64,
    /// Inode of the time namespace, which shifts `start`; 0 where the kernel has none.
    pub(super) time_ns: u64,
}

impl ProcessId {
    /// Its four numbers in the order of the fields, as the files of a bus have them.
    pub(crate) fn to_text(self) -> String {
        let Self { pid, start, pid_ns, time_ns } = self;
        format!("{pid} {start} {pid_ns} {time_ns}")
    }

    /// The process whose [`to_text`](Self::to_text) this is.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let mut next = || words.next().and_then(|word| word.parse::<u64>().ok());
        let id = Self { pid: next()?.try_into().ok()?, start: next()?, pid_ns: next()?, time_ns: next()? };
        words.next().is_none().then_some(id)
    }
}

#[cfg(not(target_os = "linux"))]
impl ProcessId {
    /// A guest has no process that others could see.
    pub(crate) fn own() -> Self {
        Self { pid: 0, start: 0, pid_ns: 0, time_ns: 0 }
    }
}

#[cfg(target_os = "linux")]
impl ProcessId {
    /// This process.
    pub(crate) fn own() -> Self {
        let pid = own_pid();
        let unknown = Self { pid, start: 0, pid_ns: 0, time_ns: 0 };
        let (Ok(text), Vantage { pid_ns: pid_ns @ 1.., time_ns }) =
            (fs::read_to_string("/proc/self/stat"), Vantage::here())
        else {
            return unknown;
        };
        Stat::parse(&text).map_or(unknown, |stat| Self { start: stat.start, pid_ns, time_ns, ..unknown })
    }

    /// Whether the pid is one of those that processes have as seen from there.
    pub(crate) fn is_numbered_by(&self, vantage: Vantage) -> bool {
        self.pid_ns != 0 && self.pid_ns == vantage.pid_ns
    }

    /// Whether it is certain that this process has ended: gone, replaced by another one, or a zombie.
    ///
    /// `false` says nothing: the process may be out of sight.
    pub(crate) fn has_ended(&self, vantage: Vantage) -> bool {
        let here = Vantage { pid_ns: self.pid_ns, time_ns: self.time_ns };
        if self.pid_ns == 0 || here != vantage {
            return false;
        }
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else {
            return false;
        };
        // `/proc` may hide other users' processes, so it is the signal that tells who is gone.
        let is_gone = || test_kill_process(pid) == Err(Errno::SRCH);
        match fs::read_to_string(format!("/proc/{}/stat", self.pid)) {
            Ok(text) => Stat::parse(&text).is_some_and(|stat| stat.start != self.start || stat.is_dead()),
            Err(_) => is_gone(),
        }
    }
}

#[cfg(target_os = "linux")]
/// The namespaces that an observer's pids and start times are valid in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Vantage {
    pid_ns: u64,
    time_ns: u64,
}

#[cfg(target_os = "linux")]
impl Vantage {
    /// That of this process; nowhere if `/proc` is missing or belongs to another pid namespace.
    pub(crate) fn here() -> Self {
        let nowhere = Self { pid_ns: 0, time_ns: 0 };
        let proc_self = fs::read_link("/proc/self").ok();
        if proc_self.is_none_or(|pid| pid.as_os_str() != own_pid().to_string().as_str()) {
            return nowhere;
        }
        let inode = |path| fs::metadata(path).map(|meta| meta.ino());
        let no_such = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        match (inode("/proc/self/ns/pid"), inode("/proc/self/ns/time")) {
            (Ok(pid_ns), Ok(time_ns)) => Self { pid_ns, time_ns },
            (Ok(pid_ns), Err(error)) if no_such(&error) => Self { pid_ns, time_ns: 0 },
            _ => nowhere,
        }
    }
}

#[cfg(target_os = "linux")]
/// The pid of this process, never cached: a forked child has another one.
pub(crate) fn own_pid() -> u32 {
    getpid().as_raw_nonzero().get().unsigned_abs()
}

#[cfg(target_os = "linux")]
/// The parts of `/proc/PID/stat` that tell lives apart.
struct Stat {
    state: u8,
    threads: u64,
    start: u64,
}

#[cfg(target_os = "linux")]
impl Stat {
    /// Reads the fields behind the command, which is in parentheses and may itself hold some.
    fn parse(text: &str) -> Option<Self> {
        let (_, fields) = text.rsplit_once(')')?;
        let mut fields = fields.split_ascii_whitespace();
        let state = *fields.next()?.as_bytes().first()?;
        let threads = fields.nth(16)?.parse().ok()?;
        let start = fields.nth(1)?.parse().ok()?;
        Some(Self { state, threads, start })
    }

    /// A zombie or dead; not so a process whose main thread alone has ended.
    fn is_dead(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x') && self.threads <= 1
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    /// Clause A5.
    #[test]
    fn a_stat_line_is_read_behind_any_command_name() {
        let tail = "Z 1 2 3 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 3 0 987654 10 11";
        for command in ["(cat)", "(a b)", "() R 1)", "(\n)"] {
            let stat = Stat::parse(&format!("42 {command} {tail}")).unwrap();
            assert_eq!((stat.state, stat.threads, stat.start), (b'Z', 3, 987_654));
            assert!(!stat.is_dead(), "other threads live on");
        }
        for broken in ["", "42 (cat", "42 (cat) Z 1 2"] {
            assert!(Stat::parse(broken).is_none());
        }
    }

    /// Clause A5. Fault X7.
    #[test]
    fn a_live_pid_with_another_start_time_is_another_process() {
        let own = ProcessId::own();
        let here = Vantage::here();
        assert_ne!((own.pid_ns, own.start), (0, 0), "the tests need /proc");
        assert!(!own.has_ended(here));
        assert!(ProcessId { start: own.start + 1, ..own }.has_ended(here));
        let elsewhere = ProcessId { start: own.start + 1, pid_ns: own.pid_ns + 1, ..own };
        assert!(!elsewhere.has_ended(here), "pids of another namespace prove nothing");
    }

    #[test]
    fn a_process_id_is_four_numbers() {
        let id = ProcessId { pid: 7, start: 8, pid_ns: 9, time_ns: 0 };
        assert_eq!(id.to_text(), "7 8 9 0");
        assert_eq!(ProcessId::from_text("7 8 9 0"), Some(id));
        for text in ["", "7 8 9", "7 8 9 0 1", "7 8 9 x", "4294967296 8 9 0", "7  8 9 0", " 7 8 9 0"] {
            assert_eq!(ProcessId::from_text(text), None, "{text:?}");
        }
    }

    /// Fault X3.
    #[test]
    fn a_process_that_has_exited_has_ended_before_and_after_it_is_reaped() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let text = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        let id = ProcessId { pid: child.id(), start: Stat::parse(&text).unwrap().start, ..ProcessId::own() };
        assert!(!id.has_ended(Vantage::here()));
        let pid = Pid::from_child(&child);
        child.kill().unwrap();
        let exited = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
        rustix::process::waitid(rustix::process::WaitId::Pid(pid), exited).unwrap();
        assert!(id.has_ended(Vantage::here()), "a zombie");
        child.wait().unwrap();
        assert!(id.has_ended(Vantage::here()), "gone");
    }
}
