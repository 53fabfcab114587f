//! What it does, clause by clause: functions that programs without a test harness call too.

use crate::pair::{BIG, Ended, Memory, Pair, REQUESTS, SERVING, SMALL, copy};
use alloc::borrow::ToOwned;
use alloc::vec::Vec;
use core::time::Duration;
use ipcm_core::fixed::SendError;
use ipcm_core::{Config, RemoteErrorKind, Sink};

const SECOND: Duration = Duration::from_secs(1);

/// Clauses D1, H1: whatever pieces the bytes come in, both sides ask and answer, whoever has called.
#[cfg_attr(test, test)]
pub(crate) fn requests_and_messages_go_both_ways_in_pieces_of_every_size() {
    for small_calls in [true, false] {
        for chunk in 1..200 {
            let mut memory = Memory::new();
            let mut pair = Pair::new(&mut memory, Config::default(), small_calls);
            pair.settle(chunk);
            let (caller, callee) = if small_calls {
                (&pair.small_seen, &pair.big_seen)
            } else {
                (&pair.big_seen, &pair.small_seen)
            };
            let name = if small_calls { SMALL } else { BIG };
            assert_eq!((caller.opened, &callee.greeted[..]), (1, &[name.to_owned()][..]));

            let deadline = Some(pair.now + SECOND);
            let to_big = pair.ask_big(deadline, b"from small").unwrap();
            let to_small = pair.ask_small(deadline, b"from big").unwrap();
            pair.small.message(pair.small_link, 7, &mut |out| copy(b"a note", out)).unwrap();
            pair.settle(chunk);
            assert_eq!(pair.big_seen.asked[0].1, b"from small");
            assert_eq!(pair.small_seen.asked[0].1, b"from big");
            assert_eq!(pair.big_seen.messages, [b"a note"]);
            assert!(pair.small_answers(b"by small") && pair.big_answers(b"by big"));
            pair.settle(chunk);
            assert_eq!(pair.small_seen.ended, [(to_big, Ended::Response(b"by big".to_vec()))], "{chunk}");
            assert_eq!(pair.big_seen.ended, [(to_small, Ended::Response(b"by small".to_vec()))], "{chunk}");
        }
    }
}

/// The largest bodies that are announced get through, and one byte more is an error at the sender.
#[cfg_attr(test, test)]
pub(crate) fn a_body_of_the_largest_size_gets_through_and_no_larger_one() {
    let mut memory = Memory::new();
    let mut pair = Pair::open(&mut memory, true);
    let largest = pair.small.largest_body();
    let large = vec![0xa5; largest + 17];
    assert_eq!(pair.ask_big(None, &large), Err(SendError::TooLarge { limit: largest + 16 }));
    pair.ask_big(None, &large[..largest]).unwrap();
    pair.settle(50);
    assert_eq!(pair.big_seen.asked[0].1.len(), largest);
    // The growing member may send what fits in three quarters of the input, less the longest head.
    let limit = 768 * 3 / 4 - 32;
    let write = &mut |out: &mut Sink<'_>, limit: usize| out.append(&vec![1; limit], limit);
    pair.big.request(pair.now, pair.big_link, None, write).unwrap();
    pair.settle(50);
    assert_eq!(pair.small_seen.asked[0].1.len(), limit);
}

/// Clauses D1, D2: a deadline ends a request, frees its slot at once, and its late answer is dropped and counted.
#[cfg_attr(test, test)]
pub(crate) fn a_request_that_times_out_is_forgotten_and_its_late_answer_is_counted() {
    let mut memory = Memory::new();
    let mut pair = Pair::open(&mut memory, true);
    let deadline = pair.now + SECOND;
    let late = pair.ask_big(Some(deadline), b"").unwrap();
    // The answer is under way when the deadline passes.
    while pair.carry_to_big(usize::MAX) {}
    assert!(pair.big_answers(b"late"));
    assert_eq!(pair.small.poll_timeout(), Some(deadline));
    pair.now = deadline;
    pair.events();
    assert_eq!((&pair.small_seen.ended[..], pair.small.pending()), (&[(late, Ended::TimedOut)][..], 0));
    pair.settle(usize::MAX);
    assert_eq!(pair.small.counters().stray_responses, 1);
    let next = pair.ask_big(None, b"").unwrap();
    pair.settle(usize::MAX);
    pair.big_answers(b"in time");
    pair.settle(usize::MAX);
    assert_eq!(pair.small_seen.ended[1..], [(next, Ended::Response(b"in time".to_vec()))]);
}

