//! JSON, as far as an [`Info`](super::Info) needs it: an array of strings.

use std::fmt::{self, Write};

/// Writes the array without any space in it. No character that ends a line is left as it is but for U+2028 and U+2029,
/// which JSON allows.
pub(super) fn write_strings(out: &mut impl Write, strings: &[&str]) -> fmt::Result {
    for (i, string) in strings.iter().enumerate() {
        out.write_char(if i == 0 { '[' } else { ',' })?;
        write_string(out, string)?;
    }
    out.write_char(']')
}

fn write_string(out: &mut impl Write, string: &str) -> fmt::Result {
    out.write_char('"')?;
    for c in string.chars() {
        match c {
            '"' | '\\' => write!(out, "\\{c}")?,
            '\u{8}' => out.write_str("\\b")?,
            '\t' => out.write_str("\\t")?,
            '\n' => out.write_str("\\n")?,
            '\u{c}' => out.write_str("\\f")?,
            '\r' => out.write_str("\\r")?,
            '\0'..='\x1f' => write!(out, "\\u{:04x}", u32::from(c))?,
            _ => out.write_char(c)?,
        }
    }
    out.write_char('"')
}

/// Reads an array of exactly `N` strings, which is all of `text`.
///
/// # Errors
///
/// The first place where the text is something else.
pub(super) fn read_strings<const N: usize>(text: &str) -> Result<[String; N], Unexpected> {
    let mut reader = Reader { text, at: 0 };
    let mut strings = [const { String::new() }; N];
    for (i, string) in strings.iter_mut().enumerate() {
        let (symbol, expected) = if i == 0 { ('[', "an opening bracket") } else { (',', "a comma") };
        reader.symbol(symbol, expected)?;
        *string = reader.string()?;
    }
    reader.symbol(']', "a closing bracket")?;
    reader.skip_space();
    if reader.at < text.len() {
        return Err(reader.expected("the end"));
    }
    Ok(strings)
}

/// Where a text is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unexpected {
    /// In bytes from the beginning.
    pub(super) at: usize,
    /// What should be there.
    pub(super) expected: &'static str,
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn expected(&self, expected: &'static str) -> Unexpected {
        Unexpected { at: self.at, expected }
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start_matches([' ', '\t', '\n', '\r']).len();
    }

    fn symbol(&mut self, symbol: char, expected: &'static str) -> Result<(), Unexpected> {
        self.skip_space();
        if !self.rest().starts_with(symbol) {
            return Err(self.expected(expected));
        }
        self.at += symbol.len_utf8();
        Ok(())
    }

    fn string(&mut self) -> Result<String, Unexpected> {
        self.symbol('"', "a string")?;
        let mut string = String::new();
        loop {
            match self.rest().chars().next() {
                Some('"') => break,
                Some('\\') => string.push(self.escaped()?),
                None | Some('\0'..='\x1f') => return Err(self.expected("the end of the string")),
                Some(c) => {
                    self.at += c.len_utf8();
                    string.push(c);
                }
            }
        }
        self.at += 1;
        Ok(string)
    }

    /// Reads a backslash and what it stands for.
    fn escaped(&mut self) -> Result<char, Unexpected> {
        let c = match self.text.as_bytes().get(self.at + 1) {
            Some(c @ (b'"' | b'\\' | b'/')) => char::from(*c),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.code_units(),
            _ => return Err(self.expected("an escape sequence")),
        };
        self.at += 2;
        Ok(c)
    }

    /// Reads one `\uXXXX`, or the two of a surrogate pair.
    fn code_units(&mut self) -> Result<char, Unexpected> {
        let units = (self.code_unit(self.at), self.code_unit(self.at + 6));
        let decoded = match units {
            (Some(first), second) => char::decode_utf16([first].into_iter().chain(second)).next(),
            (None, _) => None,
        };
        let Some(Ok(c)) = decoded else {
            return Err(self.expected("an escape sequence of a character"));
        };
        self.at += 6 * c.len_utf16();
        Ok(c)
    }

    /// The number in the `\uXXXX` that begins at `at`, if one does.
    fn code_unit(&self, at: usize) -> Option<u16> {
        let digits = self.text.get(at..at + 6)?.strip_prefix("\\u")?;
        // A sign is none of the digits.
        digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(strings: &[&str]) -> String {
        let mut text = String::new();
        write_strings(&mut text, strings).unwrap();
        text
    }

    #[test]
    fn every_character_is_written_as_serde_json_writes_it_and_read_back() {
        for c in '\0'..=char::MAX {
            let strings = ["", "a", &format!("{c}\"{c}\\")];
            let text = written(&strings);
            assert_eq!(text, serde_json::to_string(&strings).unwrap());
            assert_eq!(read_strings(&text).unwrap(), strings);
        }
    }

    #[test]
    fn every_escape_is_read_as_serde_json_reads_it() {
        let agree = |string: &str| {
            let text = format!("[\"{string}\"]");
            let theirs: Option<[String; 1]> = serde_json::from_str(&text).ok();
            assert_eq!(read_strings(&text).ok(), theirs, "{text}");
        };
        (' '..='\u{ff}').for_each(|c| agree(&format!("\\{c}0041")));
        (0..=u16::MAX).for_each(|unit| agree(&format!("\\u{unit:04x}\\n\\u{unit:04X}")));
        // Around the ends of the ranges of surrogates, in every combination.
        let units = [0, 0x41, 0xd7ff, 0xd800, 0xd83d, 0xdbff, 0xdc00, 0xde00, 0xdfff, 0xe000, 0xffff];
        for (first, second) in units.into_iter().flat_map(|first| units.map(|second| (first, second))) {
            agree(&format!("\\u{first:04x}\\u{second:04x}"));
            agree(&format!("\\u{first:04x}-\\u{second:04x}"));
        }
        for string in
            ["\\", "\\u", "\\u004", "\\u+041", "\\u-041", "\\u 041", "\\u00é1", "\\ud83d\\u", "\u{1}", "\n"]
        {
            agree(string);
        }
    }

    #[test]
    fn a_text_that_is_cut_or_changed_anywhere_is_read_as_serde_json_reads_it() {
        let text = " [ \"a\\\"\\ud83d\\ude00é\" ,\t\"\\\\\"\r\n, \"\" ] ";
        assert_eq!(read_strings(text).unwrap(), ["a\"😀é", "\\", ""]);
        for (at, _) in text.char_indices() {
            for change in ["", "\"", "\\", ",", "[", "]", "x", " ", "\n", "\u{a0}", "0"] {
                let changed = text[..at].to_owned() + change + &text[at..];
                for text in [&text[..at], &changed] {
                    let theirs: Option<[String; 3]> = serde_json::from_str(text).ok();
                    assert_eq!(read_strings(text).ok(), theirs, "{text}");
                }
            }
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let wrong = |text: &str| {
            let Unexpected { at, expected } = read_strings::<2>(text).unwrap_err();
            (at, expected)
        };
        assert_eq!(wrong(" {}"), (1, "an opening bracket"));
        assert_eq!(wrong("[7]"), (1, "a string"));
        assert_eq!(wrong("[\"a\"]"), (4, "a comma"));
        assert_eq!(wrong("[\"a\",\"b\",\"c\"]"), (8, "a closing bracket"));
        assert_eq!(wrong("[\"a\",\"b"), (7, "the end of the string"));
        assert_eq!(wrong("[\"\\x\""), (2, "an escape sequence"));
        assert_eq!(wrong("[\"\\udead\""), (2, "an escape sequence of a character"));
        assert_eq!(wrong("[\"a\",\"b\"] x"), (10, "the end"));
    }
}
