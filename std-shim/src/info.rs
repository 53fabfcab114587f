//! [`Info`]: the one line of text that names a bus, so that any process can find it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

mod json;

/// The codec every info of this version names.
const CODEC: &str = "postcard";

/// Where a bus is and how to speak on it: a JSON array of transport, codec and route, on one line.
///
/// Its text parses back to an equal `Info`, so it may be handed over in an environment variable, an
/// argument or a file.
///
/// ```
/// let info: ipcm::Info = r#"["unix","postcard","/run/user/1000/my-bus"]"#.parse()?;
/// assert_eq!(info.route(), std::path::Path::new("/run/user/1000/my-bus"));
/// assert_eq!(info.to_string(), r#"["unix","postcard","/run/user/1000/my-bus"]"#);
/// # Ok::<(), ipcm::InfoError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Info {
    transport: TransportKind,
    /// Absolute, UTF-8, without NUL.
    route: PathBuf,
}

/// What moves the bytes between the members of a bus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportKind {
    /// Unix sockets: fast, and every death is told by the kernel.
    #[default]
    Unix,
    /// Message files: slower, and what was sent outlasts everybody; peers can be suspended.
    Files,
}

impl TransportKind {
    /// Its word in an [`Info`].
    pub fn word(self) -> &'static str {
        match self {
            Self::Unix => "unix",
            Self::Files => "files",
        }
    }
}

impl Info {
    /// The info of the bus in the directory `path`, over Unix sockets.
    ///
    /// # Errors
    /// When `path` is empty, not absolute, not UTF-8, or holds a NUL.
    pub fn unix(path: impl Into<PathBuf>) -> Result<Self, InfoError> {
        Self::new(TransportKind::Unix, path)
    }

    /// The info of the bus in the directory `path`, over message files.
    ///
    /// # Errors
    /// As for [`unix`](Self::unix).
    pub fn files(path: impl Into<PathBuf>) -> Result<Self, InfoError> {
        Self::new(TransportKind::Files, path)
    }

    /// The info of the bus in the directory `path`.
    ///
    /// # Errors
    /// As for [`unix`](Self::unix).
    pub fn new(transport: TransportKind, path: impl Into<PathBuf>) -> Result<Self, InfoError> {
        let route = path.into();
        let text = route.to_str().ok_or(InfoError::RouteNotUtf8)?;
        if text.is_empty() {
            return Err(InfoError::RouteEmpty);
        }
        if text.contains('\0') {
            return Err(InfoError::RouteHasNul);
        }
        if !route.is_absolute() {
            return Err(InfoError::RouteNotAbsolute { route: text.to_owned() });
        }
        Ok(Self { transport, route })
    }

    /// What moves the bytes on this bus.
    pub fn transport(&self) -> TransportKind {
        self.transport
    }

    /// The directory of the bus: an absolute path.
    pub fn route(&self) -> &Path {
        &self.route
    }

    /// The route as text, which it is by construction.
    fn route_text(&self) -> &str {
        self.route.to_str().unwrap_or_default()
    }
}

impl fmt::Display for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        json::write_strings(f, &[self.transport.word(), CODEC, self.route_text()])
    }
}

impl FromStr for Info {
    type Err = InfoError;

    fn from_str(text: &str) -> Result<Self, InfoError> {
        let [transport, codec, route] = json::read_strings(text)
            .map_err(|json::Unexpected { at, expected }| InfoError::NotThreeStrings { at, expected })?;
        let kinds = [TransportKind::Unix, TransportKind::Files];
        let Some(kind) = kinds.into_iter().find(|kind| kind.word() == transport) else {
            return Err(InfoError::UnknownTransport { transport });
        };
        if codec != CODEC {
            return Err(InfoError::UnknownCodec { codec });
        }
        Self::new(kind, route)
    }
}

