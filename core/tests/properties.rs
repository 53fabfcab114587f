//! The endpoint against any bytes in any pieces.

mod common;

use common::counting::{Counting, peak};
use common::wire::{self, Head};
use ipcm_core::{Config, End, Endpoint, Event, Incarnation, Input, Instant, LinkId, RemoteErrorKind};
use proptest::prelude::*;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const NOW: Instant = Instant::from_nanos(1);
const BODY_LIMIT: u32 = 1000;

/// What an event says, with its body.
type Seen = (String, Vec<u8>);

fn endpoint() -> Endpoint {
    let mut config = Config::default();
    config.body_limit = BODY_LIMIT;
    config.window = 100_000;
    config.serving = 20;
    config.requests = 4;
    Endpoint::new("endpoint", Incarnation::from_bits(1), config)
}

/// An endpoint that was called, or that has called and sent three requests.
fn linked(calls: bool) -> (Endpoint, LinkId) {
    let mut endpoint = endpoint();
    if !calls {
        let link = endpoint.accept(NOW).unwrap();
        return (endpoint, link);
    }
    let link = endpoint.open("peer").unwrap();
    let hello = wire::hello("peer", Incarnation::from_bits(2));
    let mut input = Input::new(&hello);
    while endpoint.poll_input(NOW, link, &mut input).is_some() {}
    for _ in 0..3 {
        endpoint.request(NOW, link, None, &mut |_, _| Ok(())).unwrap();
    }
    let unsent = endpoint.pending_output(link, usize::MAX).len();
    endpoint.consume_output(link, unsent);
    (endpoint, link)
}

/// Feeds one piece and answers as a driver would.
fn feed(endpoint: &mut Endpoint, link: LinkId, piece: &[u8], seen: &mut Vec<Seen>) {
    let mut input = Input::new(piece);
    while let Some(event) = endpoint.poll_input(NOW, link, &mut input) {
        let greeted = matches!(event, Event::Greeted { .. });
        note(endpoint, event, seen);
        if greeted {
            endpoint.welcome(link);
        }
    }
    while let Some(event) = endpoint.poll_event(NOW) {
        note(endpoint, event, seen);
    }
    while endpoint.poll_output().is_some() {}
    let unsent = endpoint.pending_output(link, usize::MAX).len();
    endpoint.consume_output(link, unsent);
}

fn note(endpoint: &mut Endpoint, event: Event<'_>, seen: &mut Vec<Seen>) {
    seen.push(match event {
        Event::Request { token, link, body } => {
            let said =
                (format!("request {token:?} {link:?} {:?}", endpoint.caller_deadline(&token)), body.to_vec());
            endpoint.respond(NOW, token, &mut |_, _| Ok(())).unwrap();
            said
        }
        Event::Message { link, sequence, stamp, broadcast, cost, body } => {
            endpoint.settle(link, cost);
            (format!("message {link:?} {sequence} {stamp} {broadcast} {cost}"), body.to_vec())
        }
        Event::Ended { id, link, end: End::Response(body) } => {
            (format!("response {id} {link:?}"), body.to_vec())
        }
        Event::Ended { id, link, end: End::Failure { kind, detail } } => {
            (format!("failure {id} {link:?} {kind:?}"), detail.to_vec())
        }
        // How much had left does depend on the pieces.
        Event::Closed { link, peer, reason, .. } => {
            (format!("closed {link:?} {peer} {reason:?}"), Vec::new())
        }
        other => (format!("{other:?}"), Vec::new()),
    });
}

/// Feeds `bytes` in pieces of the sizes given, again and again.
fn run(calls: bool, bytes: &[u8], sizes: &[usize]) -> (Vec<Seen>, ipcm_core::Counters) {
    let (mut endpoint, link) = linked(calls);
    let mut seen = Vec::new();
    let mut rest = bytes;
    for &size in sizes.iter().cycle() {
        let (piece, behind) = rest.split_at(size.clamp(1, rest.len().max(1)).min(rest.len()));
        feed(&mut endpoint, link, piece, &mut seen);
        rest = behind;
        if rest.is_empty() {
            break;
        }
    }
    (seen, endpoint.counters())
}

fn head() -> impl Strategy<Value = Head> {
    // Half of them the ids of requests that are pending.
    let first = wire::id_of(linked(true).0.pending_ids().next().unwrap()).generation;
    let id =
        (0..4u32, 0..8u64).prop_map(move |(slot, generation)| wire::request_id(slot, first + generation));
    prop_oneof![
        (id.clone(), proptest::option::of(any::<u64>()))
            .prop_map(|(id, budget)| Head::Request { id, budget }),
        id.clone().prop_map(|id| Head::Response { id }),
        id.clone().prop_map(|id| Head::Failure { id, kind: RemoteErrorKind::Failed }),
        id.prop_map(|id| Head::Cancel { id }),
        (any::<u64>(), any::<u64>(), any::<bool>()).prop_map(|(sequence, stamp, broadcast)| Head::Message {
            sequence,
            stamp,
            broadcast
        }),
        Just(Head::Terminate),
        any::<u32>().prop_map(|bytes| Head::Credit { bytes }),
    ]
}

