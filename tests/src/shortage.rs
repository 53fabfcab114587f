//! Running out of something: room on a disk, descriptors, what tells of changes, permission.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// A disk of its own, a small one, that can be filled. Whoever makes it needs a mount namespace in which it may mount.
pub struct SmallDisk {
    path: PathBuf,
    fillers: u32,
}

/// What a disk has run out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// Room for bytes; files without any can still be made.
    Bytes,
    /// Room for files.
    Files,
}

impl SmallDisk {
    /// Mounts one at this directory.
    ///
    /// # Errors
    ///
    /// If this process may not.
    pub fn mount(path: &Path) -> std::io::Result<Self> {
        let target = std::ffi::CString::new(path.as_os_str().as_encoded_bytes())?;
        let (kind, options) = (c"tmpfs", c"size=4m,nr_inodes=2000,mode=700");
        // SAFETY: all of them are strings that end with a zero and live until the call returns.
        let result =
            unsafe { libc::mount(kind.as_ptr(), target.as_ptr(), kind.as_ptr(), 0, options.as_ptr().cast()) };
        match result {
            0 => Ok(Self { path: path.to_owned(), fillers: 0 }),
            _ => Err(std::io::Error::last_os_error()),
        }
    }

    /// Fills it to the last byte, or the last file.
    pub fn fill(&mut self, lack: Lack) {
        loop {
            let path = self.path.join(format!("filler {}", self.fillers));
            let made = File::create(path).and_then(|mut file| match lack {
                Lack::Bytes => file.write_all(&[0; 64 * 1024]),
                Lack::Files => Ok(()),
            });
            self.fillers += 1;
            if let Err(error) = made {
                assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
                return;
            }
        }
    }

    /// How something fails on it while it is full. What others take in meanwhile may make room, a few times.
    pub fn refuses<T, E>(&mut self, lack: Lack, mut attempt: impl FnMut(&Path) -> Result<T, E>) -> E {
        for _ in 0..20 {
            self.fill(lack);
            if let Err(error) = attempt(&self.path) {
                return error;
            }
        }
        panic!("it goes well on a full disk");
    }

    /// Makes room again.
    pub fn clear(&mut self) {
        for filler in 0..self.fillers {
            let _ = fs::remove_file(self.path.join(format!("filler {filler}")));
        }
        self.fillers = 0;
    }
}

/// The descriptors that this process may have, until it is dropped.
pub struct Hoard {
    _files: Vec<File>,
    limit: Rlimit,
}

impl Hoard {
    /// Takes all that there are.
    pub fn of_all() -> Self {
        // Those of the standard streams are in use. What another thread gives back is not to be had either.
        Self { limit: limit_to(3), _files: Vec::new() }
    }

    /// Takes all but so many. For a process whose other threads take none.
    pub fn but(left: usize) -> Self {
        let limit = limit_to(256);
        let mut files = Vec::new();
        while let Ok(file) = File::open("/dev/null") {
            files.push(file);
        }
        files.truncate(files.len() - left);
        Self { _files: files, limit }
    }
}

/// Lets this process have no descriptor from this number on; what the limit was.
fn limit_to(number: u64) -> Rlimit {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(number), ..limit }).expect("less is allowed");
    limit
}

impl Drop for Hoard {
    fn drop(&mut self) {
        setrlimit(Resource::Nofile, self.limit).expect("as it was");
    }
}

/// From now on these system calls fail in this thread and those that it starts, with this error.
pub fn deny(calls: &[libc::c_long], error: i32) {
    // A classic BPF program over `struct seccomp_data`, which begins with the number of the call.
    let step = |code: u32, k, jt| libc::sock_filter { code: code as u16, jt, jf: 0, k };
    let number = |call: libc::c_long| u32::try_from(call).expect("numbers of system calls are small");
    let mut program = vec![step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0)];
    for (at, &call) in calls.iter().enumerate() {
        // Over the others, and over the step that allows the call.
        let over = u8::try_from(calls.len() - at).expect("they are few");
        program.push(step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, number(call), over));
    }
    let fail = libc::SECCOMP_RET_ERRNO | error.cast_unsigned();
    program.push(step(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0));
    program.push(step(libc::BPF_RET | libc::BPF_K, fail, 0));
    let filter = libc::sock_fprog {
        len: u16::try_from(program.len()).expect("the program is short"),
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the first takes integers; the second reads the program, which lives until it returns.
    let installed = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const filter) == 0
    };
    assert!(installed, "no filter: {}", std::io::Error::last_os_error());
}

/// Becomes a user who is held to permissions, if this process runs as one who is not.
pub fn become_ordinary() {
    const NOBODY: libc::uid_t = 65534;
    // SAFETY: it has no arguments; the others take integers.
    unsafe {
        if libc::geteuid() == 0 {
            assert_eq!(libc::setgroups(0, std::ptr::null()), 0);
            assert_eq!(libc::setresgid(NOBODY, NOBODY, NOBODY), 0);
            assert_eq!(libc::setresuid(NOBODY, NOBODY, NOBODY), 0);
        }
    }
}
