//! ipc-channel: typed channels between two processes.
//!
//! As in its README: a one-shot server, by which the client hands over the far ends of two channels, one for requests
//! and one for answers. Both sides block in `recv`. A one-shot server takes a single client; its README says that
//! this is "not suitable for implementing a system service", so there is no crowd of them.
//!
//! Twice: with typed channels, and with its channels of bytes, which serialize nothing and are much faster with large
//! bodies.

use std::fs;
use std::io;
use std::path::Path;

use ipc_channel::ipc::{
    IpcBytesReceiver, IpcBytesSender, IpcOneShotServer, IpcReceiver, IpcSender, bytes_channel, channel,
};
use ipcm_benches::contender::{Client, Contender};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::asynchronous::{UNANSWERED, check};
use crate::synchronous::{Halves, Numbering};

/// Typed.
pub(crate) struct IpcChannel;
/// Bytes.
pub(crate) struct IpcBytes;

#[derive(Debug, Serialize, Deserialize)]
struct Envelope {
    number: u64,
    #[serde(with = "serde_bytes")]
    body: Vec<u8>,
}

/// What a server receives requests from and sends answers to.
type Ends = (IpcReceiver<Envelope>, IpcSender<Envelope>);
type BytesEnds = (IpcBytesReceiver, IpcBytesSender);

impl Contender for IpcChannel {
    fn name(&self) -> &'static str {
        "ipc-channel"
    }

    fn most_clients(&self) -> usize {
        1
    }

    fn serve(&self, dir: &Path, ready: &mut dyn FnMut()) -> io::Result<()> {
        let (requests, answers): Ends = accept(dir, ready)?;
        loop {
            let envelope = requests.recv().map_err(io::Error::other)?;
            if envelope.number != UNANSWERED {
                answers.send(envelope).map_err(io::Error::other)?;
            }
        }
    }

    fn connect(&self, dir: &Path) -> io::Result<Box<dyn Client>> {
        let (requests, far_requests) = channel()?;
        let (far_answers, answers) = channel()?;
        hand_over::<Ends>(dir, (far_requests, far_answers))?;
        Ok(Numbering::new(Typed { requests, answers, body: Vec::new() }))
    }
}

impl Contender for IpcBytes {
    fn name(&self) -> &'static str {
        "ipc-channel, bytes"
    }

    fn most_clients(&self) -> usize {
        1
    }

    fn serve(&self, dir: &Path, ready: &mut dyn FnMut()) -> io::Result<()> {
        let (requests, answers): BytesEnds = accept(dir, ready)?;
        loop {
            let body = requests.recv().map_err(io::Error::other)?;
            if !body.is_empty() {
                answers.send(&body)?;
            }
        }
    }

    fn connect(&self, dir: &Path) -> io::Result<Box<dyn Client>> {
        let (requests, far_requests) = bytes_channel()?;
        let (far_answers, answers) = bytes_channel()?;
        hand_over::<BytesEnds>(dir, (far_requests, far_answers))?;
        Ok(Numbering::new(Bytes { requests, answers, body: Vec::new() }))
    }
}

/// Waits for the only client.
fn accept<T: Serialize + DeserializeOwned>(dir: &Path, ready: &mut dyn FnMut()) -> io::Result<T> {
    let (server, name) = IpcOneShotServer::<T>::new()?;
    fs::write(dir.join("name"), name)?;
    ready();
    Ok(server.accept().map_err(io::Error::other)?.1)
}

/// Gives the server its ends.
fn hand_over<T: Serialize>(dir: &Path, ends: T) -> io::Result<()> {
    let server = IpcSender::connect(fs::read_to_string(dir.join("name"))?)?;
    server.send(ends).map_err(io::Error::other)
}

struct Typed {
    requests: IpcSender<Envelope>,
    answers: IpcReceiver<Envelope>,
    /// That of the last answer, for the next request.
    body: Vec<u8>,
}

impl Halves for Typed {
    fn send(&mut self, number: u64, len: usize) -> io::Result<()> {
        let mut body = std::mem::take(&mut self.body);
        body.resize(len - 8, 1);
        self.requests.send(Envelope { number, body }).map_err(io::Error::other)
    }

    fn receive(&mut self, number: u64, len: usize) -> io::Result<()> {
        let answer = self.answers.recv().map_err(io::Error::other)?;
        self.body = answer.body;
        check((number, len - 8), (answer.number, self.body.len()))
    }

    fn await_end(&mut self) -> io::Result<()> {
        self.requests.send(Envelope { number: UNANSWERED, body: Vec::new() }).map_err(io::Error::other)?;
        ended(&self.answers.recv())
    }
}

struct Bytes {
    requests: IpcBytesSender,
    answers: IpcBytesReceiver,
    body: Vec<u8>,
}

impl Halves for Bytes {
    fn send(&mut self, number: u64, len: usize) -> io::Result<()> {
        self.body.resize(len, 1);
        self.body[..8].copy_from_slice(&number.to_ne_bytes());
        self.requests.send(&self.body)
    }

    fn receive(&mut self, number: u64, len: usize) -> io::Result<()> {
        let answer = self.answers.recv().map_err(io::Error::other)?;
        let answered = answer.first_chunk().copied().map_or(UNANSWERED, u64::from_ne_bytes);
        check((number, len), (answered, answer.len()))
    }

    fn await_end(&mut self) -> io::Result<()> {
        self.requests.send(&[])?;
        ended(&self.answers.recv())
    }
}

/// What is received once the server has ended.
fn ended<T, E>(received: &Result<T, E>) -> io::Result<()> {
    if received.is_err() { Ok(()) } else { Err(io::Error::other("an answer that nobody was to give")) }
}
