//! The first UART, polled: a PL011.

use core::convert::Infallible;
use core::ptr;

const BASE: usize = 0x4000_C000;
/// The data register.
const DATA: usize = BASE;
/// The flag register, and two of its flags.
const FLAGS: usize = BASE + 0x18;
const IS_RECEIVER_EMPTY: u32 = 1 << 4;
const IS_SENDER_FULL: u32 = 1 << 5;
/// Line control: eight bits, with FIFOs.
const LINE: usize = BASE + 0x2C;
const EIGHT_BITS_AND_FIFO: u32 = 0b111 << 4;
/// Control: the UART, its sender and its receiver are on.
const CONTROL: usize = BASE + 0x30;
const ALL_ON: u32 = 0b11 << 8 | 1;

/// The first UART. It never waits but in `write` and `read`, which ready-checks avoid.
#[derive(Debug)]
pub struct Uart(());

impl Uart {
    /// Turns the UART on.
    pub fn new(_: cortex_m::peripheral::TPIU) -> Self {
        set(LINE, EIGHT_BITS_AND_FIFO);
        set(CONTROL, ALL_ON);
        Self(())
    }

    /// Both directions, for tasks of their own.
    pub fn split(self) -> (Uart, Uart) {
        (Self(()), Self(()))
    }
}

fn get(register: usize) -> u32 {
    // SAFETY: the address is that of a register of this board; reading has no effect on memory.
    unsafe { ptr::read_volatile(register as *const u32) }
}

fn set(register: usize, value: u32) {
    // SAFETY: the address is that of a register of this board; writing has no effect on memory.
    unsafe { ptr::write_volatile(register as *mut u32, value) }
}

fn has_come() -> bool {
    get(FLAGS) & IS_RECEIVER_EMPTY == 0
}

fn has_room() -> bool {
    get(FLAGS) & IS_SENDER_FULL == 0
}

impl embedded_io::ErrorType for Uart {
    type Error = Infallible;
}

impl embedded_io::ReadReady for Uart {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(has_come())
    }
}

impl embedded_io::Read for Uart {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        let mut n = 0;
        for place in buffer {
            while n == 0 && !has_come() {}
            if !has_come() {
                break;
            }
            *place = get(DATA) as u8;
            n += 1;
        }
        Ok(n)
    }
}

impl embedded_io::WriteReady for Uart {
    fn write_ready(&mut self) -> Result<bool, Infallible> {
        Ok(has_room())
    }
}

impl embedded_io::Write for Uart {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        let mut n = 0;
        for &byte in bytes {
            while n == 0 && !has_room() {}
            if !has_room() {
                break;
            }
            set(DATA, byte.into());
            n += 1;
        }
        Ok(n)
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Nothing is lost when a read is dropped: bytes are taken when it completes.
impl embedded_io_async::Read for Uart {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        until(has_come).await;
        embedded_io::Read::read(self, buffer)
    }
}

impl embedded_io_async::Write for Uart {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        until(has_room).await;
        embedded_io::Write::write(self, bytes)
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Waits for a flag. The executor polls after every interrupt, and the clock's comes every millisecond.
async fn until(flag: fn() -> bool) {
    core::future::poll_fn(|_| if flag() { core::task::Poll::Ready(()) } else { core::task::Poll::Pending })
        .await;
}
