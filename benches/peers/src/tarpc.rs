//! tarpc over a Unix socket.
//!
//! As in its README and `examples/`: a service trait, `BaseChannel::with_defaults`, every request in a task of its
//! own, and `serde_transport::unix`. The codec is bincode, which its documentation uses most and which is its fastest.

use std::future::pending;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use futures::prelude::*;
use ipcm_benches::contender::{Client, Contender};
use serde::{Deserialize, Serialize};
use tarpc::client;
use tarpc::context::{self, Context};
use tarpc::serde_transport::unix;
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::Bincode;

use crate::asynchronous::{Blocking, Calls, UNANSWERED, check, serve};

/// See the module.
pub(crate) struct Tarpc;

#[derive(Debug, Serialize, Deserialize)]
struct Envelope {
    number: u64,
    #[serde(with = "serde_bytes")]
    body: Vec<u8>,
}

#[tarpc::service]
trait Echo {
    async fn echo(envelope: Envelope) -> Envelope;
}

#[derive(Clone)]
struct Server;

impl Echo for Server {
    async fn echo(self, _: Context, envelope: Envelope) -> Envelope {
        match envelope.number {
            UNANSWERED => pending().await,
            _ => envelope,
        }
    }
}

impl Contender for Tarpc {
    fn name(&self) -> &'static str {
        "tarpc"
    }

    fn serve(&self, dir: &Path, ready: &mut dyn FnMut()) -> io::Result<()> {
        serve(async {
            let incoming = unix::listen(dir.join("socket"), Bincode::default).await?;
            ready();
            let each = |transport| {
                let requests = BaseChannel::with_defaults(transport).execute(Server.serve());
                tokio::spawn(requests.for_each(|request| async { drop(tokio::spawn(request)) }));
            };
            incoming.try_for_each(|transport| future::ready(Ok(each(transport)))).await
        })
    }

    fn connect(&self, dir: &Path) -> io::Result<Box<dyn Client>> {
        Blocking::connect(async {
            let transport = unix::connect(dir.join("socket"), Bincode::default).await?;
            Ok(EchoClient::new(client::Config::default(), transport).spawn())
        })
    }
}

impl Calls for EchoClient {
    async fn call(&mut self, number: u64, body: &[u8]) -> io::Result<()> {
        let mut context = context::current();
        if number == UNANSWERED {
            context.deadline = Instant::now() + Duration::from_secs(3600);
        }
        one(self, context, number, body).await
    }

    async fn together(&mut self, first: u64, count: usize, body: &[u8]) -> io::Result<()> {
        let client = &*self;
        let calls = (first..).take(count).map(|number| one(client, context::current(), number, body));
        try_join_all(calls).await.map(drop)
    }
}

async fn one(client: &EchoClient, context: Context, number: u64, body: &[u8]) -> io::Result<()> {
    let answer = client.echo(context, Envelope { number, body: body.to_vec() }).await;
    let answer = answer.map_err(io::Error::other)?;
    check((number, body.len()), (answer.number, answer.body.len()))
}
