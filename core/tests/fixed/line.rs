//! A member on a serial line whose gateway says what a test has it say.

use crate::wire;
use ipcm_core::fixed::{Event, LinkEnd, Loss, Member, SendError, Storage, Wire};
use ipcm_core::trunk::serial::{self, OVERHEAD, Reader};
use ipcm_core::trunk::{MemberKind, Record, Trouble};
use ipcm_core::{Incarnation, Instant, Refusal};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

type Ram = Storage<2, 4, 2, 768, 640>;

/// A gateway: what the member has said, and the numbers of its own frames.
struct Line<'s> {
    member: Member<'s>,
    reader: Reader<[u8; 256 + OVERHEAD]>,
    session: u32,
    number: u16,
    now: Instant,
}

impl<'s> Line<'s> {
    fn new(ram: &'s mut Ram, wire: &'s mut Wire<2, 160>) -> Self {
        let halves = ram.split("device", Incarnation::from_bits(7));
        let member = Member::new(halves, wire, MemberKind::Service);
        Self { member, reader: Reader::new([0; 256 + OVERHEAD]), session: 0, number: 0, now: Instant::ZERO }
    }

    /// The records that the member says now; a `Join` begins a session.
    fn heard(&mut self) -> Vec<String> {
        let mut records = Vec::new();
        loop {
            let output = self.member.pending_output(self.now).to_vec();
            if output.is_empty() {
                return records;
            }
            self.member.consume_output(output.len());
            let mut input = &output[..];
            while let Some(frame) = self.reader.next(&mut input) {
                let record = Record::decode(frame.record).unwrap();
                if matches!(record, Record::Join(_)) {
                    assert_eq!(frame.number, 0);
                    (self.session, self.number) = (frame.session, 0);
                }
                records.push(format!("{record:?}"));
            }
        }
    }

    fn say(&mut self, record: &Record<'_>) {
        let mut frame = [0; 512];
        let len = serial::encode(self.session, self.number, record, &mut frame).unwrap();
        self.number += 1;
        assert_eq!(self.member.handle_input(self.now, &frame[..len]), len);
    }

    /// The next event, without what it borrows.
    fn event(&mut self) -> Option<String> {
        self.member.poll_event(self.now).map(|(event, _)| format!("{event:?}"))
    }

    fn join(&mut self) {
        self.heard();
        self.say(&Record::Joined { version: 1, window: 100, limit: 64, silence: 1000 });
        assert_eq!(self.event(), Some(format!("{:?}", Event::Joined)));
    }
}

macro_rules! line {
    ($name:ident) => {
        let (mut ram, mut wire) = (Ram::new(), Wire::new());
        let mut $name = Line::new(&mut ram, &mut wire);
    };
}

fn left(loss: Loss) -> Option<String> {
    Some(format!("{:?}", Event::Left { loss }))
}

/// A join that is not answered is said again, in another session.
#[test]
fn a_join_is_said_again_in_another_session_until_it_is_answered() {
    line!(line);
    assert_eq!(line.member.open("echo"), Err(SendError::WouldBlock));
    for session in 8..12 {
        assert!(line.heard()[0].starts_with("Join("));
        assert_eq!((line.session, line.heard().len()), (session, 0));
        line.now = line.member.poll_timeout().unwrap();
    }
    line.join();
    assert!(line.member.is_joined());
    assert!(line.member.open("echo").is_ok());
}

/// A member that is not wanted says so, and tries again later.
#[test]
fn a_refusal_is_told_with_its_reason() {
    line!(line);
    line.heard();
    line.say(&Record::Refused { trouble: Trouble::NameTaken, version: 1, detail: "" });
    assert_eq!(line.event(), left(Loss::Refused(Trouble::NameTaken)));
    assert_eq!(line.heard().len(), 0);
    line.now = line.member.poll_timeout().unwrap();
    assert!(line.heard()[0].starts_with("Join("));
}

/// Clause H4: a gateway that is newer is told by its version, whether it refuses or takes in; it is asked again later.
#[test]
fn a_newer_gateway_is_told_by_its_version() {
    line!(line);
    for answer in [
        Record::Refused { trouble: Trouble::Version, version: 9, detail: "in words of version 9" },
        Record::Joined { version: 9, window: 1000, limit: 64, silence: 0 },
    ] {
        assert!(line.heard()[0].starts_with("Join("));
        line.say(&answer);
        assert_eq!(line.event(), left(Loss::Version { theirs: 9 }));
        assert_eq!(line.heard().len(), 0);
        assert_eq!(line.member.poll_timeout(), Some(line.now + 2000 * MS));
        line.now = line.now + 2000 * MS;
    }
    line.join();
}