/// Clause C7: an answer that has come before the deadline is returned, however late one looks.
#[cfg_attr(test, test)]
pub(crate) fn an_answer_that_has_come_is_returned_after_the_deadline() {
    let mut memory = Memory::new();
    let mut pair = Pair::open(&mut memory, true);
    let id = pair.ask_big(Some(pair.now + SECOND), b"").unwrap();
    while pair.carry_to_big(usize::MAX) {}
    pair.big_answers(b"in time");
    while pair.carry_to_small(usize::MAX) {}
    pair.now = pair.now + 2 * SECOND;
    pair.events();
    assert_eq!(pair.small_seen.ended, [(id, Ended::Response(b"in time".to_vec()))]);
}

/// Clause D5: cancellation and the end of the time reach the service, in both directions.
#[cfg_attr(test, test)]
pub(crate) fn a_cancelled_request_is_withdrawn_at_the_service() {
    let mut memory = Memory::new();
    let mut pair = Pair::open(&mut memory, true);
    let (mine, theirs) = (pair.ask_big(None, b"").unwrap(), pair.ask_small(None, b"").unwrap());
    pair.settle(usize::MAX);
    assert!(pair.small.cancel(mine) && pair.big.cancel(theirs));
    assert!(!pair.small.cancel(mine), "it has ended");
    pair.settle(usize::MAX);
    assert_eq!(pair.small_seen.withdrawn, [pair.small_seen.asked[0].0.key()]);
    assert_eq!(pair.big_seen.withdrawn, [pair.big_seen.asked[0].0.key()]);
    assert!(!pair.small.is_wanted(pair.now, &pair.small_seen.asked[0].0));
    assert!(!pair.small_answers(b"nobody wants it"));
    assert_eq!(pair.small.counters().stray_replies, 1);
}

/// Clause D5: the caller's time is seen at the service.
#[cfg_attr(test, test)]
pub(crate) fn the_callers_deadline_is_known_and_an_answer_after_it_is_not_sent() {
    let mut memory = Memory::new();
    let mut pair = Pair::open(&mut memory, false);
    let deadline = pair.now + SECOND;
    pair.ask_small(Some(deadline), b"").unwrap();
    pair.settle(usize::MAX);
    assert_eq!(pair.small.caller_deadline(&pair.small_seen.asked[0].0), Some(deadline));
    pair.now = deadline;
    assert!(!pair.small_answers(b"late"));
    assert_eq!(pair.small.serving(), 0);
}

/// Clause D1, F1: failures of the service come as what they are.
#[cfg_attr(test, test)]
pub(crate) fn a_failure_comes_with_its_kind_and_words() {
    let mut memory = Memory::new();
    let mut pair = Pair::open(&mut memory, false);
    let id = pair.ask_small(None, b"").unwrap();
    pair.settle(usize::MAX);
    let (token, _) = pair.small_seen.asked.remove(0);
    assert!(pair.small.fail(pair.now, token, RemoteErrorKind::Failed, "no such sensor"));
    let mine = pair.ask_big(None, b"").unwrap();
    pair.settle(usize::MAX);
    let (token, _) = pair.big_seen.asked.remove(0);
    assert!(pair.big.fail(pair.now, token, RemoteErrorKind::Internal, "oh"));
    pair.settle(usize::MAX);
    let failed = Ended::Failure(RemoteErrorKind::Failed, b"no such sensor".to_vec());
    assert_eq!(pair.big_seen.ended, [(id, failed)]);
    let failed = Ended::Failure(RemoteErrorKind::Internal, b"oh".to_vec());
    assert_eq!(pair.small_seen.ended, [(mine, failed)]);
}

/// Clauses D1, E2: when the link ends, what has come is taken in, and every other request ends as gone.
#[cfg_attr(test, test)]
pub(crate) fn the_end_of_a_link_ends_its_requests_once_and_after_the_answers_that_had_come() {
    let mut memory = Memory::new();
    let mut pair = Pair::open(&mut memory, true);
    let answered = pair.ask_big(None, b"1").unwrap();
    let sent = pair.ask_big(None, b"2").unwrap();
    let theirs = pair.ask_small(None, b"").unwrap();
    pair.settle(usize::MAX);
    let unsent = pair.ask_big(None, b"3").unwrap();
    pair.big_answers(b"one");
    while pair.carry_to_small(usize::MAX) {}
    let key = pair.small_seen.asked[0].0.key();
    pair.cut();
    pair.events();
    let ended = [
        (answered, Ended::Response(b"one".to_vec())),
        (sent, Ended::Gone { sent: true }),
        (unsent, Ended::Gone { sent: false }),
    ];
    assert_eq!(pair.small_seen.ended, ended);
    assert_eq!(
        (&pair.small_seen.withdrawn[..], &pair.small_seen.closed[..]),
        (&[key][..], &["Closed".into()][..])
    );
    assert_eq!(pair.big_seen.ended, [(theirs, Ended::Gone { sent: true })]);
    assert_eq!((pair.small.pending(), pair.small.serving()), (0, 0));
    assert_eq!(pair.ask_big(None, b""), Err(SendError::LinkOver));
    assert!(!pair.small_answers(b"nobody is there"));
}

