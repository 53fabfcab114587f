//! Returns behind a system call, predicted harmlessly.
//!
//! A processor predicts where a function returns to from a stack of its own, to which every call adds. A kernel with
//! the *Safe RET* mitigation (Linux, `Documentation/admin-guide/hw-vuln/srso.rst`) leaves there what it has added. So
//! the functions that a program returns from behind a system call are predicted to return into the kernel, and the
//! processor begins to fetch there. In a virtual machine that can be slow: on the one that this was measured on it
//! took 0.7 us on each side of a round trip of 9, and more where bodies are copied. Entries that lead nowhere, pushed
//! on top of those of the kernel, take 3 ns.

use std::sync::LazyLock;

/// What Linux says of the mitigation.
const REPORT: &str = "/sys/devices/system/cpu/vulnerabilities/spec_rstack_overflow";

/// Whether the kernel leaves its own addresses behind.
static NEEDED: LazyLock<bool> = LazyLock::new(|| {
    cfg!(target_arch = "x86_64")
        && std::fs::read_to_string(REPORT).is_ok_and(|report| leaves_addresses(&report))
});

/// Whether a kernel with this report leaves its own addresses behind.
fn leaves_addresses(report: &str) -> bool {
    report.to_ascii_lowercase().contains("safe ret")
}

/// What a system call has returned, from which several functions are about to return.
///
/// Does nothing but take time, and saves some where the kernel leaves its own addresses behind.
#[inline]
pub(crate) fn covered<T>(returned: T) -> T {
    if *NEEDED {
        push();
    }
    returned
}

/// There is no such mitigation on other processors.
#[cfg(not(target_arch = "x86_64"))]
fn push() {}

/// Adds 16 addresses to the processor's stack of returns, more than functions return between two system calls here.
#[cfg(target_arch = "x86_64")]
#[inline]
fn push() {
    // SAFETY: each `call` pushes an address to the stack, which an `asm!` without `nostack` may do, and goes on at the
    // label behind it; the last instruction takes all of them off. Nothing returns to them: they are predictions, and
    // who follows one spins in the trap until the processor finds out. The first three lines leave all that out where
    // the thread has a shadow stack (`rdsspq` does nothing where it has none), as that must be taken off as well.
    unsafe {
        std::arch::asm!(
            "xor {ssp:e}, {ssp:e}",
            "rdsspq {ssp}",
            "test {ssp}, {ssp}",
            "jnz 775f",
            ".rept 16",
            "call 774f",
            "773:",
            "pause",
            "lfence",
            "jmp 773b",
            "774:",
            ".endr",
            "add rsp, 128",
            "775:",
            ssp = out(reg) _,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_whether_it_leaves_its_addresses() {
        for report in
            ["Mitigation: Safe RET\n", "Mitigation: safe RET", "Vulnerable: Safe RET, no microcode\n"]
        {
            assert!(leaves_addresses(report), "{report:?}");
        }
        for report in
            ["Not affected\n", "Mitigation: IBPB\n", "Mitigation: SMT disabled\n", "Vulnerable\n", ""]
        {
            assert!(!leaves_addresses(report), "{report:?}");
        }
    }

    /// Numbers that live on the stack and in registers outlast it, and so do the addresses that are returned to.
    #[test]
    fn the_stack_is_what_it_was() {
        fn sum(numbers: &[u64]) -> u64 {
            let Some((first, rest)) = numbers.split_first() else { return 0 };
            push();
            let sum = first + sum(rest);
            push();
            sum
        }
        let numbers: Vec<u64> = (1..=100).collect();
        assert_eq!(sum(&numbers), 5050);
    }
}
