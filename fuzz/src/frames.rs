//! Bytes of a peer in pieces of any size, into an endpoint that was called and into one that has called.

use ipcm_core::{Config, Endpoint, Event, Incarnation, Input, Instant, LinkId};

const NOW: Instant = Instant::from_nanos(1);

/// The first byte says which role and seeds the sizes of the pieces; the rest is what the peer says, after
/// the hello when the second bit is set.
///
/// # Panics
///
/// When what the endpoint makes of the bytes depends on how they are cut, or a table exceeds its bound.
pub fn run(input: &[u8]) {
    let Some((&seed, bytes)) = input.split_first() else { return };
    let pieces = converse(seed, bytes, true);
    let whole = converse(seed, bytes, false);
    assert_eq!(pieces, whole, "the pieces make a difference");
}

/// Conversations of both roles.
pub fn samples() -> Vec<Vec<u8>> {
    let mut peer = Endpoint::new("peer", Incarnation::from_bits(2), config());
    let link = peer.open("endpoint").expect("there is room for a link");
    let said_first = take_output(&mut peer, link);
    feed(&mut peer, link, &hello("endpoint", 1), &mut Vec::new());
    for body in [&b""[..], b"body", &[7; 100]] {
        let write = &mut |out: &mut ipcm_core::Sink<'_>, _| {
            out.extend_from_slice(body);
            Ok(())
        };
        let id = peer.request(NOW, link, None, write).expect("the link is open");
        peer.message(link, 5, body.is_empty(), write).expect("the link is open");
        peer.cancel(id);
    }
    peer.terminate(link);
    let said = take_output(&mut peer, link);
    let with = |seed: u8, parts: &[&[u8]]| [&[seed][..], &parts.concat()].concat();
    vec![with(0, &[&said_first, &said]), with(3, &[&said]), with(0x56, &[&said]), with(1, &[&said_first])]
}

fn config() -> Config {
    let mut config = Config::default();
    config.requests = 4;
    config.serving = 4;
    config.links = 2;
    config.body_limit = 4096;
    config.window = 10_000;
    config
}

/// What the events say, and how many violations were counted.
fn converse(seed: u8, bytes: &[u8], cut: bool) -> (Vec<String>, u64) {
    let (calls, greeted) = (seed & 1 != 0, seed & 2 != 0);
    let mut endpoint = Endpoint::new("endpoint", Incarnation::from_bits(1), config());
    let link = if calls { endpoint.open("peer").ok() } else { endpoint.accept(NOW) };
    let link = link.expect("there is room for a link");
    let mut events = Vec::new();
    if greeted {
        feed(&mut endpoint, link, &hello("peer", 2), &mut events);
    }
    if calls && greeted {
        for _ in 0..2 {
            endpoint.request(NOW, link, None, &mut |_, _| Ok(())).expect("the link is open");
        }
        take_output(&mut endpoint, link);
    }
    let mut random = u64::from(seed) << 1 | 1;
    let mut rest = bytes;
    while !rest.is_empty() {
        random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let size = if cut { (random >> 59) as usize + 1 } else { rest.len() };
        let (piece, behind) = rest.split_at(size.min(rest.len()));
        feed(&mut endpoint, link, piece, &mut events);
        rest = behind;
    }
    (events, endpoint.counters().violations)
}

fn hello(name: &str, incarnation: u128) -> Vec<u8> {
    let mut peer = Endpoint::new(name, Incarnation::from_bits(incarnation), config());
    let link = peer.open("whoever").expect("there is room for a link");
    take_output(&mut peer, link)
}

fn take_output(endpoint: &mut Endpoint, link: LinkId) -> Vec<u8> {
    while endpoint.poll_output().is_some() {}
    let output = endpoint.pending_output(link, usize::MAX).to_vec();
    endpoint.consume_output(link, output.len());
    output
}

/// Takes in one piece and does as a driver does.
fn feed(endpoint: &mut Endpoint, link: LinkId, piece: &[u8], events: &mut Vec<String>) {
    let mut input = Input::new(piece);
    while let Some(event) = endpoint.poll_input(NOW, link, &mut input) {
        note(endpoint, event, events);
    }
    while let Some(event) = endpoint.poll_event(NOW) {
        note(endpoint, event, events);
    }
    while endpoint.poll_withdrawn().is_some() {}
    take_output(endpoint, link);
    let config = config();
    assert!(endpoint.pending() <= config.requests && endpoint.serving() <= config.serving);
}

fn note(endpoint: &mut Endpoint, event: Event<'_>, events: &mut Vec<String>) {
    events.push(match event {
        Event::Greeted { link } => {
            endpoint.welcome(link);
            "greeted".into()
        }
        Event::Request { token, body, .. } => {
            let said = format!("request {:?}", &*body);
            // Every other one is left unanswered, until the table is full.
            if body.len() % 2 == 0 {
                let _ = endpoint.respond(NOW, token, &mut |_, _| Ok(()));
            }
            said
        }
        Event::Message { link, sequence, stamp, broadcast, cost, body } => {
            endpoint.settle(link, cost);
            format!("message {sequence} {stamp} {broadcast} {:?}", &*body)
        }
        Event::Ended { id, end, .. } => match end {
            ipcm_core::End::Response(body) => format!("response {id} {:?}", &*body),
            ipcm_core::End::Failure { kind, detail } => format!("failure {id} {kind:?} {:?}", &*detail),
            other => format!("end {id} {other:?}"),
        },
        Event::Closed { reason, .. } => format!("closed {reason:?}"),
        other => format!("{other:?}"),
    });
}
