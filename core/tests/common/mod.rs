//! What the tests of the core share: members in memory, an echo service, and a peer that writes its own frames.
// Every test file uses a part of it.
#![allow(dead_code)]

/// A board has an allocator of its own.
#[cfg(test)]
pub(crate) mod counting;
pub(crate) mod raw;
pub(crate) mod wire;

extern crate alloc;

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::time::Duration;

use ipcm_core::memory::{Clock, Memory, Network};
use ipcm_core::{
    Client, Clock as _, Config, Handle, Handler, Instant, Message, RemoteErrorKind, ReplyToken, Request,
    Service,
};

pub(crate) type Asker = Handle<Memory, Clock>;
pub(crate) type Member = Client<Memory, Clock>;
pub(crate) type Server = Service<Memory, Clock>;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MS: Duration = Duration::from_millis(1);

/// A service that does as the first byte of a request says, and remembers what came.
#[derive(Default)]
pub(crate) struct Script {
    /// Requests that wait for an answer.
    pub(crate) deferred: Vec<(Vec<u8>, ReplyToken)>,
    /// The bodies of all requests that were handled.
    pub(crate) handled: Vec<Vec<u8>>,
    pub(crate) messages: Vec<Message>,
}

/// Answered later.
pub(crate) const DEFER: u8 = b'd';
/// Answered with a failure.
pub(crate) const FAIL: u8 = b'f';

impl Handler<Memory, Clock> for Script {
    fn handle_request(&mut self, client: &mut Member, request: Request<'_>, token: ReplyToken) {
        self.handled.push(request.body.to_vec());
        match request.body.first() {
            Some(&DEFER) => self.deferred.push((request.body.to_vec(), token)),
            Some(&FAIL) => {
                client.fail(token, RemoteErrorKind::Failed, "as asked");
            }
            _ => {
                client.respond_bytes(token, request.body).unwrap();
            }
        }
    }

    fn handle_message(&mut self, _: &mut Member, message: Message) {
        self.messages.push(message);
    }
}

/// A service and its script, driven by hand or while others wait.
pub(crate) struct Scripted {
    pub(crate) service: Server,
    pub(crate) script: Script,
}

impl Scripted {
    pub(crate) fn new(network: &Network, name: &str, config: Config) -> Self {
        Self { service: Service::new(network.client(name, config)), script: Script::default() }
    }

    /// Takes turns until nothing happens, without waiting.
    pub(crate) fn settle(&mut self) {
        while self.service.turn(Some(Instant::ZERO), &mut self.script) {}
    }
}

pub(crate) type Shared = Rc<RefCell<Scripted>>;

/// A scripted service that takes its turns while another member waits.
pub(crate) fn serve(network: &Network, name: &str, config: Config) -> Shared {
    let shared = Rc::new(RefCell::new(Scripted::new(network, name, config)));
    let served = shared.clone();
    network.set_idle(move || {
        if let Ok(mut served) = served.try_borrow_mut() {
            served.settle();
        }
    });
    shared
}

pub(crate) fn asker(network: &Network, name: &str, service: &str) -> Asker {
    Handle::new(network.client(name, Config::default()), service)
}

pub(crate) fn now(network: &Network) -> Instant {
    network.clock().now()
}

/// A handle and the service "echo", which takes its turns while the handle waits.
pub(crate) fn pair() -> (Network, Asker, Shared) {
    let network = Network::new();
    let service = serve(&network, "echo", Config::default());
    let handle = asker(&network, "asker", "echo");
    (network, handle, service)
}