/// What is wrong with the text or the path of an [`Info`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InfoError {
    /// The text is not JSON, or JSON of another shape.
    #[error(
        "a bus info is a JSON array of three strings: transport, codec, route; this text has something else than \
         {expected} at byte {at}"
    )]
    NotThreeStrings {
        /// Where, in bytes from the beginning.
        at: usize,
        /// What should be there.
        expected: &'static str,
    },
    /// The first part names a transport that this version does not have.
    #[error("unknown transport {transport:?} in the bus info; supported: unix, files")]
    UnknownTransport {
        /// The transport as given.
        transport: String,
    },
    /// The second part names a codec that this version does not have.
    #[error("unknown codec {codec:?} in the bus info; supported: postcard")]
    UnknownCodec {
        /// The codec as given.
        codec: String,
    },
    /// The third part is the empty string.
    #[error("the route of the bus info is empty")]
    RouteEmpty,
    /// The third part is a relative path, which means another place in every process.
    #[error("the route {route:?} of the bus info is not an absolute path")]
    RouteNotAbsolute {
        /// The route as given.
        route: String,
    },
    /// The third part holds a NUL, which no path can.
    #[error("the route of the bus info holds a NUL character")]
    RouteHasNul,
    /// The path is not UTF-8 and cannot be written as JSON.
    #[error("the route of the bus info is not UTF-8")]
    RouteNotUtf8,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    /// Clause A2.
    #[test]
    fn an_info_parses_back_to_itself_on_one_line() {
        let long = format!("/{}", "ö/".repeat(2000));
        for path in
            ["/", "/a/b", "/with \"quotes\" and \\", "/new\nline\r\u{1}\u{2028}", "/a//b/../c/", &long]
        {
            let info = Info::unix(path).unwrap();
            let text = info.to_string();
            assert!(!text.contains(['\n', '\r']), "{text:?}");
            let back: Info = text.parse().unwrap();
            assert_eq!(back, info);
            assert_eq!(back.to_string(), text);
            assert_eq!(back.route().as_os_str(), OsStr::new(path));
        }
        let files = Info::files("/x").unwrap();
        assert_eq!(files.to_string(), r#"["files","postcard","/x"]"#);
        assert_eq!(files.to_string().parse::<Info>().unwrap(), files);
        let spaced: Info = " [ \"unix\", \"postcard\",\t\"/x\" ]\n".parse().unwrap();
        assert_eq!(spaced.to_string(), r#"["unix","postcard","/x"]"#);
    }

    /// Clause A2.
    #[test]
    fn a_malformed_info_says_which_part_is_wrong() {
        let error = |text: &str| text.parse::<Info>().unwrap_err();
        for text in ["", "unix:/x", "[\"unix\",\"postcard\",\"/x\"", "[\"unix\",\"postcard\",\"/x\"] x"] {
            assert!(matches!(error(text), InfoError::NotThreeStrings { .. }), "{text:?}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(error(&deep), InfoError::NotThreeStrings { at: 1, expected: "a string" });
        for text in ["{}", "[]", "null", "\"/x\"", r#"["unix","postcard"]"#, r#"["unix","postcard","/x",1]"#]
        {
            assert!(matches!(error(text), InfoError::NotThreeStrings { .. }), "{text:?}");
        }
        assert_eq!(
            error(r#"["unix","postcard",7]"#).to_string(),
            "a bus info is a JSON array of three strings: transport, codec, route; this text has something else \
             than a string at byte 19"
        );
        let tcp = error(r#"["tcp","postcard","/x"]"#);
        assert_eq!(tcp.to_string(), r#"unknown transport "tcp" in the bus info; supported: unix, files"#);
        let xml = error(r#"["unix","xml","/x"]"#);
        assert_eq!(xml.to_string(), r#"unknown codec "xml" in the bus info; supported: postcard"#);
        assert!(matches!(error(r#"["unix","postcard",""]"#), InfoError::RouteEmpty));
        assert!(matches!(error(r#"["unix","postcard","/a\u0000b"]"#), InfoError::RouteHasNul));
        let relative = error(r#"["unix","postcard","run/x"]"#);
        assert_eq!(relative.to_string(), r#"the route "run/x" of the bus info is not an absolute path"#);
        let bytes = Info::unix(OsStr::from_bytes(b"/\xff")).unwrap_err();
        assert!(matches!(bytes, InfoError::RouteNotUtf8));
    }
}
