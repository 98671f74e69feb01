//! What a store knows of its blobs.

use std::path::PathBuf;
use std::time::SystemTime;

use rbee_artifacts::Sha256;

use crate::in_place::InPlaceChange;

/// A blob that is in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredBlob {
    /// Its name.
    pub sha256: Sha256,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// Whether it had been there already.
    pub existed: bool,
}

/// A blob in a listing of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobInfo {
    /// Its name.
    pub sha256: Sha256,
    /// Its size in bytes: of the user's file, where it is used in place, and 0 if that is gone.
    pub size_bytes: u64,
    /// When it was written; for a file that is used in place, when that was last changed.
    pub modified: SystemTime,
    /// Whether it is a user's own file that is used in place.
    pub in_place: bool,
}

/// How a blob stands, as far as can be told without reading its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlobState {
    /// It is not in the store.
    Missing,
    /// The store holds its bytes.
    Stored {
        /// Their number.
        size_bytes: u64,
    },
    /// It is a user's own file, which looks as it did when its digest was computed.
    InPlace {
        /// Its size in bytes.
        size_bytes: u64,
        /// The user's file.
        path: PathBuf,
    },
    /// It was a user's own file, which is not as it was: its bytes are not to be believed.
    Changed {
        /// The user's file.
        path: PathBuf,
        /// What became of it.
        change: InPlaceChange,
    },
}

impl BlobState {
    /// The blob's size in bytes, if it can be used.
    #[must_use]
    pub fn size_bytes(&self) -> Option<u64> {
        match self {
            Self::Stored { size_bytes } | Self::InPlace { size_bytes, .. } => Some(*size_bytes),
            Self::Missing | Self::Changed { .. } => None,
        }
    }
}

/// What reading a blob's bytes anew told about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlobCheck {
    /// It has the digest that it is named by.
    Good {
        /// Its size in bytes.
        size_bytes: u64,
    },
    /// It is not in the store.
    Missing,
    /// Its bytes are not the ones that were stored.
    Damaged {
        /// The digest that they have.
        actual: Sha256,
        /// Their number.
        size_bytes: u64,
    },
    /// It was a user's own file, which was changed or removed since.
    Changed {
        /// The user's file.
        path: PathBuf,
        /// What became of it.
        change: InPlaceChange,
    },
}
