//! Two endpoints with an open link, and the bytes between them.
// Each benchmark uses a part of it.
#![allow(dead_code)]

use ipcm_core::body::EncodeError;
use ipcm_core::{
    Config, End, Endpoint, Event, Incarnation, Input, Instant, LinkId, ReplyToken, RequestId, Sink,
};

/// Both of them.
pub(crate) struct Pair {
    pub(crate) asker: Side,
    pub(crate) echo: Side,
    pub(crate) now: Instant,
    /// Bytes on their way.
    packet: Vec<u8>,
}

/// One of them, with its end of the link.
pub(crate) struct Side {
    pub(crate) endpoint: Endpoint,
    pub(crate) link: LinkId,
    /// The last request that was not answered.
    unanswered: Option<ReplyToken>,
}

/// What came last of what somebody waits for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Came {
    Nothing,
    Request,
    Answer(RequestId),
    TimedOut(RequestId),
    Terminate,
}

impl Pair {
    /// Both hellos are said.
    pub(crate) fn open() -> Self {
        let mut config = Config::default();
        (config.requests, config.serving, config.window) = (16_384, 16_384, 16 << 20);
        let now = Instant::from_nanos(1);
        let mut asker = Endpoint::new("asker", Incarnation::from_bits(1), config.clone());
        let mut echo = Endpoint::new("echo", Incarnation::from_bits(2), config);
        let link = asker.open("echo").expect("the first link");
        let asker = Side { endpoint: asker, link, unanswered: None };
        let link = echo.accept(now).expect("the first link");
        let echo = Side { endpoint: echo, link, unanswered: None };
        let mut pair = Self { asker, echo, now, packet: Vec::new() };
        pair.settle(false);
        assert!(pair.asker.endpoint.is_open(pair.asker.link), "the hellos are said");
        pair
    }

    /// The asker sends a request.
    pub(crate) fn ask(&mut self, deadline: Option<Instant>, body: &[u8]) -> RequestId {
        let Side { endpoint, link, .. } = &mut self.asker;
        let sent = endpoint.request(self.now, *link, deadline, &mut |out, _| write(body, out));
        sent.expect("there is room")
    }

    /// Moves bytes both ways until there are none; what came last at the asker, or the other side if nothing did.
    ///
    /// With `answer`, each request is answered with its own body, else never.
    pub(crate) fn settle(&mut self, answer: bool) -> Came {
        let mut came = Came::Nothing;
        loop {
            self.asker.take_output(&mut self.packet);
            let there = self.echo.take_input(self.now, &self.packet, answer);
            self.echo.take_output(&mut self.packet);
            let back = self.asker.take_input(self.now, &self.packet, answer);
            match (there, back) {
                (None, None) if self.packet.is_empty() => return came,
                (None, None) => {}
                (there, back) => came = back.or(there).expect("one of them"),
            }
        }
    }
}

impl Side {
    /// What is to be sent, instead of what was in `packet`.
    pub(crate) fn take_output(&mut self, packet: &mut Vec<u8>) {
        let Self { endpoint, link, .. } = self;
        while endpoint.poll_output().is_some() {}
        packet.clear();
        packet.extend_from_slice(endpoint.pending_output(*link, usize::MAX));
        endpoint.consume_output(*link, packet.len());
    }

    /// Takes in a packet, and returns what came last with it.
    pub(crate) fn take_input(&mut self, now: Instant, packet: &[u8], answer: bool) -> Option<Came> {
        let Self { endpoint, link, unanswered } = self;
        let mut came = None;
        let mut input = Input::new(packet);
        while let Some(event) = endpoint.poll_input(now, *link, &mut input) {
            came = match event {
                Event::Greeted { link } => {
                    endpoint.welcome(link);
                    None
                }
                Event::Request { token, body, .. } => {
                    match answer {
                        true => respond(endpoint, now, token, &body),
                        false => *unanswered = Some(token),
                    }
                    Some(Came::Request)
                }
                Event::Ended { id, end: End::Response(_), .. } => Some(Came::Answer(id)),
                Event::Terminate { .. } => Some(Came::Terminate),
                _ => None,
            };
        }
        while endpoint.poll_withdrawn().is_some() {
            endpoint.discard(unanswered.take().expect("only the last one is cancelled"));
        }
        came
    }

    /// Ends one request whose time is over.
    pub(crate) fn expire(&mut self, now: Instant) -> Came {
        match self.endpoint.poll_event(now) {
            Some(Event::Ended { id, end: End::TimedOut, .. }) => Came::TimedOut(id),
            _ => Came::Nothing,
        }
    }
}

fn respond(endpoint: &mut Endpoint, now: Instant, token: ReplyToken, body: &[u8]) {
    let wanted = endpoint.respond(now, token, &mut |out, _| write(body, out));
    assert!(wanted.expect("it fits"));
}

fn write(body: &[u8], out: &mut Sink<'_>) -> Result<(), EncodeError> {
    out.extend_from_slice(body);
    Ok(())
}
