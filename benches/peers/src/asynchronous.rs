//! Clients that are asynchronous, called from a benchmark that is not; and servers likewise.

use std::future::Future;
use std::io;

use ipcm_benches::contender::Client;
use tokio::runtime::{Builder, Runtime};

/// The number of a request that no server answers.
pub(crate) const UNANSWERED: u64 = u64::MAX;

/// The calls of an asynchronous client, each with the number and the body of a request; it checks its answer.
pub(crate) trait Calls {
    /// One request and its answer.
    async fn call(&mut self, number: u64, body: &[u8]) -> io::Result<()>;

    /// Requests numbered from `first` on, all sent before the first answer is awaited.
    async fn together(&mut self, first: u64, count: usize, body: &[u8]) -> io::Result<()>;
}

/// Such a client with a runtime of its own.
pub(crate) struct Blocking<C> {
    client: C,
    number: u64,
    body: Vec<u8>,
    runtime: Runtime, // after the client, which may need it in its end
}

impl<C: Calls> Blocking<C> {
    /// Connects.
    pub(crate) fn connect(connecting: impl Future<Output = io::Result<C>>) -> io::Result<Box<dyn Client>>
    where
        C: 'static,
    {
        let runtime = runtime()?;
        let client = runtime.block_on(connecting)?;
        Ok(Box::new(Self { client, number: 0, body: Vec::new(), runtime }))
    }

    /// Room for a body of `len` bytes, of which the request's number takes eight.
    fn prepare(&mut self, len: usize, count: usize) -> u64 {
        // Text, for those that carry nothing else.
        self.body.resize(len - 8, b'x');
        let first = self.number;
        self.number += count as u64;
        first
    }
}

impl<C: Calls> Client for Blocking<C> {
    fn round_trip(&mut self, len: usize) -> io::Result<()> {
        let number = self.prepare(len, 1);
        self.runtime.block_on(self.client.call(number, &self.body))
    }

    fn together(&mut self, len: usize, count: usize) -> io::Result<()> {
        let first = self.prepare(len, count);
        self.runtime.block_on(self.client.together(first, count, &self.body))
    }

    fn await_end(&mut self) -> io::Result<()> {
        match self.runtime.block_on(self.client.call(UNANSWERED, &[])) {
            Err(_) => Ok(()),
            Ok(()) => Err(io::Error::other("an answer that nobody was to give")),
        }
    }
}

/// Runs a server to its end.
pub(crate) fn serve(server: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    runtime()?.block_on(server)
}

/// Checks what identifies an answer.
pub(crate) fn check(asked: (u64, usize), answered: (u64, usize)) -> io::Result<()> {
    if asked == answered { Ok(()) } else { Err(io::Error::other("the answer to another request")) }
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}
