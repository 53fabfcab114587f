//! Packages of Debian: installed by root, or fetched from the archive that this machine's apt is set up with.

use crate::steps::{Steps, output, quiet, succeeds};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Suites that may have a package, tried in this order; those of one entry are looked at together.
const SUITES: [&[&str]; 3] = [&["trixie-backports"], &["forky", "sid"], &["trixie"]];

/// The keys that Debian signs with; apt itself depends on them there.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Installs packages if this is root.
///
/// # Errors
///
/// Says what to install when it is not, or apt fails.
pub(crate) fn install(steps: &mut Steps, packages: &[&str]) -> Result<(), String> {
    let by_hand = format!("install it, on Debian: apt-get install {}", packages.join(" "));
    if !succeeds(Command::new("apt-get").arg("--version")) {
        return Err(by_hand);
    }
    if !output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0") {
        return Err(format!("only root can; {by_hand}"));
    }
    let install = |steps: &mut Steps| {
        let mut install = apt_get();
        install.args(["install", "-qq", "--yes", "--no-install-recommends"]).args(packages);
        steps.attempt_command("packages, about a minute", &mut install).is_ok()
    };
    // A fresh machine has no package lists, and those of an old one name files that are gone.
    let update =
        |steps: &mut Steps| steps.attempt_command("package lists", apt_get().args(["update", "-qq"]));
    if install(steps) || (update(steps).is_ok() && install(steps)) {
        return Ok(());
    }
    Err(format!("apt-get failed; {by_hand}"))
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    // Another installation may be under way.
    command.args(["-o", "DPkg::Lock::Timeout=300"]).env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// Package lists of suites that have a certain package, kept apart from the system's own. Needs no root.
pub(crate) struct Archive {
    folder: PathBuf,
}

impl Archive {
    /// Finds suites that have `package` in a version that begins with `version`.
    ///
    /// # Errors
    ///
    /// When apt is set up with no Debian archive, or none has the package.
    pub(crate) fn with(work: &Path, package: &str, version: &str) -> Result<Self, String> {
        let archive = Self { folder: work.join("apt") };
        archive.set_up()?;
        let mirrors = archive.mirrors()?;
        if mirrors.is_empty() {
            return Err(format!("apt is set up with no Debian archive, where {package} would come from"));
        }
        let sources = archive.folder.join("sources.list");
        for suites in SUITES {
            let line = |mirror: &String, suite| format!("deb [signed-by={KEYRING}] {mirror} {suite} main\n");
            let lines = mirrors.iter().flat_map(|mirror| suites.iter().map(move |suite| line(mirror, suite)));
            fs::write(&sources, lines.collect::<String>())
                .map_err(|error| format!("{}: {error}", sources.display()))?;
            // A mirror without these suites is no reason to give up.
            if quiet(archive.apt("apt-get").args(["update", "-qq"])).is_ok()
                && archive.newest(package, version).is_ok()
            {
                return Ok(archive);
            }
        }
        Err(format!(
            "Debian has no {package} {version} any more, or not yet. `rustup target add` gets the targets from \
             elsewhere, and so does another Rust version"
        ))
    }

    /// Fetches a package in the newest version that begins with `version`.
    ///
    /// # Errors
    ///
    /// When there is none, or it cannot be fetched.
    pub(crate) fn fetch(&self, package: &str, version: &str) -> Result<PathBuf, String> {
        let newest = self.newest(package, version)?;
        let into = self.folder.join("packages").join(package);
        fs::create_dir_all(&into).map_err(|error| format!("{}: {error}", into.display()))?;
        let mut download = self.apt("apt-get");
        quiet(download.args(["download", "-qq", &format!("{package}={newest}")]).current_dir(&into))?;
        let mut files = fs::read_dir(&into).into_iter().flatten().flatten().map(|file| file.path());
        files.next().ok_or(format!("apt-get download {package}: no file"))
    }

    fn newest(&self, package: &str, version: &str) -> Result<String, String> {
        let table = output(self.apt("apt-cache").args(["madison", package]))?;
        newest(&table, version).ok_or(format!("no {package} {version}"))
    }

    /// Folders and settings of an apt that leaves the system's alone.
    fn set_up(&self) -> Result<(), String> {
        let io = |error: std::io::Error| format!("{}: {error}", self.folder.display());
        for folder in ["lists/partial", "cache/archives/partial", "packages"] {
            fs::create_dir_all(self.folder.join(folder)).map_err(io)?;
        }
        fs::write(self.folder.join("status"), "").map_err(io)?;
        let folder = self.folder.display();
        let settings = format!(
            "Dir::State \"{folder}\"; Dir::State::lists \"{folder}/lists\";\n\
             Dir::State::status \"{folder}/status\"; Dir::Cache \"{folder}/cache\";\n\
             APT::Sandbox::User \"\"; Debug::NoLocking \"1\"; Acquire::Languages \"none\"; Acquire::Retries \"3\";\n"
        );
        fs::write(self.folder.join("system.conf"), &settings).map_err(io)?;
        let own = format!(
            "Dir::Etc::sourcelist \"{folder}/sources.list\"; Dir::Etc::sourceparts \"/dev/null\";\n\
             Dir::Etc::preferencesparts \"/dev/null\";\n"
        );
        fs::write(self.folder.join("own.conf"), settings + &own).map_err(io)
    }

    /// The Debian archives in the system's own sources.
    fn mirrors(&self) -> Result<Vec<String>, String> {
        let format = ["indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)"];
        let known = mirrors(&output(Command::new("apt-get").args(format))?);
        if !known.is_empty() {
            return Ok(known);
        }
        // The lists say whose archive it is; the system may have none, and only root can get them.
        let with = |args: &[&str]| {
            let mut command = Command::new("apt-get");
            command.args(args).env("APT_CONFIG", self.folder.join("system.conf"));
            command
        };
        quiet(&mut with(&["update", "-qq"]))?;
        Ok(mirrors(&output(&mut with(&format))?))
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", self.folder.join("own.conf"));
        command
    }
}

/// The addresses in lines of `origin|label|address` that are Debian's main archive, each once.
fn mirrors(lines: &str) -> Vec<String> {
    let mut mirrors: Vec<_> =
        lines.lines().filter_map(|line| line.strip_prefix("Debian|Debian|")).map(str::to_owned).collect();
    mirrors.sort();
    mirrors.dedup();
    mirrors
}

/// The newest version that begins with `version` in what `apt-cache madison` prints, newest first.
fn newest(table: &str, version: &str) -> Option<String> {
    let mut versions = table.lines().filter_map(|line| line.split('|').nth(1)).map(str::trim);
    versions.find(|found| found.starts_with(version)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_main_archive_of_debian_is_a_mirror() {
        let lines = concat!(
            "Debian|Debian|mirror://a/\nDebian|Debian|mirror://a/\nDebian|Debian-Security|mirror://b/\n",
            "Another|Another|mirror://c/\n",
        );
        assert_eq!(mirrors(lines), ["mirror://a/"]);
    }

    #[test]
    fn a_version_is_taken_whole() {
        let table = concat!(
            "  rust-src | 1.95.0+dfsg1-2~bpo13+1 | mirror: trixie-backports/main amd64 Packages\n",
            "  rust-src | 1.95.0+dfsg1-1 | mirror: trixie-backports/main amd64 Packages\n",
        );
        assert_eq!(newest(table, "1.95.0+").as_deref(), Some("1.95.0+dfsg1-2~bpo13+1"));
        assert_eq!(newest(table, "1.95+"), None);
        assert_eq!(newest(table, "").as_deref(), Some("1.95.0+dfsg1-2~bpo13+1"));
    }
}
