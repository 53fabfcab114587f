//! Peers that ask and do not read what they are told.

use ipcm_core::memory::{Clock, Faults, Memory, Network};
use ipcm_core::{Client, Clock as _, Config, Handle, Handler, ReplyToken, Request, Service};
use std::time::Duration;

const WINDOW: usize = 4000;
const ANSWER: usize = 1000;

/// Answers every request with a thousand times its one byte.
#[derive(Default)]
struct Amplifier {
    answered: usize,
}

impl Handler<Memory, Clock> for Amplifier {
    fn handle_request(
        &mut self,
        client: &mut Client<Memory, Clock>,
        request: Request<'_>,
        token: ReplyToken,
    ) {
        self.answered += 1;
        client.respond_bytes(token, &[request.body[0]; ANSWER]).unwrap();
    }
}

fn config() -> Config {
    let mut config = Config::default();
    config.window = WINDOW as u32;
    config
}

/// Clause B4, fault X11: small requests with large answers do not grow the service either, nothing of what it
/// has accepted is lost, and the answers come in order once they are read.
#[test]
fn a_peer_that_does_not_read_has_its_requests_kept_until_it_does() {
    let network = Network::new();
    network.set_faults(Faults { buffer: 500, ..Faults::default() });
    let mut service = Service::new(network.client("service", config()));
    let mut amplifier = Amplifier::default();
    let mut asker = Handle::new(network.client("asker", config()), "service");
    let now = || Some(network.clock().now());

    // As many as its window takes; the service turns in between and the asker reads nothing.
    let mut ids = Vec::new();
    for byte in 0..30u8 {
        let sent = loop {
            let write = &mut |out: &mut ipcm_core::Sink<'_>, _| {
                out.push(byte);
                Ok(())
            };
            let sent = asker.client_mut().try_request("service", None, write);
            while service.turn(now(), &mut amplifier) {}
            if ids.is_empty() && sent.is_err() {
                asker.client_mut().turn(now());
                continue;
            }
            break sent;
        };
        ids.extend(sent);
        let endpoint = service.client().endpoint();
        let backlog: usize = endpoint.links().map(|link| endpoint.backlog(link)).sum();
        assert!(backlog <= WINDOW + ANSWER + 64, "{backlog} bytes of answers wait");
    }
    assert!(amplifier.answered < ids.len(), "all {} were answered: nothing stalled", ids.len());

    let mut answers = Vec::new();
    while answers.len() < ids.len() {
        service.turn(now(), &mut amplifier);
        asker.poll(Duration::ZERO);
        if let Some(end) = asker.take_response(ids[answers.len()]) {
            answers.push(end.unwrap().bytes().to_vec());
        }
    }
    let expected: Vec<_> = (0..ids.len()).map(|byte| vec![byte as u8; ANSWER]).collect();
    assert_eq!(answers, expected);
    assert_eq!(service.client().endpoint().serving(), 0);
}
