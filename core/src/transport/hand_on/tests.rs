//! A call that is handed on, for each call that there is.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use alloc::{format, vec};
use core::cell::RefCell;

use crate::id::{Incarnation, LinkId};
use crate::time::Instant;
use crate::transport::{
    Area, Capabilities, ConnectError, Lender, Parting, PeerState, PeerStatus, Progress, SuspendError,
    Transport, TransportEvent, hand_on,
};

const LINK: LinkId = LinkId { slot: 3, generation: 7 };
const NOW: Instant = Instant::from_nanos(11);
const LATER: Instant = Instant::from_nanos(13);

/// A transport that notes what it is asked, and has an answer to each that no default gives.
#[derive(Default)]
struct Noted {
    asked: RefCell<Vec<String>>,
    memory: [u8; 9],
}

impl Noted {
    fn note(&self, call: String) {
        self.asked.borrow_mut().push(call);
    }
}

struct Page;

impl Lender for Page {
    fn packet(&self, _: u32, len: usize) -> &[u8] {
        &b"in memory of the transport"[..len]
    }

    fn release(&self, _: u32) {}
}

#[deny(clippy::missing_trait_methods)]
impl Transport for Noted {
    const PACKET: usize = 32;
    const BUFFER: usize = 64;
    const LARGE: usize = 128;

    fn capabilities(&self) -> Capabilities {
        self.note("capabilities".into());
        Capabilities { suspend: true, prompt_death: false }
    }

    fn connect(&mut self, link: LinkId, peer: &str) -> Result<PeerStatus, ConnectError> {
        self.note(format!("connect {link:?} {peer}"));
        let incarnation = Incarnation::from_bits(17);
        Ok(PeerStatus { incarnation, state: PeerState::Active, pid: Some(19) })
    }

    fn accept(&mut self, link: LinkId) -> bool {
        self.note(format!("accept {link:?}"));
        true
    }

    fn spent(&self, link: LinkId) -> u64 {
        self.note(format!("spent {link:?}"));
        23
    }

    fn reject(&mut self) {
        self.note("reject".into());
    }

    fn authenticate(&mut self, link: LinkId, name: &str, incarnation: Incarnation) -> bool {
        self.note(format!("authenticate {link:?} {name} {incarnation:?}"));
        true
    }

    fn packet(&self, link: LinkId) -> usize {
        self.note(format!("packet {link:?}"));
        29
    }

    fn send(&mut self, link: LinkId, bytes: &[u8]) -> Progress {
        self.note(format!("send {link:?} {bytes:?}"));
        Progress::Moved(bytes.len())
    }

    fn room(&mut self, link: LinkId, len: usize) -> Option<&mut [u8]> {
        self.note(format!("room {link:?} {len}"));
        self.memory.get_mut(..len)
    }

    fn send_room(&mut self, link: LinkId, len: usize) -> Result<(), &[u8]> {
        self.note(format!("send_room {link:?} {len}"));
        Err(&self.memory[..len])
    }

    fn receive(&mut self, link: LinkId, buffer: &mut [u8]) -> Progress {
        self.note(format!("receive {link:?} {buffer:?}"));
        Progress::Broken
    }

    fn take_area(&mut self, link: LinkId) -> Option<Area> {
        self.note(format!("take_area {link:?}"));
        Some(Area::new(Arc::new(Page), 2, 9))
    }

    fn receive_or_wait(
        &mut self,
        link: LinkId,
        buffer: &mut [u8],
        now: Instant,
        deadline: Option<Instant>,
    ) -> Progress {
        self.note(format!("receive_or_wait {link:?} {buffer:?} {now:?} {deadline:?}"));
        Progress::Closed
    }

    fn set_receiving(&mut self, link: LinkId, receiving: bool) {
        self.note(format!("set_receiving {link:?} {receiving}"));
    }

    fn close(&mut self, link: LinkId) {
        self.note(format!("close {link:?}"));
    }

    fn poll_event(&mut self) -> Option<TransportEvent> {
        self.note("poll_event".into());
        Some(TransportEvent::Woken)
    }

    fn wait(&mut self, deadline: Option<Instant>) {
        self.note(format!("wait {deadline:?}"));
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.note("next_deadline".into());
        Some(LATER)
    }

    fn suspend(&mut self, until: Instant, links: Vec<Parting>) -> Result<(), SuspendError> {
        self.note(format!("suspend {until:?} {links:?}"));
        Ok(())
    }

    fn keep(&mut self, note: &[u8]) -> Result<(), SuspendError> {
        self.note(format!("keep {note:?}"));
        Ok(())
    }

    fn take_kept(&mut self) -> Result<Vec<Vec<u8>>, SuspendError> {
        self.note("take_kept".into());
        Ok(vec![vec![31]])
    }

    fn find(&mut self, peer: &str) -> Result<Option<PeerStatus>, ConnectError> {
        self.note(format!("find {peer}"));
        Err(ConnectError::Busy)
    }

    fn peers(&mut self) -> Result<Vec<String>, ConnectError> {
        self.note("peers".into());
        Ok(vec!["one".into()])
    }

    fn watch(&mut self) -> Result<(), ConnectError> {
        self.note("watch".into());
        Err(ConnectError::NoSuchPeer)
    }
}

/// Something around it.
struct Around(Noted);

macro_rules! around {
    ($self:ident.$($call:tt)+) => { $self.0.$($call)+ };
}

#[deny(clippy::missing_trait_methods)]
impl Transport for Around {
    const PACKET: usize = Noted::PACKET;

    hand_on!(around);
}

/// What a transport answers to each call that there is.
fn answers(transport: &mut impl Transport) -> Vec<String> {
    let links = vec![Parting {
        link: LINK,
        unsent: vec![1],
        hello: vec![2],
        partial: vec![3],
        asleep: Some(LATER),
        spent: 4,
    }];
    vec![
        format!("{:?}", transport.capabilities()),
        format!("{:?}", transport.connect(LINK, "peer")),
        format!("{:?}", transport.accept(LINK)),
        format!("{:?}", transport.spent(LINK)),
        format!("{:?}", transport.reject()),
        format!("{:?}", transport.authenticate(LINK, "peer", Incarnation::from_bits(5))),
        format!("{:?}", transport.packet(LINK)),
        format!("{:?}", transport.send(LINK, &[6, 7])),
        format!("{:?}", transport.room(LINK, 8)),
        format!("{:?}", transport.send_room(LINK, 9)),
        format!("{:?}", transport.receive(LINK, &mut [10])),
        format!("{:?}", transport.take_area(LINK).as_deref()),
        format!("{:?}", transport.receive_or_wait(LINK, &mut [11], NOW, Some(LATER))),
        format!("{:?}", transport.set_receiving(LINK, true)),
        format!("{:?}", transport.close(LINK)),
        format!("{:?}", transport.poll_event()),
        format!("{:?}", transport.wait(Some(LATER))),
        format!("{:?}", transport.next_deadline()),
        format!("{:?}", transport.suspend(LATER, links)),
        format!("{:?}", transport.keep(&[12])),
        format!("{:?}", transport.take_kept()),
        format!("{:?}", transport.find("peer")),
        format!("{:?}", transport.peers()),
        format!("{:?}", transport.watch()),
    ]
}

#[test]
fn every_call_reaches_the_transport_below_and_its_answer_comes_back() {
    let mut noted = Noted::default();
    let mut around = Around(Noted::default());
    let expected = answers(&mut noted);
    assert_eq!(answers(&mut around), expected);
    assert_eq!(around.0.asked, noted.asked);
    assert_eq!(noted.asked.borrow().len(), expected.len());
}
