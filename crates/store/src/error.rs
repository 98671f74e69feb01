//! What can go wrong, by operation.

use std::io;
use std::path::{Path, PathBuf};

use rbee_artifacts::Sha256;

use crate::in_place::InPlaceChange;

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The text names no place where a store can be.
    #[error("\"{location}\" is no place for a store: {problem}")]
    Location {
        /// The text.
        location: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A collection or a key is no safe part of a path.
    #[error("\"{}\" is no key for a document", .key.escape_debug())]
    Key {
        /// The collection or key.
        key: String,
    },
    /// A blob is a user's own file that is not as it was.
    #[error("{} {change}; bring it in again", path.display())]
    Changed {
        /// The user's file.
        path: PathBuf,
        /// What became of it.
        change: InPlaceChange,
    },
    /// It was told to stop.
    #[error("{operation} {key} was cancelled")]
    Cancelled {
        /// What was being done, such as `checking`.
        operation: &'static str,
        /// The object's path in the store.
        key: String,
    },
    /// The disk is full, or the user's share of it.
    #[error(
        "no space left for {}{}", path.display(),
        needed_and_available.map_or(String::new(), |(needed, available)| format!(": {needed} bytes are needed, {available} are free"))
    )]
    NoSpace {
        /// What was to be written.
        path: PathBuf,
        /// How many bytes it takes and how many are free, where that was known beforehand.
        needed_and_available: Option<(u64, u64)>,
    },
    /// A file operation failed.
    #[error("{operation} {} failed", path.display())]
    File {
        /// What was tried, such as `renaming`.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// An operation on an object of the store failed.
    #[error("{operation} {key} in the store failed")]
    Object {
        /// What was tried, such as `reading`.
        operation: &'static str,
        /// The object's path in the store.
        key: String,
        /// The cause.
        #[source]
        source: object_store::Error,
    },
}

impl StoreError {
    /// An error of the file system, where a full disk is told apart.
    pub(crate) fn file(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| match is_no_space(&source) {
            true => Self::NoSpace {
                path: path.to_owned(),
                needed_and_available: None,
            },
            false => Self::File {
                operation,
                path: path.to_owned(),
                source,
            },
        }
    }

    pub(crate) fn object(operation: &'static str, key: &str) -> impl FnOnce(object_store::Error) -> Self {
        move |source| Self::Object {
            operation,
            key: key.to_owned(),
            source,
        }
    }
}

fn is_no_space(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// Why a file did not become a blob. Nothing of it is in the store then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PutFileError {
    /// The source is a folder or something else that is no file.
    #[error("{} is not a file", path.display())]
    NotAFile {
        /// The source.
        path: PathBuf,
    },
    /// The source could not be read.
    #[error("{} cannot be read", path.display())]
    ReadSource {
        /// The source.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The source changed while it was being read.
    #[error("{} changed while it was being read", path.display())]
    SourceChanged {
        /// The source.
        path: PathBuf,
    },
    /// The content is not the one that was expected.
    #[error("{} has the SHA-256 {found}, but {expected} was expected", path.display())]
    DigestMismatch {
        /// The source.
        path: PathBuf,
        /// The digest that it should have.
        expected: Sha256,
        /// The digest that it has.
        found: Sha256,
    },
    /// The file is not as large as its caller knows it to be.
    #[error("{} has {found_bytes} bytes, but {expected_bytes} were expected", path.display())]
    SizeMismatch {
        /// The source.
        path: PathBuf,
        /// The size that it should have.
        expected_bytes: u64,
        /// The size that it has.
        found_bytes: u64,
    },
    /// The source is a blob of this very store.
    #[error("{} is in the store already: it is one of its blobs", path.display())]
    IsBlob {
        /// The source.
        path: PathBuf,
    },
    /// The file was to be used where it is, and the store is not on this host.
    #[error(
        "{} cannot be used in place: the store {store} is not on this host's disk, and other hosts could not read the file; import a copy",
        path.display()
    )]
    NotInPlace {
        /// The source.
        path: PathBuf,
        /// The store's URL.
        store: String,
    },
    /// A hard link was asked for and is not possible: the source is on another file system, or may not
    /// be linked.
    #[error("{} cannot be hard-linked into the store", path.display())]
    HardLink {
        /// The source.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// It was told to stop.
    #[error("storing {} was cancelled", path.display())]
    Cancelled {
        /// The source.
        path: PathBuf,
    },
    /// The store itself failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_told_apart() {
        let path = Path::new("/dev/full");
        let mut full = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        let error = full
            .write_all(b"x")
            .map_err(StoreError::file("writing", path))
            .unwrap_err();
        assert!(matches!(error, StoreError::NoSpace { .. }), "{error:?}");
        assert_eq!(error.to_string(), "no space left for /dev/full");
    }

    #[test]
    fn space_that_is_known_is_told() {
        let error = StoreError::NoSpace {
            path: PathBuf::from("/x"),
            needed_and_available: Some((500, 20)),
        };
        assert_eq!(
            error.to_string(),
            "no space left for /x: 500 bytes are needed, 20 are free"
        );
    }
}
