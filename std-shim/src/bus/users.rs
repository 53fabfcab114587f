//! [`Users`]: for whom a bus is.

/// The users whose processes may be peers of a bus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Users {
    /// The user who makes the bus, and nobody else. The directory has mode 0700.
    #[default]
    Owner,
    /// Every user of the machine. The directory has mode 1777: no one can remove what is another user's.
    Any,
    /// The user who makes the bus and those with these user ids.
    ///
    /// The directory has mode 1777: who else writes to it is not listed and not let in.
    Only(Vec<u32>),
}

impl Users {
    #[cfg(target_os = "linux")]
    /// Whether `uid` may be a peer of a bus that `owner` made.
    pub(crate) fn admit(&self, uid: u32, owner: u32) -> bool {
        uid == owner || self.name(uid)
    }

    #[cfg(target_os = "linux")]
    /// Whether the bus was made for `uid` though another user owns it.
    pub(crate) fn name(&self, uid: u32) -> bool {
        match self {
            Self::Owner => false,
            Self::Any => true,
            Self::Only(uids) => uids.contains(&uid),
        }
    }

    /// As the marker of a bus has it: `owner`, `any`, or `only` and the user ids.
    #[cfg(target_os = "linux")]
    pub(super) fn to_text(&self) -> String {
        match self {
            Self::Owner => "owner".to_owned(),
            Self::Any => "any".to_owned(),
            Self::Only(uids) => uids.iter().fold("only".to_owned(), |text, uid| format!("{text} {uid}")),
        }
    }

    /// The users whose [`to_text`](Self::to_text) this is.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let users = match words.next()? {
            "owner" => Self::Owner,
            "any" => Self::Any,
            "only" => return words.map(|uid| uid.parse().ok()).collect::<Option<_>>().map(Self::Only),
            _ => return None,
        };
        words.next().is_none().then_some(users)
    }

    #[cfg(target_os = "linux")]
    /// Permission bits of the directory, of the files all must read, and of those all must write.
    pub(super) fn modes(&self) -> Modes {
        match self {
            Self::Owner => Modes { directory: 0o700, readable: 0o600, writable: 0o600 },
            Self::Any | Self::Only(_) => Modes { directory: 0o1777, readable: 0o644, writable: 0o666 },
        }
    }
}

#[cfg(target_os = "linux")]
/// Permission bits for what a bus keeps on disk.
pub(super) struct Modes {
    pub(super) directory: u32,
    pub(super) readable: u32,
    pub(super) writable: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clause A11.
    #[test]
    fn users_are_written_as_a_word_or_a_list_and_admit_no_one_else() {
        let cases = [
            (Users::Owner, "owner", false, false),
            (Users::Any, "any", true, true),
            (Users::Only(vec![7, 9]), "only 7 9", true, false),
        ];
        for (users, text, seven, eight) in cases {
            assert_eq!(users.to_text(), text);
            assert_eq!(Users::from_text(text).as_ref(), Some(&users));
            assert!(users.admit(1000, 1000));
            assert_eq!(users.admit(7, 1000), seven);
            assert_eq!(users.admit(8, 1000), eight);
        }
        assert_eq!(Users::from_text("only"), Some(Users::Only(vec![])));
        for text in ["", "all", "only7", "only ", "only 7 x", "only -1", "any 7"] {
            assert_eq!(Users::from_text(text), None, "{text:?}");
        }
    }
}
