//! A trunk as the transport of one member.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::config::TrunkConfig;
use super::end::TrunkEnd;
use super::member::{Answer, Identity, Member, Standing, peer_status};
use super::record::Record;
use super::stream::Stream;
use crate::id::{Incarnation, LinkId};
use crate::time::{Clock, Instant, earlier};
use crate::transport::{Capabilities, ConnectError, PeerStatus, Progress, Transport, TransportEvent};

/// How long ago what has come may have been looked at when something is sent.
const STALE: Duration = Duration::from_millis(1);

/// A trunk as the transport of one member: [`Client`](crate::Client), [`Handle`](crate::Handle) and
/// [`Service`](crate::Service) run on it as on any other.
///
/// To connect, to look for a peer and to check a name is to ask the gateway, and waits for its answer; no longer
/// than [`TrunkConfig::patience`]. On a serial line a session that is lost ends all links, and the member joins anew
/// by itself whenever it waits; until then peers cannot be reached, as if they were busy. On a pipe it is the end of
/// the bus.
pub struct TrunkTransport<S: Stream, C: Clock> {
    stream: S,
    clock: C,
    member: Member,
    config: TrunkConfig,
    buffer: Vec<u8>,
    /// When what had come was taken in last.
    looked: Instant,
    /// Nothing can be written any more.
    is_deaf: bool,
}

impl<S: Stream, C: Clock> TrunkTransport<S, C> {
    /// Joins the bus of the gateway at the other end of `stream`, at the latest at `deadline`.
    ///
    /// # Errors
    ///
    /// Why the gateway would not have the member, or that none answered.
    pub fn join(
        stream: S,
        clock: C,
        identity: Identity<'_>,
        config: TrunkConfig,
        deadline: Option<Instant>,
    ) -> Result<Self, TrunkEnd> {
        let member = Member::new(clock.now(), identity, config.clone());
        let buffer = vec![0; S::PACKET];
        let looked = clock.now();
        let mut transport = Self { stream, clock, member, config, buffer, looked, is_deaf: false };
        loop {
            match transport.member.standing() {
                Standing::Joined => return Ok(transport),
                Standing::Over(end) => return Err(end.clone()),
                Standing::Joining { .. } => {}
            }
            if let Some(refusal) = transport.member.refusal() {
                return Err(refusal.clone());
            }
            if deadline.is_some_and(|deadline| deadline <= transport.clock.now()) {
                return Err(TrunkEnd::TimedOut);
            }
            transport.pump(deadline);
        }
    }

    /// Why the membership is over, if it is.
    pub fn end(&self) -> Option<&TrunkEnd> {
        match self.member.standing() {
            Standing::Over(end) => Some(end),
            _ => self.member.refusal(),
        }
    }

    /// The stream.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// The stream, for what only it can do.
    pub fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Waits for something to come and takes it in.
    fn pump(&mut self, deadline: Option<Instant>) {
        self.flush();
        let until = earlier(deadline, self.member.poll_timeout());
        if until.is_none_or(|until| until > self.clock.now()) {
            let to_write = !self.member.pending_output().is_empty() && !self.is_deaf;
            self.stream.wait(to_write, until);
        }
        self.take_in();
    }

    /// Takes in what has come, and does what is due.
    fn take_in(&mut self) {
        let progress = self.stream.read(&mut self.buffer);
        let now = self.clock.now();
        self.looked = now;
        match progress {
            Progress::Moved(n) => self.member.handle_input(now, &self.buffer[..n]),
            Progress::Closed | Progress::Broken => self.member.handle_closed(),
            Progress::Blocked => {}
        }
        self.member.handle_timeout(now);
        self.flush();
    }

    /// Writes what is to go, as far as it goes.
    fn flush(&mut self) {
        while !self.is_deaf && !self.member.pending_output().is_empty() {
            match self.stream.write(self.member.pending_output()) {
                Progress::Moved(n) => self.member.consume_output(n),
                Progress::Blocked => return,
                // What the gateway had said is still to be read, and its end behind it.
                Progress::Closed | Progress::Broken => self.is_deaf = true,
            }
        }
    }

    /// Asks the gateway, and waits for its answer.
    fn ask(&mut self, question: &Record<'_>) -> Result<Answer, ConnectError> {
        let deadline = self.clock.now() + self.config.patience;
        let session = self.member.session();
        if !self.member.ask(question) {
            return Err(self.unreachable());
        }
        loop {
            self.pump(Some(deadline));
            if let Some(answer) = self.member.take_answer() {
                return Ok(answer);
            }
            if self.member.session() != session || *self.member.standing() != Standing::Joined {
                return Err(self.unreachable());
            }
            if deadline <= self.clock.now() {
                self.member.give_up_answer();
                return Err(ConnectError::Bus("the gateway does not answer".into()));
            }
        }
    }

