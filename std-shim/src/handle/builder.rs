//! What a handle is made of.

use super::*;
use crate::Trust;

/// What a [`Handle`] is made of.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct HandleBuilder {
    pub(super) info: Info,
    pub(super) service: String,
    pub(super) name: String,
    pub(super) interval: Duration,
    pub(super) config: Config,
    pub(super) child_pid: Option<u32>,
    pub(super) trust: Option<Trust>,
}

impl HandleBuilder {
    /// The handle's own name on the bus. Default: a fresh UUID.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The longest pause between two looks at what nothing tells of: who comes and goes, where the system
    /// has no inotify watch left. Default 200 ms; no more than 50 ms of it is used.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// The bounds of tables, buffers and windows.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Large responses are read where the peer wrote them instead of being copied first, until the next thing is
    /// taken in. Only for a bus whose peers can be relied on: see [`Trust::new`].
    pub fn read_in_place(mut self, trust: Trust) -> Self {
        self.trust = Some(trust);
        self
    }

    /// The process that starting the service returned.
    #[cfg(target_os = "linux")]
    pub(crate) fn child_pid(mut self, pid: u32) -> Self {
        self.child_pid = Some(pid);
        self
    }

    /// The handle, which joins the bus at first use.
    pub fn build(self) -> Handle {
        Handle {
            settings: self,
            joined: None,
            brought: 0,
            #[cfg(target_os = "linux")]
            bus: None,
        }
    }

    #[cfg(target_os = "linux")]
    /// The handle, which owns its bus: dropping it leaves the bus and then ends it.
    pub fn build_with_bus(self, bus: Bus) -> Handle {
        Handle { settings: self, joined: None, brought: 0, bus: Some(bus) }
    }
}
