//! The checks of the core that its tests run on the host, here on a Cortex-M3: the codec, the tables, the bytes of the
//! wire, and the member of a fixed size against a growing one.
#![no_std]
#![no_main]

#[macro_use]
extern crate alloc;

#[path = "../../../core/tests/fixed/behaviour.rs"]
mod behaviour;
#[path = "../../../core/tests/portable/codec.rs"]
mod codec;
#[path = "../../../core/tests/portable/conversation.rs"]
mod conversation;
#[path = "../../../core/tests/portable/golden.rs"]
mod golden;
#[path = "../../../core/tests/fixed/pair.rs"]
mod pair;
#[path = "../../../core/tests/fixed/simulation.rs"]
mod simulation;

use cortex_m_rt::entry;
use ipcm_firmware::harness::Harness;

/// Seeds of the simulation of the member of a fixed size.
const SEEDS: u64 = 60;

/// Checks and their names. One that is in none of these lists is code that is not used, which the compiler tells.
macro_rules! checks {
    ($($module:ident: $($name:ident)+;)+) => {
        [$($((concat!(stringify!($module), "::", stringify!($name)), $module::$name as fn())),+),+]
    };
}

#[entry]
fn main() -> ! {
    let checks = checks! {
        codec:
            every_width_survives_the_trip_at_any_alignment
            a_value_cut_anywhere_is_truncated
            bombs_are_refused;
        conversation:
            a_full_table_refuses_and_an_ended_id_finds_nothing
            deadlines_end_requests_in_their_order
            every_request_ends_once_however_the_stream_is_cut;
        golden:
            the_bytes_of_every_kind_of_frame_are_what_they_were;
        behaviour:
            requests_and_messages_go_both_ways_in_pieces_of_every_size
            a_body_of_the_largest_size_gets_through_and_no_larger_one
            a_request_that_times_out_is_forgotten_and_its_late_answer_is_counted
            an_answer_that_has_come_is_returned_after_the_deadline
            a_cancelled_request_is_withdrawn_at_the_service
            the_callers_deadline_is_known_and_an_answer_after_it_is_not_sent
            a_failure_comes_with_its_kind_and_words
            the_end_of_a_link_ends_its_requests_once_and_after_the_answers_that_had_come
            a_full_table_and_a_full_outbox_refuse_and_change_nothing
            a_peer_cannot_have_more_requests_unanswered_than_there_is_room_for_answers
            a_peer_that_sends_messages_without_end_never_gets_ahead_of_its_window
            the_wish_that_a_peer_ends_is_heard
            links_are_as_many_as_there_are_and_are_used_again;
        seeds:
            every_request_ends_exactly_once_whatever_happens;
    };
    let mut harness = Harness::new();
    checks.into_iter().for_each(|(name, check)| harness.check(name, check));
    harness.finish()
}

mod seeds {
    /// Every kind of end is seen, but failures of the big member, which has none.
    pub(crate) fn every_request_ends_exactly_once_whatever_happens() {
        let mut ends = [[0; 5]; 2];
        for seed in 0..super::SEEDS {
            let seen = super::simulation::run(seed);
            ends.iter_mut().flatten().zip(seen.iter().flatten()).for_each(|(sum, seen)| *sum += seen);
        }
        let kinds = ends.map(|side| side.iter().filter(|&&count| count > 0).count());
        assert_eq!(kinds, [4, 5], "{ends:?}");
    }
}
