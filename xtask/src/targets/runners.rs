//! What runs programs of other targets: two WebAssembly engines and an emulator.

use super::{QEMU, cache::Cache, debian, in_ci};
use crate::steps::{Steps, quiet, succeeds};
use std::{
    fmt, fs,
    hash::{DefaultHasher, Hash, Hasher},
    iter,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

/// The Python package that has the engine, at a version that is known to do.
const WHEEL: &str = "wasmtime==50.0.1";
/// As much of the `wasmtime` command as is used here, on top of that package.
const COMMAND: &str = include_str!("../../runners/wasmtime_command.py");
/// Older versions of node have WASI only if told so; newer ones do not know the option.
const OLD_NODE: &str = "--experimental-wasi-unstable-preview1";

/// The `wasmtime` command.
#[derive(Clone, Debug)]
pub(crate) struct Wasmtime {
    /// The folder that has it, where it is not on the path.
    folder: Option<PathBuf>,
}

impl Wasmtime {
    /// The words that run a module; options, the module and its arguments follow.
    pub(crate) fn words(&self) -> Vec<String> {
        let program = Path::new("wasmtime");
        let program = self.folder.as_ref().map_or(program.into(), |folder| folder.join(program));
        vec![program.display().to_string(), "run".into()]
    }
}

impl fmt::Display for Wasmtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().join(" "))
    }
}

/// Node's engine.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    options: &'static [&'static str],
}

impl Node {
    /// The words that run a module; options, the module and its arguments follow.
    pub(crate) fn words(&self) -> Vec<String> {
        let script = crate::root().join("xtask/runners/node.mjs").display().to_string();
        iter::once("node").chain(self.options.iter().copied()).map(str::to_owned).chain([script]).collect()
    }

    fn find() -> Option<Self> {
        let load = ["--no-warnings", "-e", "new (require('node:wasi').WASI)({ version: 'preview1' })"];
        // Without the first, node's own calls into the system interface spoil its memory: nodejs/node issue 53087.
        let options: [&'static [&'static str]; 2] = [
            &["--no-turbo-fast-api-calls", "--no-warnings"],
            &["--no-turbo-fast-api-calls", "--no-warnings", OLD_NODE],
        ];
        let works = |options: &&[&str]| succeeds(Command::new("node").args(*options).args(load));
        options.into_iter().find(works).map(|options| Self { options })
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().join(" "))
    }
}

/// The user's own command, or one made of the Python package.
pub(crate) fn wasmtime(steps: &mut Steps) -> Result<Wasmtime, String> {
    if succeeds(Command::new("wasmtime").arg("--version")) {
        return Ok(Wasmtime { folder: None });
    }
    let mut hasher = DefaultHasher::new();
    (WHEEL, COMMAND).hash(&mut hasher);
    let name = format!("wasmtime-{:016x}", hasher.finish());
    let cache = Cache::open()?;
    let folder = |made: PathBuf| Wasmtime { folder: Some(made.join("bin")) };
    if let Some(made) = cache.find(&name, runs) {
        return Ok(folder(made));
    }
    // Debian's Python has no `ensurepip` by itself.
    if !succeeds(Command::new("python3").args(["-c", "import venv, ensurepip"])) {
        debian::install(steps, &["python3-venv"])
            .map_err(|why| format!("no Python to make it with: {why}"))?;
    }
    let what = format!("pip install {WHEEL}, half a minute, 60 MB");
    steps.attempt("wasmtime", &what, || cache.make(&name, runs, make_wasmtime)).map(folder)
}

/// Whether the command works; it does not when the Python that it was made with has gone.
fn runs(made: &Path) -> bool {
    succeeds(Command::new(made.join("bin/wasmtime")).arg("--version"))
}

fn make_wasmtime(folder: &Path, path: &Path) -> Result<(), String> {
    quiet(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    let python = folder.join("bin/python3");
    quiet(Command::new(&python).args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        WHEEL,
    ]))?;
    let io = |error: std::io::Error| format!("{}: {error}", folder.display());
    fs::write(folder.join("bin/wasmtime_command.py"), COMMAND).map_err(io)?;
    let bin = path.join("bin");
    let text = format!("#!/bin/sh\nexec '{0}/python3' '{0}/wasmtime_command.py' \"$@\"\n", bin.display());
    let command = folder.join("bin/wasmtime");
    fs::write(&command, text).map_err(io)?;
    fs::set_permissions(&command, fs::Permissions::from_mode(0o755)).map_err(io)
}

/// Node, if it is there or this is CI and it can be installed.
pub(crate) fn node(steps: &mut Steps) -> Result<Node, String> {
    if let Some(node) = Node::find() {
        return Ok(node);
    }
    if in_ci() {
        debian::install(steps, &["nodejs"])?;
    }
    Node::find().ok_or("there is no node that has node:wasi".into())
}

/// The emulator, installed if it is missing and can be.
pub(crate) fn qemu(steps: &mut Steps) -> Result<(), String> {
    let works = || succeeds(Command::new(QEMU).arg("--version"));
    if works() {
        return Ok(());
    }
    debian::install(steps, &["qemu-system-arm"])?;
    if works() { Ok(()) } else { Err(format!("{QEMU} does not run")) }
}
