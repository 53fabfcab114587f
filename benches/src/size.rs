//! What a small program that uses the library weighs: `bin/echo.rs`, built anew by cargo.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::directory::Directory;

const KIB: f64 = 1024.0;

/// A release build with its symbols removed.
pub const STRIPPED: Profile = Profile { name: "goal-stripped", settings: &["strip=true"] };
/// The smallest build that needs nothing but stable cargo.
pub const SMALL: Profile = Profile {
    name: "goal-small",
    settings: &["strip=true", "opt-level='z'", "lto=true", "codegen-units=1", "panic='abort'", "debug=0"],
};

/// How a program is built, on top of `release`.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    name: &'static str,
    settings: &'static [&'static str],
}

/// The program, built.
#[derive(Clone, Debug)]
pub struct Built {
    executable: PathBuf,
}

impl Built {
    /// Builds the program.
    ///
    /// # Errors
    /// If cargo cannot be started, or the build fails.
    pub fn new(profile: Profile) -> io::Result<Self> {
        let mut cargo = cargo("build --package ipcm-benches --bin echo --message-format json");
        cargo.args(["--profile", profile.name]);
        for setting in ["inherits='release'"].iter().chain(profile.settings) {
            cargo.arg("--config").arg(format!("profile.{}.{setting}", profile.name));
        }
        let messages = output(&mut cargo)?;
        let executable = messages.lines().find_map(|line| {
            let message: Value = serde_json::from_str(line).ok()?;
            message["executable"].as_str().map(PathBuf::from)
        });
        let executable = executable.ok_or_else(|| io::Error::other("cargo built no program"))?;
        Ok(Self { executable })
    }

    /// The size of its file in KiB.
    ///
    /// # Errors
    /// If it is gone.
    pub fn kib(&self) -> io::Result<f64> {
        Ok(fs::metadata(&self.executable)?.len() as f64 / KIB)
    }

    /// What its service has resident in memory after `calls` calls, in MiB, pages shared with others included.
    ///
    /// # Errors
    /// If the program fails.
    pub fn resident_mib(&self, calls: u32) -> io::Result<f64> {
        let line = output(Command::new(&self.executable).arg(calls.to_string()))?;
        let kib = line.split_whitespace().find_map(|word| word.parse::<f64>().ok());
        Ok(kib.ok_or_else(|| io::Error::other(format!("not a size: {line:?}")))? / KIB)
    }
}

/// How many crates a user of the library builds, itself included.
///
/// # Errors
/// If cargo cannot be started or fails.
pub fn crates() -> io::Result<usize> {
    let tree = output(&mut cargo("tree --package ipcm --no-default-features --edges normal --prefix none"))?;
    let mut crates: Vec<&str> = tree.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    crates.sort_unstable();
    crates.dedup();
    Ok(crates.len())
}

/// CPU time of a release build of the library and all that it needs, in seconds. Nothing is downloaded if it has been
/// built before.
///
/// # Errors
/// If cargo cannot be started or fails.
pub fn cold_build_seconds() -> io::Result<f64> {
    let directory = Directory::new()?;
    let before = children_seconds()?;
    let mut cargo = cargo("build --package ipcm --no-default-features --lib --release");
    output(cargo.arg("--target-dir").arg(directory.path()))?;
    Ok(children_seconds()? - before)
}

/// CPU time of all children of this process that have ended, and of theirs.
fn children_seconds() -> io::Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The second field, the name, may contain anything; behind it, cutime and cstime are the 14th and 15th.
    let fields = stat.rsplit_once(") ").map(|(_, rest)| rest.split(' ').skip(13).take(2));
    let ticks: f64 = fields.into_iter().flatten().filter_map(|word| word.parse::<f64>().ok()).sum();
    Ok(ticks / rustix::param::clock_ticks_per_second() as f64)
}

fn cargo(arguments: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments.split(' ')).arg("--quiet").current_dir(root);
    command
}

fn output(command: &mut Command) -> io::Result<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("{command:?}: {}", output.status)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
