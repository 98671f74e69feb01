//! Why a blob does not come into a cache.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rbee_artifacts::Sha256;

use crate::error::StoreError;

/// Why a blob does not come into a cache. All who waited for it get the same.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The store lacks it.
    #[error("the store has no blob {sha256}")]
    Missing {
        /// Its name.
        sha256: Sha256,
    },
    /// The store has something else under its name.
    #[error("the store's blob {sha256} is damaged{}", found.map_or(String::new(), |found| format!(": it has the SHA-256 {found}")))]
    Damaged {
        /// Its name.
        sha256: Sha256,
        /// The digest of what the store has; absent if that was longer than it should be and not read to its end.
        found: Option<Sha256>,
    },
    /// It is larger than the whole cache may be.
    #[error(
        "a file of {size_bytes} bytes does not fit into the cache, which is limited to {limit_bytes} bytes"
    )]
    TooLarge {
        /// Its size.
        size_bytes: u64,
        /// The cache's limit.
        limit_bytes: u64,
    },
    /// What is in the cache is in use and can't make room.
    #[error(
        "a file of {size_bytes} bytes does not fit into the cache now: {in_use_bytes} of its {limit_bytes} bytes are in use"
    )]
    InUse {
        /// Its size.
        size_bytes: u64,
        /// Bytes in the cache that are in use.
        in_use_bytes: u64,
        /// The cache's limit.
        limit_bytes: u64,
    },
    /// The one who wanted it does not want it any more.
    #[error("fetching {sha256} was cancelled")]
    Cancelled {
        /// Its name.
        sha256: Sha256,
    },
    /// The store said nothing of it for too long.
    #[error("the store sent nothing of {sha256} for {} s", waited.as_secs())]
    Silent {
        /// Its name.
        sha256: Sha256,
        /// How long was waited.
        waited: Duration,
    },
    /// The task that fetched it ended before it was done.
    #[error("fetching {sha256} ended before it was done")]
    Interrupted {
        /// Its name.
        sha256: Sha256,
    },
    /// The store can't be read, or the cache's disk failed or is full.
    #[error(transparent)]
    Store(Arc<StoreError>),
}

impl FetchError {
    /// Whether what came of it may be the beginning of another attempt.
    pub(super) fn keeps_part(&self) -> bool {
        match self {
            Self::Cancelled { .. } | Self::Silent { .. } => true,
            Self::Store(error) => matches!(**error, StoreError::Object { .. }),
            _ => false,
        }
    }
}

impl From<StoreError> for FetchError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

/// Why a cache can't be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenCacheError {
    /// Another process uses it.
    #[error("the cache {} is used by another process", folder.display())]
    InUse {
        /// Its folder.
        folder: PathBuf,
    },
    /// Its folder can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}
