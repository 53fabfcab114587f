//! [`Script`]: a service that does as the first byte of a request says, and remembers what came.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use ipcm_core::transport::Transport;
use ipcm_core::{Client, Clock, Handler, Instant, Message, RemoteErrorKind, ReplyToken, Request, Service};

use crate::ground::{Ground, Member};

/// Answered later.
pub(crate) const DEFER: u8 = b'd';
/// Answered with a failure.
pub(crate) const FAIL: u8 = b'f';
/// Answered with [`LARGE_ANSWER`] bytes, all as the last one of the request.
pub(crate) const LARGE: u8 = b'l';
/// How many bytes a large answer has.
pub(crate) const LARGE_ANSWER: usize = 64 * 1024;
/// What is said of a failure.
pub(crate) const AS_ASKED: &str = "as asked";

/// What a service has seen, and owes.
#[derive(Default)]
pub(crate) struct Script {
    /// Requests that wait for an answer.
    pub(crate) deferred: Vec<(Vec<u8>, ReplyToken)>,
    /// All requests that were handled.
    pub(crate) handled: Vec<Handled>,
    pub(crate) messages: Vec<Message>,
    /// Keys of requests whose callers gave up.
    pub(crate) withdrawn: Vec<u64>,
}

/// A request that was handled.
pub(crate) struct Handled {
    pub(crate) from: String,
    pub(crate) body: Vec<u8>,
    /// When its caller gives up.
    pub(crate) deadline: Option<Instant>,
    /// How many callers had given up by then.
    pub(crate) withdrawn: usize,
}

impl<T: Transport, C: Clock> Handler<T, C> for Script {
    fn handle_request(&mut self, client: &mut Client<T, C>, request: Request<'_>, token: ReplyToken) {
        let Request { from, body, deadline } = request;
        let withdrawn = self.withdrawn.len();
        self.handled.push(Handled { from: String::from(&**from), body: body.to_vec(), deadline, withdrawn });
        match body.first() {
            Some(&DEFER) => self.deferred.push((body.to_vec(), token)),
            Some(&FAIL) => {
                client.fail(token, RemoteErrorKind::Failed, AS_ASKED);
            }
            Some(&LARGE) => {
                // One that the caller does not take is told by the core.
                let last = body.last().copied().unwrap_or(LARGE);
                let _ = client.respond_bytes(token, &vec![last; LARGE_ANSWER]);
            }
            _ => {
                let _ = client.respond_bytes(token, body);
            }
        }
    }

    fn handle_message(&mut self, _: &mut Client<T, C>, message: Message) {
        self.messages.push(message);
    }

    fn handle_withdrawn(&mut self, key: u64) {
        self.withdrawn.push(key);
    }
}

/// A service and its script.
pub(crate) struct Served<G: Ground> {
    pub(crate) service: Service<G::Transport, G::Clock>,
    pub(crate) script: Script,
}

impl<G: Ground> Served<G> {
    pub(crate) fn new(member: Member<G>) -> Self {
        Self { service: Service::new(member), script: Script::default() }
    }

    /// One turn that does not wait; whether anything happened.
    pub(crate) fn step(&mut self) -> bool {
        self.service.turn(Some(Instant::ZERO), &mut self.script)
    }

    /// Answers the oldest deferred request with its own body; whether anyone wanted that.
    pub(crate) fn answer_one(&mut self) -> bool {
        let (body, token) = self.script.deferred.remove(0);
        let wanted =
            self.service.client_mut().respond_bytes(token, &body).expect("it is as long as the request");
        self.service.client_mut().flush();
        wanted
    }

    /// The bodies of the requests that were handled.
    pub(crate) fn bodies(&self) -> Vec<&[u8]> {
        self.script.handled.iter().map(|handled| &handled.body[..]).collect()
    }

    /// Bytes that its links have not taken.
    pub(crate) fn backlog(&self) -> usize {
        let endpoint = self.service.client().endpoint();
        endpoint.links().map(|link| endpoint.backlog(link)).sum()
    }
}
