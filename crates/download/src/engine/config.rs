//! How downloads go about it.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::http::RetryPolicy;

/// What holds for every download.
#[derive(Debug, Clone)]
pub struct DownloadConfig {
    /// Larger files are refused before anything is written, in bytes.
    pub max_size_bytes: u64,
    /// Connections for one large file. They help against limits per connection, which far hosts have.
    pub connections: usize,
    /// The same for hosts on loopback and private networks, where one is as fast and costs less.
    pub connections_on_own_network: usize,
    /// From this size on a file is large, in bytes.
    pub parallel_above_bytes: u64,
    /// What one request of several asks for, in bytes.
    pub chunk_bytes: u64,
    /// When to try again. Failures count anew after each that brought some of the file.
    pub retry: RetryPolicy,
    /// A connection that gives less than [`slow_bytes`](Self::slow_bytes) while it is waited for this long is given up
    /// for another. (One that gives nothing, sooner: by the client's `read_timeout`.)
    pub slow_after: Duration,
    /// See [`slow_after`](Self::slow_after), in bytes.
    pub slow_bytes: u64,
    /// How often the resume state is brought up to date: what a crash can cost.
    pub flush_every: Duration,
    /// What is left free on the disk, in bytes.
    pub keep_free_bytes: u64,
}

impl Default for DownloadConfig {
    fn default() -> Self {
        Self {
            max_size_bytes: 2 << 40,
            connections: 4,
            connections_on_own_network: 1,
            parallel_above_bytes: 64 << 20,
            chunk_bytes: 32 << 20,
            retry: RetryPolicy::default(),
            slow_after: Duration::from_secs(60),
            slow_bytes: 64 << 10,
            flush_every: Duration::from_secs(2),
            keep_free_bytes: 64 << 20,
        }
    }
}

/// Tells how many bytes can still be written below a folder; `None` where that cannot be known. Called on a
/// thread that may block.
#[derive(Clone)]
pub struct AvailableBytes(Arc<Measure>);

type Measure = dyn Fn(&Path) -> io::Result<Option<u64>> + Send + Sync;

impl AvailableBytes {
    /// By this function.
    pub fn by(function: impl Fn(&Path) -> io::Result<Option<u64>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(function))
    }

    pub(super) fn of(&self, folder: &Path) -> io::Result<Option<u64>> {
        (self.0)(folder)
    }
}

impl fmt::Debug for AvailableBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AvailableBytes")
    }
}
