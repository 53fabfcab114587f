//! Standard input and output in WebAssembly: the calls of WASI preview 1 that wait for them and do not buffer.

use core::mem::MaybeUninit;

use wasip1::{
    CLOCKID_MONOTONIC, Ciovec, EVENTTYPE_CLOCK, EVENTTYPE_FD_READ, EVENTTYPE_FD_WRITE, Errno, Event,
    Eventtype, Iovec, Subscription, SubscriptionClock, SubscriptionFdReadwrite, SubscriptionU,
    SubscriptionUU, fd_read, fd_write, poll_oneoff,
};

const STDIN: u32 = 0;
const STDOUT: u32 = 1;

/// Which of the two have something to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ready {
    /// Input can be read, or has ended.
    pub(crate) input: bool,
    /// Output can be written, or nobody reads it any more.
    pub(crate) output: bool,
}

/// Waits for either, but no longer than `timeout` nanoseconds.
pub(crate) fn wait(input: bool, output: bool, timeout: Option<u64>) -> Ready {
    let fd = |file_descriptor| SubscriptionFdReadwrite { file_descriptor };
    let clock = |timeout| SubscriptionClock { id: CLOCKID_MONOTONIC, timeout, precision: 0, flags: 0 };
    let wanted = [
        input.then(|| subscription(EVENTTYPE_FD_READ, SubscriptionUU { fd_read: fd(STDIN) })),
        output.then(|| subscription(EVENTTYPE_FD_WRITE, SubscriptionUU { fd_write: fd(STDOUT) })),
        timeout.map(|timeout| subscription(EVENTTYPE_CLOCK, SubscriptionUU { clock: clock(timeout) })),
    ];
    let mut subscriptions = [subscription(EVENTTYPE_CLOCK, SubscriptionUU { clock: clock(0) }); 3];
    let mut count = 0;
    for subscription in wanted.into_iter().flatten() {
        subscriptions[count] = subscription;
        count += 1;
    }
    let mut events = [const { MaybeUninit::<Event>::uninit() }; 3];
    // SAFETY: `count` subscriptions are initialised, with the part of the union that their tag names, and there is
    // room for as many events.
    let found = unsafe { poll_oneoff(subscriptions.as_ptr(), events.as_mut_ptr().cast(), count) };
    // What cannot be waited for is tried, and says why.
    let Ok(found) = found else { return Ready { input, output } };
    let mut ready = Ready::default();
    for event in events.iter().take(found) {
        // SAFETY: the host has written `found` events, of which every part is valid whatever its bits.
        match unsafe { event.assume_init() }.type_ {
            EVENTTYPE_FD_READ => ready.input = true,
            EVENTTYPE_FD_WRITE => ready.output = true,
            _ => {}
        }
    }
    ready
}

/// The least timeout that finds what is ready now, in nanoseconds. Node's engine, with a timeout of zero, runs its timers
/// before it looks at any descriptor, and says always that nothing is. So does an output that has no room just now, for
/// which the longer timeout does as well.
pub(crate) fn least_timeout() -> u64 {
    const MILLISECOND: u64 = 1_000_000;
    if wait(false, true, Some(0)).output { 0 } else { MILLISECOND }
}

fn subscription(kind: Eventtype, u: SubscriptionUU) -> Subscription {
    Subscription { userdata: 0, u: SubscriptionU { tag: kind.raw(), u } }
}

/// Reads what standard input has. Waits if it has nothing.
pub(crate) fn read(buffer: &mut [u8]) -> Result<usize, Errno> {
    let buffers = [Iovec { buf: buffer.as_mut_ptr(), buf_len: buffer.len() }];
    // SAFETY: the host writes at most `buf_len` bytes to `buf`, which is a buffer of that length that nobody else has.
    unsafe { fd_read(STDIN, &buffers) }
}

/// Writes to standard output, from the front of `bytes`. Waits if it has no room.
pub(crate) fn write(bytes: &[u8]) -> Result<usize, Errno> {
    let buffers = [Ciovec { buf: bytes.as_ptr(), buf_len: bytes.len() }];
    // SAFETY: the host reads at most `buf_len` bytes at `buf`, which are there.
    unsafe { fd_write(STDOUT, &buffers) }
}
