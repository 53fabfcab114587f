//! The same kind of device as tasks: one runs the line and echoes, one asks "echo" every second. The executor is a
//! plain `block_on` that sleeps until the next interrupt.
#![no_std]
#![no_main]

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use cortex_m_rt::entry;
use ipcm_core::Clock as _;
use ipcm_core::body;
use ipcm_core::fixed::{Concurrent, Event, Member, Sleep as _, Storage, Wire};
use ipcm_core::trunk::MemberKind;
use ipcm_firmware::clock::Clock;
use ipcm_firmware::random;
use ipcm_firmware::uart::Uart;
use static_cell::ConstStaticCell;

type Memory = Storage<3, 4, 2, 512, 1152>;
type LineMemory = Wire<3, 160>;

static MEMORY: ConstStaticCell<Memory> = ConstStaticCell::new(Memory::new());
static LINE: ConstStaticCell<LineMemory> = ConstStaticCell::new(LineMemory::new());

#[entry]
fn main() -> ! {
    let board = cortex_m::Peripherals::take().unwrap();
    let (reader, writer) = Uart::new(board.TPIU).split();
    let clock = Clock::start(board.SYST);
    let memory = MEMORY.take();
    let wire = LINE.take();
    let member = Member::new(memory.split("device", random::incarnation()), wire, MemberKind::Service);
    let line = Concurrent::new(member, clock);
    let mut run = pin!(line.run(reader, writer, |event, endpoint| {
        if let Event::Request { token, body, .. } = event {
            let now = clock.now();
            let _ = endpoint.respond(now, token, &mut |out| {
                let limit = out.len();
                let room = out.get_mut(..body.len()).ok_or(body::EncodeError::TooLarge { limit })?;
                room.copy_from_slice(body);
                Ok(body.len())
            });
        }
    }));
    let mut asking = pin!(ask(&line, clock));
    let mut context = Context::from_waker(Waker::noop());
    loop {
        // An interrupt that comes after the polls is pending, and ends the wait at once.
        cortex_m::interrupt::disable();
        let ended = run.as_mut().poll(&mut context).is_ready();
        let Poll::Pending = asking.as_mut().poll(&mut context);
        if ended {
            cortex_m::peripheral::SCB::sys_reset();
        }
        cortex_m::asm::wfi();
        // SAFETY: nothing here is in a critical section of its own.
        unsafe { cortex_m::interrupt::enable() };
    }
}

/// Asks "echo" for its name's sake, again and again.
async fn ask(line: &Concurrent<'_, Clock>, clock: Clock) -> core::convert::Infallible {
    let mut link = None;
    let mut number = 0u32;
    loop {
        let now = clock.now();
        line.with(|member| {
            if link.is_none_or(|link| !member.endpoint().is_open(link)) {
                link = member.open("echo").ok().or(link);
            } else if let Some(link) = link {
                let write = &mut |out: &mut [u8]| body::encode(&number, out);
                let deadline = Some(now.plus_micros(500_000));
                // Without room for it, the next second will do.
                number += u32::from(member.endpoint().request(now, link, deadline, write).is_ok());
            }
        });
        clock.sleep_until(now.plus_micros(1_000_000)).await;
    }
}
