//! What a trunk runs on: bytes each way, in order.

use crate::time::Instant;
use crate::transport::Progress;

/// A duplex stream of bytes, such as two pipes or a serial line.
///
/// `read` and `write` never wait. On a serial line bytes may be lost, spoiled or made up.
pub trait Stream {
    /// Bytes that are worth moving at once: the size of the buffers that the member reads into. Default 64 KiB; a
    /// serial line has use for much less.
    const PACKET: usize = 64 * 1024;

    /// Reads into `buffer`, which is not empty. [`Progress::Closed`] says that nothing will come any more.
    fn read(&mut self, buffer: &mut [u8]) -> Progress;

    /// Writes from the front of `bytes`, which is not empty. [`Progress::Closed`] says nothing of what can still be
    /// read.
    fn write(&mut self, bytes: &[u8]) -> Progress;

    /// Waits until something can be read, or, if `to_write`, written, but not beyond `deadline`. May return early.
    fn wait(&mut self, to_write: bool, deadline: Option<Instant>);
}
