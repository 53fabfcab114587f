//! What stands in for std in the programs beside it: the panic handler, of which a program has one.
//!
//! Their only way to the outside is the C library's `main`, `abort` and exit status.
#![no_std]

use core::panic::PanicInfo;

#[link(name = "c")]
unsafe extern "C" {
    fn abort() -> !;
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    // SAFETY: `abort` takes nothing and may be called at any time.
    unsafe { abort() }
}

/// The precompiled `core` and `alloc` refer to this for unwinding, which never happens.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// As above.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    // SAFETY: `abort` takes nothing and may be called at any time.
    unsafe { abort() }
}
