//! This project itself: a service and a handle on a bus, a typed call with a timeout.

use std::io;
use std::path::Path;
use std::time::Duration;

use ipcm::{Bus, Config, CoreHandle, Handle, Info, RequestId, SendError, Service};
use serde::{Deserialize, Serialize};

use crate::contender::{Client, Contender};

/// Long enough that no call of a measurement reaches it.
const TIMEOUT: Duration = Duration::from_secs(10);
const NAME: &str = "echo";

/// What is sent and sent back.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Envelope<'a> {
    number: u64,
    #[serde(with = "serde_bytes", borrow)]
    body: &'a [u8],
}

/// A service on a named bus that is called by `send_request` and `await_response` with a timeout.
#[derive(Clone, Copy, Debug)]
pub struct Ipcm;

impl Contender for Ipcm {
    fn name(&self) -> &'static str {
        "ipcm, typed call"
    }

    fn serve(&self, dir: &Path, ready: &mut dyn FnMut()) -> io::Result<()> {
        serve(dir, Config::default(), ready)
    }

    fn connect(&self, dir: &Path) -> io::Result<Box<dyn Client>> {
        Ok(Box::new(Caller::connect(dir, Config::default())?))
    }
}

/// Runs the service: it echoes, but for requests that [`Caller::leave_pending`] sent, which it keeps for ever.
pub(crate) fn serve(dir: &Path, config: Config, ready: &mut dyn FnMut()) -> io::Result<()> {
    let bus = Bus::builder().path(dir.join("bus")).guard(false).create().map_err(io::Error::other)?;
    let service = Service::new(bus.info(), NAME).config(config);
    let service = service.on_call(|call| match call.decode::<Envelope<'_>>() {
        Ok(Envelope { number, .. }) if number == u64::MAX => std::mem::forget(call.defer()),
        Ok(envelope) => call.reply(&envelope),
        Err(error) => call.fail_with(&error),
    });
    service.run_with(|_| ready()).map_err(io::Error::other)
}

/// A handle that calls the service.
pub(crate) struct Caller {
    handle: Handle,
    number: u64,
    body: Vec<u8>,
    /// Requests that are outstanding, and their numbers.
    sent: Vec<(RequestId, u64)>,
}

impl Caller {
    /// Joins the bus in `dir`, whose service is ready.
    pub(crate) fn connect(dir: &Path, config: Config) -> io::Result<Self> {
        let info = Info::unix(dir.join("bus")).map_err(io::Error::other)?;
        let mut handle = Handle::builder(&info, NAME).config(config).build();
        handle.wait_ready(TIMEOUT).map_err(io::Error::other)?;
        Ok(Self { handle, number: 0, body: Vec::new(), sent: Vec::new() })
    }

    /// Sends a request of `len` bytes and returns its id and its number.
    fn send(&mut self, len: usize) -> io::Result<(RequestId, u64)> {
        self.number += 1;
        // The envelope's own fields are part of the length.
        self.body.resize(len.saturating_sub(8), 1);
        let envelope = Envelope { number: self.number, body: &self.body };
        let id = self.handle.send_request(NAME, &envelope, TIMEOUT).map_err(io::Error::other)?;
        Ok((id, self.number))
    }

    /// Sends `count` requests of `len` bytes in as few packets as they fit in.
    fn send_together(&mut self, len: usize, count: usize) -> io::Result<()> {
        self.body.resize(len.saturating_sub(8), 1);
        let (first, body, sent) = (self.number + 1, &self.body, &mut self.sent);
        self.number += count as u64;
        let send = |handle: &mut CoreHandle| {
            for number in first..first + count as u64 {
                sent.push((handle.send_request(NAME, &Envelope { number, body }, TIMEOUT)?, number));
            }
            Ok(())
        };
        let outcome: Result<(), SendError> = self.handle.batch(send).and_then(|outcome| outcome);
        outcome.map_err(io::Error::other)
    }

    /// Awaits the answer to a request of the present length.
    fn receive(&mut self, id: RequestId, number: u64) -> io::Result<()> {
        let response = self.handle.await_response(id, None).map_err(io::Error::other)?;
        let answer: Envelope<'_> = response.decode().map_err(io::Error::other)?;
        if answer.number != number || answer.body.len() != self.body.len() {
            return Err(io::Error::other("another request was answered"));
        }
        Ok(())
    }

    /// Sends a request that is never answered and has no timeout.
    pub(crate) fn leave_pending(&mut self) -> io::Result<RequestId> {
        let envelope = Envelope { number: u64::MAX, body: &[] };
        self.handle.send_request(NAME, &envelope, None).map_err(io::Error::other)
    }
}

impl Client for Caller {
    fn round_trip(&mut self, len: usize) -> io::Result<()> {
        let (id, number) = self.send(len)?;
        self.receive(id, number)
    }

    fn together(&mut self, len: usize, count: usize) -> io::Result<()> {
        self.send_together(len, count)?;
        let mut sent = std::mem::take(&mut self.sent);
        let answered = sent.drain(..).try_for_each(|(id, number)| self.receive(id, number));
        self.sent = sent; // for its room
        answered
    }

    fn await_end(&mut self) -> io::Result<()> {
        let id = self.leave_pending()?;
        match self.handle.await_response(id, None) {
            Err(ipcm::RequestError::PeerGone { .. }) => Ok(()),
            other => Err(io::Error::other(format!("the call ended otherwise: {other:?}"))),
        }
    }
}
