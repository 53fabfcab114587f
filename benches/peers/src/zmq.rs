//! ZeroMQ: libzmq by its binding `zmq`, which builds the C++ library from source, over `ipc://`.
//!
//! As in the ZeroMQ guide's "asynchronous client/server pattern": a ROUTER socket answers, each client has a DEALER,
//! and a process has one context. All options are the default ones. A DEALER connects anew when its server is gone and
//! tells nobody: a client that waits for an answer waits for ever, which is why it `notices_end` not. Allocations of
//! the C++ library are not counted.

use std::io;
use std::path::Path;
use std::sync::OnceLock;

use ipcm_benches::contender::{Client, Contender};
use zmq::{Context, DEALER, Message, ROUTER, SNDMORE, Socket};

use crate::asynchronous::{UNANSWERED, check};
use crate::synchronous::{Halves, Numbering};

/// See the module.
pub(crate) struct ZeroMq;

impl Contender for ZeroMq {
    fn name(&self) -> &'static str {
        "ZeroMQ"
    }

    fn notices_end(&self) -> bool {
        false
    }

    fn serve(&self, dir: &Path, ready: &mut dyn FnMut()) -> io::Result<()> {
        let socket = socket(ROUTER)?;
        socket.bind(&address(dir))?;
        ready();
        loop {
            let (sender, body) = (socket.recv_msg(0)?, socket.recv_msg(0)?);
            socket.send(sender, SNDMORE)?;
            socket.send(body, 0)?;
        }
    }

    fn connect(&self, dir: &Path) -> io::Result<Box<dyn Client>> {
        let socket = socket(DEALER)?;
        socket.connect(&address(dir))?;
        Ok(Numbering::new(Dealer { socket }))
    }
}

struct Dealer {
    socket: Socket,
}

impl Halves for Dealer {
    fn send(&mut self, number: u64, len: usize) -> io::Result<()> {
        let mut message = Message::with_size(len);
        message[..8].copy_from_slice(&number.to_ne_bytes());
        Ok(self.socket.send(message, 0)?)
    }

    fn receive(&mut self, number: u64, len: usize) -> io::Result<()> {
        let answer = self.socket.recv_msg(0)?;
        let answered = answer.first_chunk().copied().map_or(UNANSWERED, u64::from_ne_bytes);
        check((number, len), (answered, answer.len()))
    }

    fn await_end(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

fn socket(kind: zmq::SocketType) -> io::Result<Socket> {
    static CONTEXT: OnceLock<Context> = OnceLock::new();
    Ok(CONTEXT.get_or_init(Context::new).socket(kind)?)
}

fn address(dir: &Path) -> String {
    format!("ipc://{}", dir.join("socket").display())
}
