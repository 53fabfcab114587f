//! A member of a fixed size and a growing one, and the two streams of bytes between them.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use ipcm_core::fixed;
use ipcm_core::{
    Config, Endpoint, Event, Incarnation, Input, Instant, LinkId, RemoteErrorKind, ReplyToken, RequestId,
    Sink,
};

pub(crate) type Memory = fixed::Storage<2, 4, 2, 768, 640>;

/// The requests that a member of this memory can have pending.
pub(crate) const REQUESTS: usize = 4;
/// The requests of one peer that it can have unanswered.
pub(crate) const SERVING: usize = 2;

pub(crate) const SMALL: &str = "small";
pub(crate) const BIG: &str = "big";

/// How a request ended, with nothing borrowed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ended {
    Response(Vec<u8>),
    Failure(RemoteErrorKind, Vec<u8>),
    TimedOut,
    Gone { sent: bool },
    Cancelled,
}

/// What happened at one member.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) opened: usize,
    pub(crate) greeted: Vec<String>,
    /// Requests that wait for an answer.
    pub(crate) asked: Vec<(ReplyToken, Vec<u8>)>,
    pub(crate) messages: Vec<Vec<u8>>,
    pub(crate) ended: Vec<(RequestId, Ended)>,
    pub(crate) withdrawn: Vec<u64>,
    pub(crate) closed: Vec<String>,
    pub(crate) terminated: usize,
}

pub(crate) struct Pair<'s> {
    pub(crate) small: fixed::Endpoint<'s>,
    pub(crate) inbox: fixed::Inbox<'s>,
    pub(crate) big: Endpoint,
    pub(crate) now: Instant,
    pub(crate) small_seen: Seen,
    pub(crate) big_seen: Seen,
    pub(crate) small_link: LinkId,
    pub(crate) big_link: LinkId,
    /// Bytes on their way.
    pub(crate) to_small: Vec<u8>,
    pub(crate) to_big: Vec<u8>,
}

impl<'s> Pair<'s> {
    /// Two members with a link that the small one begins, or the big one. No bytes have moved.
    pub(crate) fn new(memory: &'s mut Memory, config: Config, small_calls: bool) -> Self {
        let (mut small, inbox) = memory.split(SMALL, Incarnation::from_bits(1));
        let mut big = Endpoint::new(BIG, Incarnation::from_bits(2), config);
        let now = Instant::from_nanos(1);
        let (small_link, big_link) = if small_calls {
            (small.open(BIG).unwrap(), big.accept(now).unwrap())
        } else {
            (small.accept(now).unwrap(), big.open(SMALL).unwrap())
        };
        let (small_seen, big_seen) = Default::default();
        let (to_small, to_big) = Default::default();
        Self { small, inbox, big, now, small_seen, big_seen, small_link, big_link, to_small, to_big }
    }

    /// The same, with both hellos said.
    pub(crate) fn open(memory: &'s mut Memory, small_calls: bool) -> Self {
        let mut pair = Self::new(memory, Config::default(), small_calls);
        pair.settle(usize::MAX);
        assert!(pair.small.is_open(pair.small_link) && pair.big.is_open(pair.big_link));
        pair
    }

    /// Moves bytes in pieces of at most `chunk` and takes events until nothing happens.
    pub(crate) fn settle(&mut self, chunk: usize) {
        while self.carry_to_big(chunk) | self.carry_to_small(chunk) | self.events() {}
    }

    /// Moves one piece of output of the small member to the big one.
    pub(crate) fn carry_to_big(&mut self, chunk: usize) -> bool {
        let out = self.small.pending_output(self.small_link);
        let n = out.len().min(chunk);
        self.to_big.extend_from_slice(&out[..n]);
        self.small.consume_output(self.small_link, n);
        let came = core::mem::take(&mut self.to_big);
        let mut input = Input::new(&came);
        while let Some(event) = self.big.poll_input(self.now, self.big_link, &mut input) {
            self.big_seen.take(&mut self.big, event);
        }
        n > 0
    }

    /// Moves one piece of output of the big member to the small one.
    pub(crate) fn carry_to_small(&mut self, chunk: usize) -> bool {
        while self.big.poll_output().is_some() {}
        let out = self.big.pending_output(self.big_link, usize::MAX);
        let n = out.len().min(chunk);
        self.to_small.extend_from_slice(&out[..n]);
        self.big.consume_output(self.big_link, n);
        let piece = self.to_small.len().min(chunk);
        let taken = self.small.handle_input(&mut self.inbox, self.small_link, &self.to_small[..piece]);
        self.to_small.drain(..taken);
        n > 0 || taken > 0
    }

