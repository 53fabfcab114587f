//! Clients whose sending and receiving block, each by itself.

use std::io;

use ipcm_benches::contender::Client;

/// The two halves of a call. The request carries its number, and the answer is checked for it and for its length.
pub(crate) trait Halves {
    /// Sends a request of `len` bytes.
    fn send(&mut self, number: u64, len: usize) -> io::Result<()>;

    /// Waits for its answer.
    fn receive(&mut self, number: u64, len: usize) -> io::Result<()>;

    /// As [`Client::await_end`].
    fn await_end(&mut self) -> io::Result<()>;
}

/// A client of such halves, which numbers its requests.
pub(crate) struct Numbering<H> {
    halves: H,
    next: u64,
}

impl<H: Halves + 'static> Numbering<H> {
    /// Begins with zero.
    pub(crate) fn new(halves: H) -> Box<dyn Client> {
        Box::new(Self { halves, next: 0 })
    }
}

impl<H: Halves> Client for Numbering<H> {
    fn round_trip(&mut self, len: usize) -> io::Result<()> {
        self.together(len, 1)
    }

    fn together(&mut self, len: usize, count: usize) -> io::Result<()> {
        let numbers = self.next..self.next + count as u64;
        self.next = numbers.end;
        numbers.clone().try_for_each(|number| self.halves.send(number, len))?;
        numbers.clone().try_for_each(|number| self.halves.receive(number, len))
    }

    fn await_end(&mut self) -> io::Result<()> {
        self.halves.await_end()
    }
}
