//! [`PeerRecord`]: what a peer says of itself, in a file whose lock says whether the peer lives.

use super::fields::Fields;
use super::name;
use super::process_id::ProcessId;
#[cfg(target_os = "linux")]
use super::process_id::Vantage;
use ipcm_core::Incarnation;

/// How the file name of a record ends.
pub(super) const ENDING: &str = ".peer";
/// No record is longer: 512 bytes of name, and some 300 for the rest.
pub(super) const MAX_SIZE: u64 = 1024;

/// One peer of a bus, in one incarnation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerRecord {
    pub(super) name: String,
    pub(super) process: ProcessId,
    pub(super) uid: u32,
    pub(super) incarnation: Incarnation,
    pub(super) kind: PeerKind,
    /// The name of its mailbox, on message files: that of the first of the lives that suspension joins.
    pub(super) mailbox: Option<Incarnation>,
    /// It has no process and keeps its name until then: microseconds of the Unix epoch.
    pub(super) suspended: Option<u64>,
    /// It is a guest, which has no lock: it lives as long as its beat goes on.
    pub(super) is_guest: bool,
}

/// What a record's file tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// There is no such file.
    Absent,
    /// The file is no record that a peer of this bus could have written.
    Junk,
    /// The peer is gone.
    Dead(PeerRecord),
    /// The peer lives.
    Live(PeerRecord),
    /// The peer keeps its name without a process.
    Suspended(PeerRecord),
}

/// What a peer is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerKind {
    /// It answers requests, and a bus that shuts down waits for it.
    Service,
    /// It asks.
    Handle,
}

impl PeerKind {
    fn word(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Handle => "handle",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Service, Self::Handle].into_iter().find(|kind| kind.word() == word)
    }
}

impl PeerRecord {
    /// The name, as it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process, as it numbers itself; it may mean another one in another pid namespace.
    pub fn pid(&self) -> u32 {
        self.process.pid
    }

    /// Whether its process is numbered in another pid namespace than this one.
    #[cfg(target_os = "linux")]
    pub(crate) fn is_elsewhere(&self) -> bool {
        !self.process.is_numbered_by(Vantage::here())
    }

    /// A guest sees no processes.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn is_elsewhere(&self) -> bool {
        true
    }

    /// The user, which the owner of the record's file confirms.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// Which life of the name this is.
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// What the peer is there for.
    pub fn kind(&self) -> PeerKind {
        self.kind
    }

    /// What its file holds. The name comes last, as it is: it may hold line ends.
    pub(super) fn to_text(&self) -> String {
        let Self { name, process, uid, incarnation, kind, mailbox, suspended, is_guest } = self;
        let (kind, process, incarnation) = (kind.word(), process.to_text(), incarnation.as_bits());
        let mut text = format!("kind {kind}\nprocess {process}\nuid {uid}\nincarnation {incarnation:032x}\n");
        if let Some(mailbox) = mailbox {
            let (until, guest) = (suspended.map_or("none".to_owned(), |until| until.to_string()), is_guest);
            text += &format!("mailbox {:032x}\nsuspended {until}\nguest {guest}\n", mailbox.as_bits());
        }
        text + &format!("name {name}\n")
    }

    /// The record whose [`to_text`](Self::to_text) this is.
    pub(super) fn from_text(bytes: &[u8]) -> Option<Self> {
        let id = |hex| u128::from_str_radix(hex, 16).ok().map(Incarnation::from_bits);
        let mut fields = Fields::new(bytes)?;
        let kind = PeerKind::from_word(fields.next("kind")?)?;
        let process = ProcessId::from_text(fields.next("process")?)?;
        let uid = fields.next("uid")?.parse().ok()?;
        let incarnation = id(fields.next("incarnation")?)?;
        let (mut mailbox, mut suspended, mut is_guest) = (None, None, false);
        if let Some(hex) = fields.next("mailbox") {
            mailbox = Some(id(hex)?);
            suspended = match fields.next("suspended")? {
                "none" => None,
                until => Some(until.parse().ok()?),
            };
            is_guest = fields.next("guest")?.parse().ok()?;
        }
        let name = fields.last("name").filter(|name| ipcm_core::name::check(name).is_ok())?.to_owned();
        Some(Self { name, process, uid, incarnation, kind, mailbox, suspended, is_guest })
    }

    /// The file name of the record of the peer `name`.
    pub(super) fn file(name: &str) -> String {
        format!("{}{ENDING}", name::on_disk(name))
    }

    /// The file name of that record while its owner is still joining.
    #[cfg(target_os = "linux")]
    pub(super) fn draft_file(name: &str) -> String {
        format!(".{}.new", name::on_disk(name))
    }

    /// Its mailbox, if it has one.
    pub(crate) fn mailbox(&self) -> Option<Incarnation> {
        self.mailbox
    }

    /// Whether its mailbox is that of a life before it, which it takes up.
    pub(super) fn is_inherited(&self) -> bool {
        self.mailbox.is_some_and(|mailbox| mailbox != self.incarnation)
    }

    /// Whether it is a guest in a sandbox: without a process of its own that others could see.
    pub fn is_guest(&self) -> bool {
        self.is_guest
    }

    /// The file in which it shows that it lives, where there are guests.
    pub(super) fn beat_file(&self) -> String {
        beat_file(self.incarnation)
    }

    /// Until when it is suspended, in microseconds of the Unix epoch, if it is.
    pub(crate) fn suspended(&self) -> Option<u64> {
        self.suspended
    }

    /// What others send to: the file name of its listening socket, or of its mailbox.
    pub(super) fn door(&self) -> String {
        match self.mailbox {
            Some(mailbox) => mailbox_file(mailbox),
            None => socket_file(self.incarnation),
        }
    }
}

/// The file name of the record of the peer `name`.
pub(crate) fn record_file(name: &str) -> String {
    PeerRecord::file(name)
}

/// The file name of the beat of one incarnation.
pub(super) fn beat_file(incarnation: Incarnation) -> String {
    format!("{:032x}.beat", incarnation.as_bits())
}

/// The file name of a mailbox, a directory.
pub(crate) fn mailbox_file(mailbox: Incarnation) -> String {
    format!("{:032x}.mail", mailbox.as_bits())
}

/// The file name of the listening socket of one incarnation; no other ever has it.
pub(super) fn socket_file(incarnation: Incarnation) -> String {
    format!("{:032x}.sock", incarnation.as_bits())
}
