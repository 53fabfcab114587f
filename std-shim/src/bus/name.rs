//! The file name that stands for a peer's name on disk.

use std::borrow::Cow;
use uuid::Uuid;

/// The longest name that is its own file name, in bytes; file systems stop at 255.
const MAX_PLAIN: usize = 200;
/// What hashed file names begin with.
const HASHED: &str = "h-";
/// Names are hashed under this UUID of our own.
const NAMESPACE: Uuid = Uuid::from_u128(0x6970_636d_7065_4572_8e61_6d65_5f6f_6e64);

/// The file name, without its ending, that stands for `name`: itself where it is safe, else a hash.
pub(super) fn on_disk(name: &str) -> Cow<'_, str> {
    let unsafe_char = |c: char| c.is_control() || c == '/' || c == '\\';
    if name.len() <= MAX_PLAIN
        && !name.starts_with(['.'])
        && !name.starts_with(HASHED)
        && !name.contains(unsafe_char)
    {
        return Cow::Borrowed(name);
    }
    let hash = Uuid::new_v5(&NAMESPACE, name.as_bytes());
    Cow::Owned(format!("{HASHED}{}", hash.as_simple()))
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
        assert!(files.iter().all(|file| file.len() == 34 && file.starts_with("h-")), "{files:?}");
        files.sort();
        files.dedup();
        assert_eq!(files.len(), names.len());
    }
}
