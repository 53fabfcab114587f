//! A member and its serial port under an executor.

use core::cell::RefCell;
use core::convert::Infallible;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::{Poll, Waker};

use embedded_io_async::{Read, Write};

use super::endpoint::Endpoint;
use super::event::Event;
use super::member::Member;
use crate::time::{Clock, Instant};

/// Bytes that are read or written at once.
const CHUNK: usize = 64;

/// A clock that can also be waited for.
pub trait Sleep: Clock {
    /// Completes once it is `deadline`. Dropping the future ends the wait and nothing else.
    fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()>;
}

/// A member that several tasks of one executor share.
///
/// [`run`](Self::run) moves the bytes; any task sends through [`with`](Self::with). What has come lies here and not in
/// a future: `run` may be dropped and called again, and loses nothing unless the port's own `read` or `write` does when
/// it is dropped.
#[derive(Debug)]
pub struct Concurrent<'s, S> {
    member: RefCell<Member<'s>>,
    clock: S,
    runner: RefCell<Option<Waker>>,
    input: RefCell<Input>,
}

/// What was read and not taken in, from `at` to `end`.
#[derive(Debug)]
struct Input {
    bytes: [u8; CHUNK],
    at: usize,
    end: usize,
}

/// Why a line cannot be used any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineError<R, W> {
    /// Reading failed.
    Read(R),
    /// Writing failed.
    Write(W),
    /// The port has come to an end.
    Ended,
}

impl<'s, S: Sleep> Concurrent<'s, S> {
    /// A member to be run by an executor.
    pub const fn new(member: Member<'s>, clock: S) -> Self {
        let input = RefCell::new(Input { bytes: [0; CHUNK], at: 0, end: 0 });
        Self { member: RefCell::new(member), clock, runner: RefCell::new(None), input }
    }

    /// The clock.
    pub const fn clock(&self) -> &S {
        &self.clock
    }

    /// Uses the member: to open links, ask, answer. What is to be sent then leaves by itself.
    ///
    /// # Panics
    ///
    /// If called in an event handler of [`run`](Self::run), which is given the endpoint itself.
    pub fn with<T>(&self, work: impl FnOnce(&mut Member<'s>) -> T) -> T {
        let done = work(&mut self.member.borrow_mut());
        if let Some(runner) = self.runner.borrow_mut().take() {
            runner.wake();
        }
        done
    }

    /// Moves bytes both ways and hands events to `handle`, until the port fails.
    ///
    /// # Errors
    ///
    /// The port's.
    pub async fn run<R: Read, W: Write>(
        &self,
        mut reader: R,
        mut writer: W,
        mut handle: impl FnMut(Event<'_>, &mut Endpoint<'s>),
    ) -> Result<Infallible, LineError<R::Error, W::Error>> {
        let mut reading = pin!(self.read(&mut reader));
        let mut writing = pin!(self.write(&mut writer));
        let mut sleeping = pin!(None);
        let mut until = None;
        poll_fn(|context| {
            *self.runner.borrow_mut() = Some(context.waker().clone());
            loop {
                if let Poll::Ready(Err(error)) = reading.as_mut().poll(context) {
                    return Poll::Ready(Err(error));
                }
                let mut any = false;
                while let Some((event, endpoint)) = self.member.borrow_mut().poll_event(self.clock.now()) {
                    any = true;
                    handle(event, endpoint);
                }
                if let Poll::Ready(Err(error)) = writing.as_mut().poll(context) {
                    return Poll::Ready(Err(error));
                }
                // What has left may let in more of what was read.
                any |= self.has_taken_more();
                let deadline = self.member.borrow().poll_timeout();
                if until != deadline {
                    until = deadline;
                    sleeping.set(deadline.map(|deadline| self.clock.sleep_until(deadline)));
                }
                if let Some(sleep) = sleeping.as_mut().as_pin_mut()
                    && sleep.poll(context).is_ready()
                {
                    any = true;
                    until = None;
                    sleeping.set(None);
                }
                if !any {
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    async fn read<R: Read, E>(&self, reader: &mut R) -> Result<Infallible, LineError<R::Error, E>> {
        loop {
            // What is not taken in now is once events were taken, or output has left: it is polled again then.
            poll_fn(|_| if self.take_in() { Poll::Ready(()) } else { Poll::Pending }).await;
            let mut chunk = [0; CHUNK];
            let n = reader.read(&mut chunk).await.map_err(LineError::Read)?;
            if n == 0 {
                return Err(LineError::Ended);
            }
            let input = &mut *self.input.borrow_mut();
            input.bytes[..n].copy_from_slice(&chunk[..n]);
            (input.at, input.end) = (0, n);
        }
    }

    /// Gives the member more of what was read, if it takes any.
    fn has_taken_more(&self) -> bool {
        let before = self.input.borrow().at;
        self.take_in();
        self.input.borrow().at > before
    }

    /// Gives the member what was read; false if it does not take all of it yet.
    fn take_in(&self) -> bool {
        let Input { bytes, at, end } = &mut *self.input.borrow_mut();
        *at += self.member.borrow_mut().handle_input(self.clock.now(), &bytes[*at..*end]);
        at == end
    }

    async fn write<W: Write, E>(&self, writer: &mut W) -> Result<Infallible, LineError<E, W::Error>> {
        let mut chunk = [0; CHUNK];
        let mut flushed = true;
        loop {
            let n = poll_fn(|_| {
                let mut member = self.member.borrow_mut();
                let output = member.pending_output(self.clock.now());
                let n = output.len().min(CHUNK);
                chunk[..n].copy_from_slice(&output[..n]);
                if n > 0 || !flushed { Poll::Ready(n) } else { Poll::Pending }
            })
            .await;
            if n > 0 {
                let written = writer.write(&chunk[..n]).await.map_err(LineError::Write)?;
                self.member.borrow_mut().consume_output(written);
            } else {
                writer.flush().await.map_err(LineError::Write)?;
            }
            flushed = n == 0;
        }
    }
}
