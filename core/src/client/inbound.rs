//! Requests and messages of peers, from their arrival until somebody deals with them.

use super::*;

/// A request or message of a peer, in the order of arrival.
#[derive(Debug)]
pub(crate) struct Inbound {
    pub(crate) link: LinkId,
    pub(crate) from: Arc<str>,
    pub(crate) kind: InboundKind,
    pub(crate) body: Stored,
}

#[derive(Debug)]
pub(crate) enum InboundKind {
    Request(ReplyToken),
    // Boxed: requests, which are many more, are moved about as well.
    Message(Box<MessageHead>),
}

/// What came with a message.
#[derive(Debug)]
pub(crate) struct MessageHead {
    pub(super) sequence: u64,
    pub(super) stamp: u64,
    pub(super) broadcast: bool,
    pub(super) cost: u32,
    pub(super) incarnation: Option<Incarnation>,
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// The messages that have come, in order; the buffer is empty afterwards.
    pub fn messages(&mut self) -> Vec<Message> {
        self.take_rest();
        let mut messages = Vec::new();
        let mut requests = VecDeque::new();
        for item in mem::take(&mut self.kept_back).into_values().flatten().rev() {
            self.inbox.push_front(item);
        }
        while let Some(item) = self.inbox.pop_front() {
            match item.kind {
                InboundKind::Request(_) => requests.push_back(item),
                InboundKind::Message(_) => messages.extend(self.open_message(item)),
            }
        }
        self.inbox = requests;
        self.flush();
        messages
    }

    /// Takes the first request or message that has come.
    ///
    /// Those of a peer that does not take in what it is answered are kept back, in their order, until it
    /// does: small requests for large answers would take any amount of memory.
    pub(crate) fn next_inbound(&mut self) -> Option<Inbound> {
        while let Some(mut item) = self.next_arrival() {
            if !self.endpoint.is_clogged(item.link) && !self.kept_back.contains_key(&item.link) {
                return Some(item);
            }
            self.detach(&mut item.body);
            self.kept_back.entry(item.link).or_default().push_back(item);
        }
        let link = self.unclogged()?;
        let items = self.kept_back.get_mut(&link)?;
        let item = items.pop_front();
        if items.is_empty() {
            self.kept_back.remove(&link);
        }
        item
    }

    /// Takes the first request or message that has come, of all peers.
    fn next_arrival(&mut self) -> Option<Inbound> {
        loop {
            match self.inbox.pop_front() {
                None if self.take_next() => {}
                first => return first,
            }
        }
    }

    /// How many requests and messages are kept back.
    pub(super) fn kept_back_len(&self) -> usize {
        self.kept_back.values().map(VecDeque::len).sum()
    }

    /// A link from which something was kept back that can be dealt with now.
    pub(super) fn unclogged(&self) -> Option<LinkId> {
        self.kept_back.keys().copied().find(|&link| !self.endpoint.is_clogged(link))
    }

    pub(crate) fn open_message(&mut self, item: Inbound) -> Option<Message> {
        self.settle_inbound(&item);
        let InboundKind::Message(head) = item.kind else { return None };
        let MessageHead { sequence, stamp, broadcast, incarnation, .. } = *head;
        let content = match item.body {
            Stored::InPacket(range) => {
                self.pinned = None;
                self.last_packet()[range].to_vec()
            }
            Stored::Own { mut buffer, at } => {
                buffer.drain(..at);
                buffer
            }
        };
        let to = self.endpoint.name().clone();
        Some(Message { from: item.from, incarnation: incarnation?, sequence, to, broadcast, stamp, content })
    }

    pub(super) fn push_inbound(&mut self, link: LinkId, kind: InboundKind, body: Body<'_>, packet: &[u8]) {
        let from = match self.sender.take() {
            Some((known, from)) if known == link => from,
            _ => self.name_of(link),
        };
        let body = self.store(body, packet, Pin::Inbox);
        self.arrivals += 1;
        self.inbox.push_back(Inbound { link, from, kind, body });
    }

    /// Keeps to the bound on buffered messages, where the oldest are to be dropped.
    pub(super) fn bound_inbox(&mut self) {
        let Overflow::DropOldest { capacity } = self.endpoint.config().overflow else { return };
        let is_message = |item: &Inbound| matches!(item.kind, InboundKind::Message(_));
        if self.inbox.len() <= capacity
            || self.inbox.iter().filter(|item| is_message(item)).count() <= capacity
        {
            return;
        }
        if let Some(at) = self.inbox.iter().position(is_message)
            && let Some(item) = self.inbox.remove(at)
        {
            self.dropped += 1;
            self.settle_inbound(&item);
            self.release(item.body);
        }
    }

    fn settle_inbound(&mut self, item: &Inbound) {
        if let InboundKind::Message(head) = &item.kind {
            self.endpoint.settle(item.link, head.cost);
        }
    }
}
