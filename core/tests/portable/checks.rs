//! Checks of the core that need no std: what differs between targets is the size of a pointer and alignment.
//!
//! Each is a plain function that panics when something does not hold, so that a program without a test harness
//! can call it too.

pub(crate) mod codec;
pub(crate) mod conversation;
pub(crate) mod golden;

/// Hands the names of all checks to a macro, by module.
macro_rules! for_every_check {
    ($each:ident) => {
        $each! {
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
        }
    };
}
pub(crate) use for_every_check;
