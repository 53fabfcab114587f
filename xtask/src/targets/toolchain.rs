//! The Rust targets: the user's own, rustup's, or an SDK made here.

use super::{cache::Cache, in_ci, sdk};
use crate::steps::{Steps, output, succeeds};
use std::{env, fmt, fs, path::PathBuf, process::Command};

/// What to compile for other targets with.
#[derive(Clone, Debug)]
pub(crate) enum Compiler {
    /// The toolchain that runs this has the targets.
    Installed,
    /// The same compiler with libraries from this folder.
    Sdk(PathBuf),
}

impl Compiler {
    /// Has a cargo command use this compiler.
    pub(crate) fn choose<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        if let Self::Sdk(folder) = self {
            command.env("RUSTC", folder.join("bin/rustc"));
            command.env("RUSTDOC", folder.join("bin/rustdoc"));
            // Clippy takes the place of rustc and finds libraries by this alone.
            command.env("SYSROOT", folder);
        }
        command
    }
}

impl fmt::Display for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Installed => f.write_str("the installed toolchain has the targets"),
            Self::Sdk(folder) => {
                write!(f, "RUSTC={0}/bin/rustc RUSTDOC={0}/bin/rustdoc", folder.display())
            }
        }
    }
}

/// Which compiler this is, and where its libraries are.
pub(crate) struct Rust {
    pub(crate) sysroot: PathBuf,
    /// Such as `1.95.0`.
    pub(crate) release: String,
    pub(crate) host: String,
    /// Everything that the compiler says about its version.
    pub(crate) version: String,
}

impl Rust {
    fn ask() -> Result<Self, String> {
        let version = output(rustc().arg("-vV"))?;
        let field = |name: &str| {
            let value = version.lines().find_map(|line| line.strip_prefix(name));
            value.map(str::to_owned).ok_or(format!("rustc -vV says nothing of \"{name}\""))
        };
        let sysroot = output(rustc().args(["--print", "sysroot"]))?.trim().into();
        Ok(Self { sysroot, release: field("release: ")?, host: field("host: ")?, version })
    }
}

/// Finds or makes a compiler for `targets`.
pub(crate) fn prepare(steps: &mut Steps, targets: &[&str]) -> Result<Compiler, String> {
    let missing = || targets.iter().copied().filter(|target| !is_installed(target));
    if missing().next().is_none() {
        return Ok(Compiler::Installed);
    }
    let rust = Rust::ask()?;
    let (cache, name) = (Cache::open()?, sdk::name(&rust));
    if let Some(folder) = cache.find(&name, sdk::is_usable) {
        return Ok(Compiler::Sdk(folder));
    }
    if !in_ci() && succeeds(Command::new("rustup").arg("--version")) {
        let mut add = Command::new("rustup");
        add.args(["target", "add"]).args(missing());
        println!(
            "The toolchain has no {}; CI=true would leave it alone.",
            missing().collect::<Vec<_>>().join(", ")
        );
        if steps.attempt_command("Rust targets", &mut add).is_ok() && missing().next().is_none() {
            return Ok(Compiler::Installed);
        }
    }
    let what = "std and core from the Rust source in Debian, about 2 minutes, 150 MB";
    let make = || cache.make(&name, sdk::is_usable, |folder, path| sdk::build(&rust, folder, path));
    steps.attempt("Rust targets", what, make).map(Compiler::Sdk)
}

/// Whether the compiler in use has `core` for a target.
pub(crate) fn is_installed(target: &str) -> bool {
    let folder = output(rustc().args(["--print", "target-libdir", "--target", target]));
    let files = folder.ok().and_then(|folder| fs::read_dir(folder.trim()).ok());
    files.is_some_and(|mut files| {
        files.any(|file| file.is_ok_and(|file| file.file_name().to_string_lossy().starts_with("libcore-")))
    })
}

fn rustc() -> Command {
    Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
}
