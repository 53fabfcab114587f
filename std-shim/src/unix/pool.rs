//! Packets in mapped memory: the sender's slots, and the receiver's view of them.
//!
//! ```text
//! sender                                  receiver
//! Unused  --------- offer ------------->  Unused
//! Offered <-------- accept -------------  Expecting     looks for descriptors
//! Sent    --------- memory, 2 fds ----->  Ready         has checked and mapped them
//! Ready   <-------- mapped -------------
//!         --------- packet: slot, len ->                copies, then frees the slot by an atomic
//! ```
//!
//! Each direction of a connection has its own. Nobody waits for any of it: until a pool is ready, and whenever all
//! of its slots are in use, packets go through the socket.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ipcm_core::transport::{Area, Lender};

use super::note::SHORTEST_PACKET;
use crate::sys::shared_memory::{Data, OpenError, Trust, View, Word};

/// Slots of one direction of a connection.
const SLOTS: usize = 8;
/// Packets of at least so many bytes go through mapped memory, if there is any.
pub(super) const LARGE: usize = 16 * 1024;
/// Bytes of a slot: a body of 1 MiB and its head, and other frames with it.
pub(super) const SLOT: usize = 1024 * 1024 + 64 * 1024;

/// What a sender has come to with the receiver.
#[derive(Debug, Default)]
pub(super) enum Outgoing {
    /// Nothing large has been sent yet.
    #[default]
    Unused,
    /// An offer was sent.
    Offered,
    /// The offer was accepted.
    Accepted,
    /// The memory was sent.
    Sent(Pool),
    /// The receiver has mapped it.
    Ready(Pool),
    /// It cannot be had.
    Off,
}

/// What a receiver has come to with the sender.
#[derive(Debug, Default)]
pub(super) enum Incoming {
    /// No offer has come.
    #[default]
    Unused,
    /// An offer was accepted.
    Expecting,
    /// The memory is mapped.
    Ready(Arc<Slots>),
    /// It could not be mapped.
    Off,
}

/// The sender's memory.
#[derive(Debug)]
pub(super) struct Pool {
    data: Data,
    /// A bit for each slot: set while the slot is in use. The sender sets them and the receiver clears them.
    used: Word,
}

impl Pool {
    /// Makes a pool, and the descriptors that the receiver needs.
    pub(super) fn create() -> std::io::Result<(Self, [OwnedFd; 2])> {
        let (data, data_file) = Data::create(SLOTS * SLOT)?;
        let (used, used_file) = Word::create()?;
        Ok((Self { data, used }, [data_file, used_file]))
    }

    /// The lowest slot that is free: the fewer are touched, the less memory is taken and the warmer it is.
    pub(super) fn free_slot(&self) -> Option<u8> {
        let slot = self.used.get().load(Ordering::Acquire).trailing_ones();
        u8::try_from(slot).ok().filter(|&slot| usize::from(slot) < SLOTS)
    }

    pub(super) fn slot(&mut self, slot: u8) -> &mut [u8] {
        let at = usize::from(slot) * SLOT;
        &mut self.data.bytes()[at..at + SLOT]
    }

    /// The slot is the receiver's from now on.
    pub(super) fn give(&self, slot: u8) {
        self.used.get().fetch_or(1 << slot, Ordering::Release);
    }

    /// The slot was not given after all.
    pub(super) fn take_back(&self, slot: u8) {
        self.used.get().fetch_and(!(1 << slot), Ordering::Relaxed);
    }
}

/// The receiver's view of the sender's memory.
#[derive(Debug)]
pub(super) struct Slots {
    data: View,
    used: Word,
    trust: Option<Trust>,
}

/// Where a packet is that has come.
pub(super) enum Received {
    /// In the buffer, so long.
    Copied(usize),
    /// Where its sender wrote it.
    Lent(Area),
}

impl Slots {
    pub(super) fn open([data, used]: &[OwnedFd; 2], trust: Option<Trust>) -> Result<Self, OpenError> {
        Ok(Self { data: View::open(data, SLOTS * SLOT)?, used: Word::open(used)?, trust })
    }

    /// Copies the packet in a slot to the front of `buffer` and frees the slot, or lends it. `None` if there is no such
    /// packet.
    pub(super) fn receive(self: &Arc<Self>, slot: u8, len: u32, buffer: &mut [u8]) -> Option<Received> {
        let len = usize::try_from(len).ok().filter(|len| (SHORTEST_PACKET..=SLOT).contains(len))?;
        let buffer = buffer.get_mut(..len).filter(|_| usize::from(slot) < SLOTS)?;
        if self.trust.is_some() && len >= LARGE {
            return Some(Received::Lent(Area::new(self.clone(), slot.into(), len)));
        }
        self.data.copy_to(usize::from(slot) * SLOT, buffer);
        self.release(slot.into());
        Some(Received::Copied(len))
    }
}

impl Lender for Slots {
    fn packet(&self, slot: u32, len: usize) -> &[u8] {
        // Areas are made with trust, and not without.
        self.trust.map_or(&[], |trust| self.data.bytes(slot as usize * SLOT, len, trust))
    }

    fn release(&self, slot: u32) {
        self.used.get().fetch_and(!(1 << slot), Ordering::Release);
    }
}
