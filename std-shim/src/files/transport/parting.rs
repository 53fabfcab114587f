//! What a life of this member leaves to the next, and takes from the one before.

use super::*;

impl FilesTransport {
    /// Takes up what a former life has left: the messages that it has put back, in order. The links come of themselves.
    ///
    /// # Errors
    ///
    /// What the file system says. Those that were not taken are still there.
    pub(crate) fn take_over(&mut self) -> io::Result<Vec<Message>> {
        let entries = mail::list(&self.mailbox)?;
        let requeued = entries.iter().filter(|entry| matches!(entry, Entry::Requeued(_)));
        let paths: Vec<_> = requeued.map(|entry| self.mailbox.join(entry.to_string())).collect();
        let mut messages = Vec::new();
        for path in &paths {
            messages.extend(kept::parse::<Requeued>(&fs::read(path)?).map(Message::from));
        }
        // All of them, or none.
        self.membership.take_over();
        paths.iter().for_each(|path| drop(fs::remove_file(path)));
        Ok(messages)
    }

    /// Puts a message back for the next life of this member.
    pub(crate) fn requeue(&mut self, message: &Message) -> io::Result<()> {
        self.requeued += 1;
        self.keep(Entry::Requeued(self.requeued), &kept::to_bytes(&Requeued::from(message)))
    }

    fn keep(&self, entry: Entry, bytes: &[u8]) -> io::Result<()> {
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
        self.membership.suspend(until)?;
        self.links = Links::default();
        Ok(())
    }

    fn keep_parting(&self, connection: &mut Connection, parting: Parting, until: u64) -> io::Result<()> {
        let Parting { unsent, hello, partial, asleep, .. } = parting;
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
        self.keep(entry, &kept::to_bytes(&kept))
    }
}
