//! zbus, that is D-Bus, from peer to peer: without a bus daemon in between.
//!
//! As in its book and README: an `#[interface]` served by `connection::Builder::unix_stream(..).server(..).p2p()`, a
//! `#[proxy]` on the other side, and its feature `tokio`, so that it starts no thread of its own. Bytes travel as `ay`
//! by its feature `serde_bytes`. Properties are not cached, as there are none.

use std::future::pending;
use std::io;
use std::path::Path;

use futures::future::try_join_all;
use ipcm_benches::contender::{Client, Contender};
use serde_bytes::{ByteBuf, Bytes};
use tokio::net::{UnixListener, UnixStream};
use zbus::connection::Builder;
use zbus::{Guid, interface, proxy};

use crate::asynchronous::{Blocking, Calls, UNANSWERED, check, serve};

/// See the module.
pub(crate) struct Zbus;

struct Server;

#[interface(name = "org.example.Echo1")]
impl Server {
    async fn echo(&self, number: u64, body: ByteBuf) -> (u64, ByteBuf) {
        match number {
            UNANSWERED => pending().await,
            _ => (number, body),
        }
    }
}

#[proxy(
    interface = "org.example.Echo1",
    default_path = "/org/example/Echo",
    default_service = "org.example.Echo"
)]
trait Echo {
    async fn echo(&self, number: u64, body: &Bytes) -> zbus::Result<(u64, ByteBuf)>;
}

impl Contender for Zbus {
    fn name(&self) -> &'static str {
        "zbus"
    }

    fn serve(&self, dir: &Path, ready: &mut dyn FnMut()) -> io::Result<()> {
        serve(async {
            let listener = UnixListener::bind(dir.join("socket"))?;
            ready();
            loop {
                let stream = listener.accept().await?.0.into_std()?;
                tokio::spawn(async {
                    let builder = Builder::unix_stream(stream).server(Guid::generate()).p2p();
                    let connection = builder.serve_at("/org/example/Echo", Server).build().await;
                    connection.expect("a peer that speaks D-Bus").closed().await;
                });
            }
        })
    }

    fn connect(&self, dir: &Path) -> io::Result<Box<dyn Client>> {
        Blocking::connect(async {
            let stream = UnixStream::connect(dir.join("socket")).await?.into_std()?;
            let connection = Builder::unix_stream(stream).p2p().build().await.map_err(io::Error::other)?;
            EchoProxy::new(&connection).await.map_err(io::Error::other)
        })
    }
}

impl Calls for EchoProxy<'static> {
    async fn call(&mut self, number: u64, body: &[u8]) -> io::Result<()> {
        one(self, number, body).await
    }

    async fn together(&mut self, first: u64, count: usize, body: &[u8]) -> io::Result<()> {
        let proxy = &*self;
        try_join_all((first..).take(count).map(|number| one(proxy, number, body))).await.map(drop)
    }
}

async fn one(proxy: &EchoProxy<'_>, number: u64, body: &[u8]) -> io::Result<()> {
    let (answered, echoed) = proxy.echo(number, Bytes::new(body)).await.map_err(io::Error::other)?;
    check((number, body.len()), (answered, echoed.len()))
}
