//! What went wrong, for a person or a script, and the exit code for it.

use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use ipcm::{BusError, CallError, Info, JoinError, RequestError, SendError, ServiceError};
use serde_json::json;

use crate::arguments::Timeout;

/// Why a subcommand did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    /// Empty where nobody is left to be told.
    message: String,
}

/// What a script can tell apart; the number is the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Other = 1,
    Usage = 2,
    TimedOut = 3,
    PeerGone = 4,
    NoSuchPeer = 5,
    Remote = 6,
    Bus = 7,
    Guest = 8,
}

impl Kind {
    /// Its name in JSON.
    fn name(self) -> &'static str {
        match self {
            Self::Other => "other",
            Self::Usage => "usage",
            Self::TimedOut => "timed_out",
            Self::PeerGone => "peer_gone",
            Self::NoSuchPeer => "no_such_peer",
            Self::Remote => "remote",
            Self::Bus => "bus",
            Self::Guest => "guest",
        }
    }
}

impl Failure {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// An error and what caused it.
    pub(crate) fn caused(kind: Kind, error: &dyn Error) -> Self {
        Self::new(kind, with_causes(error))
    }

    /// The command line is wrong.
    pub(crate) fn usage(message: String) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// Adds the bus on which a peer was not found.
    pub(crate) fn on(mut self, info: &Info) -> Self {
        if self.kind == Kind::NoSuchPeer {
            self.message.push_str(&format!(" on the bus at {}", info.route().display()));
        }
        self
    }

    /// Adds the time that was not enough.
    pub(crate) fn within(mut self, timeout: Timeout) -> Self {
        if self.kind == Kind::TimedOut {
            self.message.push_str(&format!(" ({timeout})"));
        }
        self
    }

    /// Adds what may be done about it.
    pub(crate) fn advised(mut self, advice: &str) -> Self {
        self.message.push_str(&format!("; {advice}"));
        self
    }

    /// Tells it on standard error, and gives the exit code.
    pub(crate) fn report(&self, as_json: bool) -> ExitCode {
        if !self.message.is_empty() {
            let line = if as_json {
                json!({"error": {"kind": self.kind.name(), "message": self.message}}).to_string()
            } else {
                format!("ipcm: {}", self.message)
            };
            // Nobody is left to tell that standard error is closed.
            let _ = writeln!(io::stderr(), "{line}");
        }
        ExitCode::from(self.kind as u8)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<clap::Error> for Failure {
    fn from(error: clap::Error) -> Self {
        let text = error.render().to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        Self::usage(text.trim_end().to_owned())
    }
}

impl From<BusError> for Failure {
    fn from(error: BusError) -> Self {
        Self::new(Kind::Bus, with_causes(&error))
    }
}

impl From<JoinError> for Failure {
    fn from(error: JoinError) -> Self {
        let kind = if matches!(error, JoinError::Name { .. }) { Kind::Usage } else { Kind::Bus };
        Self::new(kind, with_causes(&error))
    }
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Join(error) => error.into(),
            ServiceError::BusGone { .. } => Self::new(Kind::Bus, with_causes(&error)),
            ServiceError::NotReady { .. } => Self::new(Kind::TimedOut, with_causes(&error)),
            _ => Self::new(Kind::Other, with_causes(&error)),
        }
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        let kind = match &error {
            SendError::NoSuchPeer { .. } => Kind::NoSuchPeer,
            SendError::PeerGone { .. } => Kind::PeerGone,
            SendError::TimedOut { .. } | SendError::WouldBlock { .. } => Kind::TimedOut,
            SendError::Bus { .. } | SendError::NotPermitted { .. } => Kind::Bus,
            _ => Kind::Other,
        };
        Self::new(kind, with_causes(&error))
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        let kind = match &error {
            RequestError::TimedOut { .. } => Kind::TimedOut,
            RequestError::PeerGone { .. } | RequestError::NotSent { .. } => Kind::PeerGone,
            RequestError::Remote { .. } => Kind::Remote,
            _ => Kind::Other,
        };
        Self::new(kind, with_causes(&error))
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Send(error) => error.into(),
            CallError::Request(error) => error.into(),
            error => Self::new(Kind::Other, with_causes(&error)),
        }
    }
}

/// An error with what caused it, in one line, none of it twice.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.contains(&words) {
            text.push_str(&format!(": {words}"));
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let cause = io::Error::other("the disk is wet");
        let source = BusError::Io { path: "/x".into(), doing: "joining the bus", source: cause };
        let error = JoinError::Bus { name: "a".to_owned(), source };
        let text = r#"peer "a" cannot join: joining the bus at /x failed: the disk is wet"#;
        assert_eq!(Failure::from(error).to_string(), text);
    }
}
