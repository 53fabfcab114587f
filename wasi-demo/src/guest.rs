//! Does what it is told, on whatever transport.

use std::collections::VecDeque;
use std::time::Duration;

use ipcm_core::transport::{PeerState, Transport};
use ipcm_core::{Client, Clock, Handler, Message, RemoteErrorKind, ReplyToken, Request, Service};
use serde::Serialize;

use crate::Order;

/// Messages that are kept until somebody asks for them; of more, the oldest go.
const KEPT: usize = 1024;
/// Requests that are left without an answer; one more is refused.
const HELD: usize = 16;

/// Serves until the bus is gone.
///
/// # Panics
///
/// When it is told to.
pub fn serve<T: Transport, C: Clock>(mut client: Client<T, C>, name: &str) {
    // A transport that cannot watch has no changes to tell of.
    let _ = client.transport_mut().watch();
    let mut service = Service::new(client);
    let mut guest = Guest { name, messages: VecDeque::new(), held: Vec::new() };
    while !service.client().is_bus_gone() {
        service.turn(None, &mut guest);
    }
}

struct Guest<'n> {
    name: &'n str,
    messages: VecDeque<u64>,
    held: Vec<ReplyToken>,
}

impl<T: Transport, C: Clock> Handler<T, C> for Guest<'_> {
    fn handle_request(&mut self, client: &mut Client<T, C>, request: Request<'_>, token: ReplyToken) {
        let left = request.deadline.map(|deadline| deadline - client.now());
        let Ok(order) = request.decode() else {
            // What a person types is no order.
            let Ok(text) = str::from_utf8(request.body) else {
                client.fail(token, RemoteErrorKind::BadRequest, "a guest takes orders, or text");
                return;
            };
            let _ = client.respond_bytes(token, format!("{}: {text}", self.name).as_bytes());
            return;
        };
        // Of an answer that is too large to be one, the caller is told.
        let _ = match order {
            Order::Echo(bytes) => client.respond(token, &bytes),
            Order::Say(text) => client.respond(token, &format!("{}: {text}", self.name)),
            Order::Ask(peer, text) => return ask(client, token, &peer, &text, left),
            Order::HaveSay(peer, text) => return ask(client, token, &peer, &Order::Say(text), left),
            Order::Tell(peer, number) => {
                let deadline = request.deadline;
                let told =
                    client.send_message(&peer, false, deadline, &mut |out, limit| out.encode(&number, limit));
                match told {
                    Ok(()) => client.respond(token, &()),
                    Err(error) => return fail(client, token, &error.to_string()),
                }
            }
            Order::Messages => client.respond(token, &std::mem::take(&mut self.messages)),
            Order::Peers => match client.transport_mut().peers() {
                Ok(peers) => client.respond(token, &peers),
                Err(_) => return fail(client, token, "the bus does not say who is there"),
            },
            Order::Changes => {
                let changes = client.take_changes().into_iter();
                let told = changes.map(|change| (change.name.to_string(), change.state != PeerState::Gone));
                client.respond(token, &told.collect::<Vec<_>>())
            }
            Order::Capabilities => {
                let can = client.transport().capabilities();
                client.respond(token, &(can.prompt_death, can.suspend))
            }
            Order::Hold if self.held.len() < HELD => return self.held.push(token),
            Order::Hold => return fail(client, token, "enough requests are held"),
            Order::Exit(code) => std::process::exit(code.into()),
            Order::Trap => panic!("it was told to trap"),
        };
    }

    fn handle_message(&mut self, _: &mut Client<T, C>, message: Message) {
        if let Ok(number) = message.decode() {
            if self.messages.len() == KEPT {
                self.messages.pop_front();
            }
            self.messages.push_back(number);
        }
    }
}

/// Asks a peer, and answers with its answer or with why there is none.
fn ask<T: Transport, C: Clock>(
    client: &mut Client<T, C>,
    token: ReplyToken,
    peer: &str,
    question: &impl Serialize,
    left: Option<Duration>,
) {
    match client.sync_request::<String>(peer, question, left) {
        // The answer of a peer was small enough to be one.
        Ok(answer) => drop(client.respond(token, &answer)),
        Err(error) => fail(client, token, &error.to_string()),
    }
}

fn fail<T: Transport, C: Clock>(client: &mut Client<T, C>, token: ReplyToken, why: &str) {
    client.fail(token, RemoteErrorKind::Failed, why);
}
