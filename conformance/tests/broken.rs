//! What the checks are worth: each fails on a transport that breaks what it is about.

#[path = "broken/fault.rs"]
mod fault;
#[path = "broken/ground.rs"]
mod ground;
#[path = "broken/transport.rs"]
mod transport;

use std::collections::BTreeSet;
use std::panic::{catch_unwind, set_hook, take_hook};
use std::sync::Once;

use fault::Fault;
use ground::Broken;
use ipcm_conformance::{Check, checks};

/// Every fault, and the checks that find it.
macro_rules! caught_by {
    ($($test:ident $fault:ident: $($check:ident)+;)+) => {
        $(#[test]
        fn $test() {
            assert_caught(Fault::$fault, &[$(stringify!($check)),+]);
        })+

        /// No check passes whatever a transport does.
        #[test]
        fn every_check_finds_a_fault() {
            let finding: BTreeSet<_> = [$($(stringify!($check)),+),+].into();
            let all: BTreeSet<_> = checks::<Broken>().iter().map(Check::name).collect();
            assert_eq!(all.difference(&finding).collect::<Vec<_>>(), [&""; 0]);
        }
    };
}

caught_by! {
    packets_that_are_lost_are_found Loses:
        links_between_the_same_two_are_apart
        a_stream_arrives_as_it_was_sent_both_ways_at_once
        many_small_packets_arrive_as_they_were_sent
        a_link_that_nobody_receives_from_fills_up_and_loses_nothing
        what_was_left_by_one_receive_is_reported_again
        memory_of_the_transport_keeps_to_the_order_of_the_stream
        messages_come_in_the_order_sent_and_once
        a_reader_that_does_not_collect_holds_the_sender_back_and_loses_nothing
        a_restarted_service_is_reached_by_the_next_request
        a_thousand_requests_at_once_are_each_answered_with_their_own
        a_stopped_reader_neither_blocks_nor_grows_its_sender
        a_request_to_one_who_breaks_the_protocol_ends
        messages_that_wait_for_room_keep_their_order
        a_caller_of_a_newer_member_names_both_versions
        an_answer_behind_the_timeout_is_dropped_and_counted
        an_await_ends_when_its_peer_breaks_the_protocol_and_stays
        a_broadcast_reaches_all_but_the_one_that_takes_nothing_in;
    packets_that_come_twice_are_found Doubles:
        a_stream_arrives_as_it_was_sent_both_ways_at_once
        many_small_packets_arrive_as_they_were_sent
        messages_come_in_the_order_sent_and_once
        messages_that_wait_for_room_keep_their_order
        stray_and_repeated_answers_lose_nothing_of_what_comes_with_them
        messages_that_are_sent_and_that_are_queued_keep_their_order;
    packets_that_overtake_each_other_are_found Reorders:
        a_stream_arrives_as_it_was_sent_both_ways_at_once
        many_small_packets_arrive_as_they_were_sent
        messages_of_every_size_arrive_in_their_order
        requests_and_answers_of_every_size_arrive
        two_that_flood_each_other_both_get_through
        credit_behind_an_answer_is_used_at_once
        requests_to_several_services_are_awaited_together
        a_handler_that_takes_in_more_keeps_the_order_of_the_requests;
    bytes_that_are_spoiled_are_found Spoils:
        links_between_the_same_two_are_apart
        a_stream_arrives_as_it_was_sent_both_ways_at_once
        requests_and_answers_of_every_size_arrive
        a_body_of_16_mib_passes_at_the_default_limit
        a_flood_of_empty_requests_is_answered_and_starves_nobody
        a_newer_caller_is_told_which_version_is_spoken
        bodies_that_are_written_in_place_arrive;
    early_words_that_are_lost_are_found LosesEarlyWords:
        what_is_said_before_the_connection_is_taken_in_is_heard
        one_who_connects_and_dies_leaves_what_it_said_or_nothing
        two_who_connect_to_each_other_at_once_have_two_links
        what_is_sent_to_a_suspended_member_comes_to_its_next_life_in_order
        one_who_connects_to_a_suspended_member_is_taken_in_by_its_next_life
        two_members_that_are_suspended_in_turn_lose_nothing
        a_request_is_answered_with_the_typed_response
        a_request_to_one_who_does_not_serve_is_refused
        a_response_that_is_there_is_returned_with_a_timeout_of_zero
        a_request_ends_at_its_own_deadline
        a_late_answer_is_dropped_and_counted_and_disturbs_nothing
        await_all_names_each_failure_and_keeps_the_responses
        await_any_returns_the_first_to_end
        poll_counts_what_came_and_waits_no_longer_than_it_must
        a_full_table_refuses_and_one_collected_end_makes_room
        a_message_says_who_sent_it_to_whom
        drop_oldest_keeps_the_newest_and_counts_the_others
        a_request_may_be_answered_later_and_in_any_order
        a_failure_is_told_to_the_caller_and_the_service_goes_on
        a_service_is_told_how_long_its_caller_waits
        a_cancellation_reaches_the_service
        work_whose_caller_has_given_up_is_not_begun
        work_whose_time_is_over_when_the_service_comes_to_it_is_not_begun
        an_answer_after_the_deadline_is_not_sent_and_counted
        an_overloaded_service_refuses_and_serves_on
        a_service_that_is_given_up_keeps_no_caller_waiting
        a_body_that_cannot_be_written_leaves_the_link_as_it_was
        many_callers_are_all_served_and_one_that_stalls_delays_none
        a_member_may_ask_and_be_asked_over_the_same_link
        an_answer_that_is_too_large_for_its_caller_is_a_failure
        those_who_connect_and_say_nothing_disturb_nobody
        an_answer_that_is_given_twice_counts_once_and_disturbs_nothing
        an_await_says_exactly_why_it_returns_nothing
        a_poll_counts_messages_and_answers_alike
        a_callback_may_await_an_answer
        an_answer_that_was_in_time_is_returned_though_it_lies_behind_others
        an_await_of_all_leaves_out_what_was_collected
        the_only_place_is_free_as_soon_as_its_request_has_timed_out
        a_cancellation_is_told_before_what_is_asked_behind_it
        junk_of_any_length_before_a_hello_or_behind_it_cuts_no_other_link
        a_frame_without_sense_is_counted_and_cuts_its_link
        one_who_does_not_say_hello_in_time_is_cut_off
        a_flood_beyond_the_window_is_cut_off
        an_answer_that_is_given_twice_counts_once_and_disturbs_nothing
        an_answer_by_another_than_was_asked_is_dropped
        a_callback_runs_inside_an_await
        giving_up_all_requests_leaves_those_with_a_callback
        answers_to_a_batch_can_be_awaited_in_any_order
        a_request_that_has_ended_cannot_be_cancelled
        one_who_is_asked_to_end_is_told
        one_of_another_version_is_told_which_one_is_spoken
        one_who_calls_a_peer_of_another_version_is_told_both
        one_who_answers_as_another_is_not_spoken_to
        half_a_frame_and_a_death_disturb_nobody;
    last_words_that_are_lost_are_found LosesLastWords:
        the_end_of_a_link_comes_behind_what_was_sent
        the_death_of_a_member_ends_its_links_behind_what_it_sent
        an_answer_given_before_the_death_is_returned_however_late_one_looks
        an_answer_given_before_the_death_survives_a_send_to_the_dead
        requests_that_end_in_different_ways_each_end_once;
    to_send_and_hear_no_more_is_found DeafAfterSend:
        one_who_sends_to_a_closed_link_still_hears_what_had_come;
    what_is_reported_but_once_is_found ReadableOnce:
        what_was_left_by_one_receive_is_reported_again
        a_wait_whose_deadline_has_passed_looks_and_returns;
    a_link_that_stays_full_is_found NeverWritable:
        a_link_that_was_full_tells_when_it_takes_more
        room_on_a_full_link_ends_a_wait
        messages_of_every_size_arrive_in_their_order
        a_body_at_the_limit_passes_and_one_byte_more_is_refused
        a_caller_that_does_not_read_its_answers_does_not_grow_the_service;
    a_link_that_is_never_full_is_found NeverFull:
        a_link_that_nobody_receives_from_fills_up_and_loses_nothing
        a_link_that_was_full_tells_when_it_takes_more
        a_request_that_had_not_left_when_its_peer_died_says_so
        room_on_a_full_link_ends_a_wait;
    a_receive_of_nothing_is_found MovesNothing:
        a_wait_for_one_link_finds_what_is_there_and_gives_up_in_time;
    an_end_that_is_no_end_is_found EndsBroken:
        a_connection_that_is_rejected_ends
        the_end_of_a_link_comes_behind_what_was_sent
        a_request_ends_when_its_service_dies
        one_who_dies_in_the_middle_of_its_first_words_disturbs_nobody;
    an_end_that_is_not_told_is_found KeepsEndedLinks:
        a_connection_that_is_rejected_ends
        the_death_of_a_member_ends_its_links_behind_what_it_sent
        a_death_ends_a_wait
        a_link_without_a_parting_is_closed
        the_death_of_a_service_ends_an_await_that_goes_on
        a_service_survives_callers_that_die_before_they_are_answered
        junk_cuts_its_link_and_is_counted_and_nobody_else_is_disturbed
        a_request_to_one_who_dies_before_it_says_hello_ends
        a_callback_is_told_once_that_its_peer_has_died
        every_way_to_wait_ends_when_the_service_dies
        a_request_to_one_who_accepts_and_dies_before_it_says_hello_ends
        a_peer_beyond_the_limit_of_links_is_not_called
        links_that_come_and_go_leave_nothing_behind
        a_callback_hears_of_every_kind_of_end
        what_is_malformed_cuts_its_link_before_a_hello_and_behind_it;
    a_closed_link_that_takes_bytes_is_found SendsAfterClose:
        a_connection_to_nobody_is_refused
        a_link_that_this_end_has_closed_is_no_more;
    links_that_are_mixed_up_are_found MixesLinks:
        links_between_the_same_two_are_apart;
    a_rejection_that_is_none_is_found RejectsNothing:
        a_connection_that_is_rejected_ends
        links_beyond_the_limit_are_turned_away;
    a_connection_that_is_none_is_found AcceptsNothing:
        nothing_is_taken_in_where_nobody_connects;
    a_connection_that_is_not_announced_is_found AnnouncesNobody:
        a_connection_is_announced_and_carries_bytes_both_ways
        a_packet_has_at_least_32_bytes_and_fits_in_the_buffer
        a_connection_ends_a_wait;
    a_lie_that_is_believed_is_found Credulous:
        only_the_name_and_life_of_who_connected_are_genuine
        one_who_says_that_it_is_another_is_not_let_in;
    a_truth_that_is_not_believed_is_found Suspicious:
        only_the_name_and_life_of_who_connected_are_genuine;
    a_reason_that_is_not_the_right_one_is_found WrongReason:
        a_connection_to_nobody_is_refused
        a_connection_to_one_who_has_left_is_refused
        a_request_to_nobody_is_refused
        a_message_to_nobody_is_refused;
    one_who_is_kept_after_its_death_is_found KeepsDead:
        the_others_are_listed_sorted_and_found_by_their_names
        a_handle_is_ready_as_soon_as_its_service_is_there
        a_handle_knows_who_serves;
    a_list_without_order_is_found ListsAnyhow:
        the_others_are_listed_sorted_and_found_by_their_names
        a_name_may_be_any_text_of_up_to_512_bytes
        a_handle_that_is_dropped_leaves;
    names_that_must_be_short_are_found ShortNames:
        a_name_may_be_any_text_of_up_to_512_bytes;
    a_name_with_two_owners_is_found TwoOwners:
        a_name_has_one_owner_and_is_free_when_that_one_is_gone
        a_suspended_member_keeps_its_name;
    two_lives_that_are_the_same_are_found SameLife:
        a_name_has_one_owner_and_is_free_when_that_one_is_gone
        every_life_has_an_incarnation_of_its_own
        a_suspended_member_keeps_its_name;
    news_that_is_kept_back_is_found NoNews:
        one_who_watches_is_told_who_is_there_who_comes_and_who_goes
        the_death_of_one_who_is_watched_ends_a_wait
        the_death_of_a_watched_peer_is_told_without_a_request;
    news_that_nobody_wants_is_found UnaskedNews:
        one_who_does_not_watch_is_told_nothing;
    a_wait_that_does_not_wait_is_found Spins:
        a_wait_in_which_nothing_happens_ends_at_its_deadline
        bytes_end_a_wait
        a_call_to_one_who_answers_meanwhile_returns
        a_call_returns_the_typed_answer_or_says_why_there_is_none;
    a_wait_that_nothing_ends_is_found Oversleeps:
        bytes_end_a_wait
        a_connection_ends_a_wait
        a_death_ends_a_wait
        the_death_of_one_who_is_watched_ends_a_wait
        room_on_a_full_link_ends_a_wait
        an_answer_that_was_in_time_is_returned_after_the_deadline;
    a_wait_that_does_not_end_in_time_is_found IgnoresDeadlines:
        a_wait_in_which_nothing_happens_ends_at_its_deadline;
    an_end_that_is_a_timeout_is_found ClosesAtDeadline:
        a_wait_for_one_link_finds_what_is_there_and_gives_up_in_time
        an_await_that_times_out_forgets_its_request
        a_request_to_one_who_never_says_hello_times_out
        a_callback_runs_once_and_may_send_and_await
        a_broadcast_tells_what_came_of_each_peer;
    receiving_that_is_not_taken_up_again_is_found ReceivesNoMore:
        receiving_can_be_put_off_and_taken_up_again;
    packets_that_are_too_small_are_found TinyPackets:
        a_packet_has_at_least_32_bytes_and_fits_in_the_buffer;
    memory_that_is_too_short_is_found ShortRoom:
        memory_of_the_transport_keeps_to_the_order_of_the_stream;
    memory_that_comes_late_is_found LateRoom:
        memory_of_the_transport_keeps_to_the_order_of_the_stream;
    a_suspension_that_is_hidden_is_found HidesSuspension:
        a_transport_that_cannot_suspend_says_so_and_goes_on;
    a_suspension_that_is_a_boast_is_found ClaimsSuspension:
        a_suspended_member_keeps_its_name
        a_suspension_that_is_over_is_the_end
        requests_to_a_suspended_service_are_answered_by_its_next_life
        a_request_to_a_suspended_service_may_time_out
        a_suspension_that_runs_out_ends_the_requests
        a_request_that_a_suspended_life_has_not_answered_fails;
    a_life_that_leaves_nothing_is_found LeavesNothing:
        what_is_sent_to_a_suspended_member_comes_to_its_next_life_in_order
        messages_to_a_member_that_sleeps_now_and_then_come_in_order
        messages_that_are_put_back_come_to_the_next_life_before_all_others
        the_lives_of_a_sender_share_the_window_of_one_who_does_not_read
        a_request_that_a_suspended_life_has_not_answered_fails
        an_answer_to_a_former_life_of_the_asker_is_dropped;
    a_sleep_that_is_not_told_is_found HidesSleep:
        what_is_sent_to_a_suspended_member_comes_to_its_next_life_in_order
        two_members_that_are_suspended_in_turn_lose_nothing;
    a_sleep_that_is_a_departure_is_found LeavesForSleep:
        a_suspended_member_keeps_its_name
        a_suspension_that_is_over_is_the_end
        one_who_connects_to_a_suspended_member_is_taken_in_by_its_next_life;
    a_death_that_is_none_is_found Undead:
        a_connection_to_one_who_has_left_is_refused
        the_death_of_a_member_ends_its_links_behind_what_it_sent
        a_request_ends_when_its_service_dies
        a_restarted_service_is_reached_by_the_next_request;
}

/// Fails unless each of these checks fails on a transport with this fault.
#[track_caller]
fn assert_caught(fault: Fault, by: &[&str]) {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let hook = take_hook();
        // That checks fail is what is wanted.
        set_hook(Box::new(move |info| {
            if Fault::present().is_none() {
                hook(info)
            }
        }));
    });
    let checks = checks::<Broken>();
    let check = |name: &str| checks.iter().find(|check| check.name() == name).expect("there is such a check");
    Fault::set(Some(fault));
    let blind = by.iter().filter(|name| catch_unwind(|| check(name).run()).is_ok());
    let blind: Vec<_> = blind.collect();
    Fault::set(None);
    assert!(blind.is_empty(), "{fault:?} is not found by {blind:?}");
}

/// And none of them fails on the same transport without a fault.
#[test]
fn without_a_fault_every_check_passes() {
    checks::<Broken>().iter().for_each(Check::run);
}
