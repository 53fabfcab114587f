//! [`Gateway`]: the bus's side of one line.

use ipcm_core::Clock as _;
use ipcm_core::memory::{Memory, Network};
use ipcm_core::transport::Progress;
use ipcm_core::trunk::{Relay, RelayConfig, RelayEvent, Trouble};

use crate::line::Shared;

/// A relay and the pipes to its member.
pub(crate) struct Gateway {
    relay: Relay<Memory>,
    input: Shared,
    output: Shared,
    /// What was read and the relay has not taken.
    held: Vec<u8>,
    name: Option<String>,
    /// The line has ended.
    is_closed: bool,
    is_over: bool,
}

impl Gateway {
    pub(crate) fn new(config: RelayConfig, input: Shared, output: Shared) -> Self {
        let relay = Relay::new(config);
        Self { relay, input, output, held: Vec::new(), name: None, is_closed: false, is_over: false }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Moves what can be moved; whether anything was.
    pub(crate) fn step(&mut self, network: &Network) -> bool {
        let now = network.clock().now();
        let mut moved = self.read(network);
        self.relay.handle_timeout(now);
        if !self.relay.is_full() {
            self.relay.turn(now);
        }
        moved |= self.answer(network);
        moved |= self.write(network);
        if self.is_closed && !self.relay.has_unsent() {
            // As a gateway that ends does.
            self.name.take().iter().for_each(|name| network.kill(name));
            self.is_over = true;
            return true;
        }
        moved
    }

    fn read(&mut self, network: &Network) -> bool {
        let mut moved = false;
        if self.held.is_empty() {
            let mut buffer = [0; 4096];
            match self.input.borrow_mut().read(&mut buffer) {
                Progress::Moved(n) => self.held.extend_from_slice(&buffer[..n]),
                Progress::Blocked => {}
                Progress::Closed | Progress::Broken => {
                    if !self.is_closed {
                        self.relay.handle_closed(network.clock().now());
                        moved = true;
                    }
                    self.is_closed = true;
                }
            }
        }
        while !self.held.is_empty() {
            let taken = self.relay.handle_input(network.clock().now(), &self.held);
            self.held.drain(..taken);
            let answered = self.answer(network);
            if taken == 0 && !answered {
                break;
            }
            moved = true;
        }
        moved
    }

    fn answer(&mut self, network: &Network) -> bool {
        let mut any = false;
        while let Some(event) = self.relay.poll_event() {
            any = true;
            if let RelayEvent::Join(request) = event {
                if network.has(&request.name) {
                    self.relay.refuse(Trouble::NameTaken, "somebody has the name");
                    continue;
                }
                let transport = network.join_as(&request.name, request.incarnation);
                self.name = Some(request.name);
                self.relay.join(network.clock().now(), transport);
            }
        }
        any
    }

    fn write(&mut self, network: &Network) -> bool {
        let mut moved = false;
        while !self.relay.pending_output().is_empty() {
            let written = self.output.borrow_mut().write(self.relay.pending_output());
            match written {
                Progress::Moved(n) => self.relay.consume_output(network.clock().now(), n),
                _ => break,
            }
            moved = true;
        }
        moved
    }
}
