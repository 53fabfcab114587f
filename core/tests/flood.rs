//! A peer that takes no notice of its window and never reads. No check of the conformance suite: it makes up 20,000 requests,
//! and counts every byte that waits in a network that holds few.

mod common;

use common::raw::Raw;
use common::wire::{self, Head};
use common::*;
use ipcm_core::Config;
use ipcm_core::memory::{Faults, Network};

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
