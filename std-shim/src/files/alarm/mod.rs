//! [`Alarm`]: what wakes a member that waits.

#[cfg(not(target_os = "linux"))]
mod guest;
#[cfg(target_os = "linux")]
mod linux;

use ipcm_core::LinkId;

#[cfg(not(target_os = "linux"))]
pub(super) use guest::{Alarm, has_ended};
#[cfg(target_os = "linux")]
pub(super) use linux::{Alarm, has_ended};

/// Something that a wait found.
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "nothing tells a guest of these"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Files have come.
    Mail,
    /// Files were taken in somewhere.
    Room,
    /// The process at the other end is dead.
    Dead(LinkId),
    PeersChanged,
    /// Something happened to the bus itself.
    BusTouched,
    Woken,
}
