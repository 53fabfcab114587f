//! Tests of the bus directory with real processes, and what they share.

mod child;
mod crash;
mod guard;
mod join;
mod liveness;
mod starve;
mod users;
mod watch;

use super::dir::BusDir;
use super::medium::Medium;
use super::membership::Membership;
use super::record::PeerKind;
use super::users::Users;
use child::Child;
use ipcm_core::Incarnation;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::rand::{GetRandomFlags, getrandom};
use std::os::fd::AsFd;
use std::path::PathBuf;
use tempfile::TempDir;

/// No event of these tests takes longer, however loaded the machine is.
const PATIENCE: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };

/// A persistent bus in a directory of its own, which goes with it.
struct TestBus {
    parent: TempDir,
    dir: BusDir,
}

impl TestBus {
    fn new() -> Self {
        Self::under("bus", Users::Owner)
    }

    /// A bus at this relative path.
    fn under(path: &str, users: Users) -> Self {
        let parent = TempDir::new().unwrap();
        let route = parent.path().join(path);
        std::fs::create_dir_all(route.parent().unwrap()).unwrap();
        let dir = BusDir::create(&route, &users, (Medium::Unix, false), false).unwrap().dir;
        Self { parent, dir }
    }

    fn route(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    fn join(&self, name: &str) -> Membership {
        self.dir.join(name, PeerKind::Handle, fresh()).unwrap()
    }

    /// A child process that has joined under this name.
    fn child(&self, name: &str) -> Child {
        let mut child = Child::joining(&self.route(), name).start();
        child.expect("joined");
        child
    }

    fn names(&self) -> Vec<String> {
        self.dir.peers().unwrap().iter().map(|peer| peer.name().to_owned()).collect()
    }

    /// All files of the bus but those that every bus has.
    fn remains(&self) -> Vec<String> {
        let mut files = self.dir.files().unwrap();
        files.retain(|file| !matches!(file.as_str(), ".bus" | ".join"));
        files
    }
}

fn fresh() -> Incarnation {
    let mut bytes = [0; 16];
    getrandom(&mut bytes, GetRandomFlags::empty()).unwrap();
    Incarnation::from_random(bytes)
}

/// Waits until the descriptor is readable, or fails.
fn wait_readable(fd: impl AsFd) {
    let mut fds = [PollFd::new(&fd, PollFlags::IN)];
    let ready = rustix::io::retry_on_intr(|| poll(&mut fds, Some(&PATIENCE))).unwrap();
    assert_eq!(ready, 1, "nothing happened in time");
}
