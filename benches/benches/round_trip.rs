//! A round trip without an operating system: all of the library's own work, for both sides.

use std::time::Duration;

use divan::{Bencher, black_box};
use ipcm_core::body::EncodeError;
use ipcm_core::memory::{Clock, Memory, Network};
use ipcm_core::{Client, Config, Handle, Handler, Incarnation, Instant, ReplyToken, Request, Service, fixed};

const SIZES: [usize; 3] = [32, 1024, 65_536];
const TIMEOUT: Duration = Duration::from_secs(1);

fn main() {
    divan::main();
}

struct Echo;

impl Handler<Memory, Clock> for Echo {
    fn handle_request(
        &mut self,
        client: &mut Client<Memory, Clock>,
        request: Request<'_>,
        token: ReplyToken,
    ) {
        assert!(client.respond_bytes(token, request.body).expect("it fits"));
    }
}

/// A handle, and a service that takes its turn while the handle waits.
fn joined() -> Handle<Memory, Clock> {
    let network = Network::new();
    let mut service = Service::new(network.client("echo", Config::default()));
    network.set_idle(move || while service.turn(Some(Instant::ZERO), &mut Echo) {});
    Handle::new(network.client("asker", Config::default()), "echo")
}

/// Client to service over the memory transport.
#[divan::bench(args = SIZES)]
fn bytes(bencher: Bencher<'_, '_>, len: usize) {
    let mut handle = joined();
    let body = vec![1; len];
    bencher.bench_local(|| {
        let answer = handle.sync_request_bytes("echo", black_box(&body), TIMEOUT).expect("it is answered");
        assert_eq!(answer.bytes().len(), len);
    });
}

/// The same with a typed body.
#[divan::bench]
fn typed(bencher: Bencher<'_, '_>) {
    let mut handle = joined();
    bencher.bench_local(|| {
        let asked = black_box((7u64, "thermometer"));
        let answer: (u64, String) = handle.sync_request("echo", &asked, TIMEOUT).expect("it is answered");
        assert_eq!((answer.0, &*answer.1), asked);
    });
}

/// One side of the conversation of two members without an allocator.
struct Fixed<'s> {
    endpoint: fixed::Endpoint<'s>,
    inbox: fixed::Inbox<'s>,
    link: ipcm_core::LinkId,
}

type Storage = fixed::Storage<1, 4, 4, 4096, 8192>;

const NOW: Instant = Instant::from_nanos(1);

impl Fixed<'_> {
    /// Takes in what the other has to send, answers requests, and returns whether an answer has come.
    fn take(&mut self, other: &mut Fixed<'_>) -> bool {
        let taken = {
            let packet = other.endpoint.pending_output(other.link);
            self.endpoint.handle_input(&mut self.inbox, self.link, packet)
        };
        other.endpoint.consume_output(other.link, taken);
        let mut answered = false;
        while let Some(event) = self.endpoint.poll_event(NOW, &mut self.inbox) {
            match event {
                fixed::Event::Greeted { link, .. } => self.endpoint.welcome(link),
                fixed::Event::Request { token, body, .. } => {
                    let answer = self.endpoint.respond(NOW, token, &mut |out| copy(body, out));
                    assert!(answer.expect("it fits"));
                }
                fixed::Event::Ended { end: fixed::End::Response(_), .. } => answered = true,
                _ => {}
            }
        }
        answered
    }
}

/// Two members in memory of a fixed size.
#[divan::bench(args = [32, 1024])]
fn fixed_bytes(bencher: Bencher<'_, '_>, len: usize) {
    let (mut one, mut other) = (Storage::new(), Storage::new());
    let (mut endpoint, inbox) = one.split("asker", Incarnation::from_bits(1));
    let link = endpoint.open("echo").expect("the only link");
    let mut asker = Fixed { endpoint, inbox, link };
    let (mut endpoint, inbox) = other.split("echo", Incarnation::from_bits(2));
    let link = endpoint.accept(NOW).expect("the only link");
    let mut echo = Fixed { endpoint, inbox, link };
    while !asker.endpoint.is_open(asker.link) {
        echo.take(&mut asker);
        asker.take(&mut echo);
    }
    let body = vec![1; len];
    bencher.bench_local(|| {
        let write = &mut |out: &mut [u8]| copy(black_box(&body), out);
        asker.endpoint.request(NOW, asker.link, Some(NOW + TIMEOUT), write).expect("there is room");
        echo.take(&mut asker);
        assert!(asker.take(&mut echo));
    });
}

fn copy(body: &[u8], out: &mut [u8]) -> Result<usize, EncodeError> {
    let limit = out.len();
    let room = out.get_mut(..body.len()).ok_or(EncodeError::TooLarge { limit })?;
    room.copy_from_slice(body);
    Ok(body.len())
}
