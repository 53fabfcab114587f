//! A round trip between a handle and a service allocates nothing, once buffers have grown. No check of the conformance suite:
//! the transport here allocates nothing either.

mod common;

use common::counting::{Counting, allocations};
use ipcm_core::transport::{
    Capabilities, ConnectError, PeerState, PeerStatus, Progress, Transport, TransportEvent,
};
use ipcm_core::{
    Client, Clock, Config, Endpoint, Handle, Handler, Incarnation, Instant, LinkId, ReplyToken, Request,
    Service,
};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const RING: usize = 256 * 1024;

/// Two rings of bytes between the only two members, each of which has one link.
struct Pipes {
    rings: [VecDeque<u8>; 2],
    links: [Option<LinkId>; 2],
    incoming: bool,
    time: Cell<u64>,
    /// The service's turn, while the handle waits.
    idle: Option<Box<dyn FnMut()>>,
}

#[derive(Clone)]
struct Pipe {
    pipes: Rc<RefCell<Pipes>>,
    side: usize,
    readable_told: bool,
    incoming_told: bool,
}

struct Ticks(Rc<RefCell<Pipes>>);

impl Clock for Ticks {
    fn now(&self) -> Instant {
        let pipes = self.0.borrow();
        pipes.time.set(pipes.time.get() + 1);
        Instant::from_nanos(pipes.time.get())
    }
}

fn incarnation(side: usize) -> Incarnation {
    Incarnation::from_bits(side as u128 + 1)
}

impl Transport for Pipe {
    const PACKET: usize = 64 * 1024;

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    fn connect(&mut self, link: LinkId, _: &str) -> Result<PeerStatus, ConnectError> {
        let mut pipes = self.pipes.borrow_mut();
        pipes.links[self.side] = Some(link);
        pipes.incoming = true;
        Ok(PeerStatus { incarnation: incarnation(1 - self.side), state: PeerState::Active, pid: None })
    }

    fn accept(&mut self, link: LinkId) -> bool {
        let mut pipes = self.pipes.borrow_mut();
        pipes.links[self.side] = Some(link);
        std::mem::take(&mut pipes.incoming)
    }

    fn reject(&mut self) {}

    fn authenticate(&mut self, _: LinkId, _: &str, _: Incarnation) -> bool {
        true
    }

    fn send(&mut self, _: LinkId, bytes: &[u8]) -> Progress {
        let ring = &mut self.pipes.borrow_mut().rings[self.side];
        let n = bytes.len().min(RING - ring.len());
        ring.extend(&bytes[..n]);
        if n > 0 { Progress::Moved(n) } else { Progress::Blocked }
    }

    fn receive(&mut self, _: LinkId, buffer: &mut [u8]) -> Progress {
        let ring = &mut self.pipes.borrow_mut().rings[1 - self.side];
        let n = buffer.len().min(ring.len());
        for (to, byte) in buffer.iter_mut().zip(ring.drain(..n)) {
            *to = byte;
        }
        if n > 0 { Progress::Moved(n) } else { Progress::Blocked }
    }

    fn close(&mut self, _: LinkId) {}

    fn poll_event(&mut self) -> Option<TransportEvent> {
        let pipes = self.pipes.borrow();
        if pipes.incoming && self.side == 1 && !std::mem::replace(&mut self.incoming_told, true) {
            return Some(TransportEvent::Incoming);
        }
        let link = pipes.links[self.side]?;
        let readable = !pipes.rings[1 - self.side].is_empty();
        (readable && !std::mem::replace(&mut self.readable_told, true))
            .then_some(TransportEvent::Readable(link))
    }

    fn wait(&mut self, deadline: Option<Instant>) {
        self.readable_told = false;
        self.incoming_told = false;
        let idle = (deadline != Some(Instant::ZERO)).then(|| self.pipes.borrow_mut().idle.take()).flatten();
        if let Some(mut idle) = idle {
            idle();
            self.pipes.borrow_mut().idle = Some(idle);
        }
    }

    fn find(&mut self, _: &str) -> Result<Option<PeerStatus>, ConnectError> {
        Ok(None)
    }

    fn peers(&mut self) -> Result<Vec<String>, ConnectError> {
        Ok(Vec::new())
    }

    fn watch(&mut self) -> Result<(), ConnectError> {
        Ok(())
    }
}

struct Echo;

impl Handler<Pipe, Ticks> for Echo {
    fn handle_request(&mut self, client: &mut Client<Pipe, Ticks>, request: Request<'_>, token: ReplyToken) {
        client.respond_bytes(token, request.body).unwrap();
    }
}

fn joined() -> Handle<Pipe, Ticks> {
    let rings = [(); 2].map(|()| VecDeque::with_capacity(RING));
    let pipes = Pipes { rings, links: [None; 2], incoming: false, time: Cell::new(1), idle: None };
    let pipes = Rc::new(RefCell::new(pipes));
    let member = |side, name| {
        let transport = Pipe { pipes: pipes.clone(), side, readable_told: false, incoming_told: false };
        let endpoint = Endpoint::new(name, incarnation(side), Config::default());
        Client::new(endpoint, transport, Ticks(pipes.clone()))
    };
    let handle = Handle::new(member(0, "asker"), "echo");
    let mut service = Service::new(member(1, "echo"));
    pipes.borrow_mut().idle = Some(Box::new(move || {
        service.turn(Some(Instant::ZERO), &mut Echo);
    }));
    handle
}

/// The steady state takes no memory: 1000 round trips, typed and in bytes, with and without a timeout.
#[test]
fn a_thousand_round_trips_do_not_allocate() {
    let mut handle = joined();
    let round_trips = |handle: &mut Handle<Pipe, Ticks>, times: u64| {
        for number in 0..times {
            let timeout = (number % 2 == 0).then_some(Duration::from_secs(1));
            let answer: u64 = handle.sync_request("echo", &number, timeout).unwrap();
            assert_eq!(answer, number);
            let body = [number as u8; 1024];
            assert_eq!(handle.sync_request_bytes("echo", &body, timeout).unwrap().bytes(), body);
        }
    };
    // Long enough for the first credit to have been given.
    round_trips(&mut handle, 1000);
    let before = allocations();
    round_trips(&mut handle, 500);
    assert_eq!(allocations() - before, 0);
}

/// Sixteen requests at a time, collected in order.
#[test]
fn pipelined_requests_do_not_allocate() {
    let mut handle = joined();
    let batch = |handle: &mut Handle<Pipe, Ticks>| {
        let ids = [(); 16].map(|()| handle.send_request("echo", &7u32, Duration::from_secs(1)).unwrap());
        for id in ids {
            assert_eq!(handle.await_response(id, None).unwrap().decode::<u32>(), Ok(7));
        }
    };
    // Long enough for the last growth, which comes later with 32-bit pointers than with 64-bit ones.
    (0..200).for_each(|_| batch(&mut handle));
    let before = allocations();
    (0..100).for_each(|_| batch(&mut handle));
    assert_eq!(allocations() - before, 0);
}
