//! A peer that does not behave: it answers twice, unasked and wrongly, and sends junk.

use alloc::vec::Vec;
use ipcm_core::RemoteErrorKind;
use ipcm_core::memory::Network;

use crate::common::raw::Raw;
use crate::common::wire::{self, Head, Id};
use crate::payload::{Ask, Wish};
use crate::random::Random;
use crate::world::HOSTILE;

pub(crate) struct Hostile {
    raw: Raw,
    /// Links that frames have come on.
    links: Vec<usize>,
    asked: Vec<(usize, Id)>,
    numbers: u64,
}

impl Hostile {
    pub(crate) fn new(network: &Network) -> Self {
        Self { raw: Raw::join(network, HOSTILE), links: Vec::new(), asked: Vec::new(), numbers: 1 << 40 }
    }

    pub(crate) fn turn(&mut self) {
        for (link, head, _) in self.raw.take() {
            if !self.links.contains(&link) {
                self.links.push(link);
            }
            if let Head::Request { id, .. } = head {
                self.asked.push((link, id));
            }
        }
    }

    pub(crate) fn act(&mut self, random: &mut Random, peer: &str, present: bool) {
        self.turn();
        if present && (self.links.is_empty() || random.one_in(12)) {
            let link = self.raw.call(peer);
            self.links.push(link);
        }
        if self.links.is_empty() {
            return;
        }
        let link = random.pick(&self.links);
        let asked = (!self.asked.is_empty()).then(|| random.pick(&self.asked));
        match (random.below(9), asked) {
            // Also twice, and on the wrong link.
            (0..=2, Some((asked_on, id))) => {
                let link = if random.one_in(4) { link } else { asked_on };
                self.send(link, Head::Response { id }, b"junk");
            }
            (3, Some((link, id))) => {
                self.send(link, Head::Failure { id, kind: RemoteErrorKind::Failed }, b"\xff");
            }
            (4, _) => {
                let id = wire::request_id(random.below(4) as u32, random.below(100) as u64);
                self.send(link, Head::Response { id }, b"nobody asked");
            }
            (5, _) => {
                self.numbers += 1;
                let wish = random.pick(&[Wish::AtOnce, Wish::Later, Wish::Failure]);
                let ask = Ask::new(self.numbers, wish, 10);
                let mut body = Vec::new();
                ipcm_core::body::encode_into(&ask, &mut body, 4096).unwrap();
                let id = wire::request_id(0, self.numbers);
                self.send(link, Head::Request { id, budget: None }, &body);
                if random.one_in(3) {
                    self.send(link, Head::Cancel { id }, b"");
                }
            }
            (6, _) => {
                self.numbers += 1;
                let head = Head::Message { sequence: self.numbers, stamp: 0, broadcast: false };
                self.send(link, head, b"junk");
            }
            (7, _) => self.send(link, Head::Credit { bytes: u32::MAX }, b""),
            _ if random.one_in(3) => {
                let junk: Vec<u8> = (0..random.below(40)).map(|_| random.next() as u8).collect();
                self.raw.send(link, &junk);
            }
            _ => {}
        }
    }

    fn send(&mut self, link: usize, head: Head, body: &[u8]) {
        self.raw.send(link, &wire::frame(head, body));
    }
}
