//! How patient a cache is, and how it is used.

use std::time::Duration;

/// How a cache is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheOptions {
    /// The most bytes that may be in it or on their way into it.
    pub limit_bytes: u64,
    /// A store that sends nothing for this long is asked anew.
    pub stall: Duration,
    /// A fetch that gets no further for this long fails.
    pub patience: Duration,
}

impl CacheOptions {
    /// A cache of at most so many bytes, as patient as is usual.
    #[must_use]
    pub fn new(limit_bytes: u64) -> Self {
        Self {
            limit_bytes,
            stall: Duration::from_secs(20),
            patience: Duration::from_secs(120),
        }
    }
}

/// How a cache is used, since it was opened where it says so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheUse {
    /// The most bytes that may be in it.
    pub limit_bytes: u64,
    /// Bytes that are in it or on their way into it.
    pub used_bytes: u64,
    /// Bytes of those that are in use, and can make no room.
    pub in_use_bytes: u64,
    /// Bytes that came from the store, in all.
    pub fetched_bytes: u64,
    /// Blobs that were wanted and there, in all.
    pub hits: u64,
    /// Blobs that were wanted and had to be fetched, in all.
    pub misses: u64,
    /// Fetches that failed, in all.
    pub failures: u64,
    /// Bytes that made room for others, in all.
    pub evicted_bytes: u64,
}

/// What is counted.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) fetched_bytes: u64,
    pub(super) hits: u64,
    pub(super) misses: u64,
    pub(super) failures: u64,
    pub(super) evicted_bytes: u64,
}
