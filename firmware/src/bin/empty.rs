//! The board, its clock and its UART, and nothing else: what `link` and `line` are compared with.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use embedded_io::{Read as _, ReadReady as _, Write as _, WriteReady as _};
use ipcm_core::{Clock as _, Instant};
use ipcm_firmware::clock::Clock;
use ipcm_firmware::random;
use ipcm_firmware::uart::Uart;

#[entry]
fn main() -> ! {
    let board = cortex_m::Peripherals::take().unwrap();
    let mut uart = Uart::new(board.TPIU);
    let clock = Clock::start(board.SYST);
    let mut bytes = (random::incarnation().as_bits() as u64).to_le_bytes();
    loop {
        if uart.read_ready() == Ok(true) {
            let _ = uart.read(&mut bytes);
        }
        if clock.now() > Instant::ZERO && uart.write_ready() == Ok(true) {
            let _ = uart.write(&bytes);
        }
    }
}
