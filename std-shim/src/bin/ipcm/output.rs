//! Results, on standard output: a failure to write is one of ours, never a panic.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, StdoutLock, Write};

use serde_json::Value;

use crate::failure::{Failure, Kind};
use base64::prelude::{BASE64_STANDARD, Engine as _};

/// Writes to standard output, and flushes.
///
/// # Errors
///
/// Without a message if the reader has closed its end, which is its right.
pub(crate) fn write(fill: impl FnOnce(&mut StdoutLock<'_>) -> io::Result<()>) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    fill(&mut out).and_then(|()| out.flush()).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::new(Kind::Other, ""),
        _ => Failure::new(Kind::Other, format!("cannot write the output: {error}")),
    })
}

/// Writes one line.
pub(crate) fn line(text: impl AsRef<str>) -> Result<(), Failure> {
    write(|out| writeln!(out, "{}", text.as_ref()))
}

/// Bytes as a field of a JSON object: under `key` where they are text, else under `key_base64`.
pub(crate) fn json_field(key: &str, bytes: &[u8]) -> (String, Value) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (key.to_owned(), text.into()),
        Err(_) => (format!("{key}_base64"), BASE64_STANDARD.encode(bytes).into()),
    }
}

/// Bytes as text on one line, without a tab: backslashes, control characters and what is not UTF-8 are
/// written as `\\`, `\t`, `\n`, `\r`, `\u{1b}` and `\xff`.
pub(crate) fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                '\\' | '\t' | '\n' | '\r' => text.extend(char.escape_default()),
                _ if char.is_control() || matches!(char, '\u{2028}' | '\u{2029}') => {
                    text.extend(char.escape_unicode());
                }
                _ => text.push(char),
            }
        }
        for byte in chunk.invalid() {
            // Writing to a string does not fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_text_is_one_line_without_tabs_and_plain_text_is_itself() {
        assert_eq!(escape("plain text, även åäö 💡".as_bytes()), "plain text, även åäö 💡");
        assert_eq!(escape(b"a\tb\nc\r\\n\x1b[0m\xff\xfe!"), r"a\tb\nc\r\\n\u{1b}[0m\xff\xfe!");
        assert_eq!(escape("\u{2028}\u{85}".as_bytes()), r"\u{2028}\u{85}");
        assert_eq!(escape(b""), "");
    }

    #[test]
    fn text_is_a_json_string_and_other_bytes_are_base64() {
        assert_eq!(json_field("reply", b"a\0"), ("reply".to_owned(), "a\0".into()));
        assert_eq!(json_field("reply", b"\xff"), ("reply_base64".to_owned(), "/w==".into()));
    }
}
