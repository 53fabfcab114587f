//! A handle at the end of a serial line, and no more than that: calls "echo" with a number, again and again. It is
//! there to be measured.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use ipcm_core::body;
use ipcm_core::fixed::{End, Event, Member, Storage, Superloop, Wire};
use ipcm_core::trunk::MemberKind;
use ipcm_firmware::clock::Clock;
use ipcm_firmware::random;
use ipcm_firmware::uart::Uart;
use static_cell::ConstStaticCell;

type Memory = Storage<1, 2, 1, 256, 256>;
type LineMemory = Wire<1, 80>;

static MEMORY: ConstStaticCell<Memory> = ConstStaticCell::new(Memory::new());
static LINE: ConstStaticCell<LineMemory> = ConstStaticCell::new(LineMemory::new());

#[entry]
fn main() -> ! {
    let board = cortex_m::Peripherals::take().unwrap();
    let uart = Uart::new(board.TPIU);
    let clock = Clock::start(board.SYST);
    let memory = MEMORY.take();
    let wire = LINE.take();
    let member = Member::new(memory.split("device", random::incarnation()), wire, MemberKind::Handle);
    let mut line = Superloop::new(member, uart, clock);
    let mut number = 0u32;
    let mut link = None;
    let mut pending = None;
    loop {
        let now = line.now();
        while let Ok(Some((event, _))) = line.poll() {
            match event {
                Event::Closed { .. } => link = None,
                Event::Ended { end, .. } => {
                    pending = None;
                    if let End::Response(response) = end {
                        number = body::decode(response).unwrap_or(number).wrapping_add(1);
                    }
                }
                _ => {}
            }
        }
        if link.is_none() {
            link = line.member().open("echo").ok();
        }
        if pending.is_none()
            && let Some(link) = link
        {
            let deadline = Some(now.plus_micros(1_000_000));
            let write = &mut |out: &mut [u8]| body::encode(&number, out);
            pending = line.member().endpoint().request(now, link, deadline, write).ok();
        }
    }
}
