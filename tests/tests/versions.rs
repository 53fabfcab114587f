//! Peers of different versions: each is told which two there are, and nobody else is disturbed.

use ipcm::Handle;
use ipcm_core::{CallError, GoneReason, PROTOCOL_VERSION, Refusal, SendError};
use ipcm_tests::{AMPLE, Wire, bus, obedient, raw, within};

/// A frame without a body, by hand: a hello (1) or a refusal (2) of some version.
fn frame(kind: u8, version: u16) -> [u8; 16] {
    let mut frame = [0; 16];
    (frame[0], frame[4], frame[5]) = (16, 1, kind);
    frame[6..8].copy_from_slice(&version.to_le_bytes());
    frame
}

/// Clause H4: an older handle and a newer service. Nothing has a timeout.
#[test]
fn a_caller_of_a_newer_peer_names_both_versions() {
    let _watchdog = within(30);
    let bus = bus!();
    let mut newer = Handle::builder(bus.info(), "nobody").name("newer").build();
    newer.join().unwrap();
    let info = bus.info().clone();
    let calling = std::thread::spawn(move || {
        Handle::new(&info, "newer").sync_request::<u64>("newer", &1u64, None).unwrap_err()
    });
    let mut wire = Wire::accept(bus.info(), &raw::record(&bus, "newer"));
    let mut hello = [0; 1024];
    let n = wire.receive(&mut hello);
    assert!(n > 16 && hello[..8] == [n as u8, 0, 0, 0, 1, 1, PROTOCOL_VERSION as u8, 0], "{hello:?}");
    wire.send(&frame(2, 9)).unwrap();
    assert_eq!(wire.receive(&mut hello), 0, "the caller hangs up");
    let refused = calling.join().unwrap();
    let reason = GoneReason::Refused(Refusal::Version { version: 9 });
    assert_eq!(refused, CallError::Send(SendError::PeerGone { peer: "newer".into(), reason }));
    let text = refused.to_string();
    assert!(text.contains("version 9") && text.contains("version 1"), "{text}");
}

/// Clause H4: a newer handle and an older service, which counts it and serves the others.
#[test]
fn a_newer_caller_is_told_which_version_is_spoken() {
    let _watchdog = within(30);
    let bus = bus!();
    let _service = obedient::service(bus.info(), "service", || {}).spawn().unwrap();
    let mut me = Handle::builder(bus.info(), "service").name("me").build();
    me.join().unwrap();
    let (service, my_record) = (raw::record(&bus, "service"), raw::record(&bus, "me"));
    let mut wire = Wire::connect(bus.info(), &service, "me", my_record.incarnation()).unwrap();
    wire.send(&frame(1, 9)).unwrap();
    let mut told = [0; 1024];
    let n = wire.receive(&mut told);
    assert_eq!(told[..n], frame(2, PROTOCOL_VERSION));
    assert_eq!(wire.receive(&mut told), 0, "the service hangs up");
    let number: u64 = me.sync_request("service", &ipcm_tests::Ask::Number(1), AMPLE).unwrap();
    assert_eq!(number, 1);
}