/// Clause D6: full is an error, and nothing has happened.
#[cfg_attr(test, test)]
pub(crate) fn a_full_table_and_a_full_outbox_refuse_and_change_nothing() {
    let mut memory = Memory::new();
    let mut pair = Pair::open(&mut memory, true);
    // 176 bytes of output for what this side begins: one frame of 100 bytes, not two.
    let first = pair.ask_big(None, &[1; 100]).unwrap();
    assert_eq!(pair.ask_big(None, &[2; 100]), Err(SendError::WouldBlock));
    pair.settle(usize::MAX);
    let mut ids = vec![first];
    for _ in 1..REQUESTS {
        ids.push(pair.ask_big(None, b"").unwrap());
        pair.settle(usize::MAX);
    }
    assert_eq!(pair.ask_big(None, b""), Err(SendError::TooManyInFlight { limit: REQUESTS }));
    for body in [&b"a"[..], b"b", b"c", b"d"] {
        pair.big_answers(body);
    }
    pair.settle(usize::MAX);
    assert_eq!(pair.small_seen.ended.iter().map(|(id, _)| *id).collect::<Vec<_>>(), ids);
    assert!(pair.ask_big(None, b"").is_ok());
}

/// Clause B4: a peer that asks as fast as it may has no more requests unanswered than there is room for, and the
/// answers to all of them have room however large they are and whatever this side sends beside them.
#[cfg_attr(test, test)]
pub(crate) fn a_peer_cannot_have_more_requests_unanswered_than_there_is_room_for_answers() {
    let mut memory = Memory::new();
    let mut pair = Pair::open(&mut memory, false);
    let largest = vec![7; pair.small.largest_body()];
    let mut answered = 0;
    for _ in 0..50 {
        while pair.ask_small(None, b"").is_ok() {}
        while pair.carry_to_small(usize::MAX) {}
        pair.events();
        assert_eq!(pair.small_seen.asked.len(), SERVING);
        // The outbox takes all that this side may send of its own, and nothing leaves.
        while let Ok(id) = pair.ask_big(None, &[1; 20]) {
            pair.small.cancel(id);
        }
        for _ in 0..SERVING {
            assert!(pair.small_answers(&largest));
            answered += 1;
        }
        pair.settle(usize::MAX);
        assert_eq!(pair.big_seen.ended.len(), answered);
    }
    assert!(pair.big_seen.ended.iter().all(|(_, end)| *end == Ended::Response(largest.clone())));
    assert_eq!(pair.small.counters().violations + pair.big.counters().violations as u32, 0);
}

/// Clause B4: messages are taken one by one, and what was taken may be sent anew.
#[cfg_attr(test, test)]
pub(crate) fn a_peer_that_sends_messages_without_end_never_gets_ahead_of_its_window() {
    let mut memory = Memory::new();
    let mut pair = Pair::open(&mut memory, false);
    for number in 0..100u8 {
        let write = &mut |out: &mut Sink<'_>, _| {
            out.extend_from_slice(&[number; 300]);
            Ok(())
        };
        pair.big.message(pair.big_link, 0, false, write).unwrap();
        assert!(pair.big.message(pair.big_link, 0, false, write).is_err(), "the window is used up");
        pair.settle(64);
        assert_eq!(pair.small_seen.messages.len(), usize::from(number) + 1);
        assert_eq!(pair.small_seen.messages[usize::from(number)], [number; 300]);
    }
}

/// Both can be asked to end.
#[cfg_attr(test, test)]
pub(crate) fn the_wish_that_a_peer_ends_is_heard() {
    let mut memory = Memory::new();
    let mut pair = Pair::open(&mut memory, true);
    pair.small.terminate(pair.small_link).unwrap();
    pair.big.terminate(pair.big_link);
    pair.settle(3);
    assert_eq!((pair.small_seen.terminated, pair.big_seen.terminated), (1, 1));
}

/// The slots of links are used again, and the id of a former link finds nothing.
#[cfg_attr(test, test)]
pub(crate) fn links_are_as_many_as_there_are_and_are_used_again() {
    let mut memory = Memory::new();
    let mut pair = Pair::open(&mut memory, true);
    let other = pair.small.open("other").unwrap();
    assert_eq!(pair.small.open("third"), Err(SendError::TooManyLinks { limit: 2 }));
    assert_eq!(pair.small.accept(pair.now), None);
    pair.small.close(other);
    pair.events();
    assert_eq!(pair.small_seen.closed, ["Closed"]);
    let next = pair.small.accept(pair.now).unwrap();
    assert!(next != other && next.index() == other.index());
    assert_eq!(pair.small.pending_output(other), b"");
    assert_eq!(pair.small.message(other, 0, &mut |_| Ok(0)), Err(SendError::LinkOver));
}
