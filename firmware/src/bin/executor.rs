//! The same kind of device as tasks: one runs the line and echoes, one asks "echo" four times a second, with the next
//! number once it was answered with the last. The executor is a plain `block_on` that sleeps until the next interrupt.
#![no_std]
#![no_main]

use core::cell::Cell;
use core::convert::Infallible;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use cortex_m_rt::entry;
use ipcm_core::fixed::{Concurrent, End, Event, Member, Sleep as _, Storage, Wire};
use ipcm_core::trunk::MemberKind;
use ipcm_core::{Clock as _, RequestId, body};
use ipcm_firmware::clock::Clock;
use ipcm_firmware::random;
use ipcm_firmware::uart::Uart;
use static_cell::ConstStaticCell;

type Memory = Storage<3, 4, 2, 512, 1152>;
type LineMemory = Wire<3, 160>;

static MEMORY: ConstStaticCell<Memory> = ConstStaticCell::new(Memory::new());
static LINE: ConstStaticCell<LineMemory> = ConstStaticCell::new(LineMemory::new());

/// A request of the task that asks.
#[derive(Clone, Copy)]
enum Asked {
    Pending(RequestId),
    /// It was answered with this number, or not at all.
    Ended(Option<u32>),
}

#[entry]
fn main() -> ! {
    let board = cortex_m::Peripherals::take().unwrap();
    let (reader, writer) = Uart::new(board.TPIU).split();
    let clock = Clock::start(board.SYST);
    let memory = MEMORY.take();
    let wire = LINE.take();
    let member = Member::new(memory.split("device", random::incarnation()), wire, MemberKind::Service);
    let line = Concurrent::new(member, clock);
    let asked = Cell::new(Asked::Ended(None));
    let mut run = pin!(line.run(reader, writer, |event, endpoint| match event {
        Event::Request { token, body, .. } => {
            let _ = endpoint.respond(clock.now(), token, &mut |out| {
                let limit = out.len();
                let room = out.get_mut(..body.len()).ok_or(body::EncodeError::TooLarge { limit })?;
                room.copy_from_slice(body);
                Ok(body.len())
            });
        }
        Event::Ended { id, end } if matches!(asked.get(), Asked::Pending(pending) if pending == id) => {
            let answer = if let End::Response(body) = end { body::decode(body).ok() } else { None };
            asked.set(Asked::Ended(answer));
        }
        _ => {}
    }));
    let mut asking = pin!(ask(&line, clock, &asked));
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

/// Asks "echo" again and again.
async fn ask(line: &Concurrent<'_, Clock>, clock: Clock, asked: &Cell<Asked>) -> Infallible {
    let mut link = None;
    let mut number = 0u32;
    loop {
        let now = clock.now();
        let deadline = Some(now.plus_micros(500_000));
        let request = line.with(|member| match link.filter(|&link| member.endpoint().is_open(link)) {
            Some(link) => {
                member.endpoint().request(now, link, deadline, &mut |out| body::encode(&number, out)).ok()
            }
            None => {
                link = member.open("echo").ok().or(link);
                None
            }
        });
        if let Some(request) = request {
            asked.set(Asked::Pending(request));
            if answer(asked).await == Some(number) {
                number = number.wrapping_add(1);
            }
        }
        clock.sleep_until(now.plus_micros(250_000)).await;
    }
}

/// Waits for the end of what was asked. As for the UART: whoever is woken, the executor polls everyone.
async fn answer(asked: &Cell<Asked>) -> Option<u32> {
    poll_fn(|_| match asked.get() {
        Asked::Ended(answer) => Poll::Ready(answer),
        Asked::Pending(_) => Poll::Pending,
    })
    .await
}
