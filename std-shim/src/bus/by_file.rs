//! [`ByFile`]: what is known of files, by their names.

/// A map whose keys are the names of files, in their order.
///
/// It is a sorted list, which is a fraction of the code of a tree, and as good for what mostly comes in order.
#[derive(Debug)]
pub(super) struct ByFile<V>(Vec<(String, V)>);

impl<V> ByFile<V> {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// What is known of the file.
    pub(super) fn get(&self, file: &str) -> Option<&V> {
        self.find(file).ok().map(|at| &self.0[at].1)
    }

    /// Notes something of a file, in the place of what was known.
    pub(super) fn insert(&mut self, file: &str, value: V) {
        match self.find(file) {
            Ok(at) => self.0[at].1 = value,
            Err(at) => self.0.insert(at, (file.to_owned(), value)),
        }
    }

    /// Forgets the file.
    #[cfg(any(test, target_os = "linux"))]
    pub(super) fn remove(&mut self, file: &str) -> Option<V> {
        self.find(file).ok().map(|at| self.0.remove(at).1)
    }

    /// All files with what is known of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.0.iter().map(|(file, value)| (file.as_str(), value))
    }

    /// Where the file is, or belongs.
    fn find(&self, file: &str) -> Result<usize, usize> {
        // What comes in order is found to belong at the end.
        match self.0.last() {
            Some((last, _)) if last.as_str() < file => Err(self.0.len()),
            _ => self.0.binary_search_by(|(name, _)| name.as_str().cmp(file)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_kept_once_and_in_order() {
        let mut files = ByFile::new();
        for (number, file) in ["b", "d", "a", "c", "d", "", "e"].into_iter().enumerate() {
            files.insert(file, number);
        }
        let all: Vec<_> = files.iter().map(|(file, number)| (file, *number)).collect();
        assert_eq!(all, [("", 5), ("a", 2), ("b", 0), ("c", 3), ("d", 4), ("e", 6)]);
        assert_eq!((files.get("c"), files.get("f"), files.get("bb")), (Some(&3), None, None));
        assert_eq!((files.remove("e"), files.remove("e"), files.remove("a")), (Some(6), None, Some(2)));
        assert_eq!(files.iter().count(), 4);
    }
}
