//! A member that writes its own frames.

extern crate alloc;

use alloc::string::String;
use alloc::vec::Vec;
use ipcm_core::memory::{Memory, Network};
use ipcm_core::transport::{Progress, Transport, TransportEvent};
use ipcm_core::{Instant, LinkId};

use super::wire::{self, Cutter, Head};

/// A member of a network without an endpoint.
pub(crate) struct Raw {
    pub(crate) transport: Memory,
    pub(crate) name: String,
    links: Vec<RawLink>,
}

struct RawLink {
    id: LinkId,
    cutter: Cutter,
    out: Vec<u8>,
}

/// A frame that has come, and on which of the member's links.
pub(crate) type Came = (usize, Head, Vec<u8>);

impl Raw {
    pub(crate) fn join(network: &Network, name: &str) -> Self {
        Self { transport: network.join(name), name: name.into(), links: Vec::new() }
    }

    /// Connects to a member and returns the link's number. No hello is said.
    pub(crate) fn connect(&mut self, peer: &str) -> usize {
        let id = self.add();
        self.transport.connect(id, peer).unwrap();
        self.links.len() - 1
    }

    /// Connects to a member and says hello.
    pub(crate) fn call(&mut self, peer: &str) -> usize {
        let link = self.connect(peer);
        let hello = wire::hello(&self.name, self.transport.incarnation());
        self.send(link, &hello);
        link
    }

    /// Queues bytes on a link and sends what it takes.
    pub(crate) fn send(&mut self, link: usize, bytes: &[u8]) {
        self.links[link].out.extend_from_slice(bytes);
        self.flush(link);
    }

    /// Bytes that the link did not take.
    pub(crate) fn unsent(&self, link: usize) -> usize {
        self.links[link].out.len()
    }

    /// Takes in connections and frames without waiting. Says hello to who connects.
    pub(crate) fn take(&mut self) -> Vec<Came> {
        let mut came = Vec::new();
        self.transport.wait(Some(Instant::ZERO));
        while let Some(event) = self.transport.poll_event() {
            match event {
                TransportEvent::Incoming => {
                    let id = self.add();
                    if self.transport.accept(id) {
                        let hello = wire::hello(&self.name, self.transport.incarnation());
                        self.send(self.links.len() - 1, &hello);
                    }
                }
                TransportEvent::Readable(id) => self.receive(id, &mut came),
                TransportEvent::Writable(id) => {
                    if let Some(link) = self.links.iter().position(|link| link.id == id) {
                        self.flush(link);
                    }
                }
                _ => {}
            }
        }
        came
    }

    fn add(&mut self) -> LinkId {
        let id = LinkId::from_bits(1 << 32 | self.links.len() as u64);
        self.links.push(RawLink { id, cutter: Cutter::default(), out: Vec::new() });
        id
    }

    fn receive(&mut self, id: LinkId, came: &mut Vec<Came>) {
        let Some(at) = self.links.iter().position(|link| link.id == id) else { return };
        let mut buffer = vec![0; Memory::PACKET];
        match self.transport.receive(id, &mut buffer) {
            Progress::Moved(n) => self.links[at].cutter.add(&buffer[..n]),
            Progress::Blocked => {}
            Progress::Closed | Progress::Broken => self.transport.close(id),
        }
        while let Some((head, body)) = self.links[at].cutter.next() {
            came.push((at, head, body));
        }
    }

    fn flush(&mut self, link: usize) {
        let link = &mut self.links[link];
        while !link.out.is_empty() {
            match self.transport.send(link.id, &link.out[..link.out.len().min(Memory::PACKET)]) {
                Progress::Moved(n) => drop(link.out.drain(..n)),
                Progress::Blocked => return,
                Progress::Closed | Progress::Broken => return link.out.clear(),
            }
        }
    }
}
