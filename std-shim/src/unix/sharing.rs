//! How one connection sends and receives large packets through mapped memory, and agrees on it.

use std::io::{IoSlice, IoSliceMut};
use std::mem::{MaybeUninit, take};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use ipcm_core::transport::Area;
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, send, sendmsg,
};

use super::note::{Note, SHORTEST_PACKET};
use super::pool::{Incoming, Outgoing, Pool, Received, SLOT, Slots};
use crate::log;
use crate::sys::returns::covered;
use crate::sys::shared_memory::{OpenError, Trust};

/// Descriptors that come with a note of memory: those of the data and of the control memory.
const FILES: usize = 2;

/// The large packets of one connection.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    outgoing: Outgoing,
    incoming: Incoming,
    /// The slot that a packet is being written to.
    open: Option<u8>,
    /// What the peer waits for and the socket had no room for.
    owed: Option<Note>,
    /// What came with the last packet.
    files: Files,
    /// Packets are read where the peer wrote them.
    trust: Option<Trust>,
    /// The packet that came last, if it is read there.
    area: Option<Area>,
}

/// Descriptors that have come.
#[derive(Debug, Default)]
struct Files {
    files: Vec<OwnedFd>,
    /// There were more than were expected, or than this process may have.
    cut: bool,
}

/// What a note came to.
pub(super) enum Taken {
    /// A packet of so many bytes is in the buffer.
    Packet(usize),
    /// It was about the memory.
    Word,
    /// The peer has no right to say that.
    Nonsense,
}

impl Sharing {
    /// Shares nothing yet, and reads packets where they are if there is trust.
    pub(super) fn new(trust: Option<Trust>) -> Self {
        Self { trust, ..Self::default() }
    }

    /// The packet that came last, if it is not in the buffer.
    pub(super) fn take_area(&mut self) -> Option<Area> {
        self.area.take()
    }

    /// How much of a large packet can leave at once; 0 if it goes through the socket.
    pub(super) fn room_len(&self) -> usize {
        match &self.outgoing {
            Outgoing::Ready(pool) if pool.free_slot().is_some() => SLOT,
            _ => 0,
        }
    }

    /// A free slot that takes `len` bytes. If there is no pool, its making goes one step on.
    pub(super) fn room(&mut self, socket: &OwnedFd, len: usize) -> Option<&mut [u8]> {
        self.advance(socket);
        let Outgoing::Ready(pool) = &mut self.outgoing else { return None };
        let slot = pool.free_slot().filter(|_| len <= SLOT)?;
        self.open = Some(slot);
        Some(pool.slot(slot))
    }

    /// Sends the first `len` bytes of the slot that was given last.
    pub(super) fn send_room(&mut self, socket: &OwnedFd, len: usize) -> Result<(), &[u8]> {
        let (Outgoing::Ready(pool), Some(slot)) = (&mut self.outgoing, self.open.take()) else {
            return Err(&[]);
        };
        if give(pool, socket, slot, len) { Ok(()) } else { Err(&pool.slot(slot)[..len]) }
    }

    /// Copies the front of `bytes` to a free slot and sends it. Returns its length; `None` if it is to go through
    /// the socket.
    pub(super) fn send_large(&mut self, socket: &OwnedFd, bytes: &[u8]) -> Option<usize> {
        self.advance(socket);
        let Outgoing::Ready(pool) = &mut self.outgoing else { return None };
        let slot = pool.free_slot()?;
        let len = first_packet(bytes.len(), SLOT);
        pool.slot(slot)[..len].copy_from_slice(&bytes[..len]);
        give(pool, socket, slot, len).then_some(len)
    }

    /// Goes on to get a pool, as far as that goes without waiting.
    fn advance(&mut self, socket: &OwnedFd) {
        match self.outgoing {
            Outgoing::Unused if say(socket, Note::Offer) => self.outgoing = Outgoing::Offered,
            Outgoing::Accepted => self.outgoing = send_pool(socket),
            _ => {}
        }
    }

    /// Says what the socket had no room for before.
    #[inline]
    pub(super) fn say_what_is_owed(&mut self, socket: &OwnedFd) {
        if let Some(note) = self.owed
            && say(socket, note)
        {
            self.owed = None;
        }
    }

    fn owe(&mut self, socket: &OwnedFd, note: Note) {
        self.owed = Some(note);
        self.say_what_is_owed(socket);
    }

    /// Whether descriptors may come with the next packet.
    pub(super) fn expects_files(&self) -> bool {
        matches!(self.incoming, Incoming::Expecting)
    }

