//! Any sequence of operations on two endpoints that are joined by a pipe without loss.

use ipcm_core::{Config, End, Endpoint, Event, Incarnation, Input, Instant, LinkId, ReplyToken, RequestId};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// Two bytes an operation: what, and with what.
///
/// # Panics
///
/// When a request does not end exactly once, an end is not what was given, a message is lost, repeated or
/// overtaken, or a slot stays in use.
pub fn run(input: &[u8]) {
    let mut pair = Pair::new();
    for operation in input.chunks_exact(2) {
        pair.operate(operation[0], operation[1]);
    }
    pair.finish();
}

/// Every operation, alone and mixed.
pub fn samples() -> Vec<Vec<u8>> {
    let mixed = (0..=255).flat_map(|number: u8| [number.wrapping_mul(37), number]).collect();
    let calls = [0, 20, 0, 0, 6, 200, 7, 200, 4, 0, 6, 200, 7, 200].repeat(5);
    let floods = [[2, 255].repeat(60), [6, 255, 7, 255, 5, 3].repeat(40)].concat();
    vec![mixed, calls, floods, vec![9, 0, 0, 0, 0, 4, 8, 255]]
}

struct Side {
    endpoint: Endpoint,
    link: LinkId,
    /// Bytes on their way to the other side.
    sent: VecDeque<u8>,
    open: bool,
    /// Requests that have not ended, and the number in their bodies.
    asked: HashMap<RequestId, u32>,
    /// Requests of the other side to be answered, and their numbers.
    asked_of: Vec<(ReplyToken, u32)>,
    /// Messages that the other side is to receive, in order.
    messages: VecDeque<u32>,
    cancelled: Vec<RequestId>,
}

struct Pair {
    sides: [Side; 2],
    now: Instant,
    number: u32,
    over: bool,
}

fn side(name: &str, other: &str, calls: bool) -> Side {
    let mut config = Config::default();
    config.requests = 5;
    config.serving = 3;
    config.window = 700;
    config.greeting = Duration::MAX;
    let incarnation = Incarnation::from_bits(if calls { 1 } else { 2 });
    let mut endpoint = Endpoint::new(name, incarnation, config);
    let link = if calls { endpoint.open(other).ok() } else { endpoint.accept(Instant::ZERO) };
    Side {
        endpoint,
        link: link.expect("there is room for a link"),
        sent: VecDeque::new(),
        open: false,
        asked: HashMap::new(),
        asked_of: Vec::new(),
        messages: VecDeque::new(),
        cancelled: Vec::new(),
    }
}

impl Pair {
    fn new() -> Self {
        let sides = [side("a", "b", true), side("b", "a", false)];
        Self { sides, now: Instant::from_nanos(1), number: 0, over: false }
    }

