//! A line in memory: bytes each way, cut anywhere, and noise from a seed.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use ipcm_core::transport::Progress;

/// Towards which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    Gateway = 0,
    Member = 1,
}

/// A line; clones share it.
#[derive(Clone)]
pub(crate) struct Line(Rc<RefCell<State>>);

struct State {
    ways: [Way; 2],
    /// The most that one read returns.
    chunk: usize,
    /// The most that is under way in one direction.
    capacity: usize,
    /// One byte in so many is spoiled, lost or made up; 0 for none.
    noise: u64,
    random: u64,
    /// Bytes that noise has touched.
    touched: u64,
}

#[derive(Default)]
struct Way {
    bytes: VecDeque<u8>,
    is_closed: bool,
    loses_next: bool,
}

impl Line {
    pub(crate) fn new(chunk: usize, capacity: usize) -> Self {
        let ways = [Way::default(), Way::default()];
        Self(Rc::new(RefCell::new(State { ways, chunk, capacity, noise: 0, random: 1, touched: 0 })))
    }

    /// Spoils one byte in `every` from now on; none with 0.
    pub(crate) fn set_noise(&self, every: u64, seed: u64) {
        let mut state = self.0.borrow_mut();
        (state.noise, state.random) = (every, seed.wrapping_mul(2).wrapping_add(1));
    }

    pub(crate) fn touched(&self) -> u64 {
        self.0.borrow().touched
    }

    /// Ends both directions; what is under way arrives.
    pub(crate) fn close(&self) {
        self.0.borrow_mut().ways.iter_mut().for_each(|way| way.is_closed = true);
    }

    /// The next bytes that are written that way are lost.
    pub(crate) fn drop_next(&self, to: To) {
        self.0.borrow_mut().ways[to as usize].loses_next = true;
    }

    /// What is under way is lost.
    pub(crate) fn lose(&self) {
        self.0.borrow_mut().ways.iter_mut().for_each(|way| way.bytes.clear());
    }

    /// Puts bytes on the line as if that end's other one had written them.
    pub(crate) fn inject(&self, to: To, bytes: &[u8]) {
        self.0.borrow_mut().ways[to as usize].bytes.extend(bytes);
    }

    pub(crate) fn has_bytes(&self, to: To) -> bool {
        let state = self.0.borrow();
        let way = &state.ways[to as usize];
        !way.bytes.is_empty() || way.is_closed
    }

    pub(crate) fn has_room(&self, to: To) -> bool {
        let state = self.0.borrow();
        state.ways[to as usize].bytes.len() < state.capacity
    }

    pub(crate) fn read(&self, to: To, buffer: &mut [u8]) -> Progress {
        let state = &mut *self.0.borrow_mut();
        let way = &mut state.ways[to as usize];
        let n = way.bytes.len().min(buffer.len()).min(state.chunk);
        if n == 0 {
            return if way.is_closed { Progress::Closed } else { Progress::Blocked };
        }
        for (place, byte) in buffer.iter_mut().zip(way.bytes.drain(..n)) {
            *place = byte;
        }
        Progress::Moved(n)
    }

    pub(crate) fn write(&self, to: To, bytes: &[u8]) -> Progress {
        let state = &mut *self.0.borrow_mut();
        let room = state.capacity.saturating_sub(state.ways[to as usize].bytes.len());
        let n = bytes.len().min(room);
        if state.ways[to as usize].is_closed {
            return Progress::Closed;
        }
        if n == 0 {
            return Progress::Blocked;
        }
        if std::mem::take(&mut state.ways[to as usize].loses_next) {
            return Progress::Moved(n);
        }
        for &byte in &bytes[..n] {
            let fate = if state.noise == 0 { u64::MAX } else { draw(&mut state.random) % (3 * state.noise) };
            let made_up = draw(&mut state.random) as u8;
            state.touched += u64::from(fate < 3);
            let way = &mut state.ways[to as usize].bytes;
            match fate {
                0 => way.push_back(made_up),
                1 => {}
                2 => way.extend([made_up, byte]),
                _ => way.push_back(byte),
            }
        }
        Progress::Moved(n)
    }
}

/// xorshift64*, Vigna 2016.
pub(crate) fn draw(random: &mut u64) -> u64 {
    *random ^= *random >> 12;
    *random ^= *random << 25;
    *random ^= *random >> 27;
    random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
}
