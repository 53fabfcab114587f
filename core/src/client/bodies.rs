//! Where bodies lie that have been taken in: in the packet that came last, or in buffers of their own.

use super::*;

/// Buffers kept for bodies that outlast their packet.
pub(super) const SPARE_BUFFERS: usize = 64;
/// A larger buffer is kept for large bodies, if at all.
const SPARE_CAPACITY: usize = 4096;

#[derive(Debug)]
pub(super) enum Pin {
    Finished(RequestId),
    Inbox,
}

/// A body that has been taken in.
#[derive(Debug)]
pub(crate) enum Stored {
    /// It lies in the packet that came last.
    InPacket(Range<usize>),
    /// It is the end of this buffer.
    Own { buffer: Vec<u8>, at: usize },
}

/// A body and the buffer it lies in.
#[derive(Debug)]
pub(crate) struct Lent {
    buffer: Vec<u8>,
    /// It lies there, and not in the buffer.
    area: Option<Area>,
    range: Range<usize>,
    is_packet: bool,
}

impl Lent {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.area.as_deref().unwrap_or(&self.buffer)[self.range.clone()]
    }
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// Keeps a body: in the packet it came in as long as that is the last one, in a buffer of its own else.
    pub(super) fn store(&mut self, body: Body<'_>, packet: &[u8], pin: Pin) -> Stored {
        match body {
            Body::Assembled { frame, at } => Stored::Own { buffer: frame, at },
            Body::InInput { bytes, at } => {
                self.unpin(packet);
                self.pinned = Some(pin);
                Stored::InPacket(at..at + bytes.len())
            }
        }
    }

    /// Moves a body that lies in the packet that came last to a buffer of its own.
    pub(super) fn detach(&mut self, body: &mut Stored) {
        if let Stored::InPacket(range) = body {
            self.pinned = None;
            let buffer = self.spare.pop();
            let buffer = copied(buffer, &self.last_packet()[range.clone()]);
            *body = Stored::Own { buffer, at: 0 };
        }
    }

    /// Moves the body that lies in `packet` to a buffer of its own.
    pub(super) fn unpin(&mut self, packet: &[u8]) {
        let stored = match self.pinned.take() {
            None => return,
            Some(Pin::Finished(id)) => self.finished.get_mut(id).and_then(|ended| ended.result.as_mut().ok()),
            Some(Pin::Inbox) => self.inbox.back_mut().map(|item| &mut item.body),
        };
        if let Some(stored) = stored
            && let Stored::InPacket(range) = stored
        {
            let buffer = copied(self.spare.pop(), &packet[range.clone()]);
            *stored = Stored::Own { buffer, at: 0 };
        }
    }

    /// Takes the buffer that a body lies in, so that the body outlasts whatever the client does.
    pub(crate) fn lend(&mut self, body: Stored) -> Lent {
        match body {
            // What is left of the packet may be wanted while the body is lent.
            Stored::InPacket(range) if self.rest.is_some() => {
                self.pinned = None;
                let spare = self.spare.pop();
                let buffer = copied(spare, &self.last_packet()[range]);
                Lent { range: 0..buffer.len(), buffer, area: None, is_packet: false }
            }
            Stored::InPacket(range) => {
                self.pinned = None;
                let area = self.area.take();
                let buffer = if area.is_none() { mem::take(&mut self.packet) } else { Vec::new() };
                Lent { buffer, is_packet: area.is_none(), area, range }
            }
            Stored::Own { buffer, at } => {
                Lent { range: at..buffer.len(), buffer, area: None, is_packet: false }
            }
        }
    }

    /// Takes back the buffer of a body.
    pub(crate) fn take_back(&mut self, lent: Lent) {
        if !lent.is_packet {
            self.keep_spare(lent.buffer);
        } else if self.packet.is_empty() {
            self.packet = lent.buffer;
        } else {
            self.spare_packet = lent.buffer;
        }
    }

    /// The buffer of a body that is no longer needed is used again.
    pub(crate) fn release(&mut self, body: Stored) {
        match body {
            Stored::InPacket(_) => self.pinned = None,
            Stored::Own { buffer, .. } => self.keep_spare(buffer),
        }
    }

    pub(super) fn keep_spare(&mut self, buffer: Vec<u8>) {
        match buffer.capacity() {
            0 => {}
            1..=SPARE_CAPACITY if self.spare.len() < SPARE_BUFFERS => self.spare.push(buffer),
            // One that finds no place is given back to the allocator.
            1..=SPARE_CAPACITY => drop(buffer),
            _ => self.endpoint.recycle(buffer),
        }
    }
}

/// A copy of `bytes`, in a spare buffer if there is one.
fn copied(spare: Option<Vec<u8>>, bytes: &[u8]) -> Vec<u8> {
    let mut buffer = spare.unwrap_or_default();
    buffer.clear();
    buffer.extend_from_slice(bytes);
    buffer
}