/// A conversation: hello where it is due, then frames.
fn conversation(calls: bool) -> impl Strategy<Value = Vec<u8>> {
    let frame = (head(), proptest::collection::vec(any::<u8>(), 0..200));
    proptest::collection::vec(frame, 0..12).prop_map(move |frames| {
        let mut bytes = if calls { Vec::new() } else { wire::hello("peer", Incarnation::from_bits(2)) };
        frames.iter().for_each(|(head, body)| bytes.extend(wire::frame(*head, body)));
        bytes
    })
}

/// A conversation of which some bytes are not as they were.
fn damaged(calls: bool) -> impl Strategy<Value = Vec<u8>> {
    let damage = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    (conversation(calls), damage, proptest::collection::vec(any::<u8>(), 0..60)).prop_map(
        |(mut bytes, damage, junk)| {
            bytes.extend(junk);
            if !bytes.is_empty() {
                damage.into_iter().for_each(|(at, byte)| *at.get_mut(&mut bytes) = byte);
            }
            bytes
        },
    )
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![Just(vec![1]), proptest::collection::vec(1..90usize, 1..9)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// Clause B6: how a stream is cut makes no difference, whether it is sound or not.
    #[test]
    fn the_events_do_not_depend_on_the_pieces(
        (calls, bytes) in any::<bool>().prop_flat_map(|calls| (Just(calls), prop_oneof![conversation(calls), damaged(calls)])),
        sizes in sizes(),
    ) {
        prop_assert_eq!(run(calls, &bytes, &sizes), run(calls, &bytes, &[usize::MAX]));
    }

    /// Clause B6, fault X8: any bytes at all, in either role, within a bound of memory.
    #[test]
    fn any_bytes_take_bounded_memory(
        calls in any::<bool>(),
        bytes in proptest::collection::vec(prop_oneof![Just(0), Just(1), Just(16), any::<u8>()], 0..3000),
        sizes in sizes(),
    ) {
        let (_, taken) = peak(|| run(calls, &bytes, &sizes));
        // The frame that is being put together, 64 KiB ahead of what has come, and the tables.
        prop_assert!(taken < 100_000 + 4 * bytes.len(), "{taken} bytes");
    }

    /// Fault X8: every truncation of a conversation is the beginning of what the whole says.
    #[test]
    fn every_truncation_says_the_beginning(
        (calls, bytes) in any::<bool>().prop_flat_map(|calls| (Just(calls), conversation(calls))),
    ) {
        let (whole, _) = run(calls, &bytes, &[usize::MAX]);
        for cut in 0..bytes.len() {
            let (seen, counters) = run(calls, &bytes[..cut], &[usize::MAX]);
            prop_assert!(whole.starts_with(&seen), "cut at {}", cut);
            prop_assert_eq!(counters.violations, 0);
        }
    }
}

/// Clauses B5, B6, fault X9: a length at the limit is not believed until its bytes come.
#[test]
fn a_length_takes_no_memory_before_its_bytes_come() {
    let mut config = Config::default();
    config.body_limit = u32::MAX;
    for size in [u32::MAX, 1 << 30, 16 << 20] {
        let mut endpoint = Endpoint::new("endpoint", Incarnation::from_bits(1), config.clone());
        let link = endpoint.accept(NOW).unwrap();
        let start = [&size.to_le_bytes()[..], &[1; 20]].concat();
        let (_, taken) = peak(|| {
            let mut input = Input::new(&start);
            assert!(endpoint.poll_input(NOW, link, &mut input).is_none());
        });
        assert!(taken <= 70_000, "{taken} bytes for a claim of {size}");
        assert_eq!(endpoint.counters().violations, 0, "the limit allows it");
    }
}

/// Clause B6: connections that come and go within the greeting time leave nothing behind.
#[test]
fn a_storm_of_connections_takes_bounded_memory() {
    let mut endpoint = endpoint();
    let keep = endpoint.accept(NOW).unwrap();
    let mut storm = |times| {
        for _ in 0..times {
            let link = endpoint.accept(NOW).unwrap();
            endpoint.handle_closed(link);
            while endpoint.poll_event(NOW).is_some() {}
        }
    };
    storm(1000);
    let (_, taken) = peak(|| storm(100_000));
    assert!(taken < 100_000, "{taken} bytes");
    assert!(endpoint.peer(keep).is_some());
}
