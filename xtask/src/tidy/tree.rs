//! The files of the repository, as the checks see them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use fs_err as fs;

use crate::process;
use crate::workspace::Workspace;

/// Larger files are data, whatever they hold.
const LARGEST_TEXT_BYTES: u64 = 1 << 20;

/// Every file of the repository by its path from the root, with `/`.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// `None` for what is not text.
    files: BTreeMap<String, Option<String>>,
}

impl Tree {
    /// Reads what git tracks or would track: a new file is checked before it is committed.
    pub(super) fn read(workspace: &Workspace) -> Result<Self> {
        let mut command = Command::new("git");
        command.current_dir(&workspace.root);
        command.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let listed = process::run_quietly(&mut command).context("tidy looks at the files git knows")?;
        let mut files = BTreeMap::new();
        for path in String::from_utf8_lossy(&listed.stdout).split_terminator('\0') {
            // Deleted but not committed yet, or a link to elsewhere: nothing to check.
            if let Ok(metadata) = fs::symlink_metadata(workspace.root.join(path))
                && metadata.is_file()
            {
                files.insert(
                    path.to_owned(),
                    read_text(&workspace.root.join(path), metadata.len())?,
                );
            }
        }
        Ok(Self { files })
    }

    /// All text files.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    /// The text files whose names end like this.
    pub(super) fn texts_ending(&self, end: &str) -> impl Iterator<Item = (&str, &str)> {
        self.texts().filter(move |(path, _)| path.ends_with(end))
    }

    /// The text of one file.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }

    /// Whether the path is a file of the repository, or a folder with one in it.
    pub(super) fn has(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        path.is_empty()
            || self.files.contains_key(path)
            || self
                .files
                .range(folder.clone()..)
                .next()
                .is_some_and(|(next, _)| next.starts_with(&folder))
    }
}

fn read_text(path: &Path, size_bytes: u64) -> Result<Option<String>> {
    if size_bytes > LARGEST_TEXT_BYTES {
        return Ok(None);
    }
    let bytes = fs::read(path)?;
    Ok(if bytes.contains(&0) {
        None
    } else {
        String::from_utf8(bytes).ok()
    })
}

#[cfg(test)]
impl<const N: usize> From<[(&str, &str); N]> for Tree {
    fn from(files: [(&str, &str); N]) -> Self {
        Self {
            files: files
                .map(|(path, text)| (path.to_owned(), Some(text.to_owned())))
                .into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_known_by_their_files() {
        let tree = Tree::from([("docs/adr/0001.md", ""), ("docs-old.md", "")]);
        for path in ["", "docs", "docs/adr", "docs/adr/0001.md"] {
            assert!(tree.has(path), "{path}");
        }
        for path in ["doc", "docs/ad", "docs/adr/0001"] {
            assert!(!tree.has(path), "{path}");
        }
    }

    #[test]
    fn binary_files_have_no_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for (bytes, is_text) in [(&b"text"[..], true), (b"nul\0", false), (b"\xff\xfe", false)] {
            fs::write(&path, bytes).unwrap();
            assert_eq!(read_text(&path, bytes.len() as u64).unwrap().is_some(), is_text);
        }
        assert_eq!(read_text(&path, LARGEST_TEXT_BYTES + 1).unwrap(), None);
    }
}
