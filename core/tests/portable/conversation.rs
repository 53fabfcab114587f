//! Two endpoints that talk, without a transport: the tables, the frames and the handshake.

use alloc::vec::Vec;
use core::time::Duration;
use ipcm_core::body::EncodeError;
use ipcm_core::{
    Config, End, Endpoint, Event, Incarnation, Input, Instant, LinkId, ReplyToken, RequestId, SendError, Sink,
};

pub(crate) const AT: Instant = Instant::from_nanos(1_000_000_000);

/// Two endpoints and the two ends of the link between them.
pub(crate) struct Pair {
    pub(crate) asker: Endpoint,
    pub(crate) echo: Endpoint,
    pub(crate) ours: LinkId,
    pub(crate) theirs: LinkId,
}

/// So little that it fits in the memory of a small controller.
fn config(window: u32) -> Config {
    let mut config = Config::default();
    config.requests = 3;
    config.serving = 4;
    config.links = 2;
    config.body_limit = 4096;
    config.window = window;
    config
}

impl Pair {
    /// Two endpoints that have not said anything.
    pub(crate) fn new(window: u32) -> Self {
        let mut asker = Endpoint::new("asker", Incarnation::from_bits(1), config(window));
        let mut echo = Endpoint::new("echo", Incarnation::from_bits(2), config(window));
        let (ours, theirs) = (asker.open("echo").unwrap(), echo.accept(AT).unwrap());
        Self { asker, echo, ours, theirs }
    }

    /// Two endpoints that have said hello.
    fn open() -> Self {
        let mut pair = Self::new(65_536);
        let hello = output(&mut pair.asker, pair.ours);
        assert!(matches!(pair.hears(&hello)[..], [Heard::Greeted]));
        pair.echo.welcome(pair.theirs);
        let hello = output(&mut pair.echo, pair.theirs);
        assert!(matches!(pair.is_told(&hello)[..], [Heard::Opened]));
        pair
    }

    /// The service takes in bytes.
    pub(crate) fn hears(&mut self, bytes: &[u8]) -> Vec<Heard> {
        input(&mut self.echo, self.theirs, bytes)
    }

    /// The asker takes in bytes.
    pub(crate) fn is_told(&mut self, bytes: &[u8]) -> Vec<Heard> {
        input(&mut self.asker, self.ours, bytes)
    }
}

/// An event that owns what it says.
#[derive(Debug)]
pub(crate) enum Heard {
    Greeted,
    Opened,
    Asked(ReplyToken, Vec<u8>),
    Message(u32),
    Answered(RequestId, Vec<u8>),
    Other,
}

fn heard(event: Event<'_>) -> Heard {
    match event {
        Event::Greeted { .. } => Heard::Greeted,
        Event::Opened { .. } => Heard::Opened,
        Event::Request { token, body, .. } => Heard::Asked(token, body.to_vec()),
        Event::Message { cost, .. } => Heard::Message(cost),
        Event::Ended { id, end: End::Response(body), .. } => Heard::Answered(id, body.to_vec()),
        _ => Heard::Other,
    }
}

pub(crate) fn input(endpoint: &mut Endpoint, link: LinkId, bytes: &[u8]) -> Vec<Heard> {
    let mut input = Input::new(bytes);
    let mut all = Vec::new();
    while let Some(event) = endpoint.poll_input(AT, link, &mut input) {
        all.push(heard(event));
    }
    all
}

/// Takes what waits to be sent.
pub(crate) fn output(endpoint: &mut Endpoint, link: LinkId) -> Vec<u8> {
    while endpoint.poll_output().is_some() {}
    let bytes = endpoint.pending_output(link, usize::MAX).to_vec();
    endpoint.consume_output(link, bytes.len());
    bytes
}

/// Writes a body.
pub(crate) fn write(body: &[u8]) -> impl FnMut(&mut Sink<'_>, usize) -> Result<(), EncodeError> + '_ {
    |out: &mut Sink<'_>, _| {
        out.extend_from_slice(body);
        Ok(())
    }
}

