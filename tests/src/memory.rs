//! The other side of mapped memory, played by the test: notes, files and descriptors as it likes.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::io::{pread, pwrite};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

/// Kinds of notes.
pub const OFFER: u8 = 1;
/// See [`OFFER`].
pub const ACCEPT: u8 = 2;
/// See [`OFFER`].
pub const MEMORY: u8 = 3;
/// See [`OFFER`].
pub const MAPPED: u8 = 4;
/// See [`OFFER`].
pub const DECLINED: u8 = 5;
/// See [`OFFER`].
pub const PACKET: u8 = 6;

/// Slots of a pool.
pub const SLOTS: usize = 8;
/// Bytes of a slot.
pub const SLOT: usize = (1 << 20) + (64 << 10);
/// Bytes of the control file.
pub const WORD: usize = 4096;

/// Seals of the control file.
pub const FIXED: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);
/// Seals of the data file.
pub const READ_ONLY: SealFlags = FIXED.union(SealFlags::FUTURE_WRITE);

/// A note.
pub fn note(kind: u8, slot: u8, len: usize) -> [u8; 8] {
    let [a, b, c, d] = u32::try_from(len).expect("a length of a note").to_le_bytes();
    [kind, slot, 0, 0, a, b, c, d]
}

/// A memory file that is not sealed.
pub fn file(len: usize) -> OwnedFd {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = memfd_create("test", flags).expect("a memory file can be made");
    ftruncate(&file, len as u64).expect("it can be made longer");
    file
}

/// Seals a memory file.
pub fn seal(file: OwnedFd, seals: SealFlags) -> OwnedFd {
    fcntl_add_seals(&file, seals).expect("it is not sealed yet");
    file
}

/// The files that are expected, with this packet in this slot.
pub fn files(slot: u8, packet: &[u8]) -> [OwnedFd; 2] {
    let data = file(SLOTS * SLOT);
    write(&data, usize::from(slot) * SLOT, packet);
    let used = file(WORD);
    write(&used, 0, &0xffu32.to_ne_bytes());
    [seal(data, READ_ONLY), seal(used, FIXED)]
}

/// Which slots are in use.
pub fn used(word: &OwnedFd) -> u32 {
    u32::from_ne_bytes(read(word, 0, 4).try_into().expect("four bytes"))
}

/// Writes to a file.
pub fn write(file: &OwnedFd, at: usize, bytes: &[u8]) {
    assert_eq!(pwrite(file, bytes, at as u64), Ok(bytes.len()));
}

/// Reads from a file.
pub fn read(file: &OwnedFd, at: usize, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    assert_eq!(pread(file, &mut bytes, at as u64), Ok(len));
    bytes
}

/// Sends a packet with descriptors.
pub fn send_files(socket: BorrowedFd<'_>, packet: &[u8], files: &[OwnedFd]) {
    let files: Vec<_> = files.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&files)));
    let sent = sendmsg(socket, &[IoSlice::new(packet)], &mut control, SendFlags::NOSIGNAL);
    assert_eq!(sent, Ok(packet.len()));
}

/// Receives a packet and the descriptors with it.
pub fn receive_files(socket: BorrowedFd<'_>, packet: &mut [u8]) -> (usize, Vec<OwnedFd>) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received =
        recvmsg(socket, &mut [IoSliceMut::new(packet)], &mut control, RecvFlags::CMSG_CLOEXEC).unwrap();
    let mut files = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(more) = message {
            files.extend(more);
        }
    }
    (received.bytes, files)
}
