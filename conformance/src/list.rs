//! The list of all checks: as tests, and as values.

use alloc::vec;
use alloc::vec::Vec;

use crate::ground::Ground;

/// Hands the names of all checks to a macro, by module, behind what else it is to be given.
#[doc(hidden)]
#[macro_export]
macro_rules! for_every_check {
    ($each:ident $($given:tt)*) => {
        $crate::$each! {
            [$($given)*]
            contract::links:
                a_connection_to_nobody_is_refused
                a_connection_to_one_who_has_left_is_refused
                a_connection_is_announced_and_carries_bytes_both_ways
                what_is_said_before_the_connection_is_taken_in_is_heard
                a_connection_that_is_rejected_ends
                nothing_is_taken_in_where_nobody_connects
                one_who_connects_and_dies_leaves_what_it_said_or_nothing
                links_between_the_same_two_are_apart
                two_who_connect_to_each_other_at_once_have_two_links
                only_the_name_and_life_of_who_connected_are_genuine
                the_end_of_a_link_comes_behind_what_was_sent
                one_who_sends_to_a_closed_link_still_hears_what_had_come
                the_death_of_a_member_ends_its_links_behind_what_it_sent
                a_link_that_this_end_has_closed_is_no_more;
            contract::streams:
                a_packet_has_at_least_32_bytes_and_fits_in_the_buffer
                a_stream_arrives_as_it_was_sent_both_ways_at_once
                many_small_packets_arrive_as_they_were_sent
                a_link_that_nobody_receives_from_fills_up_and_loses_nothing
                a_link_that_was_full_tells_when_it_takes_more
                what_was_left_by_one_receive_is_reported_again
                receiving_can_be_put_off_and_taken_up_again
                memory_of_the_transport_keeps_to_the_order_of_the_stream;
            contract::peers:
                the_others_are_listed_sorted_and_found_by_their_names
                a_name_may_be_any_text_of_up_to_512_bytes
                a_name_has_one_owner_and_is_free_when_that_one_is_gone
                every_life_has_an_incarnation_of_its_own
                one_who_watches_is_told_who_is_there_who_comes_and_who_goes
                one_who_does_not_watch_is_told_nothing;
            contract::waits:
                a_wait_in_which_nothing_happens_ends_at_its_deadline
                a_wait_whose_deadline_has_passed_looks_and_returns
                bytes_end_a_wait
                a_connection_ends_a_wait
                a_death_ends_a_wait
                the_death_of_one_who_is_watched_ends_a_wait
                room_on_a_full_link_ends_a_wait
                a_wait_for_one_link_finds_what_is_there_and_gives_up_in_time;
            contract::suspension:
                a_transport_that_cannot_suspend_says_so_and_goes_on
                a_suspended_member_keeps_its_name
                what_is_sent_to_a_suspended_member_comes_to_its_next_life_in_order
                one_who_connects_to_a_suspended_member_is_taken_in_by_its_next_life
                a_link_without_a_parting_is_closed
                a_suspension_that_is_over_is_the_end
                two_members_that_are_suspended_in_turn_lose_nothing;
            behaviour::calls:
                a_handle_is_ready_as_soon_as_its_service_is_there
                a_request_is_answered_with_the_typed_response
                a_call_to_one_who_answers_meanwhile_returns
                a_request_to_nobody_is_refused
                a_request_to_one_who_does_not_serve_is_refused
                a_response_that_is_there_is_returned_with_a_timeout_of_zero
                an_answer_that_was_in_time_is_returned_after_the_deadline
                an_await_that_times_out_forgets_its_request
                a_request_ends_at_its_own_deadline
                a_late_answer_is_dropped_and_counted_and_disturbs_nothing
                await_all_names_each_failure_and_keeps_the_responses
                await_any_returns_the_first_to_end
                poll_counts_what_came_and_waits_no_longer_than_it_must
                a_callback_runs_once_and_may_send_and_await
                a_full_table_refuses_and_one_collected_end_makes_room
                a_thousand_requests_at_once_are_each_answered_with_their_own;
            behaviour::ends:
                a_request_ends_when_its_service_dies
                the_death_of_a_service_ends_an_await_that_goes_on
                an_answer_given_before_the_death_is_returned_however_late_one_looks
                an_answer_given_before_the_death_survives_a_send_to_the_dead
                a_service_survives_callers_that_die_before_they_are_answered
                a_request_to_one_who_dies_before_it_says_hello_ends
                a_request_to_one_who_never_says_hello_times_out
                a_request_that_had_not_left_when_its_peer_died_says_so
                a_restarted_service_is_reached_by_the_next_request
                the_death_of_a_watched_peer_is_told_without_a_request
                a_handle_that_is_dropped_leaves
                requests_to_a_suspended_service_are_answered_by_its_next_life
                a_request_to_a_suspended_service_may_time_out
                a_suspension_that_runs_out_ends_the_requests
                a_request_that_a_suspended_life_has_not_answered_fails
                an_answer_to_a_former_life_of_the_asker_is_dropped;
            behaviour::handles:
                an_await_says_exactly_why_it_returns_nothing
                requests_to_several_services_are_awaited_together
                a_poll_counts_messages_and_answers_alike
                a_callback_may_await_an_answer
                a_callback_is_told_once_that_its_peer_has_died
                an_answer_that_was_in_time_is_returned_though_it_lies_behind_others
                credit_behind_an_answer_is_used_at_once
                an_await_of_all_leaves_out_what_was_collected;
            behaviour::endings:
                the_only_place_is_free_as_soon_as_its_request_has_timed_out
                an_answer_behind_the_timeout_is_dropped_and_counted
                stray_and_repeated_answers_lose_nothing_of_what_comes_with_them
                requests_that_end_in_different_ways_each_end_once
                every_way_to_wait_ends_when_the_service_dies
                an_await_ends_when_its_peer_breaks_the_protocol_and_stays
                a_request_to_one_who_accepts_and_dies_before_it_says_hello_ends;
            behaviour::lives:
                messages_to_a_member_that_sleeps_now_and_then_come_in_order
                messages_that_are_put_back_come_to_the_next_life_before_all_others
                the_lives_of_a_sender_share_the_window_of_one_who_does_not_read;
            behaviour::bounds:
                links_beyond_the_limit_are_turned_away
                a_peer_beyond_the_limit_of_links_is_not_called
                one_who_does_not_say_hello_in_time_is_cut_off
                a_flood_beyond_the_window_is_cut_off
                links_that_come_and_go_leave_nothing_behind;
            behaviour::callbacks:
                a_callback_hears_of_every_kind_of_end
                a_callback_runs_inside_an_await
                giving_up_all_requests_leaves_those_with_a_callback;
            behaviour::batches:
                answers_to_a_batch_can_be_awaited_in_any_order
                a_request_that_has_ended_cannot_be_cancelled
                a_call_returns_the_typed_answer_or_says_why_there_is_none
                a_handle_knows_who_serves
                one_who_is_asked_to_end_is_told;
            behaviour::greetings:
                one_of_another_version_is_told_which_one_is_spoken
                one_who_calls_a_peer_of_another_version_is_told_both
                one_who_answers_as_another_is_not_spoken_to;
            behaviour::malformed:
                what_is_malformed_cuts_its_link_before_a_hello_and_behind_it
                half_a_frame_and_a_death_disturb_nobody;
            behaviour::messages:
                a_message_says_who_sent_it_to_whom
                messages_come_in_the_order_sent_and_once
                messages_that_wait_for_room_keep_their_order
                messages_that_are_sent_and_that_are_queued_keep_their_order
                a_message_to_nobody_is_refused
                a_broadcast_tells_what_came_of_each_peer
                a_broadcast_reaches_all_but_the_one_that_takes_nothing_in
                a_reader_that_does_not_collect_holds_the_sender_back_and_loses_nothing
                a_stopped_reader_neither_blocks_nor_grows_its_sender
                drop_oldest_keeps_the_newest_and_counts_the_others
                two_that_flood_each_other_both_get_through
                a_caller_that_does_not_read_its_answers_does_not_grow_the_service;
            behaviour::services:
                a_request_may_be_answered_later_and_in_any_order
                a_failure_is_told_to_the_caller_and_the_service_goes_on
                a_service_is_told_how_long_its_caller_waits
                a_cancellation_reaches_the_service
                a_cancellation_is_told_before_what_is_asked_behind_it
                work_whose_caller_has_given_up_is_not_begun
                work_whose_time_is_over_when_the_service_comes_to_it_is_not_begun
                an_answer_after_the_deadline_is_not_sent_and_counted
                an_overloaded_service_refuses_and_serves_on
                a_handler_that_takes_in_more_keeps_the_order_of_the_requests
                a_service_that_is_given_up_keeps_no_caller_waiting
                many_callers_are_all_served_and_one_that_stalls_delays_none
                a_member_may_ask_and_be_asked_over_the_same_link;
            behaviour::sizes:
                requests_and_answers_of_every_size_arrive
                messages_of_every_size_arrive_in_their_order
                a_body_at_the_limit_passes_and_one_byte_more_is_refused
                an_answer_that_is_too_large_for_its_caller_is_a_failure
                bodies_that_are_written_in_place_arrive
                a_body_that_cannot_be_written_leaves_the_link_as_it_was
                a_body_of_16_mib_passes_at_the_default_limit;
            behaviour::strangers:
                junk_cuts_its_link_and_is_counted_and_nobody_else_is_disturbed
                one_who_dies_in_the_middle_of_its_first_words_disturbs_nobody
                those_who_connect_and_say_nothing_disturb_nobody
                an_answer_that_is_given_twice_counts_once_and_disturbs_nothing
                an_answer_by_another_than_was_asked_is_dropped
                one_who_says_that_it_is_another_is_not_let_in
                a_request_to_one_who_breaks_the_protocol_ends
                junk_of_any_length_before_a_hello_or_behind_it_cuts_no_other_link
                a_frame_without_sense_is_counted_and_cuts_its_link
                a_flood_of_empty_requests_is_answered_and_starves_nobody;
            behaviour::versions:
                a_caller_of_a_newer_member_names_both_versions
                a_newer_caller_is_told_which_version_is_spoken;
        }
    };
}

