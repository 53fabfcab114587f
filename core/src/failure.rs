//! What peers tell each other of failures: the part of errors that travels.

use crate::body::EncodeError;

/// Why a peer would not have a link, as it says itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It speaks another version of the protocol.
    #[error("it speaks protocol version {version}, this side version {}", crate::PROTOCOL_VERSION)]
    Version {
        /// The version it speaks.
        version: u16,
    },
    /// The name in the hello is not the name of the process that connected.
    #[error("it could not confirm this peer's name")]
    Identity,
    /// It has as many links as it can take.
    #[error("it has as many links as it can take")]
    Full,
}

/// What kind of failure a peer reports for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RemoteErrorKind {
    /// The handler failed, and said so.
    Failed,
    /// The handler failed or panicked, and details are not exposed.
    Internal,
    /// The handler let go of the request without answering it.
    Unanswered,
    /// The request's body does not decode as what the service expects.
    BadRequest,
    /// The peer has no room for another request.
    Overloaded,
    /// The peer does not serve requests.
    NotAService,
    /// The answer was larger than a body may be.
    ResponseTooLarge,
}

impl RemoteErrorKind {
    /// What the kind is on the wire.
    pub(crate) fn code(self) -> u64 {
        match self {
            Self::Failed => 0,
            Self::Internal => 1,
            Self::Unanswered => 2,
            Self::BadRequest => 3,
            Self::Overloaded => 4,
            Self::NotAService => 5,
            Self::ResponseTooLarge => 6,
        }
    }

    /// What a caller is told whose answer could not be encoded.
    pub(crate) fn of_answer(error: &EncodeError) -> Self {
        match error {
            EncodeError::TooLarge { .. } => Self::ResponseTooLarge,
            _ => Self::Internal,
        }
    }

    /// The kind with this [`code`](Self::code).
    pub(crate) fn from_code(code: u64) -> Option<Self> {
        Some(match code {
            0 => Self::Failed,
            1 => Self::Internal,
            2 => Self::Unanswered,
            3 => Self::BadRequest,
            4 => Self::Overloaded,
            5 => Self::NotAService,
            6 => Self::ResponseTooLarge,
            _ => return None,
        })
    }

    /// What the kind means, for a failure that has no details.
    pub fn summary(self) -> &'static str {
        match self {
            Self::Failed => "the request failed",
            Self::Internal => "internal service error",
            Self::Unanswered => "the service let go of the request without an answer",
            Self::BadRequest => "the request does not decode",
            Self::Overloaded => "the service has no room for another request",
            Self::NotAService => "the peer does not serve requests",
            Self::ResponseTooLarge => "the response is larger than a body may be",
        }
    }
}

/// The front of a text for a person that fits in `limit` bytes.
pub(crate) fn cut(text: &str, limit: usize) -> &str {
    let end = (0..=text.len().min(limit)).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!([0, 1, 2, 3, 4].map(|limit| cut("éa", limit)), ["", "", "é", "éa", "éa"]);
    }
}
