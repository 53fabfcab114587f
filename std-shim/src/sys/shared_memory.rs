//! Memory that two processes map, of which one trusts nothing that the other one does.
//!
//! ```text
//! Data::create   the sender's: mapped for writing, then sealed so that nobody else ever can
//! View::open     the receiver's view of it: for reading, by copying
//! Word           one atomic number that both may change
//! ```
//!
//! Files are sealed against growing and shrinking before they are given away, and checked to be so before they
//! are mapped: nobody can take the memory away under a reader.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::{NonNull, copy_nonoverlapping};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use rustix::fs::{
    MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, fstatfs, ftruncate, memfd_create,
};
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap};
use rustix::process::{Pid, Resource, getpid, getrlimit};

/// Maps that this process has at most: a quarter of what the kernel allows by default.
const MAX_MAPS: usize = 16 * 1024;
/// The file system of memory files. On another one, reading may fail though the size is right.
const TMPFS: u64 = 0x0102_1994;
const FIXED_SIZE: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);
const WORD_FILE: usize = 4096;

static MAPS: AtomicUsize = AtomicUsize::new(0);

/// Memory that this process alone writes to and another may read.
#[derive(Debug)]
pub(crate) struct Data(Map);

impl Data {
    /// Makes memory of `len` bytes, all zero and none of it taken from the system before it is written to, and
    /// the file by which another process maps it.
    pub(crate) fn create(len: usize) -> io::Result<(Self, OwnedFd)> {
        let file = create_file(len)?;
        let map = Map::new(&file, len, ProtFlags::READ | ProtFlags::WRITE)?;
        // Whoever maps it from now on can only read.
        fcntl_add_seals(&file, FIXED_SIZE | SealFlags::FUTURE_WRITE)?;
        Ok((Self(map), file))
    }

    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the map is of this length, readable and writable, and lives as long as `self`. Its file was
        // made here, and sealed against writing before it was given away: no other process can have it
        // writable. This process maps it for writing once, and a forked child does not inherit that.
        unsafe { std::slice::from_raw_parts_mut(self.0.start.as_ptr(), self.0.len) }
    }
}

/// Memory that another process writes to, whenever it likes.
#[derive(Debug)]
pub(crate) struct View(Map);

impl View {
    /// Maps a file of another process for reading.
    ///
    /// # Errors
    ///
    /// [`OpenError::Unsafe`] unless it is a memory file of exactly this length that is sealed as
    /// [`Data::create`] does it.
    pub(crate) fn open(file: &OwnedFd, len: usize) -> Result<Self, OpenError> {
        check(file, len, FIXED_SIZE | SealFlags::FUTURE_WRITE)?;
        Ok(Self(Map::new(file, len, ProtFlags::READ)?))
    }

    /// What is there, where it is. Nothing else of this process writes there.
    ///
    /// # Panics
    ///
    /// If `len` bytes reach beyond the end.
    pub(crate) fn bytes(&self, at: usize, len: usize, _: Trust) -> &[u8] {
        assert!(at <= self.0.len && len <= self.0.len - at, "the packet is within the map");
        // SAFETY: the memory is readable, as just checked, and stays there as long as `self`: the file cannot shrink.
        // Nobody writes to it meanwhile: whoever made a `Trust` has promised that.
        unsafe { std::slice::from_raw_parts(self.0.start.as_ptr().add(at), len) }
    }

    /// Copies what is there from `at` on. If the other process writes there meanwhile, any mixture is copied.
    ///
    /// # Panics
    ///
    /// If `buffer` reaches beyond the end.
    // Not inlined, so that the compiler cannot look again at the source of the copy later, when it may be another.
    #[inline(never)]
    pub(crate) fn copy_to(&self, at: usize, buffer: &mut [u8]) {
        assert!(at <= self.0.len && buffer.len() <= self.0.len - at, "the copy is within the map");
        // SAFETY: both are valid for this length, as just checked and as a slice is, and do not overlap: nothing
        // has the map's memory for a slice. The file cannot shrink, so that the memory stays there.
        unsafe { copy_nonoverlapping(self.0.start.as_ptr().add(at), buffer.as_mut_ptr(), buffer.len()) };
    }
}

/// A promise about the peers of a bus, which no program can check.
#[derive(Clone, Copy, Debug)]
pub struct Trust(());

impl Trust {
    /// Promises that no peer writes to a packet after it has sent it, until that packet is given back.
    ///
    /// Members that this crate makes never do; the promise is about the programs that can join the bus.
    ///
    /// # Safety
    ///
    /// It must be true of every process that a handle or service with this trust is connected with: otherwise bodies
    /// change while they are borrowed, which is undefined behaviour.
    pub const unsafe fn new() -> Self {
        Self(())
    }
}

