//! What a life of this member leaves to the next, and takes from the one before.

use super::*;

impl FilesTransport {
    /// Takes the messages that a former life has put back, in order.
    pub(crate) fn take_requeued(&mut self) -> Vec<Message> {
        let Ok(files) = fs::read_dir(&self.mailbox) else { return Vec::new() };
        let mut entries: Vec<_> =
            files.flatten().filter_map(|file| Entry::parse(file.file_name().to_str()?)).collect();
        entries.sort_unstable();
        let requeued =
            entries.iter().filter(|entry| matches!(entry, Entry::Requeued(_))).filter_map(|entry| {
                let path = self.mailbox.join(entry.to_string());
                let message = fs::read(&path).ok().and_then(|bytes| kept::parse::<Requeued>(&bytes));
                let _ = fs::remove_file(path);
                message.map(Message::from)
            });
        requeued.collect()
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

    /// Leaves all links to the next life.
    pub(super) fn leave(&mut self, until: u64, mut partings: Vec<Parting>) -> io::Result<()> {
        // Whoever has connected and was not accepted is told as well.
        self.take_mail();
        while let Some((end, kept)) = self.incoming.take_first(&self.mailbox) {
            let mut end = self.connection(LinkId::from_bits(0), end, &kept);
            self.keep_end(&mut end, &[], Vec::new(), until)?;
        }
        for mut connection in self.links.drain() {
            let of_link = |parting: &Parting| parting.link == connection.link;
            let Some(at) = partings.iter().position(of_link) else {
                connection.close();
                continue;
            };
            let Parting { unsent, hello, partial, asleep, .. } = partings.swap_remove(at);
            let asleep = asleep.map(|until| Before::Asleep(news::to_wall(until)));
            // The beginning of a frame is that of the life which is to come, if the last one has ended.
            let before = [Some(Before::Bytes(hello)), asleep, Some(Before::Bytes(partial))];
            let is_something = |before: &Before| !matches!(before, Before::Bytes(bytes) if bytes.is_empty());
            let before = before.into_iter().flatten().filter(is_something).collect();
            self.keep_end(&mut connection, &unsent, before, until)?;
        }
        Ok(())
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
