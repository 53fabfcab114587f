//! One link's part of the line.

use crate::id::LinkId;

/// One link's part of the line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lane {
    pub(super) stage: Stage,
    /// The gateway is to be asked who the peer is.
    pub(super) asks: bool,
    /// The link's number on the line.
    pub(super) number: u32,
    /// The endpoint's link, until that is over.
    pub(super) link: Option<LinkId>,
    /// What the gateway takes in yet.
    pub(super) credit: u32,
    /// Bytes that have come and are not credited.
    pub(super) uncredited: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Stage {
    Free,
    /// The gateway is to be told to connect it.
    Connect,
    /// The gateway connects it.
    Connecting,
    /// The gateway is to be told that it is taken in.
    Accept,
    Up,
    /// The gateway is to be told that it is over.
    Close,
}

impl Lane {
    pub(super) const FREE: Self =
        Self { stage: Stage::Free, asks: false, number: 0, link: None, credit: 0, uncredited: 0 };

    pub(super) fn new(stage: Stage, number: u32, link: LinkId) -> Self {
        Self { stage, number, link: Some(link), ..Self::FREE }
    }

    /// Whether it has this number on the line.
    pub(super) fn is(&self, number: u32) -> bool {
        self.stage != Stage::Free && self.number == number
    }

    /// The endpoint's link is over.
    pub(super) fn end(&mut self) {
        self.link = None;
        self.asks = false;
        // What the gateway was not told of needs no end.
        self.stage = if self.stage == Stage::Connect { Stage::Free } else { Stage::Close };
    }
}
