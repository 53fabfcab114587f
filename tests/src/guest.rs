//! A guest: a peer that has no other way to a bus than a trunk, and does what it is asked.

use std::os::fd::OwnedFd;
use std::time::Duration;

use ipcm::{FdStream, Monotonic};
use ipcm_core::transport::{PeerState, Transport};
use ipcm_core::trunk::{Identity, MemberKind, TrunkConfig, TrunkEnd, TrunkTransport};
use ipcm_core::{
    Client, Clock, Config, Endpoint, Handler, Incarnation, Instant, Message, ReplyToken, Request, Service,
};
use serde::{Deserialize, Serialize};

/// What a guest can be asked. Answers are text, where nothing else is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// This number: `u64`.
    Number(u64),
    /// These bytes: `Vec<u8>`.
    Echo(Vec<u8>),
    /// Asks that peer for the number, and says what came of it.
    Ask(String, u64),
    /// Sends that peer the number as a message.
    Tell(String, u64),
    /// The numbers that were sent to it: `Vec<u64>`.
    Messages,
    /// The names of the others: `Vec<String>`.
    Peers,
    /// Who came (`true`) and went since it began to watch, or was asked last: `Vec<(String, bool)>`.
    Changes,
    /// No answer, ever.
    Hold,
    /// Its process id: `u64`.
    Pid,
    /// The process exits with this code.
    Exit(i32),
}

/// A client at the end of a trunk that runs on these descriptors.
pub fn join(
    stream: FdStream,
    name: &str,
    incarnation: Incarnation,
    config: TrunkConfig,
) -> Result<Client<TrunkTransport<FdStream, Monotonic>, Monotonic>, TrunkEnd> {
    let identity = Identity { name, incarnation, kind: MemberKind::Service };
    let deadline = Monotonic.now() + crate::AMPLE;
    let transport = TrunkTransport::join(stream, Monotonic, identity, config, Some(deadline))?;
    Ok(Client::new(Endpoint::new(name, incarnation, Config::default()), transport, Monotonic))
}

/// A stream of one descriptor.
pub fn stream(both: OwnedFd) -> FdStream {
    let other = both.try_clone().expect("there are descriptors left");
    FdStream::new(both, other).expect("it can be made nonblocking")
}

/// Serves until the bus is gone or `go_on` says no; it is asked every 10 ms at least.
pub fn serve<T: Transport, C: Clock>(mut client: Client<T, C>, mut go_on: impl FnMut() -> bool) {
    client.transport_mut().watch().expect("the bus can be watched");
    let mut service = Service::new(client);
    let mut guest = Guest::default();
    while !service.client().is_bus_gone() && go_on() {
        let soon = service.client().now() + Duration::from_millis(10);
        service.turn(Some(soon), &mut guest);
    }
}

/// Serves until the bus is gone.
pub fn serve_on<T: Transport, C: Clock>(mut client: Client<T, C>) {
    client.transport_mut().watch().expect("the bus can be watched");
    let mut service = Service::new(client);
    let mut guest = Guest::default();
    while !service.client().is_bus_gone() {
        service.turn(None, &mut guest);
    }
}

#[derive(Default)]
struct Guest {
    messages: Vec<u64>,
    held: Vec<ReplyToken>,
}

impl<T: Transport, C: Clock> Handler<T, C> for Guest {
    fn handle_request(&mut self, client: &mut Client<T, C>, request: Request<'_>, token: ReplyToken) {
        let deadline: Option<Instant> = request.deadline;
        let order: Order = request.decode().expect("only orders are sent to a guest");
        let answered = match order {
            Order::Number(number) => client.respond(token, &number),
            Order::Echo(bytes) => client.respond(token, &bytes),
            Order::Ask(peer, number) => {
                let left = deadline.map(|deadline| deadline - client.now());
                let outcome = client.sync_request::<u64>(&peer, &crate::Ask::Number(number), left);
                client.respond(token, &format!("{outcome:?}"))
            }
            Order::Tell(peer, number) => {
                let sent =
                    client.send_message(&peer, false, deadline, &mut |out, limit| out.encode(&number, limit));
                client.respond(token, &format!("{sent:?}"))
            }
            Order::Messages => client.respond(token, &self.messages),
            Order::Peers => {
                let peers = client.transport_mut().peers().expect("the bus is there");
                client.respond(token, &peers)
            }
            Order::Changes => {
                let changes = client.take_changes().into_iter();
                let told = changes.map(|change| (change.name.to_string(), change.state != PeerState::Gone));
                client.respond(token, &told.collect::<Vec<_>>())
            }
            Order::Hold => {
                self.held.push(token);
                Ok(true)
            }
            Order::Pid => client.respond(token, &u64::from(std::process::id())),
            Order::Exit(code) => std::process::exit(code),
        };
        answered.expect("answers are small");
    }

    fn handle_message(&mut self, _: &mut Client<T, C>, message: Message) {
        self.messages.push(message.decode().unwrap_or(u64::MAX));
    }
}
