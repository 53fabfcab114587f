//! A device at the end of a serial line, as a superloop without a heap: it serves requests, and asks others when it
//! is told to.
//!
//! ```text
//! request            answer
//! stack              how deep the stack has been, in bytes, in decimal
//! ask PEER           what PEER answers to "the device asks"
//! wait               none, ever: its caller gives up
//! panic              none: it is a bug, by which the board starts anew
//! anything else      the same
//! ```
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use ipcm_core::body::EncodeError;
use ipcm_core::fixed::{End, Endpoint, Event, Member, Storage, Superloop, Wire};
use ipcm_core::trunk::MemberKind;
use ipcm_core::{Instant, LinkId, RemoteErrorKind, ReplyToken, RequestId};
use ipcm_firmware::clock::Clock;
use ipcm_firmware::uart::Uart;
use ipcm_firmware::{random, stack};
use static_cell::ConstStaticCell;

/// Three links, four requests pending, two of each peer to be answered; bodies of 320 bytes. 5,800 bytes.
type Memory = Storage<3, 4, 2, 512, 1152>;
/// Records of up to 146 bytes. 404 bytes.
type LineMemory = Wire<3, 160>;

const _: () = assert!(size_of::<Memory>() == 5_800 && size_of::<LineMemory>() == 404);

static MEMORY: ConstStaticCell<Memory> = ConstStaticCell::new(Memory::new());
static LINE: ConstStaticCell<LineMemory> = ConstStaticCell::new(LineMemory::new());

/// What the device asks on behalf of the one who told it to.
struct Errand {
    link: LinkId,
    token: ReplyToken,
    request: Option<RequestId>,
}

#[entry]
fn main() -> ! {
    stack::paint();
    let board = cortex_m::Peripherals::take().unwrap();
    let uart = Uart::new(board.TPIU);
    let clock = Clock::start(board.SYST);
    let memory = MEMORY.take();
    let wire = LINE.take();
    let member = Member::new(memory.split("device", random::incarnation()), wire, MemberKind::Service);
    let mut line = Superloop::new(member, uart, clock);
    let mut errand = None;
    // What was asked and cannot be begun in the middle of an event: whom to ask, for whom.
    let mut wish = None;
    loop {
        let now = line.now();
        while let Ok(Some((event, endpoint))) = line.poll() {
            handle(now, event, endpoint, &mut errand, &mut wish);
            if wish.is_some() {
                break;
            }
        }
        if let Some((peer, len, token)) = wish.take() {
            let name = core::str::from_utf8(&<[u8; 64]>::as_slice(&peer)[..len]).unwrap_or_default();
            match line.member().open(name) {
                Ok(link) if errand.is_none() => errand = Some(Errand { link, token, request: None }),
                Ok(link) => {
                    line.member().endpoint().close(link);
                    line.member().endpoint().fail(now, token, RemoteErrorKind::Overloaded, "");
                }
                Err(_) => {
                    line.member().endpoint().fail(now, token, RemoteErrorKind::Failed, "no link to be had");
                }
            }
        }
    }
}

/// Whom to ask, the length of that name, and for whom.
type Wish = ([u8; 64], usize, ReplyToken);

fn handle(
    now: Instant,
    event: Event<'_>,
    endpoint: &mut Endpoint<'_>,
    errand: &mut Option<Errand>,
    wish: &mut Option<Wish>,
) {
    match event {
        Event::Request { token, body, .. } => match body {
            b"stack" => {
                let _ = endpoint.respond(now, token, &mut |out| decimal(stack::high_water(), out));
            }
            b"wait" => drop(token),
            b"panic" => panic!(),
            [b'a', b's', b'k', b' ', peer @ ..] if peer.len() <= 64 => {
                let mut name = [0; 64];
                name[..peer.len()].copy_from_slice(peer);
                *wish = Some((name, peer.len(), token));
            }
            _ => {
                let _ = endpoint.respond(now, token, &mut |out| copy(body, out));
            }
        },
        Event::Opened { link } => {
            if let Some(errand) = errand.as_mut().filter(|errand| errand.link == link) {
                let deadline = endpoint.caller_deadline(&errand.token);
                let question = &mut |out: &mut [u8]| copy(b"the device asks", out);
                errand.request = endpoint.request(now, link, deadline, question).ok();
            }
        }
        Event::Ended { id, end } => {
            let Some(done) = errand.take_if(|errand| errand.request == Some(id)) else { return };
            match end {
                End::Response(answer) => {
                    let _ = endpoint.respond(now, done.token, &mut |out| copy(answer, out));
                }
                _ => {
                    endpoint.fail(now, done.token, RemoteErrorKind::Failed, "it did not answer");
                }
            }
            endpoint.close(done.link);
        }
        Event::Closed { link, .. } => {
            if let Some(done) = errand.take_if(|errand| errand.link == link) {
                endpoint.fail(now, done.token, RemoteErrorKind::Failed, "it is not there");
            }
        }
        _ => {}
    }
}

fn copy(bytes: &[u8], out: &mut [u8]) -> Result<usize, EncodeError> {
    let limit = out.len();
    let room = out.get_mut(..bytes.len()).ok_or(EncodeError::TooLarge { limit })?;
    room.copy_from_slice(bytes);
    Ok(bytes.len())
}

fn decimal(mut number: usize, out: &mut [u8]) -> Result<usize, EncodeError> {
    let mut digits = [0; 10];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return copy(&digits[at..], out);
        }
    }
}
