//! How much can still be written.

use std::io;
use std::path::Path;

/// Bytes that this user may still write below a folder that is there; `None` where that can't be known. Blocking.
///
/// # Errors
/// If the system can't be asked.
#[cfg(unix)]
pub(crate) fn available_bytes(folder: &Path) -> io::Result<Option<u64>> {
    let space = nix::sys::statvfs::statvfs(folder)?;
    #[allow(clippy::useless_conversion, reason = "these are of other widths on macOS")]
    let (blocks, block_bytes) = (
        u64::from(space.blocks_available()),
        u64::from(space.fragment_size()),
    );
    Ok(Some(blocks.saturating_mul(block_bytes)))
}

#[cfg(not(unix))]
pub(crate) fn available_bytes(_folder: &Path) -> io::Result<Option<u64>> {
    Ok(None)
}
