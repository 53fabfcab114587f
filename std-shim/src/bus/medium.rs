//! [`Medium`]: what the members of one bus speak over, as its marker has it.

use crate::info::TransportKind;

/// What the members of one bus speak over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Medium {
    /// Unix sockets.
    #[default]
    Unix,
    /// Message files, in the hands of the operating system once they are written.
    Files,
    /// Message files, each on the disk before its sending counts as done.
    DurableFiles,
}

impl Medium {
    /// Its word in a marker.
    #[cfg(target_os = "linux")]
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Unix => "unix",
            Self::Files => "files",
            Self::DurableFiles => "durable-files",
        }
    }

    /// What has this word.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        match word {
            "unix" => Some(Self::Unix),
            "files" => Some(Self::Files),
            "durable-files" => Some(Self::DurableFiles),
            _ => None,
        }
    }

    /// Whether a member is sent to in its mailbox.
    pub(super) fn has_mailboxes(self) -> bool {
        self.kind() == TransportKind::Files
    }

    /// What an info calls it.
    pub(crate) fn kind(self) -> TransportKind {
        match self {
            Self::Unix => TransportKind::Unix,
            Self::Files | Self::DurableFiles => TransportKind::Files,
        }
    }
}
