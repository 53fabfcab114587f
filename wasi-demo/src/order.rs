//! What a guest can be told.

use serde::{Deserialize, Serialize};

/// What a guest can be told. The answer is a `String` where nothing else is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// The bytes, back: `Vec<u8>`.
    Echo(Vec<u8>),
    /// The text, after the guest's own name.
    Say(String),
    /// Asks that peer with the text as the request, and answers with its answer.
    Ask(String, String),
    /// Has that guest say the text, and answers with what it said.
    HaveSay(String, String),
    /// Sends that peer the number as a message: `()`.
    Tell(String, u64),
    /// The numbers that were sent to it and not asked for yet: `Vec<u64>`.
    Messages,
    /// The names of the others: `Vec<String>`.
    Peers,
    /// Who came (`true`) and went (`false`) since it was asked last: `Vec<(String, bool)>`.
    Changes,
    /// Whether the system tells it of the end of a peer, and whether it can be suspended: `(bool, bool)`.
    Capabilities,
    /// No answer, ever.
    Hold,
    /// The program ends with this code.
    Exit(u8),
    /// The program ends by a trap.
    Trap,
}
