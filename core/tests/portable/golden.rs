//! The wire, byte by byte: a change of it shows here, and is made on purpose or not at all.
//!
//! After a change on purpose, raise `PROTOCOL_VERSION` and copy what the failed check prints.

use alloc::{format, string::String, vec::Vec};
use core::{fmt::Write, time::Duration};
use ipcm_core::{Endpoint, LinkId, Refusal, RemoteErrorKind};

use super::conversation::{AT, Heard, Pair, output, write};

/// Every kind of frame as it was, in hexadecimal; the padding of its body's start to 16 bytes included.
const GOLDEN: &str = include_str!("golden.txt");

/// Names frames and writes them down.
#[derive(Default)]
struct Scribe(String);

impl Scribe {
    /// Writes down what an endpoint has to send, and returns it.
    fn takes(&mut self, name: &str, endpoint: &mut Endpoint, link: LinkId) -> Vec<u8> {
        let bytes = output(endpoint, link);
        assert!(!bytes.is_empty(), "{name} is sent");
        let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        self.0 += &format!("{name}: {hex}\n");
        bytes
    }
}

/// Clause H4.
#[cfg_attr(test, test)]
pub(crate) fn the_bytes_of_every_kind_of_frame_are_what_they_were() {
    let mut scribe = Scribe::default();
    // So small a window is given back at once.
    let mut pair = Pair::new(100);
    let (ours, theirs) = (pair.ours, pair.theirs);

    let hello = scribe.takes("hello", &mut pair.asker, ours);
    pair.hears(&hello);
    let refusing = pair.echo.accept(AT).unwrap();
    super::conversation::input(&mut pair.echo, refusing, &hello);
    pair.echo.refuse(refusing, Refusal::Identity);
    scribe.takes("refused", &mut pair.echo, refusing);
    pair.echo.welcome(theirs);
    let hello = scribe.takes("hello back", &mut pair.echo, theirs);
    pair.is_told(&hello);

    pair.asker.request(AT, ours, None, &mut write(b"ask")).unwrap();
    let request = scribe.takes("request", &mut pair.asker, ours);
    let token = asked(pair.hears(&request));
    assert_eq!(pair.echo.respond(AT, token, &mut write(b"answer")), Ok(true));
    let response = scribe.takes("response", &mut pair.echo, theirs);
    pair.is_told(&response);

    let deadline = Some(AT + Duration::from_secs(1));
    pair.asker.request(AT, ours, deadline, &mut write(b"ask")).unwrap();
    let request = scribe.takes("request with a budget", &mut pair.asker, ours);
    let token = asked(pair.hears(&request));
    assert!(pair.echo.fail(AT, token, RemoteErrorKind::Failed, "why"));
    let failure = scribe.takes("failure", &mut pair.echo, theirs);
    pair.is_told(&failure);

    let id = pair.asker.request(AT, ours, None, &mut write(b"ask")).unwrap();
    let request = output(&mut pair.asker, ours);
    pair.hears(&request);
    assert!(pair.asker.cancel(id));
    scribe.takes("cancel", &mut pair.asker, ours);

    pair.asker.message(ours, 1_700_000_000_000_000, true, &mut write(b"news")).unwrap();
    let message = scribe.takes("message", &mut pair.asker, ours);
    let cost = pair.hears(&message).into_iter().find_map(|heard| match heard {
        Heard::Message(cost) => Some(cost),
        _ => None,
    });
    pair.echo.settle(theirs, cost.expect("the message has come"));
    scribe.takes("credit", &mut pair.echo, theirs);
    pair.asker.terminate(ours);
    scribe.takes("terminate", &mut pair.asker, ours);

    assert!(scribe.0 == GOLDEN, "the wire is not what it was. It is now:\n{}", scribe.0);
}

/// The right to answer the one request that came.
fn asked(heard: Vec<Heard>) -> ipcm_core::ReplyToken {
    let mut tokens = heard.into_iter().filter_map(|heard| match heard {
        Heard::Asked(token, _) => Some(token),
        _ => None,
    });
    tokens.next().expect("the request has come")
}
