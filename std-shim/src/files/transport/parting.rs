//! What a life of this member leaves to the next, and takes from the one before.

use super::*;

/// The file of a mailbox whose owner is suspended that has its hello.
const TERMS: &str = "hello";

impl FilesTransport {
    /// Takes the notes that a former life has kept, in order.
    pub(super) fn take_notes(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let entries = mail::list(&self.mailbox)?;
        let notes = entries.iter().filter(|entry| matches!(entry, Entry::Note(_)));
        let paths: Vec<_> = notes.map(|entry| self.mailbox.join(entry.to_string())).collect();
        let notes = paths.iter().map(fs::read).collect::<io::Result<_>>()?;
        // All of them, or none.
        self.membership.take_over();
        paths.iter().for_each(|path| drop(fs::remove_file(path)));
        Ok(notes)
    }

    /// Keeps a note for the next life of this member.
    pub(super) fn keep_note(&mut self, note: &[u8]) -> io::Result<()> {
        self.notes += 1;
        self.put(Entry::Note(self.notes), note)
    }

    fn put(&self, entry: Entry, bytes: &[u8]) -> io::Result<()> {
        let path = |name: String| self.mailbox.join(name);
        row::put(&path(format!(".{entry}")), &path(entry.to_string()), bytes, self.durable)
    }

    /// Leaves all links to the next life, and keeps the name for it. A failure is the end of this life: its peers
    /// are then told that it has left, those too that were told that it sleeps.
    pub(super) fn leave(&mut self, until: u64, mut partings: Vec<Parting>) -> Result<(), BusError> {
        let failed = |transport: &Self, error| transport.dir().error("suspending a peer", error);
        // Whoever has connected and was not accepted is told as well.
        self.take_mail();
        loop {
            let first = self.incoming.take_first(&self.mailbox).map_err(|error| failed(self, error))?;
            let Some((end, kept)) = first else { break };
            let mut end = self.connection(LinkId::from_bits(0), end, &kept);
            if let Err(error) = self.keep_end(&mut end, &[], Vec::new(), until) {
                end.close();
                return Err(failed(self, error));
            }
        }
        for link in self.links.ids() {
            let Some(mut connection) = self.links.take(link) else { continue };
            let kept = match partings.iter().position(|parting| parting.link == link) {
                Some(at) => self.keep_parting(&mut connection, partings.swap_remove(at), until),
                None => {
                    connection.close();
                    continue;
                }
            };
            self.links.put(connection);
            kept.map_err(|error| failed(self, error))?;
        }
        self.keep_terms().map_err(|error| failed(self, error))?;
        self.membership.suspend(until)?;
        self.links = Links::default();
        Ok(())
    }

    /// Leaves its own hello in the mailbox, for those who connect meanwhile: it says how much this member takes.
    fn keep_terms(&self) -> io::Result<()> {
        let path = |name: &str| self.mailbox.join(name);
        row::put(&path(&format!(".{TERMS}")), &path(TERMS), &self.hello, self.durable)
    }

    fn keep_parting(&self, connection: &mut Connection, parting: Parting, until: u64) -> io::Result<()> {
        let Parting { unsent, hello, partial, asleep, spent, .. } = parting;
        connection.spent = spent;
        let asleep = asleep.map(|until| Before::Asleep(news::to_wall(until)));
        // The beginning of a frame is that of the life which is to come, if the last one has ended.
        let before = [Some(Before::Bytes(hello)), asleep, Some(Before::Bytes(partial))];
        let is_something = |before: &Before| !matches!(before, Before::Bytes(bytes) if bytes.is_empty());
        let before = before.into_iter().flatten().filter(is_something).collect();
        self.keep_end(connection, &unsent, before, until)
    }

    fn keep_end(
        &self,
        connection: &mut Connection,
        unsent: &[u8],
        before: Vec<Before>,
        until: u64,
    ) -> io::Result<()> {
        let entry = Entry::Kept(connection.wire, connection.side);
        let kept = connection.leave(unsent, before, until)?;
        self.put(entry, &kept.to_bytes())
    }

    /// What a caller hears first on a link to a suspended peer: the hello of the life that has left, and that it has.
    /// `None` if the peer is not suspended, or not any more.
    pub(super) fn find_terms(
        &self,
        connection: &Connection,
        record: &PeerRecord,
    ) -> Result<Option<[Before; 2]>, BusError> {
        let Some(until) = record.suspended() else { return Ok(None) };
        let Ok(hello) = fs::read(connection.path.join(TERMS)) else { return Ok(None) };
        // It may be that of another life by now.
        let again = self.find_life(connection)?;
        let is_same = again.is_some_and(|again| again.incarnation() == record.incarnation());
        Ok((is_same && !hello.is_empty()).then_some([Before::Bytes(hello), Before::Asleep(until)]))
    }
}
