//! postcard-rpc over a Unix socket.
//!
//! As in its documentation: `endpoints!`, `define_dispatch!` with an `async` handler, and a `HostClient`. It brings
//! transports for USB, serial lines and tests, and traits for one's own, which `wire` implements for a Unix stream: a
//! length before each frame, not COBS, which is for serial lines and dearer. A server is for one connection; here
//! each has its own.

mod wire;

use std::future::pending;
use std::io;
use std::path::Path;

use futures::future::try_join_all;
use ipcm_benches::contender::{Client, Contender};
use postcard_rpc::header::{VarHeader, VarSeqKind};
use postcard_rpc::host_client::HostClient;
use postcard_rpc::server::{Dispatch, Server};
use postcard_rpc::standard_icd::{ERROR_PATH, WireError};
use postcard_rpc::{define_dispatch, endpoints, topics};
use postcard_schema::Schema;
use serde::{Deserialize, Serialize};
use tokio::net::{UnixListener, UnixStream};
use tokio::spawn;

use crate::asynchronous::{Blocking, Calls, UNANSWERED, check, serve};
use wire::{Sender, Spawner, halves};

/// Room for the largest frame that is measured.
const BUFFER: usize = (1 << 20) + 1024;
/// Requests that a client queues for sending, as the library's own test client has it.
const DEPTH: usize = 64;

/// See the module.
pub(crate) struct PostcardRpc;

#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct Envelope {
    number: u64,
    #[serde(with = "serde_bytes")]
    body: Vec<u8>,
}

endpoints! {
    list = ENDPOINTS;
    | EndpointTy | RequestTy | ResponseTy | Path   |
    | ---------- | --------- | ---------- | ----   |
    | Echo       | Envelope  | Envelope   | "echo" |
}

topics! {
    list = TOPICS_IN;
    direction = postcard_rpc::TopicDirection::ToServer;
    | TopicTy | MessageTy | Path |
    | ------- | --------- | ---- |
}

topics! {
    list = TOPICS_OUT;
    direction = postcard_rpc::TopicDirection::ToClient;
    | TopicTy | MessageTy | Path |
    | ------- | --------- | ---- |
}

pub struct Nothing;

// No handler here is of the kind that is spawned.
define_dispatch! {
    app: Dispatcher;
    spawn_fn: spawn;
    tx_impl: Sender;
    spawn_impl: Spawner;
    context: Nothing;

    endpoints: {
        list: ENDPOINTS;
        | EndpointTy | kind  | handler |
        | ---------- | ----  | ------- |
        | Echo       | async | echo    |
    };
    topics_in: {
        list: TOPICS_IN;
        | TopicTy | kind | handler |
        | ------- | ---- | ------- |
    };
    topics_out: {
        list: TOPICS_OUT;
    };
}

async fn echo(_: &mut Nothing, _: VarHeader, envelope: Envelope) -> Envelope {
    match envelope.number {
        UNANSWERED => pending().await,
        _ => envelope,
    }
}

impl Contender for PostcardRpc {
    fn name(&self) -> &'static str {
        "postcard-rpc"
    }

    fn serve(&self, dir: &Path, ready: &mut dyn FnMut()) -> io::Result<()> {
        serve(async {
            let listener = UnixListener::bind(dir.join("socket"))?;
            ready();
            loop {
                let (receiver, sender) = halves(listener.accept().await?.0);
                spawn(async {
                    let dispatcher = Dispatcher::new(Nothing, Spawner);
                    let kind = dispatcher.min_key_len();
                    Server::new(sender, receiver, vec![0; BUFFER], dispatcher, kind).run().await
                });
            }
        })
    }

    fn connect(&self, dir: &Path) -> io::Result<Box<dyn Client>> {
        Blocking::connect(async {
            let (receiver, sender) = halves(UnixStream::connect(dir.join("socket")).await?);
            Ok(HostClient::new_with_wire(sender, receiver, Spawner, VarSeqKind::Seq4, ERROR_PATH, DEPTH))
        })
    }
}

impl Calls for HostClient<WireError> {
    async fn call(&mut self, number: u64, body: &[u8]) -> io::Result<()> {
        one(self, number, body).await
    }

    async fn together(&mut self, first: u64, count: usize, body: &[u8]) -> io::Result<()> {
        let client = &*self;
        try_join_all((first..).take(count).map(|number| one(client, number, body))).await.map(drop)
    }
}

async fn one(client: &HostClient<WireError>, number: u64, body: &[u8]) -> io::Result<()> {
    let answer = client.send_resp::<Echo>(&Envelope { number, body: body.to_vec() }).await;
    let answer = answer.map_err(|error| io::Error::other(format!("{error:?}")))?;
    check((number, body.len()), (answer.number, answer.body.len()))
}
