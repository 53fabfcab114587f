//! A pipe each way between a member and its gateway.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use ipcm_core::Instant;
use ipcm_core::transport::Progress;
use ipcm_core::trunk::{RelayConfig, Stream};

use crate::World;
use crate::gateway::Gateway;

/// Bytes that a pipe holds.
const CAPACITY: usize = 64 * 1024;

/// One direction.
#[derive(Default)]
pub(crate) struct Pipe {
    bytes: VecDeque<u8>,
    is_closed: bool,
}

/// One direction, from both its ends.
pub(crate) type Shared = Rc<RefCell<Pipe>>;

impl Pipe {
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Progress {
        let n = self.bytes.len().min(buffer.len());
        if n == 0 {
            return if self.is_closed { Progress::Closed } else { Progress::Blocked };
        }
        buffer.iter_mut().zip(self.bytes.drain(..n)).for_each(|(place, byte)| *place = byte);
        Progress::Moved(n)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Progress {
        let n = bytes.len().min(CAPACITY - self.bytes.len());
        match n {
            _ if self.is_closed => Progress::Closed,
            0 => Progress::Blocked,
            n => {
                self.bytes.extend(&bytes[..n]);
                Progress::Moved(n)
            }
        }
    }
}

/// The member's end of its line.
pub(crate) struct End {
    world: Weak<World>,
    input: Shared,
    output: Shared,
}

/// A line, by its two ends.
pub(crate) fn line(world: &Rc<World>, config: RelayConfig) -> (End, Gateway) {
    let (input, output) = (Shared::default(), Shared::default());
    let gateway = Gateway::new(config, output.clone(), input.clone());
    (End { world: Rc::downgrade(world), input, output }, gateway)
}

impl Stream for End {
    fn read(&mut self, buffer: &mut [u8]) -> Progress {
        self.input.borrow_mut().read(buffer)
    }

    fn write(&mut self, bytes: &[u8]) -> Progress {
        self.output.borrow_mut().write(bytes)
    }

    fn wait(&mut self, to_write: bool, deadline: Option<Instant>) {
        let is_ready = || {
            let input = self.input.borrow();
            let has_come = !input.bytes.is_empty() || input.is_closed;
            has_come || to_write && self.output.borrow().bytes.len() < CAPACITY
        };
        if let Some(world) = self.world.upgrade() {
            world.wait_until(is_ready, deadline);
        }
    }
}

impl Drop for End {
    /// The gateway finds the end, and the bus is left.
    fn drop(&mut self) {
        self.output.borrow_mut().is_closed = true;
        if let Some(world) = self.world.upgrade() {
            world.settle();
        }
    }
}