    fn operate(&mut self, what: u8, with: u8) {
        let at = usize::from(what >> 7);
        let with = usize::from(with);
        self.number += 1;
        let number = self.number;
        let body = &mut |out: &mut ipcm_core::Sink<'_>, _: usize| {
            out.extend_from_slice(&number.to_le_bytes());
            out.extend_from_slice(&[0; u8::MAX as usize][..with]);
            Ok(())
        };
        let now = self.now;
        let side = &mut self.sides[at];
        match what & 0x7f {
            0 | 1 => {
                let deadline = (with % 3 != 0).then(|| now + Duration::from_millis(with as u64));
                if let Ok(id) = side.endpoint.request(now, side.link, deadline, body) {
                    assert_eq!(side.asked.insert(id, number), None, "ids are not used again");
                }
            }
            2 | 3 => {
                let sent = side.endpoint.message(side.link, 0, false, body);
                side.messages.extend(sent.is_ok().then_some(number));
            }
            4 if !side.asked_of.is_empty() => {
                let (token, asked) = side.asked_of.swap_remove(with % side.asked_of.len());
                let answer = &mut |out: &mut ipcm_core::Sink<'_>, _: usize| {
                    out.extend_from_slice(&asked.to_le_bytes());
                    Ok(())
                };
                side.endpoint.respond(now, token, answer).expect("the answer fits");
            }
            5 => {
                let pending: Vec<_> = side.asked.keys().copied().collect();
                if let Some(&id) = pending.iter().min_by_key(|id| side.asked[*id] as usize ^ with) {
                    assert!(side.endpoint.cancel(id));
                    side.cancelled.push(id);
                }
            }
            6 => self.carry(at, with),
            7 => self.carry(1 - at, with),
            8 => self.now = self.now + Duration::from_millis(with as u64 * 4),
            9 if with == 0 => self.cut(),
            _ => {}
        }
        (0..2).for_each(|at| self.settle(at));
    }

    /// Moves up to `most` bytes from a side to the other.
    fn carry(&mut self, at: usize, most: usize) {
        let from = &mut self.sides[at];
        let output = from.endpoint.pending_output(from.link, most.max(1));
        from.sent.extend(output);
        let taken = output.len();
        from.endpoint.consume_output(from.link, taken);
        while from.endpoint.poll_output().is_some() {}
        let n = most.min(from.sent.len());
        let bytes: Vec<u8> = from.sent.drain(..n).collect();
        let to = 1 - at;
        let link = self.sides[to].link;
        let mut input = Input::new(&bytes);
        let now = self.now;
        while let Some(event) = self.sides[to].endpoint.poll_input(now, link, &mut input) {
            self.handle(to, event);
        }
    }

    fn settle(&mut self, at: usize) {
        while let Some(event) = self.sides[at].endpoint.poll_event(self.now) {
            self.handle(at, event);
        }
        while self.sides[at].endpoint.poll_withdrawn().is_some() {}
        let endpoint = &self.sides[at].endpoint;
        assert_eq!(endpoint.pending(), self.sides[at].asked.len(), "what is pending has not ended");
        assert_eq!(endpoint.counters().violations, 0);
    }

    fn handle(&mut self, at: usize, event: Event<'_>) {
        let number = |body: &[u8]| u32::from_le_bytes(body[..4].try_into().expect("four bytes"));
        match event {
            Event::Greeted { link } => {
                self.sides[at].endpoint.welcome(link);
                self.sides[at].open = true;
            }
            Event::Opened { .. } => self.sides[at].open = true,
            Event::Request { token, body, .. } => self.sides[at].asked_of.push((token, number(&body))),
            Event::Message { link, cost, body, .. } => {
                self.sides[at].endpoint.settle(link, cost);
                assert_eq!(self.sides[1 - at].messages.pop_front(), Some(number(&body)), "in the order sent");
            }
            Event::Ended { id, end, .. } => {
                let asked = self.sides[at].asked.remove(&id).expect("a request ends once");
                let cancelled = self.sides[at].cancelled.contains(&id);
                match end {
                    End::Response(body) => assert_eq!((number(&body), cancelled), (asked, false)),
                    End::Cancelled => assert!(cancelled),
                    End::Gone { .. } => assert!(self.over),
                    End::TimedOut | End::Failure { .. } => assert!(!cancelled),
                    other => panic!("{other:?}"),
                }
            }
            Event::Closed { .. } => assert!(self.over),
            other => panic!("{other:?}"),
        }
    }

    /// The pipe ends.
    fn cut(&mut self) {
        self.over = true;
        for side in &mut self.sides {
            side.endpoint.handle_closed(side.link);
        }
    }

    /// Everything is carried and answered; then nothing is left.
    fn finish(mut self) {
        for _ in 0..200 {
            for at in 0..2 {
                for _ in 0..8 {
                    self.carry(at, 255);
                }
                while !self.sides[at].asked_of.is_empty() {
                    self.operate(4 | (at as u8) << 7, 0);
                }
                self.settle(at);
            }
        }
        for side in &self.sides {
            assert_eq!((side.asked.len(), side.endpoint.serving()), (0, 0), "everything was answered");
            assert!(self.over || side.messages.is_empty(), "every message has come");
            assert!(self.over || side.open);
        }
    }
}
