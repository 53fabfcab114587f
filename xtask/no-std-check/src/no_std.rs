//! A program without std that works with the core: it compiles only if nothing in its graph pulls std in,
//! because std would define a second panic handler.
//!
//! Clause H1, the host's side of it.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::{string::String, vec, vec::Vec};
use core::{
    alloc::{GlobalAlloc, Layout},
    cell::UnsafeCell,
    ptr,
    sync::atomic::{AtomicUsize, Ordering},
};
use ipcm_core::body;
use no_std_check as _;
use serde::{Deserialize, Serialize};

/// All the memory that the program has, in bytes.
const HEAP: usize = 64 * 1024;

/// Hands out a fixed block from front to back and takes nothing back.
#[repr(align(16))]
struct Bump {
    block: UnsafeCell<[u8; HEAP]>,
    used: AtomicUsize,
}

// SAFETY: `block` is reached through `alloc` alone, which gives each caller a range of its own.
unsafe impl Sync for Bump {}

// SAFETY: each call reserves a range that lies in `block`, is aligned, and is never handed out again.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() > align_of::<Self>() {
            return ptr::null_mut();
        }
        let take = |used: usize| {
            let start = used.checked_next_multiple_of(layout.align())?;
            start.checked_add(layout.size()).filter(|&end| end <= HEAP)
        };
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            // SAFETY: `take` has checked that the range ends in the block.
            Ok(used) => unsafe { self.block.get().cast::<u8>().add(used.next_multiple_of(layout.align())) },
            Err(_) => ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static MEMORY: Bump = Bump { block: UnsafeCell::new([0; HEAP]), used: AtomicUsize::new(0) };

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Reading {
    sensor: String,
    values: Vec<Option<i32>>,
}

/// Sends a value through the body codec. The exit status is 0 when all is well.
// SAFETY: the C runtime calls the one function of this name, once, and ignores its arguments' absence.
#[unsafe(no_mangle)]
extern "C" fn main() -> i32 {
    let sent = Reading { sensor: String::from("outside"), values: vec![Some(-40), None, Some(1 << 30)] };
    let mut bytes = Vec::new();
    assert_eq!(body::encode_into(&sent, &mut bytes, 100), Ok(()));
    assert_eq!(body::decode::<Reading>(&bytes), Ok(sent));
    assert!(body::decode::<Vec<()>>(&[0xff, 0xff, 0xff, 0x7f]).is_err());
    0
}
