//! Cap'n Proto's RPC: capnp-rpc over a Unix socket.
//!
//! As in its example `hello-world`: a `twoparty::VatNetwork` over buffered halves of the socket, an `RpcSystem` in a
//! task of a tokio `LocalSet` for each connection. `echo_capnp.rs` is what capnpc makes of `echo.capnp`; it is kept
//! here, so that the `capnp` compiler is not needed. The body is copied from the request into the answer, and read in
//! place by the client.

use std::future::pending;
use std::io;
use std::path::Path;
use std::rc::Rc;

use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::twoparty::VatNetwork;
use capnp_rpc::{RpcSystem, new_client};
use futures::AsyncReadExt;
use futures::future::try_join_all;
use futures::io::{BufReader, BufWriter};
use ipcm_benches::contender::{Client, Contender};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{LocalSet, spawn_local};
use tokio_util::compat::TokioAsyncReadCompatExt;

use crate::asynchronous::{Blocking, Calls, UNANSWERED, check, serve};
use crate::echo_capnp::echo;

/// See the module.
pub(crate) struct Capnp;

struct Server;

impl echo::Server for Server {
    async fn echo(
        self: Rc<Self>,
        params: echo::EchoParams,
        mut results: echo::EchoResults,
    ) -> Result<(), capnp::Error> {
        let params = params.get()?;
        if params.get_number() == UNANSWERED {
            pending::<()>().await;
        }
        let mut results = results.get();
        results.set_number(params.get_number());
        results.set_body(params.get_body()?);
        Ok(())
    }
}

impl Contender for Capnp {
    fn name(&self) -> &'static str {
        "capnp-rpc"
    }

    fn serve(&self, dir: &Path, ready: &mut dyn FnMut()) -> io::Result<()> {
        serve(LocalSet::new().run_until(async {
            let listener = UnixListener::bind(dir.join("socket"))?;
            ready();
            let server: echo::Client = new_client(Server);
            loop {
                let network = network(listener.accept().await?.0, Side::Server);
                spawn_local(RpcSystem::new(network, Some(server.clone().client)));
            }
        }))
    }

    fn connect(&self, dir: &Path) -> io::Result<Box<dyn Client>> {
        let set = LocalSet::new();
        Blocking::connect(async {
            let stream = UnixStream::connect(dir.join("socket")).await?;
            let mut system = RpcSystem::new(network(stream, Side::Client), None);
            let echo: echo::Client = system.bootstrap(Side::Server);
            set.spawn_local(system);
            Ok(EchoClient { echo, set })
        })
    }
}

fn network(stream: UnixStream, side: Side) -> Box<VatNetwork<BufReader<impl futures::AsyncRead + Unpin>>> {
    let (reader, writer) = stream.compat().split();
    Box::new(VatNetwork::new(BufReader::new(reader), BufWriter::new(writer), side, Default::default()))
}

struct EchoClient {
    echo: echo::Client,
    set: LocalSet,
}

impl Calls for EchoClient {
    async fn call(&mut self, number: u64, body: &[u8]) -> io::Result<()> {
        self.set.run_until(one(&self.echo, number, body)).await
    }

    async fn together(&mut self, first: u64, count: usize, body: &[u8]) -> io::Result<()> {
        let calls = (first..).take(count).map(|number| one(&self.echo, number, body));
        self.set.run_until(try_join_all(calls)).await.map(drop)
    }
}

async fn one(echo: &echo::Client, number: u64, body: &[u8]) -> io::Result<()> {
    let mut request = echo.echo_request();
    request.get().set_number(number);
    request.get().set_body(body);
    let answer = request.send().promise.await.map_err(io::Error::other)?;
    let answer = answer.get().map_err(io::Error::other)?;
    let echoed = answer.get_body().map_err(io::Error::other)?;
    check((number, body.len()), (answer.get_number(), echoed.len()))
}
