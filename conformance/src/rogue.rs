//! [`Rogue`]: a member that says what it should not, by an endpoint and a transport of which it is the driver.

use alloc::vec::Vec;

use ipcm_core::transport::{Progress, Transport, TransportEvent};
use ipcm_core::{Config, Endpoint, Event, Incarnation, Input, LinkId, ReplyToken, RequestId};

use crate::ground::Ground;
use crate::raw::Raw;
use crate::stage::Stage;

/// A member that can say everything twice, or in another's name.
pub(crate) struct Rogue<G: Ground> {
    pub(crate) raw: Raw<G>,
    pub(crate) endpoint: Endpoint,
    links: Vec<LinkId>,
    /// Requests that have come.
    pub(crate) asked: Vec<ReplyToken>,
}

impl<G: Ground> Rogue<G> {
    /// A member under its own name.
    pub(crate) fn new(raw: Raw<G>) -> Self {
        Self::bounded(raw, Config::default())
    }

    /// A member under its own name, with these bounds.
    pub(crate) fn bounded(raw: Raw<G>, config: Config) -> Self {
        let (name, incarnation) = (raw.member.endpoint().name().clone(), raw.incarnation());
        Self::speaking_as(raw, (&name, incarnation), config)
    }

    /// A member that says that it is another.
    pub(crate) fn named(raw: Raw<G>, name: &str, incarnation: Incarnation) -> Self {
        Self::speaking_as(raw, (name, incarnation), Config::default())
    }

    fn speaking_as(raw: Raw<G>, (name, incarnation): (&str, Incarnation), config: Config) -> Self {
        let endpoint = Endpoint::new(name, incarnation, config);
        Self { raw, endpoint, links: Vec::new(), asked: Vec::new() }
    }

    /// Calls a peer that is there.
    #[track_caller]
    pub(crate) fn call(&mut self, peer: &str) -> LinkId {
        let link = self.endpoint.open(peer).expect("there is room for a link");
        let status = self.raw.transport().connect(link, peer).expect("the peer is there");
        self.endpoint.expect(link, status.incarnation, None);
        self.links.push(link);
        self.flush();
        link
    }

    /// The links that have not ended.
    pub(crate) fn links(&self) -> &[LinkId] {
        &self.links
    }

    /// Closes all links.
    pub(crate) fn hang_up(&mut self) {
        for link in core::mem::take(&mut self.links) {
            self.endpoint.handle_closed(link);
            self.raw.transport().close(link);
        }
        while self.endpoint.poll_event(self.raw.now()).is_some() {}
    }

    /// Takes in who connects and what has come, and says what is to be said to that.
    pub(crate) fn step(&mut self) {
        self.raw.wait(core::time::Duration::ZERO);
        if self.raw.take_event(|event| *event == TransportEvent::Incoming).is_some() {
            let link = self.endpoint.accept(self.raw.now()).expect("there is room for a link");
            if self.raw.transport().accept(link) {
                self.links.push(link);
            } else {
                self.endpoint.abandon(link);
            }
        }
        for link in self.links.clone() {
            if self.raw.take_ready(link) {
                let mut bytes = Vec::new();
                match self.raw.receive(link, &mut bytes) {
                    Progress::Moved(_) => self.take_in(link, &bytes),
                    Progress::Blocked => {}
                    Progress::Closed | Progress::Broken => {
                        self.links.retain(|other| *other != link);
                        self.raw.transport().close(link);
                    }
                }
            }
        }
        self.flush();
    }

    /// Is asked something by the first handle of a stage, whose request has come when this returns.
    #[track_caller]
    pub(crate) fn be_asked(&mut self, stage: &mut Stage<G>, body: &[u8]) -> RequestId {
        let name = self.endpoint.name().clone();
        let before = self.asked.len();
        let id = stage.until_some("a request to the rogue can be sent", |stage| {
            self.step();
            let client = stage.askers[0].client_mut();
            client.try_request(&name, None, &mut |out, limit| out.append(body, limit)).ok()
        });
        self.await_request(stage, before + 1);
        id
    }

    /// Awaits so many requests.
    #[track_caller]
    pub(crate) fn await_request(&mut self, stage: &mut Stage<G>, count: usize) {
        stage.until("the request comes", |_| {
            self.step();
            self.asked.len() >= count
        });
    }

    /// The words that answer the oldest request, which are not said by this.
    #[track_caller]
    pub(crate) fn prepare_answer(&mut self, body: &[u8]) -> Vec<u8> {
        let token = self.asked.remove(0);
        let now = self.raw.now();
        let answered = self.endpoint.respond(now, token, &mut |out, limit| out.append(body, limit));
        assert_eq!(answered, Ok(true), "the request is wanted");
        let link = self.endpoint.poll_output().expect("there is an answer");
        let answer = self.endpoint.pending_output(link, usize::MAX).to_vec();
        self.endpoint.consume_output(link, answer.len());
        answer
    }

    /// Says something on every link.
    pub(crate) fn babble(&mut self, bytes: &[u8]) {
        for link in self.links.clone() {
            self.raw.say(link, bytes);
        }
    }

    fn take_in(&mut self, link: LinkId, bytes: &[u8]) {
        let mut input = Input::new(bytes);
        while let Some(event) = self.endpoint.poll_input(self.raw.now(), link, &mut input) {
            match event {
                Event::Greeted { link } => self.endpoint.welcome(link),
                Event::Request { token, .. } => self.asked.push(token),
                _ => {}
            }
        }
    }

    fn flush(&mut self) {
        while let Some(link) = self.endpoint.poll_output() {
            let bytes = self.endpoint.pending_output(link, usize::MAX).to_vec();
            self.endpoint.consume_output(link, bytes.len());
            self.raw.say(link, &bytes);
        }
    }
}
