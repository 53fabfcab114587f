//! One epoll, in it inotify on the member's own mailbox, and pidfds of its peers.

use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use ipcm_core::{Clock, Instant, LinkId};
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::Found;
use crate::Waker;
use crate::bus::Presence;
use crate::clock::{Monotonic, timespec_until};
use crate::files::entry::Entry;

/// Events that one system call fetches.
const BATCH: usize = 64;
const MAIL: u64 = u64::MAX;
const ROOM: u64 = u64::MAX - 1;
const WATCH: u64 = u64::MAX - 2;
const WAKER: u64 = u64::MAX - 3;
const PRESENCE: u64 = u64::MAX - 4;
const MORE: u64 = u64::MAX - 5;

/// What wakes a member that waits.
#[derive(Debug)]
pub(in crate::files) struct Alarm {
    epoll: OwnedFd,
    /// None where the system has no watch left.
    mail: Option<OwnedFd>,
    /// Made when a send first blocks.
    room: Option<OwnedFd>,
    /// The watch in `room` on the record of the peer of each link that is with a guest or a suspended one.
    records: HashMap<LinkId, i32>,
    /// What the last wait found, the first of it last.
    found: Vec<Found>,
}

impl Alarm {
    /// Watches a mailbox, and for the end of the bus.
    pub(in crate::files) fn new(mailbox: &Path, presence: Option<&Presence>) -> rustix::io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut alarm =
            Self { epoll, mail: None, room: None, records: HashMap::new(), found: Vec::with_capacity(BATCH) };
        alarm.mail = new_inotify().ok();
        if let Some(mail) = &alarm.mail {
            if inotify::add_watch(mail, mailbox, WatchFlags::MOVED_TO | WatchFlags::ONLYDIR).is_err() {
                alarm.mail = None;
            } else {
                alarm.add(mail.as_fd(), MAIL)?;
            }
        }
        if let Some(told) = presence.and_then(Presence::fd) {
            alarm.add(told, PRESENCE)?;
        }
        Ok(alarm)
    }

    pub(in crate::files) fn fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }

    /// Whether it tells what comes; else the mailbox is to be looked at again and again.
    pub(in crate::files) fn tells_of_mail(&self) -> bool {
        self.mail.is_some()
    }

    pub(in crate::files) fn add_watch(&self, watch: BorrowedFd<'_>) -> rustix::io::Result<()> {
        self.add(watch, WATCH)
    }

    /// Something has come.
    pub(in crate::files) fn be_quick(&self) {}

    pub(in crate::files) fn add_waker(&self, waker: &Waker) -> rustix::io::Result<()> {
        self.add(waker.as_fd(), WAKER)
    }

    /// Makes the alarm readable as long as this is; nothing is told of it.
    pub(in crate::files) fn add_more(&self, more: &Waker) -> rustix::io::Result<()> {
        self.add(more.as_fd(), MORE)
    }

    /// Tells of the end of a process; `None` if it cannot. The caller sees to it that the process lived after
    /// this had returned, so that its id is not another's.
    pub(in crate::files) fn watch_process(&self, link: LinkId, pid: u32) -> Option<OwnedFd> {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw)?;
        let process = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        self.add(process.as_fd(), link.as_bits()).ok()?;
        Some(process)
    }

    /// Tells no more of the end of a process.
    pub(in crate::files) fn forget_process(&self, process: OwnedFd) {
        let _ = epoll::delete(&self.epoll, process);
    }

    /// Tells once when a file is taken from this mailbox; false if it cannot.
    pub(in crate::files) fn watch_room(&mut self, mailbox: &Path) -> bool {
        let Some(room) = self.room() else { return false };
        let flags = WatchFlags::DELETE | WatchFlags::DELETE_SELF | WatchFlags::ONESHOT | WatchFlags::ONLYDIR;
        inotify::add_watch(room, mailbox, flags).is_ok()
    }

    /// Tells when the record of a guest is closed, which its host does for it at its end.
    pub(in crate::files) fn watch_guest(&mut self, link: LinkId, record: &Path) {
        self.watch_record(link, record, WatchFlags::CLOSE_WRITE);
    }

    /// Tells when the record of a suspended peer makes way for that of its next life, or is removed; false if it
    /// cannot.
    pub(in crate::files) fn watch_suspended(&mut self, link: LinkId, record: &Path) -> bool {
        self.watch_record(link, record, WatchFlags::DELETE_SELF | WatchFlags::ATTRIB)
    }

    fn watch_record(&mut self, link: LinkId, record: &Path, events: WatchFlags) -> bool {
        let Some(room) = self.room() else { return false };
        let flags = events | WatchFlags::ONESHOT | WatchFlags::MASK_ADD;
        let Ok(watch) = inotify::add_watch(room, record, flags) else { return false };
        // A record that is looked at again and again has the same watch; one that took its place has another.
        self.records.insert(link, watch);
        true
    }

    /// Tells no more of the record of the peer of a link.
    pub(in crate::files) fn forget_record(&mut self, link: LinkId) {
        self.records.remove(&link);
    }

    fn room(&mut self) -> Option<&OwnedFd> {
        if self.room.is_none() {
            let room = new_inotify().ok()?;
            self.add(room.as_fd(), ROOM).ok()?;
            self.room = Some(room);
        }
        self.room.as_ref()
    }

    /// Waits for events until `deadline`. Returns early where a signal interrupts.
    pub(in crate::files) fn wait(&mut self, deadline: Option<Instant>) -> rustix::io::Result<()> {
        let timeout = deadline.map(|deadline| match deadline {
            Instant::ZERO => timespec_until(deadline, deadline),
            deadline => timespec_until(Monotonic.now(), deadline),
        });
        self.found.clear();
        let mut events = [MaybeUninit::uninit(); BATCH];
        match epoll::wait(&self.epoll, &mut events[..], timeout.as_ref()) {
            Ok((events, _)) => {
                self.found.extend(events.iter().rev().filter_map(|event| found(event.data.u64())))
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Takes something that the last wait found.
    pub(in crate::files) fn pop(&mut self) -> Option<Found> {
        self.found.pop()
    }

    /// Reads what has come to the mailbox. False if that is not all of it.
    pub(in crate::files) fn mail(&self, entries: &mut Vec<Entry>) -> bool {
        let Some(mail) = &self.mail else { return false };
        let mut all = true;
        drain(mail, |event| {
            // It is ignored from now on: the mailbox was removed.
            all &= !event.events().intersects(ReadFlags::QUEUE_OVERFLOW | ReadFlags::IGNORED);
            let name = event.file_name().and_then(|name| name.to_str().ok());
            entries.extend(name.and_then(Entry::parse));
        });
        all
    }

    /// The word that files were taken in is heard.
    pub(in crate::files) fn clear_room(&mut self) {
        let Some(room) = &self.room else { return };
        let (records, found) = (&mut self.records, &mut self.found);
        drain(room, |event| {
            let of_record = |_: &LinkId, watch: &mut i32| *watch == event.wd();
            found.extend(records.extract_if(of_record).map(|(link, _)| Found::Dead(link)));
        });
    }

    fn add(&self, fd: BorrowedFd<'_>, data: u64) -> rustix::io::Result<()> {
        epoll::add(&self.epoll, fd, epoll::EventData::new_u64(data), epoll::EventFlags::IN)
    }
}

/// Whether the process of a pidfd has ended.
pub(in crate::files) fn has_ended(process: &OwnedFd) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&now)) == Ok(1)
}

