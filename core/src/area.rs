//! A packet where its sender wrote it: memory of the transport, given back when dropped.

use alloc::sync::Arc;
use core::fmt;
use core::ops::Deref;

/// A packet in memory of the transport. The memory is given back when this is dropped.
pub struct Area {
    lender: Arc<dyn Lender>,
    slot: u32,
    len: usize,
}

/// Memory of a transport in which packets lie.
pub trait Lender: Send + Sync {
    /// The packet of `len` bytes in a slot that is lent.
    fn packet(&self, slot: u32, len: usize) -> &[u8];

    /// The slot is lent no longer.
    fn release(&self, slot: u32);
}

impl Area {
    /// The packet of `len` bytes in a slot, which is lent from now on and released once.
    pub fn new(lender: Arc<dyn Lender>, slot: u32, len: usize) -> Self {
        Self { lender, slot, len }
    }
}

impl Deref for Area {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.lender.packet(self.slot, self.len)
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        self.lender.release(self.slot);
    }
}

impl fmt::Debug for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Area").field("slot", &self.slot).field("len", &self.len).finish()
    }
}
