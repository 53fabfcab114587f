//! [`Users`]: for whom a bus is.

use serde::{Deserialize, Serialize};

/// The users whose processes may be peers of a bus.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Repr", into = "Repr")]
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
    /// Whether `uid` may be a peer of a bus that `owner` made.
    pub(crate) fn admit(&self, uid: u32, owner: u32) -> bool {
        uid == owner || self.name(uid)
    }

    /// Whether the bus was made for `uid` though another user owns it.
    pub(crate) fn name(&self, uid: u32) -> bool {
        match self {
            Self::Owner => false,
            Self::Any => true,
            Self::Only(uids) => uids.contains(&uid),
        }
    }

    /// Permission bits of the directory, of the files all must read, and of those all must write.
    pub(super) fn modes(&self) -> Modes {
        match self {
            Self::Owner => Modes { directory: 0o700, readable: 0o600, writable: 0o600 },
            Self::Any | Self::Only(_) => Modes { directory: 0o1777, readable: 0o644, writable: 0o666 },
        }
    }
}

/// Permission bits for what a bus keeps on disk.
pub(super) struct Modes {
    pub(super) directory: u32,
    pub(super) readable: u32,
    pub(super) writable: u32,
}

/// How [`Users`] are written: `"owner"`, `"any"` or a list of user ids.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Repr {
    Word(Word),
    Uids(Vec<u32>),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Owner,
    Any,
}

impl From<Repr> for Users {
    fn from(repr: Repr) -> Self {
        match repr {
            Repr::Word(Word::Owner) => Self::Owner,
            Repr::Word(Word::Any) => Self::Any,
            Repr::Uids(uids) => Self::Only(uids),
        }
    }
}

impl From<Users> for Repr {
    fn from(users: Users) -> Self {
        match users {
            Users::Owner => Self::Word(Word::Owner),
            Users::Any => Self::Word(Word::Any),
            Users::Only(uids) => Self::Uids(uids),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clause A11.
    #[test]
    fn users_are_written_as_a_word_or_a_list_and_admit_no_one_else() {
        let cases = [
            (Users::Owner, r#""owner""#, false, false),
            (Users::Any, r#""any""#, true, true),
            (Users::Only(vec![7, 9]), "[7,9]", true, false),
        ];
        for (users, text, seven, eight) in cases {
            assert_eq!(serde_json::to_string(&users).unwrap(), text);
            assert_eq!(serde_json::from_str::<Users>(text).unwrap(), users);
            assert!(users.admit(1000, 1000));
            assert_eq!(users.admit(7, 1000), seven);
            assert_eq!(users.admit(8, 1000), eight);
        }
        assert!(serde_json::from_str::<Users>("\"all\"").is_err());
    }
}
