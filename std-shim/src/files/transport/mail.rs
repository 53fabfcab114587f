//! What comes to the mailbox of this member.

use super::*;

impl FilesTransport {
    /// Takes up what has come to the mailbox.
    pub(super) fn take_mail(&mut self) {
        let mut entries = Vec::new();
        self.must_list |= !self.alarm.mail(&mut entries);
        if self.must_list {
            self.must_list = !self.alarm.tells_of_mail();
            match fs::read_dir(&self.mailbox) {
                Ok(files) => {
                    let names = files.flatten().map(|file| file.file_name());
                    entries.extend(names.filter_map(|name| Entry::parse(name.to_str()?)));
                    entries.sort_unstable();
                }
                Err(_) => self.must_list = true,
            }
        }
        entries.into_iter().for_each(|entry| self.take_entry(entry));
    }

    fn take_entry(&mut self, entry: Entry) {
        match entry {
            Entry::Opening(wire) => self.take_incoming((wire, Side::Callee)),
            Entry::Kept(wire, side) => self.take_incoming((wire, side)),
            Entry::Requeued(_) => {}
            Entry::Row(wire, side, place, _) => match self.links.find((wire, side)) {
                Some(link) => {
                    if let Some(connection) = self.links.get_mut(link) {
                        connection.see(place);
                    }
                    self.links.list(link);
                }
                None if self.incoming.contains((wire, side)) => {}
                // Sent to a link that was closed meanwhile.
                None => drop(fs::remove_file(self.mailbox.join(entry.to_string()))),
            },
        }
    }

    fn take_incoming(&mut self, end: (Wire, Side)) {
        if self.links.find(end).is_none() {
            self.incoming.note(end);
        }
    }
}
