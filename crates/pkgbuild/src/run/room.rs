//! How much room a build leaves on the disk, which is often the models' too.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often the disk is asked. A fast one takes about a gigabyte in this time.
pub(super) const ASKED_EVERY: Duration = Duration::from_secs(1);

/// Room that must stay free on a folder's disk.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    folder: PathBuf,
    least_bytes: u64,
}

impl Room {
    pub(crate) fn new(folder: &Path, least_bytes: u64) -> Self {
        Self {
            folder: folder.to_owned(),
            least_bytes,
        }
    }

    /// Whether less is free. What can't be known is no reason to end a build.
    #[cfg(unix)]
    pub(super) fn is_short(&self) -> bool {
        #[allow(clippy::useless_conversion, reason = "these are of other widths on macOS")]
        let free = nix::sys::statvfs::statvfs(&self.folder).map(|space| {
            u64::from(space.blocks_available()).saturating_mul(u64::from(space.fragment_size()))
        });
        free.is_ok_and(|free| free < self.least_bytes)
    }

    #[cfg(not(unix))]
    pub(super) fn is_short(&self) -> bool {
        false
    }
}
