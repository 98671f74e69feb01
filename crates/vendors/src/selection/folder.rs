//! A listing by name.

use std::collections::BTreeMap;

use super::ListedFile;

/// The files of a repository by their names.
pub(super) struct Folder<'a>(BTreeMap<&'a str, &'a ListedFile>);

impl<'a> Folder<'a> {
    pub(super) fn of(files: &'a [ListedFile]) -> Self {
        Self(files.iter().map(|file| (file.name.as_str(), file)).collect())
    }

    pub(super) fn file(&self, name: &str) -> Option<&'a ListedFile> {
        self.0.get(name).copied()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The files whose names begin so, by name.
    pub(super) fn beginning<'p>(&'p self, prefix: &'p str) -> impl Iterator<Item = &'a ListedFile> + 'p {
        self.0
            .range(prefix..)
            .take_while(move |(name, _)| name.starts_with(prefix))
            .map(|(_, file)| *file)
    }
}
