//! The cache folder: what took long to make, made once, whole or not at all.

use std::{
    env,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    process,
};

/// `$XDG_CACHE_HOME/ipcm`, or `~/.cache/ipcm`.
pub(crate) struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// Finds the folder, and makes it when it is missing.
    ///
    /// # Errors
    ///
    /// When there is no home directory, or it cannot be written.
    pub(crate) fn open() -> Result<Self, String> {
        let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
        let folder = base.ok_or("no cache folder: neither XDG_CACHE_HOME nor HOME is set")?.join("ipcm");
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(Self { folder })
    }

    /// Where the thing of this name is, if it has been made and is of use.
    pub(crate) fn find(&self, name: &str, is_usable: impl FnOnce(&Path) -> bool) -> Option<PathBuf> {
        Some(self.folder.join(name)).filter(|path| path.is_dir() && is_usable(path))
    }

    /// The thing of this name, made by `make` in a folder of its own if it is not there or of no use.
    ///
    /// It appears under its name by one rename. What an interrupted run has left is deleted; of runs at the same
    /// time, one makes it and the others wait.
    ///
    /// # Errors
    ///
    /// Those of `make`, which is told the folder to fill and the path that it will have; what is of no use even
    /// then; and a folder that cannot be written.
    pub(crate) fn make(
        &self,
        name: &str,
        is_usable: impl Fn(&Path) -> bool,
        make: impl FnOnce(&Path, &Path) -> Result<(), String>,
    ) -> Result<PathBuf, String> {
        let say = |error: std::io::Error| format!("{}: {error}", self.folder.display());
        let _lock = self.lock().map_err(say)?;
        if let Some(made) = self.find(name, &is_usable) {
            return Ok(made);
        }
        for left in fs::read_dir(&self.folder).map_err(say)?.flatten() {
            let left_name = left.file_name();
            if left_name == name || left_name.to_string_lossy().starts_with(&partial(name)) {
                fs::remove_dir_all(left.path()).map_err(say)?;
            }
        }
        // A child of a run that was killed may still write to the folder of that run.
        let unfinished = self.folder.join(format!("{}{}", partial(name), process::id()));
        fs::create_dir(&unfinished).map_err(say)?;
        let made = self.folder.join(name);
        if let Err(why) = make(&unfinished, &made) {
            let _ = fs::remove_dir_all(&unfinished);
            return Err(why);
        }
        fs::rename(&unfinished, &made).map_err(say)?;
        if is_usable(&made) { Ok(made) } else { Err(format!("{}: made, but of no use", made.display())) }
    }

    /// Deletes everything.
    ///
    /// # Errors
    ///
    /// When something cannot be deleted.
    pub(crate) fn delete(self) -> Result<(), String> {
        let outcome = self.lock().and_then(|_lock| fs::remove_dir_all(&self.folder));
        outcome.map_err(|error| format!("{}: {error}", self.folder.display()))
    }

    /// Holds off other runs until it is dropped, however this process ends.
    fn lock(&self) -> std::io::Result<File> {
        let file = File::create(self.folder.join("lock"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                println!("another run is at work in {}; waiting for it", self.folder.display());
                file.lock()?;
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        Ok(file)
    }
}

fn partial(name: &str) -> String {
    format!("{name}.partial-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        thread,
    };

    /// A cache of its own, deleted at the end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let folder = env::temp_dir().join(format!("ipcm-xtask-{name}-{}", process::id()));
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        fn cache(&self) -> Cache {
            Cache { folder: self.0.clone() }
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn write(folder: &Path) -> Result<(), String> {
        fs::write(folder.join("content"), "whole").map_err(|error| error.to_string())
    }

    fn is_whole(path: &Path) -> bool {
        fs::read_to_string(path.join("content")).is_ok_and(|text| text == "whole")
    }

    #[test]
    fn a_thing_is_made_once_by_many_runs_at_the_same_time() {
        let scratch = Scratch::new("once");
        let made = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let path = scratch.cache().make("thing", is_whole, |folder, _| {
                        made.fetch_add(1, Ordering::Relaxed);
                        write(folder)
                    });
                    assert!(is_whole(&path.unwrap()));
                });
            }
        });
        assert_eq!(made.into_inner(), 1);
    }

    #[test]
    fn what_an_interrupted_run_has_left_is_made_anew() {
        let scratch = Scratch::new("interrupted");
        let cache = scratch.cache();
        let left = scratch.0.join("thing.partial-1");
        fs::create_dir(&left).unwrap();
        assert_eq!(cache.find("thing", is_whole), None);
        let failed = cache.make("thing", is_whole, |_, _| Err("no network".into()));
        assert_eq!((failed, cache.find("thing", is_whole)), (Err("no network".into()), None));
        let path = cache.make("thing", is_whole, |folder, _| write(folder)).unwrap();
        assert_eq!(cache.find("thing", is_whole), Some(path));
        // The thing and the lock.
        assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 2);
    }

    #[test]
    fn a_thing_that_is_of_no_use_is_made_anew() {
        let scratch = Scratch::new("broken");
        let cache = scratch.cache();
        let path = cache.make("thing", is_whole, |folder, _| write(folder)).unwrap();
        fs::write(path.join("content"), "broken").unwrap();
        assert_eq!(cache.find("thing", is_whole), None);
        assert_eq!(cache.make("thing", is_whole, |folder, _| write(folder)), Ok(path.clone()));
        assert!(is_whole(&path));
        fs::remove_dir_all(&path).unwrap();
        assert!(cache.make("thing", is_whole, |_, _| Ok(())).is_err());
    }
}
