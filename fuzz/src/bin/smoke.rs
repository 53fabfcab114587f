//! Drives every fuzz target on any toolchain with a fixed number of inputs, the same ones each time.
//!
//! ```text
//! smoke INPUTS [SEED] [TARGET]    run
//! smoke --write-corpus            write the samples to corpus/TARGET/, where libFuzzer starts from
//! ```

use ipcm_fuzz::{TARGETS, Target};
use std::{
    fs, io, panic,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// The longest random input, in bytes; samples may be longer.
const MAX_RANDOM: usize = 300;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["--write-corpus"] => {
            if let Err(error) = TARGETS.iter().try_for_each(write_corpus) {
                eprintln!("smoke: {error}");
                return ExitCode::FAILURE;
            }
        }
        [inputs, ref rest @ ..] if rest.len() <= 2 => {
            let seed = rest.first().map_or(Ok(0x1bcd), |seed| seed.parse());
            let (Ok(inputs), Ok(seed)) = (inputs.parse(), seed) else { return usage() };
            let mut targets =
                TARGETS.iter().filter(|target| rest.get(1).is_none_or(|name| *name == target.name));
            if !targets.all(|target| run(target, inputs, seed)) {
                return ExitCode::FAILURE;
            }
        }
        _ => return usage(),
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("usage: smoke INPUTS [SEED] [TARGET] | --write-corpus");
    ExitCode::FAILURE
}

/// Runs one target; a panic is reported with what it takes to repeat it.
fn run(target: &Target, inputs: u32, seed: u64) -> bool {
    // Printed first, so that it is there should the process die.
    println!("{}: {inputs} inputs, seed {seed}", target.name);
    let mut random = Random::new(seed);
    let mut starts = (target.samples)();
    starts.extend(corpus(target));
    for number in 0..inputs {
        let input = match starts.get(number as usize) {
            Some(sample) => sample.clone(),
            None => random.input(&starts),
        };
        if panic::catch_unwind(|| (target.run)(&input)).is_err() {
            println!("{}: FINDING at input {number} of seed {seed}: {input:02x?}", target.name);
            return false;
        }
    }
    true
}

fn corpus_folder(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name)
}

/// What libFuzzer has found so far, in a fixed order; nothing in a fresh checkout.
fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let Ok(files) = fs::read_dir(corpus_folder(target)) else { return Vec::new() };
    let mut paths: Vec<_> = files.flatten().map(|file| file.path()).collect();
    paths.sort();
    paths.iter().flat_map(fs::read).collect()
}

fn write_corpus(target: &Target) -> io::Result<()> {
    let folder = corpus_folder(target);
    fs::create_dir_all(&folder)?;
    let samples = (target.samples)();
    samples
        .iter()
        .enumerate()
        .try_for_each(|(number, sample)| fs::write(folder.join(format!("sample-{number}")), sample))
}

/// Xorshift, which is random enough to mutate bytes.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `end`; 0 when that is 0.
    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 11) as usize % end.max(1)
    }

    /// One input in four is random from the start, the others are samples after a few mutations.
    fn input(&mut self, starts: &[Vec<u8>]) -> Vec<u8> {
        if starts.is_empty() || self.below(4) == 0 {
            let len = self.below(MAX_RANDOM);
            // Half of these are of small numbers, which are the valid lengths and discriminants.
            let range = if self.below(2) == 0 { 4 } else { 256 };
            return (0..len).map(|_| self.below(range) as u8).collect();
        }
        let mut input = starts[self.below(starts.len())].clone();
        for _ in 0..=self.below(6) {
            self.mutate(&mut input, starts);
        }
        input
    }

    fn mutate(&mut self, input: &mut Vec<u8>, starts: &[Vec<u8>]) {
        const TELLING: [u8; 8] = [0, 1, 2, 0x7f, 0x80, 0x81, 0xfe, 0xff];
        let at = self.below(input.len());
        let to = at + self.below((input.len() - at).min(16) + 1);
        match self.below(7) {
            0 if !input.is_empty() => input[at] ^= 1 << self.below(8),
            1 if !input.is_empty() => input[at] = TELLING[self.below(TELLING.len())],
            2 => input.insert(at, TELLING[self.below(TELLING.len())]),
            3 => drop(input.drain(at..to)),
            4 => input.truncate(at),
            5 => {
                let repeated = input[at..to].repeat(self.below(8));
                input.splice(at..at, repeated);
            }
            _ => {
                let other = &starts[self.below(starts.len())];
                input.truncate(at);
                input.extend_from_slice(&other[self.below(other.len())..]);
            }
        }
    }
}
