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
/// It does not work under runtimes that, asked what is ready now, always say nothing, as node's does.
/// Whether it can write without waiting is the runtime's word. One that always says so has the guest wait for its
/// gateway when that does not read.
#[derive(Debug, Default)]
pub struct StdioStream {
    /// The last wait found something to read.
    is_readable: bool,
}

impl StdioStream {
    /// The stream.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Stream for StdioStream {
    fn read(&mut self, buffer: &mut [u8]) -> Progress {
        if !std::mem::take(&mut self.is_readable) && !wasi::wait(true, false, Some(0)).input {
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
        if !wasi::wait(false, true, Some(0)).output {
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
        let timeout = timeout.map(|nanos| u64::try_from(nanos).unwrap_or(u64::MAX));
        self.is_readable = wasi::wait(true, to_write, timeout).input;
    }
}
