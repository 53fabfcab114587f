//! The smallest guest: the core's member of a fixed size, as in firmware, on standard input and output. It has no
//! standard library and no allocator. `ipcm gateway --framed -- wasmtime run ipcm-small-guest.wasm` makes it the peer
//! "small", which answers every request with the same bytes.
#![no_std]
#![no_main]

mod host;

use core::cell::Cell;

use ipcm_core::Clock as _;
use ipcm_core::body::EncodeError;
use ipcm_core::fixed::{Event, Member, Storage, Superloop, Wire};
use ipcm_core::trunk::MemberKind;

use host::{Monotonic, Port};

#[link(name = "c")]
unsafe extern "C" {}

/// What the C library's start calls.
#[unsafe(no_mangle)]
extern "C" fn __main_void() -> i32 {
    let (mut memory, mut wire) = (Storage::<3, 4, 2, 512, 1152>::new(), Wire::<3, 512>::new());
    let (is_readable, is_over) = (Cell::new(false), Cell::new(false));
    let endpoint = memory.split("small", host::incarnation());
    let member = Member::new(endpoint, &mut wire, MemberKind::Service);
    let port = Port { is_readable: &is_readable, is_over: &is_over };
    let mut line = Superloop::new(member, port, Monotonic);
    let least = host::least_timeout();
    while !is_over.get() {
        let now = Monotonic.now();
        while let Ok(Some((event, endpoint))) = line.poll() {
            if let Event::Request { token, body, .. } = event {
                // There is room for an answer as long as its request.
                let _ = endpoint.respond(now, token, &mut |out| copy(body, out));
            }
        }
        is_readable.set(host::wait(least, line.poll_timeout()));
    }
    0
}

fn copy(bytes: &[u8], out: &mut [u8]) -> Result<usize, EncodeError> {
    let limit = out.len();
    let room = out.get_mut(..bytes.len()).ok_or(EncodeError::TooLarge { limit })?;
    room.copy_from_slice(bytes);
    Ok(bytes.len())
}

/// Nothing of a panic is formatted: its text would be most of the program.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