/// Clauses D2, D6.
#[cfg_attr(test, test)]
pub(crate) fn a_full_table_refuses_and_an_ended_id_finds_nothing() {
    let mut pair = Pair::open();
    let ask = |pair: &mut Pair| pair.asker.request(AT, pair.ours, None, &mut write(b"x"));
    let first = ask(&mut pair).unwrap();
    ask(&mut pair).unwrap();
    ask(&mut pair).unwrap();
    assert_eq!(ask(&mut pair), Err(SendError::TooManyInFlight { limit: 3 }));
    assert!(pair.asker.cancel(first));
    for _ in 0..100 {
        let id = ask(&mut pair).unwrap();
        assert!(id != first && !pair.asker.is_pending(first) && !pair.asker.cancel(first));
        assert!(pair.asker.cancel(id));
    }
}

/// Clause D1.
#[cfg_attr(test, test)]
pub(crate) fn deadlines_end_requests_in_their_order() {
    let mut pair = Pair::open();
    // Far beyond what 32 bits of nanoseconds or microseconds hold.
    let deadlines = [7_200, 3_600, 86_400].map(|seconds| AT + Duration::from_secs(seconds));
    let ids =
        deadlines.map(|deadline| pair.asker.request(AT, pair.ours, Some(deadline), &mut write(b"")).unwrap());
    let early = [7_199, 3_599, 86_399].map(|seconds| AT + Duration::from_secs(seconds));
    for at in [1, 0, 2] {
        assert_eq!(pair.asker.poll_timeout(), Some(deadlines[at]));
        assert!(pair.asker.poll_event(early[at]).is_none());
        let ended = pair.asker.poll_event(deadlines[at]);
        assert!(matches!(ended, Some(Event::Ended { id, end: End::TimedOut, .. }) if id == ids[at]));
    }
    assert_eq!(pair.asker.poll_timeout(), None);
}

/// SplitMix64, Steele 2014.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Clause D1: bodies of any length, in pieces of any length, so that frames begin at any address.
#[cfg_attr(test, test)]
pub(crate) fn every_request_ends_once_however_the_stream_is_cut() {
    for seed in 1..=100 {
        let mut state = seed;
        let mut pair = Pair::open();
        for _ in 0..5 {
            let bodies = [(); 3].map(|()| {
                let fill = random(&mut state);
                let len = (random(&mut state) % 700) as usize;
                (0..len).map(|at| (fill >> (at % 57)) as u8).collect::<Vec<u8>>()
            });
            let ids = bodies
                .each_ref()
                .map(|body| pair.asker.request(AT, pair.ours, None, &mut write(body)).unwrap());
            let asked = output(&mut pair.asker, pair.ours);
            let mut handled = 0;
            pieces(&asked, &mut state, |piece| {
                for event in input(&mut pair.echo, pair.theirs, piece) {
                    let Heard::Asked(token, body) = event else { panic!("seed {seed}: {event:?}") };
                    assert_eq!(body, bodies[handled], "seed {seed}");
                    handled += 1;
                    assert_eq!(pair.echo.respond(AT, token, &mut write(&body)), Ok(true));
                }
            });
            let answers = output(&mut pair.echo, pair.theirs);
            let mut ended = 0;
            pieces(&answers, &mut state, |piece| {
                for event in input(&mut pair.asker, pair.ours, piece) {
                    let Heard::Answered(id, body) = event else { panic!("seed {seed}: {event:?}") };
                    assert_eq!((id, &body), (ids[ended], &bodies[ended]), "seed {seed}");
                    ended += 1;
                }
            });
            assert_eq!((handled, ended, pair.asker.pending()), (3, 3, 0), "seed {seed}");
        }
    }
}

/// Cuts bytes into random pieces.
fn pieces(bytes: &[u8], state: &mut u64, mut take: impl FnMut(&[u8])) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at((1 + random(state) % 90).min(rest.len() as u64) as usize);
        take(piece);
        rest = behind;
    }
}
