//! What is measured: the two sides of a request/response pair.

use std::io;
use std::path::Path;

/// A way of messaging. Its server runs in a child process, its client in this one.
///
/// To add one, implement this and [`Client`] and append it to the lists in `bin/roundtrip.rs` and `goals.rs`, or, if it
/// is not of this project, to that in `peers/src/main.rs`.
pub trait Contender: Sync {
    /// The name in tables and in the hidden arguments of the child; unique in the list.
    fn name(&self) -> &'static str;

    /// The longest body in bytes that a round trip can carry; longer sizes are left out.
    fn largest(&self) -> usize {
        usize::MAX
    }

    /// The most clients that can be connected at once; larger crowds are left out.
    fn most_clients(&self) -> usize {
        usize::MAX
    }

    /// Whether a client comes to know that its server has ended, so that [`Client::await_end`] returns.
    fn notices_end(&self) -> bool {
        true
    }

    /// Runs the server: binds something inside `dir` (empty, private to this server and its client), calls
    /// `ready` once as soon as a client can connect, and answers every request with its own body.
    ///
    /// It may return when its client has gone, or never: the process is killed when it is no longer needed.
    ///
    /// # Errors
    /// What the transport reports; the measurement then fails.
    fn serve(&self, dir: &Path, ready: &mut dyn FnMut()) -> io::Result<()>;

    /// The same for `clients` clients, for those that must know how many there will be.
    ///
    /// # Errors
    /// As for [`Contender::serve`].
    fn serve_many(&self, dir: &Path, clients: usize, ready: &mut dyn FnMut()) -> io::Result<()> {
        let _ = clients;
        self.serve(dir, ready)
    }

    /// Connects to the server that was started with the same `dir` and is ready.
    ///
    /// # Errors
    /// What the transport reports; the measurement then fails.
    fn connect(&self, dir: &Path) -> io::Result<Box<dyn Client>>;
}

/// One connection of a contender.
pub trait Client {
    /// Sends a request of `len` bytes (at least 8) and waits for its answer of the same length.
    ///
    /// # Errors
    /// Any failure, including an answer to another request; the measurement then fails.
    fn round_trip(&mut self, len: usize) -> io::Result<()>;

    /// Sends `count` requests of `len` bytes before it awaits the first answer, and then awaits them all.
    ///
    /// # Errors
    /// As for [`Client::round_trip`], and `Unsupported` by those that are not made for it.
    fn together(&mut self, len: usize, count: usize) -> io::Result<()> {
        let _ = (len, count);
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Blocks until this connection knows that its server has ended. The server is killed meanwhile.
    ///
    /// # Errors
    /// Anything but the expected end, such as an answer that nobody asked for.
    fn await_end(&mut self) -> io::Result<()>;
}

/// Finds a contender by its name.
///
/// # Errors
/// `NotFound` if there is none of that name.
pub fn find(contenders: &[&'static dyn Contender], name: &str) -> io::Result<&'static dyn Contender> {
    let found = contenders.iter().find(|contender| contender.name() == name);
    found
        .copied()
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no contender named {name:?}")))
}
