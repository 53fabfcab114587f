//! A member and its serial port in a loop that does other things too: nothing here waits.

use embedded_io::{Read, ReadReady, Write, WriteReady};

use super::endpoint::Endpoint;
use super::event::Event;
use super::member::Member;
use crate::time::{Clock, Instant};

/// Bytes that are read at once.
const CHUNK: usize = 64;

/// A member and its serial port in a loop that does other things too.
///
/// [`poll`](Self::poll) moves the bytes that can be moved at once and returns the next event. What has come of a frame
/// lies in the member: it does not matter when the next call is made, as long as the port loses nothing meanwhile.
///
/// ```no_run
/// # use ipcm_core::fixed::{End, Event, Superloop};
/// # use ipcm_core::{body, Clock};
/// # fn serve<U, C: Clock>(mut line: Superloop<'_, U, C>) -> Result<(), U::Error>
/// # where U: embedded_io::Read + embedded_io::ReadReady + embedded_io::Write + embedded_io::WriteReady {
/// loop {
///     let now = line.now();
///     while let Some((event, endpoint)) = line.poll()? {
///         if let Event::Request { token, body: asked, .. } = event {
///             let doubled = body::decode::<u32>(asked).unwrap_or(0).wrapping_mul(2);
///             // There is room for the answer; nobody may want it any more.
///             let _ = endpoint.respond(now, token, &mut |out| body::encode(&doubled, out));
///         }
///     }
///     // Other work, or sleep until `line.poll_timeout()` or an interrupt of the port.
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Superloop<'s, U, C> {
    member: Member<'s>,
    port: U,
    clock: C,
    /// What was read and not taken in, from `at` to `end`.
    chunk: [u8; CHUNK],
    at: usize,
    end: usize,
}

impl<'s, U: Read + ReadReady + Write + WriteReady, C: Clock> Superloop<'s, U, C> {
    /// A member that talks through this port.
    pub const fn new(member: Member<'s>, port: U, clock: C) -> Self {
        Self { member, port, clock, chunk: [0; CHUNK], at: 0, end: 0 }
    }

    /// The member: to open links, and to ask.
    pub fn member(&mut self) -> &mut Member<'s> {
        &mut self.member
    }

    /// The present moment.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// When [`poll`](Self::poll) must be called though nothing comes; `None` is never.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.member.poll_timeout()
    }

    /// Moves what can be moved at once, and takes the next event. To be called until `None`.
    ///
    /// # Errors
    ///
    /// The port's. The member is unharmed, and another call tries again.
    pub fn poll(&mut self) -> Result<Option<(Event<'_>, &mut Endpoint<'s>)>, U::Error> {
        let now = self.clock.now();
        if self.at == self.end && self.port.read_ready()? {
            (self.at, self.end) = (0, 0);
            self.end = self.port.read(&mut self.chunk)?;
        }
        self.at += self.member.handle_input(now, &self.chunk[self.at..self.end]);
        while let output = self.member.pending_output(now)
            && !output.is_empty()
            && self.port.write_ready()?
        {
            let written = self.port.write(output)?;
            self.member.consume_output(written);
        }
        Ok(self.member.poll_event(now))
    }
}