fn found(bits: u64) -> Option<Found> {
    Some(match bits {
        MORE => return None,
        MAIL => Found::Mail,
        ROOM => Found::Room,
        WATCH => Found::PeersChanged,
        WAKER => Found::Woken,
        PRESENCE => Found::BusTouched,
        link => Found::Dead(LinkId::from_bits(link)),
    })
}

fn new_inotify() -> rustix::io::Result<OwnedFd> {
    inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
}

fn drain(inotify: &OwnedFd, mut each: impl FnMut(&inotify::Event<'_>)) {
    let mut buffer = [MaybeUninit::uninit(); 8192];
    let mut reader = inotify::Reader::new(inotify, &mut buffer);
    loop {
        match reader.next() {
            Ok(event) => each(&event),
            Err(Errno::INTR) => {}
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::time::Duration;

    /// The links of which the alarm says that their peers' records were touched.
    fn told(alarm: &mut Alarm) -> Vec<LinkId> {
        alarm.wait(Some(Monotonic.now() + Duration::from_secs(10))).unwrap();
        let mut links = Vec::new();
        while let Some(found) = alarm.pop() {
            match found {
                Found::Room => alarm.clear_room(),
                Found::Dead(link) => links.push(link),
                other => panic!("{other:?}"),
            }
        }
        links.sort_unstable();
        links
    }

    #[test]
    fn a_record_that_is_looked_at_for_hours_is_one_watch_and_tells_once() {
        let place = tempfile::tempdir().unwrap();
        let record = place.path().join("guest.peer");
        let held = File::create(&record).unwrap();
        let mut alarm = Alarm::new(place.path(), None).unwrap();
        let links = [7, 8].map(LinkId::from_bits);
        for _ in 0..1_000 {
            for link in links {
                alarm.watch_guest(link, &record);
            }
        }
        assert_eq!(alarm.records.len(), 2);
        drop(held);
        assert_eq!(told(&mut alarm), links);
        assert!(alarm.records.is_empty());
    }

    #[test]
    fn a_record_that_takes_the_place_of_another_is_watched_instead() {
        let place = tempfile::tempdir().unwrap();
        let record = place.path().join("guest.peer");
        let mut alarm = Alarm::new(place.path(), None).unwrap();
        let link = LinkId::from_bits(7);
        let mut lives = Vec::new();
        for _ in 0..10 {
            let _ = fs::remove_file(&record);
            lives.push(File::create(&record).unwrap());
            alarm.watch_guest(link, &record);
        }
        assert_eq!(alarm.records.len(), 1);
        lives.pop();
        assert_eq!(told(&mut alarm), [link]);
        alarm.watch_guest(link, &record);
        alarm.forget_record(link);
        assert!(alarm.records.is_empty());
    }
}
