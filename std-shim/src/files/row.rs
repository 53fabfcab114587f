//! [`Row`]: the files of one direction of a link, in order, as one of its two ends sees them.

use std::fmt::Write;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write as _};
use std::path::Path;

use super::entry::{Entry, Kind, Side, Wire, draft};
use crate::bus::is_out_of_descriptors;

/// The most that is read of a file that is no packet.
const SMALL: u64 = 1024;

/// The files of one direction of a link.
#[derive(Debug)]
pub(super) struct Row {
    wire: Wire,
    /// The end that reads.
    to: Side,
    /// The path of the mailbox and a separator; then a file's name while it is in use.
    path: String,
    /// How much of `path` is the mailbox.
    mailbox: usize,
    /// The path of a file that is still being written.
    draft: String,
    /// The path of the file that will say that the row ends.
    end: String,
    /// The place of the next file.
    next: u64,
    /// Every file is on the disk before it counts.
    durable: bool,
}

impl Row {
    /// The row to the end `to` of a link, which is in `mailbox`; `next` is the place of the next file. The file that
    /// will say that it ends is prepared in the mailbox of the caller, so that nobody leaves it with somebody else.
    pub(super) fn new(
        (mailbox, callers): (&Path, &Path),
        wire: Wire,
        to: Side,
        next: u64,
        durable: bool,
    ) -> Self {
        let draft = |mailbox: &Path| {
            // The route of a bus is UTF-8.
            let mut path = mailbox.to_str().unwrap_or_default().to_owned();
            path.push('/');
            let length = path.len();
            draft(&mut path, wire, to);
            (path, length)
        };
        let (mut path, length) = draft(mailbox);
        let (unfinished, end) = (path.clone(), draft(callers).0 + Kind::End.ending());
        path.truncate(length);
        Self { wire, to, path, mailbox: length, draft: unfinished, end, next, durable }
    }

    /// The place of the next file.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Puts the next file there, in one step.
    pub(super) fn put(&mut self, kind: Kind, bytes: &[u8]) -> io::Result<()> {
        self.name(self.next, kind);
        let directory = write(Path::new(&self.draft), Path::new(&self.path), bytes, self.durable)?;
        // The reader may have it by now, so the place is taken whatever fails from here on.
        self.next += 1;
        directory.map_or(Ok(()), sync)
    }

    /// Makes the file that will say that the row ends, under another name: so its end needs neither room on the disk
    /// nor a descriptor.
    pub(super) fn prepare_end(&mut self) -> io::Result<()> {
        File::create(&self.end).map(drop)
    }

    /// Ends the row: the file that was prepared gets its name. Without one, an end is written if `can_write`.
    pub(super) fn end(&mut self, can_write: bool) -> io::Result<()> {
        self.name(self.next, Kind::End);
        match fs::rename(&self.end, &self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound && can_write => self.put(Kind::End, &[]),
            other => other,
        }
    }

    /// Removes what was begun of the next file, and the end that was prepared. For the reader, once nobody writes.
    pub(super) fn remove_drafts(&mut self) {
        let _ = fs::remove_file(&self.draft);
        let _ = fs::remove_file(&self.end);
    }

