//! The bytes of every record, and of what is none.

use super::codec::MAX_HEAD;
use super::*;
use std::vec::Vec;

const LIFE: Incarnation = Incarnation::from_bits(0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100);
const FAILURE: Failure<'_> = Failure { trouble: Trouble::Bus, detail: "no" };

fn status(state: State, pid: Option<u32>) -> Status {
    Status { incarnation: LIFE, state, pid }
}

/// Every kind, and how it looks on the trunk after its first byte, in hexadecimal.
fn all() -> [(Record<'static>, &'static str); 33] {
    let join = |kind| {
        Record::Join(Join { version: 1, kind, incarnation: LIFE, window: 0x1000, limit: 0x100, name: "me" })
    };
    let late = State::Suspended { micros: 7 };
    [
        (join(MemberKind::Handle), "01 0100 00 000102030405060708090a0b0c0d0e0f 00100000 0001 6d65"),
        (join(MemberKind::Service), "01 0100 01 000102030405060708090a0b0c0d0e0f 00100000 0001 6d65"),
        (Record::Connect { link: 2, peer: "you" }, "02 02000000 796f75"),
        (Record::Accept { link: 3 }, "03 03000000"),
        (Record::Reject { link: 3 }, "04 03000000"),
        (Record::Find { peer: "you" }, "05 796f75"),
        (Record::Peers, "06"),
        (Record::Watch, "07"),
        (
            Record::Authenticate { link: 3, incarnation: LIFE, name: "you" },
            "08 03000000 000102030405060708090a0b0c0d0e0f 796f75",
        ),
        (Record::Data { link: 2, bytes: &[0, 255] }, "40 02000000 00ff"),
        (Record::Credit { link: 2, bytes: 256 }, "41 02000000 00010000"),
        (Record::Close { link: u32::MAX }, "42 ffffffff"),
        (Record::Pulse, "43"),
        (Record::Lost, "44"),
        (
            Record::Joined { version: 1, window: 0x2000, limit: 0x200, silence: 1000 },
            "81 0100 00200000 0002 e803",
        ),
        (Record::Refused { trouble: Trouble::Version, version: 1, detail: "no" }, "82 00 0100 6e6f"),
        (
            Record::Connected { link: 2, status: status(State::Active, Some(5)) },
            "83 02000000 000102030405060708090a0b0c0d0e0f 00 0000000000000000 05000000",
        ),
        (Record::Failed { link: 2, failure: FAILURE }, "84 02000000 06 6e6f"),
        (Record::Incoming { link: 3 }, "85 03000000"),
        (Record::Found { status: None }, "86"),
        (
            Record::Found { status: Some(status(late, None)) },
            "86 000102030405060708090a0b0c0d0e0f 01 0700000000000000 00000000",
        ),
        (Record::PeerList { is_last: false, packed: b"\x01\0a\0\0" }, "87 00 0100 61 0000"),
        (Record::PeerList { is_last: true, packed: b"" }, "87 01"),
        (Record::Watching, "88"),
        (Record::Authenticated { link: 3, genuine: true }, "89 03000000 01"),
        (Record::Unable { failure: FAILURE }, "8a 06 6e6f"),
        (
            Record::Peer { incarnation: LIFE, state: State::Gone, name: "you" },
            "8b 000102030405060708090a0b0c0d0e0f 02 0000000000000000 796f75",
        ),
        (
            Record::Peer { incarnation: LIFE, state: late, name: "you" },
            "8b 000102030405060708090a0b0c0d0e0f 01 0700000000000000 796f75",
        ),
        (Record::Suspended { link: 2, micros: 7 }, "8c 02000000 0700000000000000"),
        (Record::BusGone { detail: "gone" }, "8d 676f6e65"),
        (Record::BusGone { detail: "" }, "8d"),
        (
            Record::Failed { link: 2, failure: Failure { trouble: Trouble::NoSuchPeer, detail: "" } },
            "84 02000000 03",
        ),
        (Record::Refused { trouble: Trouble::NameTaken, version: 1, detail: "" }, "82 02 0100"),
    ]
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|digit| *digit != ' ').collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<std::string::String>(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// Clause H4: a change of the layout cannot pass unnoticed.
#[test]
fn every_record_has_the_bytes_that_it_has_always_had() {
    for (record, hex) in all() {
        let mut out = [0; 100];
        let len = record.encode(&mut out).unwrap();
        assert_eq!(out[..len], unhex(hex), "{record:?}");
        assert_eq!(Record::decode(&out[..len]), Ok(record));
        assert!(record.parts().0.bytes().len() <= MAX_HEAD);
    }
}

/// Fault X8: cut short, or longer than its kind, a record is another one of the same kind or an error.
#[test]
fn a_record_cut_anywhere_is_refused_or_has_a_shorter_text() {
    for (record, hex) in all() {
        let bytes = unhex(hex);
        let text = record.parts().1.len();
        for end in 0..bytes.len() {
            match Record::decode(&bytes[..end]) {
                Ok(cut) => {
                    assert!(end >= bytes.len() - text || matches!(cut, Record::Found { .. }), "{cut:?}")
                }
                Err(error) => {
                    assert_eq!(error == RecordError::Empty, end == 0, "{record:?} cut at {end}")
                }
            }
        }
    }
}

/// Fault X8.
#[test]
fn fields_that_make_no_sense_are_refused() {
    let field = |kind| Err(RecordError::Field { kind });
    let cases = [
        ("01 0100 02 000102030405060708090a0b0c0d0e0f 00100000 0001 6d65", field(1)),
        ("02 02000000 ff", field(2)),
        ("03 03000000 00", Err(RecordError::Length { kind: 3 })),
        ("40 02000000", Err(RecordError::Length { kind: 0x40 })),
        ("82 08 0100", field(0x82)),
        ("83 02000000 000102030405060708090a0b0c0d0e0f 00 0000000000000001 05000000", field(0x83)),
        ("87 02", field(0x87)),
        ("87 01 0200 61", field(0x87)),
        ("87 01 00", field(0x87)),
        ("89 03000000 02", field(0x89)),
        ("00", Err(RecordError::Unknown { kind: 0 })),
        ("ff", Err(RecordError::Unknown { kind: 0xff })),
        ("", Err(RecordError::Empty)),
    ];
    for (hex, expected) in cases {
        assert_eq!(Record::decode(&unhex(hex)), expected, "{hex}");
    }
}

/// Clause H4: whatever follows, a join of another version tells that version.
#[test]
fn the_version_of_a_join_can_always_be_read() {
    for hex in ["01 0200", "01 0200 ffff", "01 ffff 00"] {
        let bytes = unhex(hex);
        let Ok(Record::Join(join)) = Record::decode(&bytes) else { panic!("{hex}") };
        assert_ne!(join.version, TRUNK_VERSION);
    }
}

#[test]
fn packed_names_are_read_in_their_order() {
    let mut packed = [0; 20];
    let mut len = pack_name("a", &mut packed).unwrap();
    len += pack_name("ö", &mut packed[len..]).unwrap();
    assert_eq!(names(&packed[..len]).collect::<Vec<_>>(), [Ok("a"), Ok("ö")]);
    assert_eq!(pack_name("name", &mut packed[15..]), Err(NoRoom));
    assert_eq!(names(b"\x01\0a\x02").collect::<Vec<_>>().len(), 2);
}

#[test]
fn the_longest_join_is_as_long_as_is_said() {
    let name = "n".repeat(crate::name::MAX_NAME);
    let join =
        Join { version: 1, kind: MemberKind::Handle, incarnation: LIFE, window: 0, limit: 0, name: &name };
    assert_eq!(Record::Join(join).encode(&mut [0; 1000]), Ok(MAX_JOIN));
}
