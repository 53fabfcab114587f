//! Fuzz targets as plain functions of bytes, so that libFuzzer and the smoke run can both drive them.
//!
//! A target is a module with `run`, which panics when a promise is broken, and `samples`, valid inputs to
//! start from.

/// Something that takes bytes from anyone.
pub struct Target {
    /// Its name, which is also libFuzzer's.
    pub name: &'static str,
    /// Feeds it one input; a panic is a finding.
    pub run: fn(&[u8]),
    /// Valid inputs, from which mutation starts.
    pub samples: fn() -> Vec<Vec<u8>>,
}

macro_rules! targets {
    ($($name:ident),* $(,)?) => {
        $( pub mod $name; )*

        /// Every target.
        pub const TARGETS: &[Target] = &[
            $( Target { name: stringify!($name), run: $name::run, samples: $name::samples } ),*
        ];
    };
}
targets!(body_decode, frames, operations);

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, path::Path};

    #[test]
    fn every_target_has_its_libfuzzer_program() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        for Target { name, .. } in TARGETS {
            assert!(manifest.contains(&format!("name = \"{name}\"")), "a [[bin]] for {name}");
            let program = fs::read_to_string(folder.join(format!("fuzz_targets/{name}.rs"))).unwrap();
            assert!(program.contains(&format!("ipcm_fuzz::{name}::run(")), "{name}.rs runs its target");
        }
        assert_eq!(fs::read_dir(folder.join("fuzz_targets")).unwrap().count(), TARGETS.len());
    }

    #[test]
    fn every_sample_is_run_without_a_finding() {
        for target in TARGETS {
            let samples = (target.samples)();
            assert!(!samples.is_empty(), "{} has samples", target.name);
            samples.iter().for_each(|sample| (target.run)(sample));
        }
    }
}
