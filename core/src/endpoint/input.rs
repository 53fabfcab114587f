//! What comes in on a link, frame by frame.

use super::*;
use crate::layout::cost;
use crate::message::{Hello, PROTOCOL_VERSION};
use crate::serving::Served;

/// The largest buffer that an endpoint keeps for use again.
const KEPT_LARGE: usize = 4 * 1024 * 1024;

impl Endpoint {
    /// Takes frames from the front of `input` until one of them is an event; `None` when all is taken in.
    ///
    /// To be called until `None`. A peer that breaks the protocol has its link closed, as
    /// [`poll_event`](Self::poll_event) then tells; the rest of its input is dropped.
    pub fn poll_input<'i>(&mut self, now: Instant, link: LinkId, input: &mut Input<'i>) -> Option<Event<'i>> {
        let limit = self.config.frame_limit();
        loop {
            let slot = self.links.get_mut(link.index()).filter(|slot| slot.generation == link.generation)?;
            let held = slot.link.as_mut().filter(|held| !held.is_closed())?;
            let frame = match held.reader.next(input, limit, &mut self.large) {
                Ok(frame) => frame?,
                Err(error) => return self.break_off(link, error.into()),
            };
            let head = match Head::decode(frame.head()) {
                Ok(head) => head,
                Err(error) => return self.break_off(link, error.into()),
            };
            // What comes all the time is handled here, and its event made in its place: to hand events on
            // by value takes longer than all the rest.
            match head {
                Head::Response { id } if held.takes_traffic() => {
                    if self.take_ended(link, id) {
                        return Some(Event::Ended { id, link, end: End::Response(frame.into_body()) });
                    }
                }
                Head::Request { id, budget } if held.takes_traffic() => {
                    match self.take_request(now, link, id, budget, frame.size()) {
                        Ok(Some(token)) => {
                            return Some(Event::Request { token, link, body: frame.into_body() });
                        }
                        Ok(None) => {}
                        Err(error) => return self.break_off(link, error),
                    }
                }
                head => match self.handle_other(link, head, frame) {
                    Ok(None) => {}
                    Ok(event) => return event,
                    Err(error) => return self.break_off(link, error),
                },
            }
        }
    }

    /// The peer broke the protocol: its link closes, and its input is of no use.
    #[cold]
    fn break_off<'i>(&mut self, link: LinkId, error: ProtocolError) -> Option<Event<'i>> {
        self.violate(link, error);
        None
    }

    /// Gives back the buffer of a body that was put together from pieces, so that it is used again.
    pub fn recycle(&mut self, mut buffer: Vec<u8>) {
        if (self.large.capacity()..=KEPT_LARGE).contains(&buffer.capacity()) {
            buffer.clear();
            self.large = buffer;
        }
    }

    /// Handles a frame that is neither a request nor a response, or is out of turn.
    fn handle_other<'i>(
        &mut self,
        link: LinkId,
        head: Head,
        frame: Frame<'i>,
    ) -> Result<Option<Event<'i>>, ProtocolError> {
        let held = held_mut(self.link_mut(link))?;
        match (&held.state, head) {
            (_, Head::Hello { version }) => return self.handle_hello(link, version, &frame),
            (State::Calling, Head::Refused { reason }) => {
                self.close(link, GoneReason::Refused(reason));
                return Ok(None);
            }
            // The last words of a life that was suspended come after the news of it.
            (State::Open | State::Suspended { .. }, _) => {}
            _ => return Err(ProtocolError::OutOfTurn),
        }
        match head {
            Head::Failure { id, kind } => {
                let ended = self.take_ended(link, id);
                let end = End::Failure { kind, detail: frame.into_body() };
                Ok(ended.then_some(Event::Ended { id, link, end }))
            }
            Head::Cancel { id } => {
                self.withdrawn.extend(self.serving.cancel(link, id));
                Ok(None)
            }
            Head::Message { sequence, stamp, broadcast } => {
                let cost = self.hold(link, frame.size())?;
                let body = frame.into_body();
                Ok(Some(Event::Message { link, sequence, stamp, broadcast, cost, body }))
            }
            Head::Terminate => Ok(Some(Event::Terminate { link })),
            Head::Credit { bytes } => {
                held_mut(self.link_mut(link))?.earn(bytes);
                Ok(None)
            }
            Head::Hello { .. } | Head::Refused { .. } | Head::Request { .. } | Head::Response { .. } => {
                Err(ProtocolError::OutOfTurn)
            }
        }
    }

    fn handle_hello<'i>(
        &mut self,
        link: LinkId,
        version: u16,
        frame: &Frame<'_>,
    ) -> Result<Option<Event<'i>>, ProtocolError> {
        if version != PROTOCOL_VERSION {
            let reason = Refusal::Version { version: PROTOCOL_VERSION };
            self.push(link, &Head::Refused { reason }, &mut |_, _| Ok(())).unwrap_or_default();
            return Err(ProtocolError::Version { ours: PROTOCOL_VERSION, theirs: version });
        }
        let hello: Hello<'_> = crate::body::decode(frame.body()).map_err(|_| ProtocolError::BadHello)?;
        let name_valid = crate::name::check(hello.name).is_ok();
        let held = held_mut(self.link_mut(link))?;
        match held.state {
            State::Calling | State::Suspended { .. } => {
                let same_life = held.incarnation.is_none_or(|expected| expected == hello.incarnation);
                let resumed = matches!(held.state, State::Suspended { .. });
                if *held.peer != *hello.name || !(same_life || resumed) {
                    let (name, incarnation) = (hello.name.into(), hello.incarnation);
                    return Err(ProtocolError::WrongPeer { name, incarnation });
                }
                held.incarnation = Some(hello.incarnation);
                held.open_window(hello.window, hello.body_limit);
                held.state = State::Open;
                Ok(Some(Event::Opened { link }))
            }
            State::Answering if name_valid => {
                held.peer = hello.name.into();
                held.incarnation = Some(hello.incarnation);
                held.open_window(hello.window, hello.body_limit);
                held.state = State::Judging;
                Ok(Some(Event::Greeted { link }))
            }
            State::Answering => Err(ProtocolError::BadHello),
            // Said again to a peer that was suspended in between.
            State::Open if held.incarnation == Some(hello.incarnation) => Ok(None),
            _ => Err(ProtocolError::OutOfTurn),
        }
    }

    /// Takes in a request of `size` bytes; `None` if there is no room for it, of which its caller is told.
    #[inline]
    fn take_request(
        &mut self,
        now: Instant,
        link: LinkId,
        id: RequestId,
        budget: Option<u64>,
        size: usize,
    ) -> Result<Option<ReplyToken>, ProtocolError> {
        let cost = self.hold(link, size)?;
        let deadline = budget.map(|micros| now.plus_micros(micros));
        let Some(token) = self.serving.insert(Served { link, id, deadline, cost, cancelled: false }) else {
            self.overloaded(link, id, cost);
            return Ok(None);
        };
        held_mut(self.link_mut(link))?.serving += 1;
        Ok(Some(token))
    }

    #[cold]
    fn overloaded(&mut self, link: LinkId, id: RequestId, cost: u32) {
        self.counters.overloads += 1;
        self.settle(link, cost);
        let head = Head::Failure { id, kind: RemoteErrorKind::Overloaded };
        self.push(link, &head, &mut |_, _| Ok(())).unwrap_or_default();
    }

    /// Ends the request with this id; false if it has ended, or went out on another link.
    #[inline]
    fn take_ended(&mut self, link: LinkId, id: RequestId) -> bool {
        if self.table.get(id).is_none_or(|entry| entry.link != link) {
            self.counters.stray_responses += 1;
            return false;
        }
        self.table.remove(id);
        self.end_on(link);
        true
    }

    /// Charges what has come to the peer's window.
    fn hold(&mut self, link: LinkId, size: usize) -> Result<u32, ProtocolError> {
        let cost = cost(size);
        let slot = self.links.get_mut(link.index()).and_then(|slot| slot.link.as_mut());
        if held_mut(slot)?.hold(cost, &self.config) {
            Ok(cost)
        } else {
            Err(ProtocolError::WindowExceeded { window: self.config.window })
        }
    }
}

fn held_mut(link: Option<&mut Link>) -> Result<&mut Link, ProtocolError> {
    link.ok_or(ProtocolError::OutOfTurn)
}
