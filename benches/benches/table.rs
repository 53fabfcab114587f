//! What the table of requests costs beside few and beside many that are pending.

mod pair;

use std::time::Duration;

use divan::Bencher;
use ipcm_core::body::EncodeError;
use ipcm_core::{Instant, Sink};
use pair::{Came, Pair, Side};

const PENDING: [usize; 2] = [1, 10_000];
const HOUR: Duration = Duration::from_secs(3600);

fn main() {
    divan::main();
}

/// So many requests are pending, each with a deadline of its own, far away.
fn beside(pending: usize) -> Pair {
    let mut pair = Pair::open();
    for number in 0..pending as u64 {
        let deadline = pair.now + HOUR + Duration::from_nanos(number * 7919 % 10_007);
        pair.ask(Some(deadline), &[]);
    }
    pair.settle(false);
    assert_eq!(pair.asker.endpoint.pending(), pending);
    pair
}

/// A slot is taken and given back, which is what a request comes to whose body cannot be encoded: the table alone.
#[divan::bench(args = PENDING)]
fn insert_and_end(bencher: Bencher<'_, '_>, pending: usize) {
    let mut pair = beside(pending);
    bencher.bench_local(|| take_and_give_back(&mut pair, None));
}

/// The same with a deadline before all others.
#[divan::bench(args = PENDING)]
fn insert_and_end_with_deadline(bencher: Bencher<'_, '_>, pending: usize) {
    let mut pair = beside(pending);
    bencher.bench_local(|| take_and_give_back(&mut pair, Some(Instant::ZERO)));
}

fn take_and_give_back(pair: &mut Pair, deadline: Option<Instant>) {
    let Side { endpoint, link, .. } = &mut pair.asker;
    endpoint.request(pair.now, *link, deadline, &mut refuse).expect_err("it has no body");
}

fn refuse(_: &mut Sink<'_>, _: usize) -> Result<(), EncodeError> {
    Err(EncodeError::Unserializable)
}

/// A request is sent, times out, and its cancellation reaches the other side.
#[divan::bench(args = PENDING)]
fn time_out(bencher: Bencher<'_, '_>, pending: usize) {
    let mut pair = beside(pending);
    let deadline = pair.now + Duration::from_secs(1);
    bencher.bench_local(|| {
        let id = pair.ask(Some(deadline), &[]);
        assert_eq!(pair.asker.expire(deadline), Came::TimedOut(id));
        pair.settle(false);
    });
    assert_eq!(pair.asker.endpoint.pending(), pending);
}

/// A request is sent and answered.
#[divan::bench(args = PENDING)]
fn answer(bencher: Bencher<'_, '_>, pending: usize) {
    let mut pair = beside(pending);
    let deadline = pair.now + Duration::from_secs(1);
    bencher.bench_local(|| {
        let id = pair.ask(Some(deadline), &[]);
        assert_eq!(pair.settle(true), Came::Answer(id));
    });
    assert_eq!(pair.asker.endpoint.pending(), pending);
}
