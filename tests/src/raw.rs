//! One end of a connection whose bytes the test chooses: the machine of the core, driven by hand.

use std::collections::VecDeque;
use std::os::fd::{BorrowedFd, OwnedFd};

use ipcm::{Bus, Info, Monotonic, PeerRecord};
use ipcm_core::{
    Clock, Config, End, Endpoint, Event, GoneReason, Incarnation, Input, LinkId, ReplyToken, RequestError,
    RequestId,
};
use rustix::io::Errno;

use crate::memory;
use crate::wire::Wire;

/// Longer than any packet.
const PACKET: usize = 1024 * 1024;

/// What is shorter is a note of the transport, and no part of the stream.
pub const SHORTEST_PACKET: usize = 16;

/// One end of a connection, whose packets leave and come only when the test says so.
pub struct RawLink {
    wire: Wire,
    endpoint: Endpoint,
    link: LinkId,
    happened: VecDeque<Happened>,
}

/// What came on a connection.
#[derive(Debug)]
pub enum Happened {
    /// The other end has taken this one in, or this one the other.
    Opened,
    /// A request.
    Request(ReplyToken, Vec<u8>),
    /// A message.
    Message(Vec<u8>),
    /// A response.
    Response(RequestId, Vec<u8>),
    /// A request ended otherwise.
    Failed(RequestId, String),
    /// The other end cut the connection, or refused it.
    Closed(GoneReason),
}

/// The record of a peer that is there.
pub fn record(bus: &Bus, name: &str) -> PeerRecord {
    let peers = bus.peers().expect("the bus can be read");
    peers.into_iter().find(|peer| peer.name() == name).unwrap_or_else(|| panic!("{name} is a peer"))
}

impl RawLink {
    /// Connects to `to` and says nothing yet; the hello will claim this name and life.
    pub fn call(info: &Info, to: &PeerRecord, name: &str, incarnation: Incarnation) -> Self {
        let wire = Wire::connect(info, to, name, incarnation).expect("the peer listens");
        let mut endpoint = Endpoint::new(name, incarnation, config());
        let link = endpoint.open(to.name()).expect("there is a link free");
        endpoint.expect(link, to.incarnation(), None);
        Self { wire, endpoint, link, happened: VecDeque::new() }
    }

    /// Connects to `to` as the peer that `me` describes, which must be one of this process.
    pub fn call_as(info: &Info, to: &PeerRecord, me: &PeerRecord) -> Self {
        let mut raw = Self::call(info, to, me.name(), me.incarnation());
        raw.flush();
        match raw.next() {
            Happened::Opened => raw,
            other => panic!("a peer of this process was not let in: {other:?}"),
        }
    }

    /// Accepts a connection in place of the peer `me` of this process, and hears and says hello.
    pub fn accept_as(info: &Info, me: &PeerRecord) -> Self {
        Self::accept_with(info, me, config())
    }

    /// [`accept_as`](Self::accept_as), with these bounds.
    pub fn accept_with(info: &Info, me: &PeerRecord, config: Config) -> Self {
        let wire = Wire::accept(info, me);
        let mut endpoint = Endpoint::new(me.name(), me.incarnation(), config);
        let link = endpoint.accept(Monotonic.now()).expect("there is a link free");
        let mut raw = Self { wire, endpoint, link, happened: VecDeque::new() };
        match raw.next() {
            Happened::Opened => {}
            other => panic!("not a hello: {other:?}"),
        }
        raw.flush();
        raw
    }

    /// What waits to be sent; it counts as sent from now on.
    pub fn take_output(&mut self) -> Vec<u8> {
        let output = self.endpoint.pending_output(self.link, usize::MAX).to_vec();
        self.endpoint.consume_output(self.link, output.len());
        output
    }

    /// Sends what waits to be sent, in packets of at most 64 KiB.
    pub fn flush(&mut self) {
        loop {
            let packet = self.endpoint.pending_output(self.link, 64 * 1024);
            if packet.is_empty() {
                return;
            }
            self.wire.send(packet).expect("the other end is there");
            self.endpoint.consume_output(self.link, packet.len());
        }
    }

    /// Sends one packet of these bytes.
    pub fn send(&mut self, packet: &[u8]) -> Result<(), Errno> {
        self.wire.send(packet)
    }

    /// As [`send`](Self::send) where it needs no waiting.
    pub fn try_send(&mut self, packet: &[u8]) -> Result<(), Errno> {
        self.wire.try_send(packet)
    }

