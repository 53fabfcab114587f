//! The request/response path of one link by itself: calls "echo" with a number, again and again, on a line that is
//! the link. It is there to be measured.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use embedded_io::{Read as _, ReadReady as _, Write as _, WriteReady as _};
use ipcm_core::fixed::{End, Event, Storage};
use ipcm_core::{Clock as _, body};
use ipcm_firmware::clock::Clock;
use ipcm_firmware::random;
use ipcm_firmware::uart::Uart;
use static_cell::ConstStaticCell;

type Memory = Storage<1, 2, 1, 256, 256>;

static MEMORY: ConstStaticCell<Memory> = ConstStaticCell::new(Memory::new());

#[entry]
fn main() -> ! {
    let board = cortex_m::Peripherals::take().unwrap();
    let mut uart = Uart::new(board.TPIU);
    let clock = Clock::start(board.SYST);
    let memory = MEMORY.take();
    let (mut endpoint, mut inbox) = memory.split("device", random::incarnation());
    let mut number = 0u32;
    let mut pending = None;
    let Ok(link) = endpoint.open("echo") else { cortex_m::peripheral::SCB::sys_reset() };
    loop {
        let now = clock.now();
        if uart.read_ready() == Ok(true) {
            let mut byte = [0];
            let _ = uart.read(&mut byte);
            let _ = endpoint.handle_input(&mut inbox, link, &byte);
        }
        while let Some(event) = endpoint.poll_event(now, &mut inbox) {
            if let Event::Ended { end, .. } = event {
                pending = None;
                if let End::Response(response) = end {
                    number = body::decode(response).unwrap_or(number).wrapping_add(1);
                }
            }
        }
        if pending.is_none() {
            let deadline = Some(now.plus_micros(1_000_000));
            pending = endpoint.request(now, link, deadline, &mut |out| body::encode(&number, out)).ok();
        }
        let output = endpoint.pending_output(link);
        if !output.is_empty() && uart.write_ready() == Ok(true) {
            let Ok(written) = uart.write(output);
            endpoint.consume_output(link, written);
        }
    }
}
