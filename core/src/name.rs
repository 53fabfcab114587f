//! Names of peers.

/// Bytes that a name has at most.
pub const MAX_NAME: usize = 512;

/// Why a text cannot be a peer's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// It is empty.
    #[error("a peer name is not empty")]
    Empty,
    /// It is too long.
    #[error("a peer name has at most 512 bytes, this one has {len}")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// It begins with `_`, which is kept for the bus itself.
    #[error("a peer name does not begin with '_'")]
    Reserved,
}

/// Whether `name` can be a peer's name: 1 to 512 bytes, not beginning with `_`.
///
/// # Errors
///
/// What is wrong with it.
///
/// ```
/// use ipcm_core::name;
///
/// assert_eq!(name::check("echo / 1"), Ok(()));
/// assert_eq!(name::check("_spawn"), Err(name::NameError::Reserved));
/// ```
pub fn check(name: &str) -> Result<(), NameError> {
    match name.len() {
        0 => Err(NameError::Empty),
        len if len > MAX_NAME => Err(NameError::TooLong { len }),
        _ if name.starts_with('_') => Err(NameError::Reserved),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clause A3.
    #[test]
    fn a_name_is_any_text_of_1_to_512_bytes_that_does_not_begin_with_an_underscore() {
        assert_eq!(check(&"n".repeat(512)), Ok(()));
        assert_eq!(check("a/b\0\n é"), Ok(()));
        assert_eq!(check(""), Err(NameError::Empty));
        assert_eq!(check(&"n".repeat(513)), Err(NameError::TooLong { len: 513 }));
        assert_eq!(check("_"), Err(NameError::Reserved));
    }
}
