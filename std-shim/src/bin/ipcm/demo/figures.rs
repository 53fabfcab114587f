//! Round-trip times of a bounded number of calls.

use std::time::{Duration, Instant};

use ipcm::Handle;

use super::report::span;
use super::{NAME, TIMEOUT, unexpected};
use crate::failure::Failure;

/// Body sizes, and how often each is called at most.
const SIZES: [(usize, &str, usize); 4] =
    [(32, "32 B", 2000), (1 << 10, "1 KiB", 2000), (64 << 10, "64 KiB", 500), (1 << 20, "1 MiB", 50)];
/// Calls whose times do not count.
const WARM_UP: usize = 20;
/// No size is called for longer, however slow the machine.
const BUDGET: Duration = Duration::from_millis(120);

/// Calls the echo service with bodies of several sizes: the rows of a table.
pub(super) fn measure(handle: &mut Handle) -> Result<Vec<[String; 4]>, Failure> {
    let mut rows = vec![["body", "calls", "p50", "p99"].map(str::to_owned)];
    for (size, title, calls) in SIZES {
        let mut times = round_trips(handle, size, calls)?;
        times.sort_unstable();
        let [p50, p99] = [50, 99].map(|percent| span(times[(times.len() - 1) * percent / 100]));
        rows.push([title.to_owned(), times.len().to_string(), p50, p99]);
    }
    Ok(rows)
}

/// The times of at least one call; every reply is compared with its request.
fn round_trips(handle: &mut Handle, size: usize, calls: usize) -> Result<Vec<Duration>, Failure> {
    let body: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
    let mut times = Vec::with_capacity(calls);
    let begin = Instant::now();
    for call in 0..WARM_UP + calls {
        let sent_at = Instant::now();
        let reply = handle.sync_request_bytes(NAME, &body, TIMEOUT)?;
        let time = sent_at.elapsed();
        if reply.bytes() != body {
            return Err(unexpected(format!("a reply of {size} bytes is not its request")));
        }
        let is_last = begin.elapsed() > BUDGET;
        if call >= WARM_UP || is_last {
            times.push(time);
        }
        if is_last {
            break;
        }
    }
    Ok(times)
}
