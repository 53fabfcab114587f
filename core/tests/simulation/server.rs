//! The service of the simulation: it does as each request wishes.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;

use ipcm_core::memory::{Clock, Memory};
use ipcm_core::{Handler, Message, RemoteErrorKind, ReplyToken, Request};

use crate::common::Member;
use crate::ledger::Ledger;
use crate::payload::{Ask, Wish, pad, refusal};

pub(crate) struct Server {
    pub(crate) ledger: Rc<RefCell<Ledger>>,
    /// Requests to be answered later.
    pub(crate) deferred: Vec<(Ask, ReplyToken)>,
    /// Requests that are not answered before the end.
    pub(crate) kept: Vec<(Ask, ReplyToken)>,
}

impl Server {
    pub(crate) fn new(ledger: Rc<RefCell<Ledger>>) -> Self {
        Self { ledger, deferred: Vec::new(), kept: Vec::new() }
    }

    /// Answers a request as it wishes.
    pub(crate) fn answer(&self, client: &mut Member, ask: &Ask, token: ReplyToken) {
        let life = client.endpoint().incarnation().as_bits();
        let mut ledger = self.ledger.borrow_mut();
        match ask.wish {
            Wish::Failure => {
                let wanted = client.fail(token, RemoteErrorKind::Failed, &refusal(ask.token));
                ledger.answered(ask.token, life, wanted);
            }
            Wish::TooLarge => {
                let limit = client.endpoint().config().body_limit as usize;
                let outcome = client.respond_bytes(token, &pad(ask.token, limit + 1));
                ledger.answered(ask.token, life, outcome.is_err());
            }
            Wish::AtOnce | Wish::Later | Wish::Never => {
                let wanted = client.respond(token, &ask.answer(life)).expect("the answer fits");
                ledger.answered(ask.token, life, wanted);
            }
        }
    }
}

impl Handler<Memory, Clock> for Server {
    fn handle_request(&mut self, client: &mut Member, request: Request<'_>, token: ReplyToken) {
        let ask: Ask = request.decode().expect("a request is an Ask");
        assert_eq!(ask.pad, pad(ask.token, ask.pad.len()), "the request is as it was sent");
        let life = client.endpoint().incarnation().as_bits();
        self.ledger.borrow_mut().handled(ask.token, life, request.from, request.deadline);
        match ask.wish {
            Wish::Later => self.deferred.push((ask, token)),
            Wish::Never => self.kept.push((ask, token)),
            Wish::AtOnce | Wish::Failure | Wish::TooLarge => self.answer(client, &ask, token),
        }
    }

    fn handle_message(&mut self, client: &mut Member, message: Message) {
        let name = client.endpoint().name().clone();
        self.ledger.borrow_mut().read(&name, &message);
    }
}
