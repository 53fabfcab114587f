//! zlink, that is Varlink: JSON over a Unix socket.
//!
//! As in its README: `#[service]`, `Server::run`, `#[proxy]` and `zlink::tokio::unix`; many at once by the chain that
//! the proxy has for it. Varlink has no type for bytes: the body is text that needs no escapes, which is the cheapest.

use std::future::pending;
use std::io;
use std::path::Path;
use std::str::from_utf8;

use futures::{TryStreamExt, pin_mut};
use ipcm_benches::contender::{Client, Contender};
use serde::{Deserialize, Serialize};
use zlink::tokio::unix;
use zlink::{ReplyError, introspect, proxy, service};

use crate::asynchronous::{Blocking, Calls, UNANSWERED, check, serve};

/// See the module.
pub(crate) struct Zlink;

#[derive(Debug, Serialize, Deserialize, introspect::Type)]
struct Envelope {
    number: u64,
    body: String,
}

#[derive(Debug, ReplyError, introspect::ReplyError)]
#[zlink(interface = "org.example.Echo")]
enum EchoError {}

struct Server;

#[service(interface = "org.example.Echo")]
impl Server {
    async fn echo(&self, number: u64, body: String) -> Envelope {
        match number {
            UNANSWERED => pending().await,
            _ => Envelope { number, body },
        }
    }
}

#[proxy("org.example.Echo")]
trait EchoProxy {
    async fn echo(&mut self, number: u64, body: &str) -> zlink::Result<Result<Envelope, EchoError>>;
}

impl Contender for Zlink {
    fn name(&self) -> &'static str {
        "zlink"
    }

    fn serve(&self, dir: &Path, ready: &mut dyn FnMut()) -> io::Result<()> {
        serve(async {
            let listener = unix::bind(dir.join("socket")).map_err(io::Error::other)?;
            ready();
            zlink::Server::new(listener, Server).run().await.map_err(io::Error::other)
        })
    }

    fn connect(&self, dir: &Path) -> io::Result<Box<dyn Client>> {
        Blocking::connect(async { unix::connect(dir.join("socket")).await.map_err(io::Error::other) })
    }
}

impl Calls for unix::Connection {
    async fn call(&mut self, number: u64, body: &[u8]) -> io::Result<()> {
        let body = from_utf8(body).map_err(io::Error::other)?;
        let answer = self.echo(number, body).await.map_err(io::Error::other)?;
        let answer = answer.map_err(|error| io::Error::other(format!("{error:?}")))?;
        check((number, body.len()), (answer.number, answer.body.len()))
    }

    async fn together(&mut self, first: u64, count: usize, body: &[u8]) -> io::Result<()> {
        let body = from_utf8(body).map_err(io::Error::other)?;
        let mut chain = self.chain_echo(first, body).map_err(io::Error::other)?;
        for number in (first + 1..).take(count - 1) {
            chain = chain.echo(number, body).map_err(io::Error::other)?;
        }
        let replies = chain.send::<Envelope, EchoError>().await.map_err(io::Error::other)?;
        pin_mut!(replies);
        let mut number = first;
        while let Some((reply, _)) = replies.try_next().await.map_err(io::Error::other)? {
            let reply = reply.map_err(|error| io::Error::other(format!("{error:?}")))?;
            let answer = reply.into_parameters().ok_or_else(|| io::Error::other("an empty answer"))?;
            check((number, body.len()), (answer.number, answer.body.len()))?;
            number += 1;
        }
        check((first + count as u64, 0), (number, 0))
    }
}