/// A number that two processes change.
#[derive(Debug)]
pub(crate) struct Word(Map);

impl Word {
    /// Makes one, zero, and the file by which another process maps it.
    pub(crate) fn create() -> io::Result<(Self, OwnedFd)> {
        let file = create_file(WORD_FILE)?;
        fcntl_add_seals(&file, FIXED_SIZE)?;
        Ok((Self(Map::new(&file, WORD_FILE, ProtFlags::READ | ProtFlags::WRITE)?), file))
    }

    /// Maps one of another process.
    ///
    /// # Errors
    ///
    /// [`OpenError::Unsafe`] unless it is a memory file of the right length that is sealed as
    /// [`create`](Self::create) does it.
    pub(crate) fn open(file: &OwnedFd) -> Result<Self, OpenError> {
        check(file, WORD_FILE, FIXED_SIZE)?;
        Ok(Self(Map::new(file, WORD_FILE, ProtFlags::READ | ProtFlags::WRITE)?))
    }

    pub(crate) fn get(&self) -> &AtomicU32 {
        // SAFETY: the map begins at a page, is longer than the number and lives as long as `self`; whatever
        // another process does to it, it does to an atomic number, for which all bits are a value.
        unsafe { AtomicU32::from_ptr(self.0.start.as_ptr().cast()) }
    }
}

/// Why a file of another process was not mapped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// It is not what it must be: mapping it would put this process in the other one's hands.
    #[error("it is not a sealed memory file of the agreed size")]
    Unsafe,
    /// The system has no memory, or no map, left.
    #[error(transparent)]
    System(#[from] io::Error),
}

/// A shared map of a whole file.
#[derive(Debug)]
struct Map {
    start: NonNull<u8>,
    len: usize,
    /// A forked child does not have the map.
    owner: Pid,
}

// SAFETY: a map is memory, which is the same for all threads; what may be done with it is for those to say who
// hand out references, and they do so as `&self` and `&mut self` demand.
unsafe impl Send for Map {}
// SAFETY: as above.
unsafe impl Sync for Map {}

impl Map {
    fn new(file: impl AsFd, len: usize, protection: ProtFlags) -> io::Result<Self> {
        if MAPS.load(Ordering::Relaxed) >= MAX_MAPS {
            return Err(Errno::NOMEM.into());
        }
        // SAFETY: the kernel chooses a place where nothing is, so that no other memory changes.
        let start = unsafe { mmap(std::ptr::null_mut(), len, protection, MapFlags::SHARED, file, 0) }?;
        let start = NonNull::new(start.cast()).ok_or(Errno::NOMEM)?;
        MAPS.fetch_add(1, Ordering::Relaxed);
        let map = Self { start, len, owner: getpid() };
        // SAFETY: the map was just made and is of this length; what a child inherits changes nothing here.
        unsafe { madvise(map.start.as_ptr().cast(), len, Advice::LinuxDontFork) }?;
        Ok(map)
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        MAPS.fetch_sub(1, Ordering::Relaxed);
        if getpid() == self.owner {
            // SAFETY: the map is this process's own, as `new` made it, and nothing refers to it any more.
            let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
            debug_assert!(unmapped.is_ok(), "a map can be undone");
        }
    }
}

fn create_file(len: usize) -> io::Result<OwnedFd> {
    // To make a file longer than a process may is a signal that ends it.
    if getrlimit(Resource::Fsize).current.is_some_and(|limit| limit < len as u64) {
        return Err(Errno::FBIG.into());
    }
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = match memfd_create("ipcm", flags | MemfdFlags::NOEXEC_SEAL) {
        // Before Linux 6.3.
        Err(Errno::INVAL) => memfd_create("ipcm", flags),
        made => made,
    }?;
    ftruncate(&file, len as u64)?;
    Ok(file)
}

fn check(file: &OwnedFd, len: usize, needed: SealFlags) -> Result<(), OpenError> {
    let seals = fcntl_get_seals(file).map_err(|_| OpenError::Unsafe)?;
    let stat = fstat(file).map_err(io::Error::from)?;
    let kind = fstatfs(file).map_err(io::Error::from)?.f_type;
    let is_as_agreed = seals.contains(needed) && stat.st_size as u64 == len as u64 && kind as u64 == TMPFS;
    if is_as_agreed { Ok(()) } else { Err(OpenError::Unsafe) }
}