/// Fault X8: a gap, a word that the session is lost, and silence each end it; a frame of another session does not.
#[test]
fn a_session_ends_by_a_gap_by_word_and_by_silence_and_not_by_another_session() {
    line!(line);
    line.join();
    line.session += 1;
    line.say(&Record::Lost);
    line.session -= 1;
    line.number -= 1;
    assert_eq!(line.event(), None);
    line.number += 1;
    line.say(&Record::Pulse);
    assert_eq!(line.event(), left(Loss::Frame));
    line.join();
    line.number = 999;
    line.say(&Record::Lost);
    assert_eq!(line.event(), left(Loss::Told));
    line.join();
    line.now = line.now + 999 * MS;
    assert_eq!(line.event(), None);
    line.now = line.now + MS;
    assert_eq!(line.event(), left(Loss::Silence));
    line.join();
    line.say(&Record::BusGone { detail: "" });
    assert_eq!(line.event(), left(Loss::BusGone));
}

/// The member says that it lives four times in the silence that would mean it does not.
#[test]
fn a_member_with_nothing_to_say_pulses() {
    line!(line);
    line.join();
    for _ in 0..10 {
        line.now = line.member.poll_timeout().unwrap();
        assert_eq!(line.heard(), ["Pulse"]);
        line.say(&Record::Pulse);
    }
    assert_eq!(line.now, Instant::ZERO + 2500 * MS);
}

/// Clauses B1, A11: who a peer is, the gateway is asked; one that it does not confirm is refused, and told so.
#[test]
fn a_peer_that_the_gateway_does_not_confirm_is_refused() {
    for genuine in [true, false] {
        line!(line);
        line.join();
        line.say(&Record::Incoming { link: 1 });
        assert_eq!(line.heard(), ["Accept { link: 1 }"]);
        let hello = wire::hello("native", Incarnation::from_bits(3));
        line.say(&Record::Data { link: 1, bytes: &hello });
        assert_eq!(line.event(), None);
        let asked = Record::Authenticate { link: 1, incarnation: Incarnation::from_bits(3), name: "native" };
        assert_eq!(line.heard(), [format!("{asked:?}")]);
        line.say(&Record::Authenticated { link: 1, genuine });
        assert_eq!(line.event(), None);
        if genuine {
            assert!(line.heard()[0].starts_with("Data { link: 1"), "a hello");
            continue;
        }
        let refused = wire::frame(wire::Head::Refused { reason: Refusal::Identity }, b"");
        assert_eq!(line.heard(), [format!("{:?}", Record::Data { link: 1, bytes: &refused })]);
        assert!(line.event().unwrap().contains(&format!("{:?}", LinkEnd::Unwelcome)));
        assert_eq!(line.heard(), ["Close { link: 1 }"]);
    }
}

/// Clause B4: the member keeps to the window that the gateway gives, and gives credit for what it has taken in.
#[test]
fn windows_bound_what_is_sent_on_a_link_and_what_comes_on_it() {
    line!(line);
    line.join();
    let link = line.member.open("echo").unwrap();
    assert_eq!(line.heard(), [r#"Connect { link: 0, peer: "echo" }"#]);
    let status = ipcm_core::trunk::Status {
        incarnation: Incarnation::from_bits(3),
        state: ipcm_core::trunk::State::Active,
        pid: None,
    };
    line.say(&Record::Connected { link: 0, status });
    line.heard();
    line.say(&Record::Data { link: 0, bytes: &wire::hello("echo", Incarnation::from_bits(3)) });
    assert!(line.event().unwrap().starts_with("Opened"));
    // The hello has taken some of the window of 100 bytes.
    let now = line.now;
    let write = &mut |_: &mut [u8]| Ok(120);
    line.member.endpoint().request(now, link, None, write).unwrap();
    line.heard();
    assert_eq!(line.heard().len(), 0, "the window is used up");
    line.say(&Record::Credit { link: 0, bytes: 10 });
    assert_eq!(line.heard().len(), 1);
    // What has come and was taken is worth a credit from a quarter of 768 bytes on: the hello and two messages.
    let head = wire::Head::Message { sequence: 1, stamp: 0, broadcast: false };
    let mut said = String::new();
    for _ in 0..2 {
        assert!(!said.contains("Credit { link: 0"), "{said}");
        line.say(&Record::Data { link: 0, bytes: &wire::frame(head, &[0; 70]) });
        assert!(line.event().unwrap().starts_with("Message"));
        assert_eq!(line.event(), None);
        line.say(&Record::Credit { link: 0, bytes: 1000 });
        said += &line.heard().concat();
    }
    assert!(said.contains("Credit { link: 0, bytes: "), "{said}");
    // More than the window, without an end of a frame: the link is cut.
    line.say(&Record::Data { link: 0, bytes: &500u32.to_le_bytes() });
    for _ in 0..7 {
        line.say(&Record::Data { link: 0, bytes: &[1; 130] });
    }
    let events: Vec<_> = core::iter::from_fn(|| line.event()).collect();
    assert!(events.last().unwrap().starts_with("Closed"), "{events:?}");
}