    /// Takes events of both until there is none.
    pub(crate) fn events(&mut self) -> bool {
        let mut any = false;
        while let Some(event) = self.small.poll_event(self.now, &mut self.inbox) {
            any = true;
            self.small_seen.take_small(&mut self.small, event);
        }
        while let Some(event) = self.big.poll_event(self.now) {
            any = true;
            self.big_seen.take(&mut self.big, event);
        }
        while let Some(key) = self.big.poll_withdrawn() {
            self.big_seen.withdrawn.push(key);
        }
        any
    }

    pub(crate) fn ask_big(
        &mut self,
        deadline: Option<Instant>,
        body: &[u8],
    ) -> Result<RequestId, fixed::SendError> {
        self.small.request(self.now, self.small_link, deadline, &mut |out| copy(body, out))
    }

    pub(crate) fn ask_small(
        &mut self,
        deadline: Option<Instant>,
        body: &[u8],
    ) -> Result<RequestId, ipcm_core::SendError> {
        self.big.request(self.now, self.big_link, deadline, &mut |out, _| {
            out.extend_from_slice(body);
            Ok(())
        })
    }

    /// The small member answers the oldest request it has been asked.
    pub(crate) fn small_answers(&mut self, body: &[u8]) -> bool {
        let (token, _) = self.small_seen.asked.remove(0);
        self.small.respond(self.now, token, &mut |out| copy(body, out)).unwrap()
    }

    /// The big member answers the oldest request it has been asked.
    pub(crate) fn big_answers(&mut self, body: &[u8]) -> bool {
        let (token, _) = self.big_seen.asked.remove(0);
        let write = &mut |out: &mut Sink<'_>, _| {
            out.extend_from_slice(body);
            Ok(())
        };
        self.big.respond(self.now, token, write).unwrap()
    }

    /// The connection ends, as both hear.
    pub(crate) fn cut(&mut self) {
        self.small.handle_closed(self.small_link);
        self.big.handle_closed(self.big_link);
    }
}

pub(crate) fn copy(body: &[u8], out: &mut [u8]) -> Result<usize, ipcm_core::body::EncodeError> {
    let limit = out.len();
    let room = out.get_mut(..body.len()).ok_or(ipcm_core::body::EncodeError::TooLarge { limit })?;
    room.copy_from_slice(body);
    Ok(body.len())
}

impl Seen {
    pub(crate) fn take_small(&mut self, endpoint: &mut fixed::Endpoint<'_>, event: fixed::Event<'_>) {
        match event {
            fixed::Event::Greeted { link, peer, .. } => {
                self.greeted.push(peer.into());
                endpoint.welcome(link);
            }
            fixed::Event::Opened { .. } => self.opened += 1,
            fixed::Event::Request { token, body, .. } => self.asked.push((token, body.to_vec())),
            fixed::Event::Withdrawn { key } => self.withdrawn.push(key),
            fixed::Event::Message { body, .. } => self.messages.push(body.to_vec()),
            fixed::Event::Terminate { .. } => self.terminated += 1,
            fixed::Event::Ended { id, end } => {
                let end = match end {
                    fixed::End::Response(body) => Ended::Response(body.to_vec()),
                    fixed::End::Failure { kind, detail } => Ended::Failure(kind, detail.to_vec()),
                    fixed::End::TimedOut => Ended::TimedOut,
                    fixed::End::Gone { sent, .. } => Ended::Gone { sent },
                    other => panic!("{other:?}"),
                };
                self.ended.push((id, end));
            }
            fixed::Event::Closed { reason, .. } => self.closed.push(format!("{reason:?}")),
            other => panic!("{other:?}"),
        }
    }

    fn take(&mut self, endpoint: &mut Endpoint, event: Event<'_>) {
        match event {
            Event::Greeted { link } => {
                self.greeted.push(endpoint.peer(link).unwrap().to_string());
                endpoint.welcome(link);
            }
            Event::Opened { .. } => self.opened += 1,
            Event::Request { token, body, .. } => self.asked.push((token, body.to_vec())),
            Event::Message { link, cost, body, .. } => {
                self.messages.push(body.to_vec());
                endpoint.settle(link, cost);
            }
            Event::Terminate { .. } => self.terminated += 1,
            Event::Ended { id, end, .. } => {
                let end = match end {
                    ipcm_core::End::Response(body) => Ended::Response(body.to_vec()),
                    ipcm_core::End::Failure { kind, detail } => Ended::Failure(kind, detail.to_vec()),
                    ipcm_core::End::TimedOut => Ended::TimedOut,
                    ipcm_core::End::Gone { sent, .. } => Ended::Gone { sent },
                    ipcm_core::End::Cancelled => Ended::Cancelled,
                    other => panic!("{other:?}"),
                };
                self.ended.push((id, end));
            }
            Event::Closed { reason, .. } => self.closed.push(format!("{reason:?}")),
            other => panic!("{other:?}"),
        }
    }
}
