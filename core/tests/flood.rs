//! Peers that send too much, hold on to what they have, or read nothing.

mod common;

use common::raw::Raw;
use common::wire::{self, Head};
use common::*;
use ipcm_core::memory::{Faults, Network};
use ipcm_core::{Config, Handle};

fn serves_on(handle: &mut Asker) {
    assert_eq!(handle.sync_request_bytes("echo", b"still there", SECOND).unwrap().bytes(), b"still there");
}

/// A service, a well-behaved handle of it, and a member that writes its own frames.
fn bus() -> (Network, Asker, Shared, Raw) {
    let (network, mut handle, service) = pair();
    serves_on(&mut handle);
    let raw = Raw::join(&network, "raw");
    (network, handle, service, raw)
}

/// Fault X9: silent connections expire; those that said hello and nothing else stay and cost nothing.
#[test]
fn silent_connections_expire_after_the_greeting_time() {
    let (network, mut handle, service, mut raw) = bus();
    let silent: Vec<usize> = (0..1000).map(|_| raw.connect("echo")).collect();
    let idle: Vec<usize> = (0..10).map(|_| raw.call("echo")).collect();
    service.borrow_mut().settle();
    let links = || service.borrow().service.client().endpoint().links().count();
    assert_eq!(links(), 1011);
    network.advance(9 * SECOND);
    service.borrow_mut().settle();
    serves_on(&mut handle);
    assert_eq!(links(), 1011);
    network.advance(SECOND);
    service.borrow_mut().settle();
    assert_eq!(links(), 11);
    assert_eq!(service.borrow().service.client().endpoint().counters().violations, 1000);
    raw.take();
    raw.take();
    assert!(silent.iter().all(|&link| raw.is_over(link)) && !idle.iter().any(|&link| raw.is_over(link)));
    serves_on(&mut handle);
}

/// Clause B6: more links than there may be are turned away, and the rest go on.
#[test]
fn links_beyond_the_limit_are_turned_away() {
    let network = Network::new();
    let mut config = Config::default();
    config.links = 2;
    let service = serve(&network, "echo", config);
    let mut handle = asker(&network, "asker", "echo");
    serves_on(&mut handle);
    let mut raw = Raw::join(&network, "raw");
    let links: Vec<usize> = (0..5).map(|_| raw.call("echo")).collect();
    service.borrow_mut().settle();
    raw.take();
    raw.take();
    assert_eq!(links.iter().filter(|&&link| raw.is_over(link)).count(), 4);
    serves_on(&mut handle);
    assert_eq!(service.borrow().service.client().endpoint().links().count(), 2);
}

/// Clause B6, fault X8: a flood beyond the window is cut off, with the window's worth taken in.
#[test]
fn a_flood_beyond_the_window_is_cut_off() {
    let network = Network::new();
    let mut config = Config::default();
    config.window = 1000;
    config.body_limit = 1000;
    let mut reader: Asker = Handle::new(network.client("reader", config), "nobody");
    let mut raw = Raw::join(&network, "raw");
    let link = raw.call("reader");
    let frame = wire::frame(Head::Message { sequence: 1, stamp: 0, broadcast: false }, b"");
    for _ in 0..1000 {
        raw.send(link, &frame);
    }
    while reader.client_mut().turn(Some(now(&network))) {}
    assert_eq!(reader.client().endpoint().counters().violations, 1);
    let taken = reader.messages().len();
    // 80 bytes each with their bookkeeping: two windows and the largest frame.
    assert!((12..=90).contains(&taken), "{taken} messages");
}

/// Fault X11: a peer that sends requests and never reads holds a bounded part of the service's memory,
/// also if it takes no notice of its window.
#[test]
fn a_peer_that_never_reads_its_answers_does_not_grow_the_service() {
    for (what, body) in [("answered", b"x"), ("refused", b"f"), ("deferred", b"d")] {
        let network = Network::new();
        let mut config = Config::default();
        config.window = 10_000;
        config.body_limit = 1000;
        config.serving = 50;
        let mut service = Scripted::new(&network, "echo", config);
        network.set_faults(Faults { buffer: 2000, ..Faults::default() });
        let mut raw = Raw::join(&network, "raw");
        let link = raw.call("echo");
        let mut most = 0;
        for generation in 0..20_000 {
            if raw.unsent(link) < 10_000 {
                let head = Head::Request { id: wire::request_id(0, generation), budget: None };
                raw.send(link, &wire::frame(head, body));
            }
            service.settle();
            // Only its own sending is looked after.
            raw.send(link, b"");
            let endpoint = service.service.client().endpoint();
            let unsent = |link| endpoint.pending_output(link, usize::MAX).len();
            most = most.max(endpoint.links().map(unsent).sum());
        }
        assert!(most <= 25_000, "{what}: {most} bytes");
        assert!(service.service.client().endpoint().serving() <= 50);
    }
}

/// Fault X11: connections that come and go leave nothing behind.
#[test]
fn connections_that_come_and_go_leave_nothing_behind() {
    let (network, mut handle, service, mut raw) = bus();
    for _ in 0..2000 {
        let link = raw.call("echo");
        service.borrow_mut().settle();
        network.cut("raw", "echo");
        service.borrow_mut().settle();
        raw.take();
        assert!(raw.is_over(link));
    }
    assert_eq!(service.borrow().service.client().endpoint().links().count(), 1);
    assert_eq!(service.borrow().service.client().next_deadline(), None, "nothing is waited for");
    serves_on(&mut handle);
}
