//! An SDK: the libraries of Rust for other targets, built from Debian's copy of the Rust source.
//!
//! The source must be that of the very compiler in use. Its own lock file, profile and vendored dependencies
//! are used; the result is laid out as a sysroot beside the host's libraries.

use super::{CORTEX_M3, WASI, debian::Archive, toolchain::Rust};
use crate::steps::{quiet, succeeds};
use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::{Command, Stdio},
};

/// To be raised when this file makes something else of the same compiler.
const RECIPE: u32 = 1;

/// The name of the SDK for a compiler; another compiler or another place has another name.
pub(crate) fn name(rust: &Rust) -> String {
    let mut hasher = DefaultHasher::new();
    (RECIPE, &rust.version, &rust.sysroot).hash(&mut hasher);
    format!("sdk-{}-{:016x}", rust.release, hasher.finish())
}

/// Whether the compiler is still where the SDK looks for it.
pub(crate) fn is_usable(folder: &Path) -> bool {
    succeeds(Command::new(folder.join("bin/rustc")).arg("-V"))
}

/// Fills `folder`, which will be at `path`.
pub(crate) fn build(rust: &Rust, folder: &Path, path: &Path) -> Result<(), String> {
    let work = folder.join("work");
    let source = work.join("source");
    let libraries = folder.join("lib/rustlib");
    for folder in [&source, &libraries] {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }

    println!("    the source of Rust {} and the C library of WASI", rust.release);
    let archive = Archive::with(&work, "rust-src", &format!("{}+", rust.release))?;
    unpack_library(&archive.fetch("rust-src", &format!("{}+", rust.release))?, &source)?;
    let wasi_libc = work.join("wasi-libc");
    quiet(Command::new("dpkg-deb").arg("-x").arg(archive.fetch("wasi-libc", "")?).arg(&wasi_libc))?;

    for target in [CORTEX_M3, WASI] {
        println!("    the libraries for {target}");
        compile(rust, &source, &work.join("build"), target)?;
        let to = libraries.join(target).join("lib");
        let from = work.join("build").join(target).join("dist/deps");
        copy(&from, &to, |name| name.ends_with(".rlib"))?;
    }
    let objects = |name: &str| matches!(name, "crt1-command.o" | "crt1-reactor.o" | "libc.a");
    let to = libraries.join(WASI).join("lib/self-contained");
    copy(&wasi_libc.join("usr/lib").join(WASI), &to, objects)?;

    let io = |error: std::io::Error| format!("{}: {error}", folder.display());
    symlink(rust.sysroot.join("lib/rustlib").join(&rust.host), libraries.join(&rust.host)).map_err(io)?;
    fs::create_dir(folder.join("bin")).map_err(io)?;
    for program in ["rustc", "rustdoc"] {
        let real = rust.sysroot.join("bin").join(program);
        let text = format!("#!/bin/sh\nexec '{}' --sysroot '{}' \"$@\"\n", real.display(), path.display());
        let wrapper = folder.join("bin").join(program);
        fs::write(&wrapper, text).map_err(io)?;
        fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).map_err(io)?;
    }
    fs::remove_dir_all(&work).map_err(io)
}

/// Unpacks the standard library and nothing else of the Debian package.
fn unpack_library(package: &Path, to: &Path) -> Result<(), String> {
    let mut reading = Command::new("dpkg-deb");
    let mut reading = reading
        .arg("--fsys-tarfile")
        .arg(package)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("dpkg-deb: {error}"))?;
    let packed = reading.stdout.take().expect("stdout is piped");
    let mut unpack = Command::new("tar");
    unpack.arg("-x").arg("-C").arg(to);
    unpack.args(["--strip-components=5", "--wildcards", "./usr/src/rustc-*/library"]);
    let unpacked = unpack.current_dir(to).stdin(packed).status();
    let read = reading.wait();
    let ok = |status: std::io::Result<std::process::ExitStatus>| status.is_ok_and(|status| status.success());
    if ok(unpacked) && ok(read) { Ok(()) } else { Err(format!("{} cannot be unpacked", package.display())) }
}

/// Builds std, or where there is none, core and alloc.
fn compile(rust: &Rust, source: &Path, build: &Path, target: &str) -> Result<(), String> {
    let mut cargo = Command::new(rust.sysroot.join("bin/cargo"));
    cargo.args(["build", "--quiet", "--locked", "--profile", "dist", "--target", target]);
    cargo.arg("--target-dir").arg(build);
    if target == WASI {
        cargo.args(["--manifest-path", "sysroot/Cargo.toml", "--features", "panic-unwind,backtrace"]);
    } else {
        cargo.args(["--package", "alloc"]);
    }
    let remap = format!("--remap-path-prefix={}=/rustc/{}/library", source.display(), rust.release);
    for chosen in
        ["RUSTDOC", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "CARGO_TARGET_DIR", "CARGO_BUILD_TARGET"]
    {
        cargo.env_remove(chosen);
    }
    cargo
        .current_dir(source)
        .env("RUSTC", rust.sysroot.join("bin/rustc"))
        // The library uses unstable features of its own compiler.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_PROFILE_DIST_DEBUG", "0")
        .env("__CARGO_DEFAULT_LIB_METADATA", "stablestd")
        .env("CARGO_ENCODED_RUSTFLAGS", format!("-Zforce-unstable-if-unmarked\x1f{remap}"));
    quiet(&mut cargo)
}

/// Copies the files of a folder whose names are `wanted`; there must be some.
fn copy(from: &Path, to: &Path, wanted: impl Fn(&str) -> bool) -> Result<(), String> {
    let io = |error: std::io::Error| format!("{}: {error}", from.display());
    fs::create_dir_all(to).map_err(io)?;
    let mut copied = 0;
    for file in fs::read_dir(from).map_err(io)? {
        let file = file.map_err(io)?;
        if wanted(&file.file_name().to_string_lossy()) {
            fs::copy(file.path(), to.join(file.file_name())).map_err(io)?;
            copied += 1;
        }
    }
    if copied == 0 { Err(format!("nothing to copy in {}", from.display())) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rust(release: &str, sysroot: &str) -> Rust {
        let (release, version) = (release.to_owned(), format!("rustc {release}"));
        Rust { sysroot: sysroot.into(), release, host: "here".into(), version }
    }

    #[test]
    fn another_compiler_has_another_sdk() {
        let of = |release, sysroot| name(&rust(release, sysroot));
        assert_eq!(of("1.95.0", "/a"), of("1.95.0", "/a"));
        assert_ne!(of("1.95.0", "/a"), of("1.95.0", "/b"));
        assert_ne!(of("1.95.0", "/a"), of("1.95.1", "/a"));
    }
}
