//! A global allocator that counts, and a look at the count of another process.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

static COUNT: AtomicU64 = AtomicU64::new(0);

/// The system's allocator, counting calls to allocate or reallocate, of all threads.
///
/// The count stays at zero unless the binary declares it as its `#[global_allocator]`.
#[derive(Debug)]
pub struct Counting;

// SAFETY: every call is passed on unchanged to `System`; the counter never allocates.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `GlobalAlloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as in `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as in `alloc`; `block` came from `System`.
        unsafe { System.realloc(block, layout, new_size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as in `alloc`; `block` came from `System`.
        unsafe { System.dealloc(block, layout) }
    }
}

/// Allocations of this process so far.
pub fn count() -> u64 {
    COUNT.load(Ordering::Relaxed)
}

/// Where this process keeps its count, for a parent's [`Remote`].
pub fn address() -> u64 {
    (&raw const COUNT).addr() as u64
}

/// The count of a child process, read from its memory, so that a service that never returns and has no spare
/// thread can be watched without disturbing it.
#[derive(Debug)]
pub struct Remote {
    memory: File,
    address: u64,
}

impl Remote {
    /// Opens the memory of process `pid`, whose [`address`] was `address`.
    ///
    /// # Errors
    /// If the kernel does not let this process trace that one.
    pub fn open(pid: u32, address: u64) -> io::Result<Self> {
        Ok(Self { memory: File::open(format!("/proc/{pid}/mem"))?, address })
    }

    /// Allocations of that process so far.
    ///
    /// # Errors
    /// If the process has ended.
    pub fn count(&self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.memory.read_exact_at(&mut bytes, self.address)?;
        Ok(u64::from_ne_bytes(bytes))
    }
}