    /// Receives a packet and the descriptors with it; returns the packet's length.
    pub(super) fn receive_files(
        &mut self,
        socket: &OwnedFd,
        buffer: &mut [u8],
        flags: RecvFlags,
    ) -> Result<usize, Errno> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = flags | RecvFlags::TRUNC | RecvFlags::CMSG_CLOEXEC;
        let received = recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut control, flags)?;
        // What comes with a packet of the stream is dropped.
        self.files = Files { files: Vec::new(), cut: received.flags.contains(ReturnFlags::CTRUNC) };
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(files) = message
                && received.bytes < SHORTEST_PACKET
            {
                self.files.files.extend(files);
            }
        }
        Ok(received.bytes)
    }

    /// Takes in the note in the first `n` bytes of `buffer`, and the packet that it speaks of.
    pub(super) fn take_note(&mut self, socket: &OwnedFd, n: usize, buffer: &mut [u8]) -> Taken {
        let files = take(&mut self.files);
        let Some(note) = Note::decode(&buffer[..n]) else { return Taken::Nonsense };
        match (note, take(&mut self.outgoing), &self.incoming) {
            (Note::Packet { slot, len }, outgoing, Incoming::Ready(slots)) => {
                self.outgoing = outgoing;
                return match slots.receive(slot, len, buffer) {
                    Some(Received::Copied(len)) => Taken::Packet(len),
                    Some(Received::Lent(area)) => Taken::Packet(self.area.insert(area).len()),
                    None => Taken::Nonsense,
                };
            }
            (Note::Accept, Outgoing::Offered, _) => self.outgoing = Outgoing::Accepted,
            (Note::Mapped, Outgoing::Sent(pool), _) => self.outgoing = Outgoing::Ready(pool),
            (Note::Declined, Outgoing::Sent(_), _) => self.outgoing = Outgoing::Off,
            (Note::Offer, outgoing, Incoming::Unused) => {
                self.outgoing = outgoing;
                self.incoming = Incoming::Expecting;
                self.owe(socket, Note::Accept);
            }
            (Note::Memory, outgoing, Incoming::Expecting) => {
                self.outgoing = outgoing;
                return self.take_memory(socket, files);
            }
            _ => return Taken::Nonsense,
        }
        Taken::Word
    }

    fn take_memory(&mut self, socket: &OwnedFd, files: Files) -> Taken {
        let opened = match <[OwnedFd; FILES]>::try_from(files.files) {
            Ok(files) => Slots::open(&files, self.trust),
            // This process has as many descriptors as it may.
            Err(_) if files.cut => Err(OpenError::System(Errno::MFILE.into())),
            Err(_) => Err(OpenError::Unsafe),
        };
        match opened {
            Ok(slots) => {
                self.incoming = Incoming::Ready(Arc::new(slots));
                self.owe(socket, Note::Mapped);
            }
            Err(OpenError::Unsafe) => return Taken::Nonsense,
            Err(OpenError::System(error)) => {
                log::warn!(%error, "large packets of a peer go through the socket: no memory to map");
                self.incoming = Incoming::Off;
                self.owe(socket, Note::Declined);
            }
        }
        Taken::Word
    }
}

/// How much of `len` bytes goes into a packet of at most `most`, so that no more than what is left is a packet:
/// neither is taken for a note.
pub(super) fn first_packet(len: usize, most: usize) -> usize {
    if len <= most { len } else { most.min(len - SHORTEST_PACKET) }
}

/// Sends a packet that is in a slot; false if that cannot be done now.
fn give(pool: &Pool, socket: &OwnedFd, slot: u8, len: usize) -> bool {
    let Ok(length) = u32::try_from(len) else { return false };
    pool.give(slot);
    let given = say(socket, Note::Packet { slot, len: length });
    if !given {
        pool.take_back(slot);
    }
    given
}

/// Sends a note; false if the socket is full, or its end will be noticed by the next one who uses it.
fn say(socket: &OwnedFd, note: Note) -> bool {
    loop {
        match covered(send(socket, &note.encode(), SendFlags::DONTWAIT | SendFlags::NOSIGNAL)) {
            Err(Errno::INTR) => {}
            said => return said.is_ok(),
        }
    }
}

/// Makes a pool and sends its files.
fn send_pool(socket: &OwnedFd) -> Outgoing {
    let (pool, files) = match Pool::create() {
        Ok(made) => made,
        Err(error) => {
            log::warn!(%error, "large packets for a peer go through the socket: no memory to share");
            return Outgoing::Off;
        }
    };
    let files = files.each_ref().map(AsFd::as_fd);
    let note = Note::Memory.encode();
    loop {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(&files)) {
            return Outgoing::Off;
        }
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match sendmsg(socket, &[IoSlice::new(&note)], &mut control, flags) {
            Ok(_) => return Outgoing::Sent(pool),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM) => return Outgoing::Accepted,
            Err(error) => {
                log::warn!(%error, "large packets for a peer go through the socket: no descriptor goes");
                return Outgoing::Off;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_packet_of_the_stream_is_as_short_as_a_note() {
        for most in [32, 100, SLOT] {
            for len in SHORTEST_PACKET..3 * most.min(200) {
                let first = first_packet(len, most);
                assert!((SHORTEST_PACKET..=most).contains(&first), "{first} of {len} in packets of {most}");
                assert!(
                    first == len || len - first >= SHORTEST_PACKET,
                    "{first} of {len} in packets of {most}"
                );
            }
        }
    }
}
