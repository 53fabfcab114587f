//! The guest's end of a trunk on two descriptors.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use ipcm_core::transport::Progress;
use ipcm_core::trunk::Stream;
use ipcm_core::{Clock, Instant};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::pump::set_nonblocking;
use crate::clock::{Monotonic, timespec_until};

/// Two descriptors as the stream of a trunk, for a native program that is the guest of a gateway.
///
/// ```no_run
/// use ipcm::{FdStream, Monotonic};
/// use ipcm_core::trunk::{Identity, MemberKind, TrunkConfig, TrunkTransport};
/// use ipcm_core::{Client, Config, Endpoint, Handle, Incarnation};
///
/// # fn random_bytes() -> [u8; 16] { [0; 16] }
/// let incarnation = Incarnation::from_random(random_bytes());
/// let identity = Identity { name: "guest", incarnation, kind: MemberKind::Handle };
/// let transport = TrunkTransport::join(FdStream::stdio()?, Monotonic, identity, TrunkConfig::pipe(), None)?;
/// let endpoint = Endpoint::new("guest", incarnation, Config::default());
/// let mut handle = Handle::new(Client::new(endpoint, transport, Monotonic), "echo");
/// let answer: u32 = handle.sync_request("echo", &21u32, None)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FdStream {
    input: OwnedFd,
    output: OwnedFd,
}

impl FdStream {
    /// The stream of two descriptors, which become nonblocking for all who share them.
    ///
    /// # Errors
    ///
    /// If they cannot.
    pub fn new(input: OwnedFd, output: OwnedFd) -> io::Result<Self> {
        set_nonblocking(&input)?;
        set_nonblocking(&output)?;
        Ok(Self { input, output })
    }

    /// The stream of standard input and output. Nothing else may read and print from now on.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new), or if there is no descriptor left.
    pub fn stdio() -> io::Result<Self> {
        let input = io::stdin().as_fd().try_clone_to_owned()?;
        Self::new(input, io::stdout().as_fd().try_clone_to_owned()?)
    }
}

impl Stream for FdStream {
    fn read(&mut self, buffer: &mut [u8]) -> Progress {
        loop {
            match rustix::io::read(&self.input, &mut *buffer) {
                Ok(0) => return Progress::Closed,
                Ok(n) => return Progress::Moved(n),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Progress::Blocked,
                Err(_) => return Progress::Closed,
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Progress {
        loop {
            match rustix::io::write(&self.output, bytes) {
                Ok(n) => return Progress::Moved(n),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Progress::Blocked,
                Err(_) => return Progress::Closed,
            }
        }
    }

    fn wait(&mut self, to_write: bool, deadline: Option<Instant>) {
        let mut fds = [PollFd::new(&self.input, PollFlags::IN), PollFd::new(&self.output, PollFlags::OUT)];
        let watched = if to_write { 2 } else { 1 };
        let timeout = deadline.map(|deadline| timespec_until(Monotonic.now(), deadline));
        // An interrupt ends the wait early, which is allowed.
        let _ = poll(&mut fds[..watched], timeout.as_ref());
    }
}
