//! The file name that stands for a peer's name on disk.

use std::borrow::Cow;

/// The longest name that is its own file name, in bytes; file systems stop at 255.
const MAX_PLAIN: usize = 200;
/// What hashed file names begin with.
const HASHED: &str = "h-";

/// The file name, without its ending, that stands for `name`: itself where it is safe, else its SHA-256, so that no
/// peer finds another name that takes the file of a given one.
pub(super) fn on_disk(name: &str) -> Cow<'_, str> {
    let unsafe_char = |c: char| c.is_control() || c == '/' || c == '\\';
    if name.len() <= MAX_PLAIN
        && !name.starts_with(['.'])
        && !name.starts_with(HASHED)
        && !name.contains(unsafe_char)
    {
        return Cow::Borrowed(name);
    }
    let mut file = HASHED.to_owned();
    for byte in hmac_sha256::Hash::hash(name.as_bytes()) {
        file.extend([byte >> 4, byte & 0xf].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])));
    }
    Cow::Owned(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clause A3.
    #[test]
    fn an_unsafe_name_is_a_hash_on_disk_and_no_two_share_a_file() {
        for name in ["a", "a b", "é", "a.peer", "-", &"x".repeat(200)] {
            assert_eq!(on_disk(name), name);
        }
        let long = "x".repeat(201);
        let names = [".", "..", ".join", "a/b", "a\\b", "a\nb", "\0", "h-", "h-00", &long, "\u{85}"];
        let mut files: Vec<_> = names.iter().map(|name| on_disk(name)).collect();
        assert!(files.iter().all(|file| file.len() == 66 && file.starts_with("h-")), "{files:?}");
        files.sort();
        files.dedup();
        assert_eq!(files.len(), names.len());
        let expected = "h-c14cddc033f64b9dea80ea675cf280a015e672516090a5626781153dc68fea11";
        assert_eq!(on_disk("a/b"), expected);
    }
}