    /// Makes a request, to be sent by [`flush`](Self::flush).
    pub fn request(&mut self, body: &[u8]) -> RequestId {
        let now = Monotonic.now();
        let written = self.endpoint.request(now, self.link, None, &mut |out, _| {
            out.extend_from_slice(body);
            Ok(())
        });
        written.expect("the request is within the window")
    }

    /// Makes a request if the window of the other end has room.
    pub fn try_request(&mut self, body: &[u8]) -> bool {
        self.endpoint.has_credit(self.link) && {
            self.request(body);
            true
        }
    }

    /// Makes a message, to be sent by [`flush`](Self::flush).
    pub fn message(&mut self, body: &[u8]) {
        let written = self.endpoint.message(self.link, 0, false, &mut |out, _| {
            out.extend_from_slice(body);
            Ok(())
        });
        written.expect("the message is within the window");
    }

    /// Answers a request, to be sent by [`flush`](Self::flush).
    pub fn respond(&mut self, token: ReplyToken, body: &[u8]) {
        let written = self.endpoint.respond(Monotonic.now(), token, &mut |out, _| {
            out.extend_from_slice(body);
            Ok(())
        });
        assert_eq!(written, Ok(true));
    }

    /// The socket.
    pub fn socket(&self) -> BorrowedFd<'_> {
        self.wire.socket()
    }

    /// Waits for a note of this kind, and takes in what comes before it. Returns the descriptors with it.
    pub fn await_note(&mut self, kind: u8) -> Vec<OwnedFd> {
        let mut buffer = vec![0; PACKET];
        loop {
            let (n, files) = memory::receive_files(self.wire.socket(), &mut buffer);
            assert!(n > 0, "the connection ended before a note of kind {kind}");
            if n >= SHORTEST_PACKET {
                self.take_in(&buffer[..n]);
            } else if buffer[0] == kind {
                return files;
            }
        }
    }

    /// Takes in a packet that has come some way or other.
    pub fn take_in(&mut self, packet: &[u8]) {
        let mut input = Input::new(packet);
        while let Some(event) = self.endpoint.poll_input(Monotonic.now(), self.link, &mut input) {
            note(event, &mut self.endpoint, &mut self.happened);
        }
        self.settle();
    }

    /// Waits for a packet and takes it in, unless it is a note; the bytes, or `None` at the end of the connection.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        let mut buffer = vec![0; PACKET];
        let n = self.wire.receive(&mut buffer);
        if n == 0 {
            self.endpoint.handle_closed(self.link);
            self.settle();
            return None;
        }
        buffer.truncate(n);
        if n >= SHORTEST_PACKET {
            self.take_in(&buffer);
        }
        Some(buffer)
    }

    /// Waits for the next thing to happen.
    #[allow(clippy::should_implement_trait, reason = "it never ends")]
    pub fn next(&mut self) -> Happened {
        loop {
            if let Some(happened) = self.happened.pop_front() {
                return happened;
            }
            self.receive();
        }
    }

    /// Waits for the other end to close the connection.
    pub fn await_closed(&mut self) {
        while self.receive().is_some() {}
    }

    fn settle(&mut self) {
        while let Some(event) = self.endpoint.poll_event(Monotonic.now()) {
            note(event, &mut self.endpoint, &mut self.happened);
        }
    }
}

/// So many requests as any window lets through.
fn config() -> Config {
    let mut config = Config::default();
    config.requests = 16 * 1024;
    config
}

fn note(event: Event<'_>, endpoint: &mut Endpoint, happened: &mut VecDeque<Happened>) {
    happened.push_back(match event {
        Event::Greeted { link } => {
            endpoint.welcome(link);
            Happened::Opened
        }
        Event::Opened { .. } => Happened::Opened,
        Event::Request { token, body, .. } => Happened::Request(token, body.to_vec()),
        Event::Message { link, cost, body, .. } => {
            endpoint.settle(link, cost);
            Happened::Message(body.to_vec())
        }
        Event::Ended { id, end: End::Response(body), .. } => Happened::Response(id, body.to_vec()),
        Event::Ended { id, end, .. } => Happened::Failed(id, format!("{end:?}")),
        Event::Closed { reason, .. } => Happened::Closed(reason),
        _ => return,
    });
}

/// Whether a request ended because its peer is gone.
pub fn is_gone<T>(result: &Result<T, RequestError>) -> bool {
    matches!(result, Err(RequestError::PeerGone { .. }))
}
