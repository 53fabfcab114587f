//! What comes to the mailbox of this member.

use super::*;

/// How often it is tried to remove a mailbox to which others still send.
const ATTEMPTS: usize = 64;

impl FilesTransport {
    /// Takes up what has come to the mailbox.
    pub(super) fn take_mail(&mut self) {
        if self.is_lost {
            self.must_list = false;
            return;
        }
        let mut entries = Vec::new();
        self.must_list |= !self.alarm.mail(&mut entries);
        if self.must_list {
            self.must_list = !self.alarm.tells_of_mail();
            match list(&self.mailbox) {
                Ok(listed) => entries.extend(listed),
                // In a sandbox it may be a file that was removed during the listing that is not found.
                Err(error) if error.kind() == ErrorKind::NotFound && !self.mailbox.exists() => {
                    self.lose_membership();
                }
                Err(_) => self.must_list = true,
            }
        }
        entries.into_iter().for_each(|entry| self.take_entry(entry));
    }

    fn take_entry(&mut self, entry: Entry) {
        match entry {
            Entry::Opening(wire) => self.take_incoming((wire, Side::Callee), false),
            Entry::Kept(wire, side) => self.take_incoming((wire, side), true),
            Entry::Note(_) => {}
            Entry::Row(wire, side, place, _) => match self.links.find((wire, side)) {
                Some(link) => {
                    if let Some(connection) = self.links.get_mut(link) {
                        connection.see(place);
                    }
                    self.links.list(link);
                }
                None if self.incoming.contains((wire, side)) => {}
                // It came to a link that a former life has left, before that was found.
                None if self.path(Entry::Kept(wire, side)).exists() => self.take_incoming((wire, side), true),
                // It came after its opening, which a listing that was under way then need not have.
                None if side == Side::Callee && self.path(Entry::Opening(wire)).exists() => {
                    self.take_incoming((wire, side), false);
                }
                // Sent to a link that was closed meanwhile.
                None => drop(fs::remove_file(self.path(entry))),
            },
        }
    }

    fn take_incoming(&mut self, end: (Wire, Side), is_kept: bool) {
        if self.links.find(end).is_none() && !self.incoming.note(end, is_kept) {
            // Those that find no room are found again when some were taken.
            self.must_list = true;
        }
    }

    fn path(&self, entry: Entry) -> PathBuf {
        self.mailbox.join(entry.to_string())
    }

    /// The mailbox or the record was removed, by whoever removed the bus or took this member for dead and has its name now:
    /// nothing comes any more on any link.
    pub(super) fn lose_membership(&mut self) {
        self.is_lost = true;
        self.tell_over();
        self.links.iter_mut().for_each(|connection| connection.is_dead = true);
        self.links.ids().into_iter().for_each(|link| self.links.list(link));
    }

    /// Tells once that there is no bus for this member any more.
    pub(super) fn tell_over(&mut self) {
        if !std::mem::replace(&mut self.is_over, true) {
            self.events.push_back(TransportEvent::BusGone);
        }
    }

    /// Tells all who have connected and were not accepted that they will not be, and removes the mailbox. Whoever
    /// comes too late finds none.
    pub(super) fn refuse_all(&mut self) {
        for _ in 0..ATTEMPTS {
            self.must_list = true;
            self.take_mail();
            while let Ok(Some((end, kept))) = self.incoming.take_first(&self.mailbox) {
                self.connection(LinkId::from_bits(0), end, &kept).close();
            }
            let Ok(files) = fs::read_dir(&self.mailbox) else { return };
            for file in files.flatten() {
                let name = file.file_name();
                if !matches!(name.to_str().and_then(Entry::parse), Some(Entry::Opening(_))) {
                    let _ = fs::remove_file(file.path());
                }
            }
            match fs::remove_dir(&self.mailbox) {
                Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {}
                _ => return,
            }
        }
    }
}

/// What lies in a mailbox, by link and place.
pub(super) fn list(mailbox: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for file in fs::read_dir(mailbox)? {
        entries.extend(file?.file_name().to_str().and_then(Entry::parse));
    }
    entries.sort_unstable();
    Ok(entries)
}
