//! What it costs to write and to read a head, and a typed body beside bare postcard.

mod pair;

use divan::{Bencher, black_box};
use ipcm_core::body;
use pair::{Came, Pair};
use serde::{Deserialize, Serialize};

const SIZES: [usize; 3] = [32, 1024, 65_536];

#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    number: u64,
    name: &'a str,
    #[serde(with = "serde_bytes", borrow)]
    body: &'a [u8],
}

fn main() {
    divan::main();
}

/// A frame without a body: its head and its way through the endpoint.
#[divan::bench]
fn head_write(bencher: Bencher<'_, '_>) {
    let mut pair = Pair::open();
    let mut packet = Vec::new();
    bencher.bench_local(|| {
        pair.asker.endpoint.terminate(pair.asker.link);
        pair.asker.take_output(&mut packet);
        assert!(!packet.is_empty());
    });
}

#[divan::bench]
fn head_read(bencher: Bencher<'_, '_>) {
    let mut pair = Pair::open();
    let mut packet = Vec::new();
    pair.asker.endpoint.terminate(pair.asker.link);
    pair.asker.take_output(&mut packet);
    bencher.bench_local(|| {
        let came = pair.echo.take_input(pair.now, black_box(&packet), false);
        assert_eq!(came, Some(Came::Terminate));
    });
}

#[divan::bench(args = SIZES)]
fn body_encode(bencher: Bencher<'_, '_>, len: usize) {
    let (bytes, mut out) = (vec![1; len], vec![0; len + 64]);
    bencher.bench_local(|| body::encode(&envelope(black_box(&bytes)), &mut out).expect("it fits"));
}

#[divan::bench(args = SIZES)]
fn body_encode_bare_postcard(bencher: Bencher<'_, '_>, len: usize) {
    let (bytes, mut out) = (vec![1; len], vec![0; len + 64]);
    bencher
        .bench_local(|| postcard::to_slice(&envelope(black_box(&bytes)), &mut out).expect("it fits").len());
}

#[divan::bench(args = SIZES)]
fn body_decode(bencher: Bencher<'_, '_>, len: usize) {
    let encoded = encoded(len);
    bencher.bench_local(|| {
        let envelope: Envelope<'_> = body::decode(black_box(&encoded)).expect("it is one");
        envelope.number + envelope.body.len() as u64
    });
}

#[divan::bench(args = SIZES)]
fn body_decode_bare_postcard(bencher: Bencher<'_, '_>, len: usize) {
    let encoded = encoded(len);
    bencher.bench_local(|| {
        let envelope: Envelope<'_> = postcard::from_bytes(black_box(&encoded)).expect("it is one");
        envelope.number + envelope.body.len() as u64
    });
}

fn envelope(body: &[u8]) -> Envelope<'_> {
    Envelope { number: 1 << 40, name: "thermometer", body }
}

fn encoded(len: usize) -> Vec<u8> {
    let (bytes, mut out) = (vec![1; len], vec![0; len + 64]);
    let used = body::encode(&envelope(&bytes), &mut out).expect("it fits");
    out.truncate(used);
    out
}
