//! A directory for what the processes of a measurement keep in files, and what they name in memory that they share.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Where the kernel shows POSIX shared memory.
const SHARED_MEMORY: &str = "/dev/shm";

/// A fresh directory, removed when dropped, together with the shared memory whose names begin as its own does.
#[derive(Debug)]
pub struct Directory(PathBuf);

impl Directory {
    /// Makes a directory that nobody else can have.
    ///
    /// # Errors
    /// What the file system reports.
    pub fn new() -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("{}{number}", prefix_of(std::process::id())));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        remove_all_in(Path::new(SHARED_MEMORY), &shared_prefix(&self.0));
        let _ = fs::remove_dir_all(&self.0); // nothing to do about a leftover
    }
}

/// How the names of shared memory must begin, so that it is removed with the directory.
pub fn shared_prefix(directory: &Path) -> String {
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    format!("{name}_")
}

/// Removes the directories that a process has made and not removed, with their shared memory: it was killed.
pub(crate) fn remove_left_by(process: u32) {
    let prefix = prefix_of(process);
    remove_all_in(Path::new(SHARED_MEMORY), &prefix);
    remove_all_in(&std::env::temp_dir(), &prefix);
}

/// How the names of a process's directories begin.
fn prefix_of(process: u32) -> String {
    format!("ipcm-bench-{process}-")
}

/// Removes whatever begins with `prefix`.
fn remove_all_in(directory: &Path, prefix: &str) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix)) {
        let path = entry.path();
        let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path)); // nothing to do about a leftover
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_ends_with_what_it_holds_and_with_its_shared_memory_and_no_other() {
        let [one, other] = [(); 2].map(|()| Directory::new().expect("there is room"));
        let [own, others] = [&one, &other].map(|directory| {
            fs::write(directory.path().join("file"), "x").expect("it is ours");
            let shared = Path::new(SHARED_MEMORY).join(shared_prefix(directory.path()) + "memory");
            fs::write(&shared, "x").expect("there is shared memory");
            shared
        });
        let path = one.path().to_owned();
        drop(one);
        assert_eq!([path, own].map(|path| path.exists()), [false, false]);
        assert_eq!([other.path(), &others].map(Path::exists), [true, true]);
        drop(other);
        assert!(!others.exists());
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_its_neighbours_are_not() {
        // No process has such numbers.
        let [gone, neighbour] = ["ipcm-bench-4294967295-0", "ipcm-bench-42949672950-0"].map(|name| {
            let path = std::env::temp_dir().join(name);
            fs::create_dir_all(path.join("socket")).expect("the directory for temporary files");
            path
        });
        let shared = Path::new(SHARED_MEMORY).join("ipcm-bench-4294967295-0_memory");
        fs::write(&shared, "x").expect("there is shared memory");
        remove_left_by(u32::MAX);
        assert_eq!([&gone, &shared, &neighbour].map(|path| path.exists()), [false, false, true]);
        fs::remove_dir_all(neighbour).expect("it is ours");
    }
}
