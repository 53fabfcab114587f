//! [`Fields`]: the text of the files of a bus, one `key value` a line, in a fixed order.
//!
//! It is written with `writeln!` and can be read by people and scripts.

/// What is left to read of such a text.
pub(super) struct Fields<'t> {
    text: &'t str,
}

impl<'t> Fields<'t> {
    /// The fields in the bytes of a file; none if they are not UTF-8.
    pub(super) fn new(bytes: &'t [u8]) -> Option<Self> {
        std::str::from_utf8(bytes).ok().map(|text| Self { text })
    }

    /// The value in the next line, if its key is this one.
    pub(super) fn next(&mut self, key: &str) -> Option<&'t str> {
        let (line, rest) = self.text.split_once('\n')?;
        let value = value(line, key)?;
        self.text = rest;
        Some(value)
    }

    /// The value of the last field, if its key is this one: all that is left but the end of its line. It may itself
    /// hold line ends.
    pub(super) fn last(self, key: &str) -> Option<&'t str> {
        value(self.text.strip_suffix('\n')?, key)
    }

    /// Nothing, if nothing is left.
    pub(super) fn end(self) -> Option<()> {
        self.text.is_empty().then_some(())
    }
}

fn value<'t>(line: &'t str, key: &str) -> Option<&'t str> {
    line.strip_prefix(key)?.strip_prefix(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_their_order_and_whole() {
        let mut fields = Fields::new(b"pid 7\nkind a b\nname x\ny \n").unwrap();
        assert_eq!(fields.next("kind"), None);
        assert_eq!(fields.next("pi"), None);
        assert_eq!(fields.next("pid"), Some("7"));
        assert_eq!(fields.next("kind"), Some("a b"));
        assert_eq!(fields.last("name"), Some("x\ny "));
        assert_eq!(Fields::new(b"pid 7").unwrap().next("pid"), None, "the line has no end");
        assert_eq!(Fields::new(b"name 7").unwrap().last("name"), None, "the line has no end");
        assert_eq!(Fields::new(b"").unwrap().end(), Some(()));
        assert_eq!(Fields::new(b"\n").unwrap().end(), None);
        assert!(Fields::new(b"\xff").is_none());
    }
}