    /// Takes the next packet into `buffer`; `None` if there is none. A packet longer than the buffer, which
    /// nobody of ours sends, is an error of the kind [`ErrorKind::InvalidData`].
    pub(super) fn take(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        self.name(self.next, Kind::Packet);
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut n = 0;
        // A file gives all it has at once, but for a signal or a host that gives less than it was asked for.
        loop {
            match file.read(&mut buffer[n..]) {
                Ok(0) => break,
                Ok(more) => n += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if n == buffer.len() && file.read(&mut [0])? > 0 {
            return Err(ErrorKind::InvalidData.into());
        }
        self.remove_next(Kind::Packet)?;
        Ok(Some(n))
    }

    /// Whether the next file is there and of this kind.
    pub(super) fn is_next(&mut self, kind: Kind) -> bool {
        self.has(self.next, kind)
    }

    /// Removes the next file and goes on behind it.
    pub(super) fn remove_next(&mut self, kind: Kind) -> io::Result<()> {
        self.name(self.next, kind);
        fs::remove_file(&self.path)?;
        self.next += 1;
        Ok(())
    }

    /// Reads and removes the next file and goes on behind it; `None` if it is not there, or not of this kind.
    pub(super) fn take_small(&mut self, kind: Kind) -> io::Result<Option<Vec<u8>>> {
        self.name(self.next, kind);
        let mut bytes = Vec::new();
        match File::open(&self.path) {
            Ok(file) => file.take(SMALL).read_to_end(&mut bytes)?,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        self.remove_next(kind)?;
        Ok(Some(bytes))
    }

    /// Whether the packet at this place is there.
    pub(super) fn has_packet(&mut self, place: u64) -> bool {
        self.has(place, Kind::Packet)
    }

    fn has(&mut self, place: u64, kind: Kind) -> bool {
        self.name(place, kind);
        fs::symlink_metadata(&self.path).is_ok()
    }

    fn name(&mut self, place: u64, kind: Kind) {
        self.path.truncate(self.mailbox);
        let _ = write!(self.path, "{}", Entry::Row(self.wire, self.to, place, kind));
    }
}

/// Writes a file by way of `draft`, so that it is whole when it has its name.
pub(super) fn put(draft: &Path, path: &Path, bytes: &[u8], durable: bool) -> io::Result<()> {
    write(draft, path, bytes, durable)?.map_or(Ok(()), sync)
}

/// As [`put`], but for what is left to be done once others may have seen the file: to [`sync`] the directory, if any.
fn write(draft: &Path, path: &Path, bytes: &[u8], durable: bool) -> io::Result<Option<File>> {
    let written = || {
        let directory = path.parent().filter(|_| durable).map(File::open).transpose()?;
        let mut file = File::create(draft)?;
        file.write_all(bytes)?;
        if durable {
            file.sync_data()?;
        }
        fs::rename(draft, path)?;
        Ok(directory)
    };
    written().inspect_err(|_| drop(fs::remove_file(draft)))
}

/// Has the names in a directory on the disk. No failure of that [may pass](is_passing): what was not synced once is
/// never known to be.
fn sync(directory: File) -> io::Result<()> {
    directory.sync_all().map_err(io::Error::other)
}

/// Whether an error of the file system may pass by itself: the disk is full, or there are no descriptors.
pub(super) fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull
            | ErrorKind::QuotaExceeded
            | ErrorKind::OutOfMemory
            | ErrorKind::ResourceBusy
            | ErrorKind::Interrupted
    ) || is_out_of_descriptors(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clause B2.
    #[test]
    fn a_row_gives_its_packets_in_order_each_once() {
        for durable in [false, true] {
            let mailbox = tempfile::tempdir().unwrap();
            let row = || Row::new((mailbox.path(), mailbox.path()), Wire(7), Side::Callee, 0, durable);
            let (mut sender, mut reader) = (row(), row());
            let mut buffer = [0; 8];
            assert_eq!(reader.take(&mut buffer).unwrap(), None);
            for text in [&b"one"[..], b"", b"12345678"] {
                sender.put(Kind::Packet, text).unwrap();
            }
            sender.put(Kind::End, b"").unwrap();
            for text in [&b"one"[..], b"", b"12345678"] {
                assert!(!reader.is_next(Kind::End));
                assert_eq!(reader.take(&mut buffer).unwrap(), Some(text.len()));
                assert_eq!(&buffer[..text.len()], text);
            }
            assert_eq!(reader.take(&mut buffer).unwrap(), None);
            assert!(reader.is_next(Kind::End));
            reader.remove_next(Kind::End).unwrap();
            assert_eq!(std::fs::read_dir(mailbox.path()).unwrap().count(), 0);
        }
    }

    /// Fault X20: the name is all that is left to be given.
    #[test]
    fn an_end_that_was_prepared_is_told_by_a_name_alone() {
        let mailbox = tempfile::tempdir().unwrap();
        let row = || Row::new((mailbox.path(), mailbox.path()), Wire(7), Side::Callee, 3, false);
        let (mut sender, mut reader) = (row(), row());
        sender.prepare_end().unwrap();
        assert!(!reader.is_next(Kind::End));
        sender.end(false).unwrap();
        assert!(reader.is_next(Kind::End));
        reader.remove_next(Kind::End).unwrap();
        // There is none for a second end, which has to be written then.
        assert_eq!(sender.end(false).unwrap_err().kind(), ErrorKind::NotFound);
        reader.remove_drafts();
        assert_eq!(fs::read_dir(mailbox.path()).unwrap().count(), 0);
        sender.prepare_end().unwrap();
        reader.remove_drafts();
        assert_eq!(fs::read_dir(mailbox.path()).unwrap().count(), 0);
    }

    /// Fault X9.
    #[test]
    fn a_packet_longer_than_the_buffer_is_an_error() {
        let mailbox = tempfile::tempdir().unwrap();
        let mut row = Row::new((mailbox.path(), mailbox.path()), Wire(7), Side::Callee, 0, false);
        row.put(Kind::Packet, &[0; 9]).unwrap();
        let mut reader = Row::new((mailbox.path(), mailbox.path()), Wire(7), Side::Callee, 0, false);
        assert_eq!(reader.take(&mut [0; 8]).unwrap_err().kind(), ErrorKind::InvalidData);
    }

    /// Clause B3.
    #[test]
    fn what_cannot_be_put_there_leaves_nothing_behind() {
        let mailbox = tempfile::tempdir().unwrap();
        let mut row = Row::new((mailbox.path(), mailbox.path()), Wire(7), Side::Callee, 0, false);
        // The name is taken by a directory that is not empty.
        let path = mailbox.path().join(Entry::Row(Wire(7), Side::Callee, 0, Kind::Packet).to_string());
        std::fs::create_dir_all(path.join("x")).unwrap();
        row.put(Kind::Packet, b"text").unwrap_err();
        assert_eq!((row.next(), std::fs::read_dir(mailbox.path()).unwrap().count()), (0, 1));
    }
}
