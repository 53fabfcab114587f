//! The stream of bytes that a link carries each way: in order, without loss, within bounds.

use alloc::vec::Vec;
use core::time::Duration;

use ipcm_core::transport::{Progress, Transport, TransportEvent};

use crate::ground::Ground;
use crate::patience::{PAUSE, Patience};
use crate::pattern::{assert_same, pattern};
use crate::raw::Linked;
use crate::way::{Way, carry};

/// More than any transport may take for a peer that receives nothing.
const TOO_MUCH: usize = 16 * 1024 * 1024;

/// Clause B5.
pub fn a_packet_has_at_least_32_bytes_and_fits_in_the_buffer<G: Ground>() {
    let Linked { ground: _ground, caller, out, .. } = Linked::<G>::new();
    let (packet, buffer) = (G::Transport::PACKET, G::Transport::BUFFER);
    assert!(packet >= 32, "a packet of {packet} bytes cannot hold a frame's head");
    assert!(buffer >= packet, "a packet of {packet} bytes does not fit in a buffer of {buffer}");
    assert!(caller.member.transport().packet(out) >= packet, "a link may be given less than a packet");
}

/// Clause B2.
pub fn a_stream_arrives_as_it_was_sent_both_ways_at_once<G: Ground>() {
    let Linked { ground: _ground, mut caller, mut callee, out, back } = Linked::<G>::new();
    let (there, here) = (pattern(1, 1_000_003), pattern(2, 700_001));
    carry((&mut caller, out), (&mut callee, back), &there, &here);
}

/// Clause B2: also in the smallest pieces, many of them.
pub fn many_small_packets_arrive_as_they_were_sent<G: Ground>() {
    let Linked { ground: _ground, mut caller, mut callee, out, back } = Linked::<G>::new();
    let bytes = pattern(3, 20_000);
    let (mut sent, mut heard, mut is_blocked) = (0, Vec::new(), false);
    let mut patience = Patience::new(caller.now(), "all packets arrive");
    while heard.len() < bytes.len() {
        // Of 16 to 48 bytes, and no less at the end.
        let left = bytes.len() - sent;
        let n = if left < 64 { left } else { 16 + sent % 33 };
        if n > 0 && !is_blocked {
            match caller.transport().send(out, &bytes[sent..sent + n]) {
                Progress::Moved(n) => sent += n,
                Progress::Blocked => is_blocked = true,
                end => panic!("the link ended as {end:?}"),
            }
        }
        if left == 0 || is_blocked {
            caller.wait(Duration::ZERO);
            is_blocked &= caller.take_event(|event| *event == TransportEvent::Writable(out)).is_none();
            callee.wait(PAUSE);
            while callee.take_ready(back) {
                assert_ne!(callee.receive(back, &mut heard), Progress::Closed);
                callee.wait(Duration::ZERO);
            }
        }
        patience.spend(caller.now());
    }
    assert_same(&heard, &bytes, "in small packets");
}

/// Clause B4. Fault X10.
pub fn a_link_that_nobody_receives_from_fills_up_and_loses_nothing<G: Ground>() {
    let Linked { ground: _ground, mut caller, mut callee, out, back } = Linked::<G>::new();
    let bytes = pattern(4, TOO_MUCH);
    let mut way = Way::new(out, back, &bytes);
    way.fill(&mut caller);
    let accepted = way.sent();
    assert!(accepted < TOO_MUCH, "{accepted} bytes were taken for a peer that receives nothing");
    assert_same(&callee.hear(back, accepted), &bytes[..accepted], "all that was accepted");
}

/// Clause B4.
pub fn a_link_that_was_full_tells_when_it_takes_more<G: Ground>() {
    let Linked { ground: _ground, mut caller, mut callee, out, back } = Linked::<G>::new();
    let bytes = pattern(5, 2 * TOO_MUCH);
    let mut way = Way::new(out, back, &bytes);
    let mut patience = Patience::new(caller.now(), "a full link is told to take more when there is room");
    for _ in 0..3 {
        way.fill(&mut caller);
        let before = way.sent();
        while way.sent() == before {
            callee.wait(Duration::ZERO);
            way.receive(&mut callee);
            caller.wait(PAUSE);
            way.send(&mut caller);
            patience.spend(caller.now());
        }
    }
}

/// Clause C10.
pub fn what_was_left_by_one_receive_is_reported_again<G: Ground>() {
    let Linked { ground: _ground, mut caller, mut callee, out, back } = Linked::<G>::new();
    let words: Vec<_> = (0..10).map(|seed| pattern(seed, 200)).collect();
    for word in &words {
        caller.say(out, word);
    }
    // Each report is followed by one receive and no more.
    assert_same(&callee.hear(back, 2000), &words.concat(), "in several packets");
    caller.say(out, &words[3]);
    assert_same(&callee.hear(back, 200), &words[3], "after a pause");
}

/// Clause B4.
pub fn receiving_can_be_put_off_and_taken_up_again<G: Ground>() {
    let Linked { ground: _ground, mut caller, mut callee, out, back } = Linked::<G>::new();
    callee.transport().set_receiving(back, false);
    caller.say(out, &pattern(6, 100));
    for _ in 0..5 {
        callee.wait(PAUSE);
    }
    callee.transport().set_receiving(back, true);
    assert_same(&callee.hear(back, 100), &pattern(6, 100), "after receiving was taken up again");
    caller.say(out, &pattern(7, 100));
    assert_same(&callee.hear(back, 100), &pattern(7, 100), "after that");
}

/// Clause B2: what is written to memory of the transport takes its place in the stream, or is given back whole.
pub fn memory_of_the_transport_keeps_to_the_order_of_the_stream<G: Ground>() {
    let Linked { ground: _ground, mut caller, mut callee, out, back } = Linked::<G>::new();
    let mut expected = Vec::new();
    let mut heard = Vec::new();
    let mut patience = Patience::new(caller.now(), "what was written to memory of the transport arrives");
    // Where there is no such memory, everything goes the plain way; it takes some packets to agree on it.
    for round in 0..24u64 {
        let len = 16_384 + 40_000 * (round as usize % 4);
        let bytes = pattern(round, len);
        expected.extend_from_slice(&bytes);
        let is_written = match caller.transport().room(out, len) {
            Some(room) => {
                assert!(room.len() >= len, "room for {len} bytes has {}", room.len());
                room[..len].copy_from_slice(&bytes);
                match caller.transport().send_room(out, len) {
                    Ok(()) => true,
                    Err(back) => {
                        assert_same(back, &bytes, "what could not be sent");
                        false
                    }
                }
            }
            None => false,
        };
        let rest = if is_written { &[][..] } else { &bytes[..] };
        let mut way = Way::new(out, back, rest);
        while heard.len() < expected.len() || way.sent() < rest.len() {
            way.send(&mut caller);
            caller.wait(Duration::ZERO);
            callee.wait(PAUSE);
            if callee.take_ready(back) {
                assert_ne!(callee.receive(back, &mut heard), Progress::Closed);
            }
            patience.spend(caller.now());
        }
        assert_same(&heard, &expected, "by memory of the transport and without");
    }
}
