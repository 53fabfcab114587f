//! [`Way`]: a stream of bytes from one member to another, as much at a time as the link takes.

use alloc::vec::Vec;
use core::time::Duration;

use ipcm_core::LinkId;
use ipcm_core::transport::{Progress, Transport, TransportEvent};

use crate::ground::Ground;
use crate::patience::{PAUSE, Patience};
use crate::pattern::assert_same;
use crate::raw::Raw;

/// The least that is sent of a stream that goes on; see [`Transport::send`].
const LEAST: usize = 16;
/// Attempts to send on a link that is full before it counts as such.
const QUIET: u32 = 20;

/// One direction of a link.
pub(crate) struct Way<'b> {
    out: LinkId,
    into: LinkId,
    bytes: &'b [u8],
    sent: usize,
    heard: Vec<u8>,
    is_blocked: bool,
}

impl<'b> Way<'b> {
    pub(crate) fn new(out: LinkId, into: LinkId, bytes: &'b [u8]) -> Self {
        Self { out, into, bytes, sent: 0, heard: Vec::new(), is_blocked: false }
    }

    /// How many bytes were sent.
    pub(crate) fn sent(&self) -> usize {
        self.sent
    }

    /// Sends until the link takes no more or all has left.
    #[track_caller]
    pub(crate) fn send<G: Ground>(&mut self, from: &mut Raw<G>) {
        if from.take_event(|event| *event == TransportEvent::Writable(self.out)).is_some() {
            self.is_blocked = false;
        }
        while !self.is_blocked && self.sent < self.bytes.len() {
            let piece = piece(&self.bytes[self.sent..], from.transport(), self.out);
            match from.transport().send(self.out, piece) {
                Progress::Moved(n) => {
                    assert!((1..=piece.len()).contains(&n), "{n} bytes moved of {}", piece.len());
                    self.sent += n;
                }
                Progress::Blocked => self.is_blocked = true,
                end => panic!("the link ended as {end:?} after {} bytes", self.sent),
            }
        }
    }

    /// Sends until the link is full and stays so: what is on its way may make room for a little more.
    #[track_caller]
    pub(crate) fn fill<G: Ground>(&mut self, from: &mut Raw<G>) {
        let mut patience = Patience::new(from.now(), "a link that nobody receives from blocks");
        let (mut before, mut quiet) = (usize::MAX, 0);
        while quiet < QUIET {
            self.send(from);
            quiet = if self.sent == before { quiet + 1 } else { 0 };
            before = self.sent;
            from.wait(PAUSE);
            patience.spend(from.now());
        }
    }

    /// Receives once if the link is reported as readable.
    #[track_caller]
    pub(crate) fn receive<G: Ground>(&mut self, to: &mut Raw<G>) {
        if to.take_ready(self.into) {
            let progress = to.receive(self.into, &mut self.heard);
            let has_ended = matches!(progress, Progress::Closed | Progress::Broken);
            assert!(!has_ended, "{progress:?} after {} of {} bytes", self.heard.len(), self.sent);
            assert!(self.heard.len() <= self.sent, "more came than was sent");
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.heard.len() == self.bytes.len()
    }

    /// Fails unless all that was sent has come as it was sent.
    #[track_caller]
    pub(crate) fn judge(&self) {
        assert_same(&self.heard, self.bytes, "the stream of a link");
    }
}

/// What a client would send next.
fn piece<'b, T: Transport>(rest: &'b [u8], transport: &T, link: LinkId) -> &'b [u8] {
    let most = if rest.len() >= T::LARGE { transport.packet(link) } else { T::PACKET };
    let n = rest.len().min(most);
    let left = rest.len() - n;
    let n = if (1..LEAST).contains(&left) { n - LEAST } else { n };
    &rest[..n]
}

/// Carries a stream each way at once, between the two ends of a link, and fails unless all comes as it was sent.
#[track_caller]
pub(crate) fn carry<G: Ground>(
    (one, out): (&mut Raw<G>, LinkId),
    (two, back): (&mut Raw<G>, LinkId),
    there: &[u8],
    here: &[u8],
) {
    let (mut there, mut here) = (Way::new(out, back, there), Way::new(back, out, here));
    let mut patience =
        Patience::new(one.now(), "all that was sent arrives, and a link that was full takes more");
    while !(there.is_done() && here.is_done()) {
        there.send(one);
        here.send(two);
        one.wait(Duration::ZERO);
        two.wait(PAUSE);
        here.receive(one);
        there.receive(two);
        patience.spend(one.now());
    }
    there.judge();
    here.judge();
}
