//! `cargo xtask firmware`: builds the firmware, says what it takes, and tests it in QEMU.

use crate::{
    root,
    steps::{Steps, cargo, cargo_aside},
    tally::Tally,
    targets::{self, CORTEX_M3},
    test,
};
use std::{fs, path::PathBuf, process::ExitCode};

/// The package of the firmware, which is a workspace of its own.
pub(crate) const MANIFEST: &str = "firmware/Cargo.toml";

/// The core's own checks for the target: what is built, and how.
pub(crate) const CHECKS: &str = "--profile checks --features checks --bin checks --bin simulation";

/// Programs in whose size others are compared, and the most that the request/response path may add to `empty`.
const SIZES: [(&str, Option<u32>); 5] = [
    ("empty", None),
    ("link", Some(8 * 1024)),
    ("line", Some(18 * 1024)),
    ("device", None),
    ("executor", None),
];

/// The tests and the line that counts them. None may be skipped.
pub(crate) fn run() -> ExitCode {
    let (mut steps, mut tally) = (Steps::default(), Tally::default());
    if let Some(folder) = build(&mut steps, &mut tally) {
        steps.run("the command", &mut cargo("build --package ipcm --bin ipcm"));
        let tests =
            "test --package ipcm-tests --test firmware --test core_checks -- --nocapture --test-threads 1";
        test::run_tests(
            &mut steps,
            &mut tally,
            "firmware in QEMU",
            cargo(tests).env("IPCM_FIRMWARE", folder),
        );
    }
    test::conclude("firmware", steps, &tally, true)
}

/// Builds the firmware and prints its size; returns the folder of its programs if it can be built and run.
pub(crate) fn build(steps: &mut Steps, tally: &mut Tally) -> Option<PathBuf> {
    let ready =
        targets::compiler(steps, &[CORTEX_M3]).and_then(|compiler| targets::qemu(steps).map(|()| compiler));
    let compiler = match ready {
        Ok(compiler) => compiler,
        Err(why) => {
            tally.skip("firmware", &why);
            return None;
        }
    };
    // The checks have an allocator, so they cannot be built along with what has none.
    for programs in ["--release", CHECKS] {
        let mut command = cargo_aside("build", MANIFEST, &format!("{programs} --target {CORTEX_M3}"));
        if !steps.run("firmware", compiler.choose(&mut command)) {
            return None;
        }
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let folder = target.join(CORTEX_M3).join("release");
    let what = "sections of the programs, in bytes";
    steps.check("size of the firmware", what, || say_sizes(&folder)).then_some(folder)
}

fn say_sizes(folder: &std::path::Path) -> Result<(), String> {
    let mut empty = 0;
    for (program, most) in SIZES {
        let elf = fs::read(folder.join(program)).map_err(|error| format!("{program}: {error}"))?;
        let size = |name| section(&elf, name).unwrap_or(0);
        let (text, data, bss) = (size(".text"), size(".data"), size(".bss"));
        if program == "empty" {
            empty = text;
        }
        let path = text.saturating_sub(empty);
        let bound = most.map_or(String::new(), |most| format!(" of at most {most}"));
        println!(
            "{program:>8}: .text {text:>6}, .data {data:>5}, .bss {bss:>5}; {path:>6} more than empty{bound}"
        );
        if most.is_some_and(|most| path > most) {
            return Err(format!("{program} has grown beyond what is stated"));
        }
    }
    Ok(())
}

/// The size of a section of a little-endian 32-bit ELF file.
fn section(elf: &[u8], name: &str) -> Option<u32> {
    let word = |at: usize| elf.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    let half = |at: usize| elf.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes);
    let (table, size) = (word(0x20)? as usize, usize::from(half(0x2E)?));
    let header = |index: u16| table + size * usize::from(index);
    let names = word(header(half(0x32)?) + 0x10)? as usize;
    (0..half(0x30)?).find_map(|index| {
        let at = names + word(header(index))? as usize;
        let rest = elf.get(at..)?.strip_prefix(name.as_bytes())?;
        (rest.first() == Some(&0)).then(|| word(header(index) + 0x14))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_found_by_its_whole_name() {
        // A header, the names, and two section headers: the names themselves, and `.text`.
        let mut elf = vec![0; 0x34];
        elf[0x20..0x24].copy_from_slice(&0x44u32.to_le_bytes());
        elf[0x2E..0x30].copy_from_slice(&40u16.to_le_bytes());
        elf[0x30..0x32].copy_from_slice(&2u16.to_le_bytes());
        elf.extend_from_slice(b"\0.text.x\0.text\0\0");
        let header = |name: u32, offset: u32, size: u32| {
            let mut header = [0; 40];
            header[..4].copy_from_slice(&name.to_le_bytes());
            header[0x10..0x14].copy_from_slice(&offset.to_le_bytes());
            header[0x14..0x18].copy_from_slice(&size.to_le_bytes());
            header
        };
        elf.extend_from_slice(&header(1, 0x34, 7));
        elf.extend_from_slice(&header(9, 0, 1234));
        assert_eq!(section(&elf, ".text"), Some(1234));
        assert_eq!(section(&elf, ".bss"), None);
        assert_eq!(section(&elf[..20], ".text"), None);
    }
}
