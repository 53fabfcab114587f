//! The guest's end of a trunk in WebAssembly: standard input and output.

use ipcm_core::transport::Progress;
use ipcm_core::trunk::Stream;
use ipcm_core::{Clock, Instant};
use wasip1::{ERRNO_AGAIN, ERRNO_INTR};

use crate::clock::Monotonic;
use crate::sys::wasi;

/// Bytes for which a pipe that has room has enough, so that to write them is not to wait.
const PIECE: usize = 4096;

/// Standard input and output as the stream of a trunk, for a guest in WebAssembly. Nothing else may read and print.
///
/// Under runtimes that, asked what is ready now, always say nothing, as node's does, it asks what is ready within a
/// millisecond: to look there and find nothing takes as long.
/// Whether it can write without waiting is the runtime's word. One that always says so has the guest wait for its
/// gateway when that does not read.
#[derive(Debug)]
pub struct StdioStream {
    /// The timeout of a look, in nanoseconds.
    look: u64,
    /// The last wait found something to read.
    is_readable: bool,
    /// The last wait found room to write.
    is_writable: bool,
}

impl StdioStream {
    /// The stream. Asks the runtime once how it can be asked.
    pub fn new() -> Self {
        Self { look: wasi::least_timeout(), is_readable: false, is_writable: false }
    }
}

impl Default for StdioStream {
    fn default() -> Self {
        Self::new()
    }
}

impl Stream for StdioStream {
    fn read(&mut self, buffer: &mut [u8]) -> Progress {
        if !std::mem::take(&mut self.is_readable) && !wasi::wait(true, false, Some(self.look)).input {
            return Progress::Blocked;
        }
        match wasi::read(buffer) {
            Ok(0) => Progress::Closed,
            Ok(n) => Progress::Moved(n),
            Err(ERRNO_AGAIN | ERRNO_INTR) => Progress::Blocked,
            Err(_) => Progress::Closed,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Progress {
        // What a wait has found is not asked for again: on a busy machine a look may come to nothing for long.
        if !std::mem::take(&mut self.is_writable) && !wasi::wait(false, true, Some(self.look)).output {
            return Progress::Blocked;
        }
        match wasi::write(&bytes[..bytes.len().min(PIECE)]) {
            Ok(n) => Progress::Moved(n),
            Err(ERRNO_AGAIN | ERRNO_INTR) => Progress::Blocked,
            Err(_) => Progress::Closed,
        }
    }

    fn wait(&mut self, to_write: bool, deadline: Option<Instant>) {
        let timeout = deadline.map(|deadline| (deadline - Monotonic.now()).as_nanos());
        let timeout = timeout.map(|nanos| u64::try_from(nanos).unwrap_or(u64::MAX).max(self.look));
        let ready = wasi::wait(true, to_write, timeout);
        (self.is_readable, self.is_writable) = (ready.input, ready.output);
    }
}