/// Makes every check a test, by the ground that is named.
///
/// The tests are in modules, `contract::links` and so on, of the module in which the macro is used.
#[macro_export]
macro_rules! conformance_tests {
    ($ground:ty) => {
        $crate::for_every_check!(conformance_test $ground);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! conformance_test {
    ([$ground:ty] $($part:ident::$module:ident: $($name:ident)+;)+) => {
        $(mod $module {
            // The ground, wherever it comes from.
            #[allow(unused_imports)]
            use super::*;

            $(#[test]
            fn $name() {
                $crate::$part::$module::$name::<$ground>();
            })+
        })+
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! conformance_list {
    ([$ground:ty] $($part:ident::$module:ident: $($name:ident)+;)+) => {
        vec![$($(Check {
            module: concat!(stringify!($part), "::", stringify!($module)),
            name: stringify!($name),
            run: $crate::$part::$module::$name::<$ground>,
        }),+),+]
    };
}

/// One check, for programs that are no test programs.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    module: &'static str,
    name: &'static str,
    run: fn(),
}

impl Check {
    /// What it is about.
    pub fn module(&self) -> &'static str {
        self.module
    }

    /// What holds.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Makes the check.
    ///
    /// # Panics
    ///
    /// Where it does not hold.
    pub fn run(&self) {
        (self.run)();
    }
}

/// All checks, on one ground. They are independent of each other, and in the order in which faults are best looked for.
pub fn checks<G: Ground>() -> Vec<Check> {
    crate::for_every_check!(conformance_list G)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nowhere;

    impl Ground for Nowhere {
        type Transport = ipcm_core::memory::Memory;
        type Clock = ipcm_core::memory::Clock;

        fn new() -> Self {
            Self
        }

        fn join(&mut self, _: &str, _: ipcm_core::Config) -> Option<crate::Member<Self>> {
            None
        }

        fn meanwhile(&mut self, _: crate::Act<Self>, _: &mut dyn FnMut()) {}
    }

    #[test]
    fn every_check_is_in_the_list() {
        let sources = [
            include_str!("contract/links.rs"),
            include_str!("contract/streams.rs"),
            include_str!("contract/peers.rs"),
            include_str!("contract/waits.rs"),
            include_str!("contract/suspension.rs"),
            include_str!("behaviour/calls.rs"),
            include_str!("behaviour/ends.rs"),
            include_str!("behaviour/handles.rs"),
            include_str!("behaviour/endings.rs"),
            include_str!("behaviour/lives.rs"),
            include_str!("behaviour/bounds.rs"),
            include_str!("behaviour/callbacks.rs"),
            include_str!("behaviour/batches.rs"),
            include_str!("behaviour/greetings.rs"),
            include_str!("behaviour/malformed.rs"),
            include_str!("behaviour/messages.rs"),
            include_str!("behaviour/services.rs"),
            include_str!("behaviour/sizes.rs"),
            include_str!("behaviour/strangers.rs"),
            include_str!("behaviour/versions.rs"),
        ];
        let written = sources.iter().flat_map(|source| source.lines());
        let written = written.filter_map(|line| line.strip_prefix("pub fn ")?.split('<').next());
        let listed: Vec<_> = checks::<Nowhere>().iter().map(Check::name).collect();
        assert_eq!(written.collect::<Vec<_>>(), listed);
    }
}