    fn unreachable(&self) -> ConnectError {
        match self.member.standing() {
            Standing::Over(end) => ConnectError::Bus(alloc::format!("{end}")),
            // It is joined anew soon.
            _ => ConnectError::Busy,
        }
    }
}

impl<S: Stream, C: Clock> Drop for TrunkTransport<S, C> {
    /// What was taken for sending is written, if the stream takes it within the patience.
    fn drop(&mut self) {
        let deadline = self.clock.now() + self.config.patience;
        self.flush();
        while !self.is_deaf && !self.member.pending_output().is_empty() && self.clock.now() < deadline {
            self.stream.wait(true, Some(deadline));
            self.flush();
        }
    }
}

/// The error of an answer that is none to what was asked.
fn failed(answer: Answer) -> ConnectError {
    match answer {
        Answer::Unable(error) | Answer::Connected(Err(error)) => error,
        _ => ConnectError::Bus("the gateway answered something else than it was asked".into()),
    }
}

impl<S: Stream, C: Clock> Transport for TrunkTransport<S, C> {
    const PACKET: usize = S::PACKET;

    fn capabilities(&self) -> Capabilities {
        Capabilities { suspend: false, prompt_death: true }
    }

    fn connect(&mut self, link: LinkId, peer: &str) -> Result<PeerStatus, ConnectError> {
        // What follows the answer may come with it.
        let number = self.member.open(link);
        let answer = self.ask(&Record::Connect { link: number, peer });
        match answer {
            Ok(Answer::Connected(Ok(status))) => Ok(peer_status(self.clock.now(), status)),
            Ok(answer) => {
                self.member.abandon(link);
                Err(failed(answer))
            }
            Err(error) => {
                self.member.abandon(link);
                Err(error)
            }
        }
    }

    fn accept(&mut self, link: LinkId) -> bool {
        self.member.accept(link)
    }

    fn reject(&mut self) {
        self.member.reject();
    }

    fn authenticate(&mut self, link: LinkId, name: &str, incarnation: Incarnation) -> bool {
        let Some(link) = self.member.number(link) else { return false };
        let answer = self.ask(&Record::Authenticate { link, incarnation, name });
        matches!(answer, Ok(Answer::Authenticated(true)))
    }

    fn send(&mut self, link: LinkId, bytes: &[u8]) -> Progress {
        // What is sent to a peer whose end is known here already was not sent.
        if self.clock.now().saturating_since(self.looked) > STALE {
            self.take_in();
        }
        let progress = self.member.send(link, bytes);
        self.flush();
        progress
    }

    fn receive(&mut self, link: LinkId, buffer: &mut [u8]) -> Progress {
        self.member.receive(link, buffer)
    }

    fn receive_or_wait(
        &mut self,
        link: LinkId,
        buffer: &mut [u8],
        _now: Instant,
        deadline: Option<Instant>,
    ) -> Progress {
        match self.member.receive(link, buffer) {
            Progress::Blocked => {
                self.pump(deadline);
                self.member.receive(link, buffer)
            }
            progress => progress,
        }
    }

    fn close(&mut self, link: LinkId) {
        self.member.close(link);
        self.flush();
    }

    fn poll_event(&mut self) -> Option<TransportEvent> {
        self.member.poll_event()
    }

    fn wait(&mut self, deadline: Option<Instant>) {
        if self.member.has_events() {
            self.take_in();
        } else {
            self.pump(deadline);
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.member.poll_timeout()
    }

    fn find(&mut self, peer: &str) -> Result<Option<PeerStatus>, ConnectError> {
        match self.ask(&Record::Find { peer })? {
            Answer::Found(status) => Ok(status.map(|status| peer_status(self.clock.now(), status))),
            answer => Err(failed(answer)),
        }
    }

    fn peers(&mut self) -> Result<Vec<String>, ConnectError> {
        match self.ask(&Record::Peers)? {
            Answer::Peers(mut names) => {
                names.retain(|name| name != self.member.name());
                names.sort_unstable();
                Ok(names)
            }
            answer => Err(failed(answer)),
        }
    }

    fn watch(&mut self) -> Result<(), ConnectError> {
        if self.member.is_watching() {
            return Ok(());
        }
        self.member.watch();
        match self.ask(&Record::Watch) {
            // Between two sessions: the next one begins by asking.
            Ok(Answer::Watching) | Err(ConnectError::Busy) => Ok(()),
            Ok(answer) => Err(failed(answer)),
            Err(error) => Err(error),
        }
    }
}
