//! One member in memory of a fixed size: no allocator, for microcontrollers.
//!
//! ```text
//! bytes --> Inbox --> frame --> message --> table, serving --> Event     handle_input, poll_event
//! bytes <-- outbox <- frame <-- message <-- table, serving <-- request   pending_output, consume_output
//! ```
//!
//! It speaks what [`Endpoint`](crate::Endpoint) speaks, byte for byte, and ends every request exactly once as
//! that does. What differs is that nothing grows:
//!
//! * [`Storage`] holds all there is, and its parameters are the bounds. A program has one alias for it.
//! * A link's window is so small that no more than `SERVING` requests of its peer can be unanswered, and its outbox
//!   keeps room for the answers to all of them: an answer is never refused for want of room.
//! * A request or message for which there is no room is [`SendError::WouldBlock`], and nothing has happened.
//! * A peer is known by its link; names are not kept.
//!
//! # Memory
//!
//! ```text
//! LINKS * (IN + OUT + 72 + 64 * SERVING) + 52 * REQUESTS      bytes, rounded up to a multiple of 8
//! ```
//!
//! is the size of a [`Storage`]; an [`Endpoint`] and an [`Inbox`] that work in it are some 150 bytes more. A storage can
//! be a `static`. At the end of a serial line, a [`Member`] needs a [`Wire`] beside it.

#[cfg(feature = "embedded-io-async")]
mod concurrent;
mod endpoint;
mod error;
mod event;
mod hello;
mod inbox;
mod input;
mod link;
mod member;
mod output;
#[cfg(feature = "embedded-io")]
mod superloop;

#[cfg(feature = "embedded-io-async")]
pub use concurrent::{Concurrent, LineError, Sleep};
pub use endpoint::{Counters, Endpoint};
pub use error::{LinkEnd, SendError};
pub use event::{End, Event};
pub use inbox::Inbox;
pub use member::{Loss, Member, Wire};
pub use output::WriteBody;
#[cfg(feature = "embedded-io")]
pub use superloop::Superloop;

use crate::id::Incarnation;
use crate::message::MAX_SLOTS;
use crate::{serving, table};
use link::Link;

/// All the memory of one member: `LINKS` links at once, each with `IN` bytes of input and `OUT` bytes of output,
/// `REQUESTS` requests pending at once, and `SERVING` requests of each link's peer unanswered.
///
/// A frame that comes takes at most three quarters of `IN`, one that goes `(OUT - 16 * (REQUESTS + 1)) / (SERVING + 1)`,
/// rounded down to a multiple of 16. Heads take 16 or 32 bytes of a frame, a hello 61 and the peer's name.
///
/// ```
/// use ipcm_core::Incarnation;
/// use ipcm_core::fixed::Storage;
///
/// // Two links, four requests pending, two of each peer to be answered; 768 bytes in and 640 out.
/// type Memory = Storage<2, 4, 2, 768, 640>;
///
/// let mut memory = Memory::new();
/// let (mut endpoint, mut inbox) = memory.split("thermometer", Incarnation::from_random([7; 16]));
/// assert_eq!(endpoint.largest_body(), 176 - 32);
/// let link = endpoint.open("echo").unwrap();
/// assert!(!endpoint.pending_output(link).is_empty(), "a hello");
/// ```
#[derive(Debug)]
pub struct Storage<
    const LINKS: usize,
    const REQUESTS: usize,
    const SERVING: usize,
    const IN: usize,
    const OUT: usize,
> {
    links: [Link; LINKS],
    marks: [inbox::Mark; LINKS],
    served: [[serving::Slot; SERVING]; LINKS],
    requests: [table::Slot; REQUESTS],
    heap: [u32; REQUESTS],
    input: [[u8; IN]; LINKS],
    output: [[u8; OUT]; LINKS],
}

impl<const LINKS: usize, const REQUESTS: usize, const SERVING: usize, const IN: usize, const OUT: usize>
    Storage<LINKS, REQUESTS, SERVING, IN, OUT>
{
    /// The largest frame that goes out.
    const FRAME_OUT: usize = {
        assert!(LINKS > 0 && REQUESTS > 0 && SERVING > 0, "a member without any of these can do nothing");
        assert!(REQUESTS <= MAX_SLOTS, "an id travels in 16 bits");
        // The cancellation of each request, and a credit.
        let control = 16 * (REQUESTS + 1);
        assert!(OUT >= control + 64 * (SERVING + 1), "OUT is too small for the frames of so many requests");
        (OUT - control) / (SERVING + 1) / 16 * 16
    };

    /// Memory for one member.
    pub const fn new() -> Self {
        Self {
            links: [Link::FREE; LINKS],
            marks: [inbox::Mark::EMPTY; LINKS],
            served: [[serving::Slot::VACANT; SERVING]; LINKS],
            requests: [table::Slot::VACANT; REQUESTS],
            heap: [0; REQUESTS],
            input: [[0; IN]; LINKS],
            output: [[0; OUT]; LINKS],
        }
    }

    /// A member of that name in this life of it. What was in the memory before is forgotten.
    ///
    /// # Panics
    ///
    /// If `name` cannot be a peer's name, or `OUT` is too small for a hello of that name.
    pub fn split<'s>(&'s mut self, name: &'s str, incarnation: Incarnation) -> (Endpoint<'s>, Inbox<'s>) {
        assert!(crate::name::check(name).is_ok(), "a peer's name");
        assert!(output::hello_size(name) <= OUT, "OUT is too small for a hello of this name");
        let inbox = Inbox::new(&mut self.marks, self.input.as_flattened_mut(), IN);
        let endpoint = Endpoint::new(
            name,
            incarnation,
            &mut self.links,
            table::Table::over(&mut self.requests, &mut self.heap),
            serving::Serving::over(self.served.as_flattened_mut()),
            self.output.as_flattened_mut(),
            endpoint::Limits {
                frame_in: inbox.frame_limit(),
                frame_out: Self::FRAME_OUT,
                outbox: OUT,
                serving: SERVING,
            },
        );
        (endpoint, inbox)
    }
}

impl<const LINKS: usize, const REQUESTS: usize, const SERVING: usize, const IN: usize, const OUT: usize>
    Default for Storage<LINKS, REQUESTS, SERVING, IN, OUT>
{
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! keeps_to_the_formula {
        ($($links:literal $requests:literal $serving:literal $in:literal $out:literal,)*) => {$(
            let stated = $links * ($in + $out + 72 + 64 * $serving) + 52 * $requests;
            let stated = usize::next_multiple_of(stated, 8);
            let held = size_of::<Storage<$links, $requests, $serving, $in, $out>>();
            assert_eq!(held, stated, "{:?}", ($links, $requests, $serving, $in, $out));
        )*};
    }

    /// Clause H1: memory stated in bytes.
    #[test]
    fn the_memory_of_a_member_is_what_the_formula_says() {
        keeps_to_the_formula! {
            1 1 1 128 160,
            1 1 1 131 163,
            2 4 2 768 640,
            3 7 1 300 400,
            8 32 4 1024 2048,
        }
    }
}
