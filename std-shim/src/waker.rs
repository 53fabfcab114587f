//! Wakes a member's loop where there are no descriptors.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Has the next wait of one member return at once. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Waker(Arc<AtomicBool>);

impl Waker {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self::default())
    }

    /// Makes the member's next wait return.
    pub fn wake(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(crate) fn clear(&self) {
        self.0.store(false, Ordering::Release);
    }

    pub(crate) fn is_woken(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
