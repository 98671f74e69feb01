//! Files beside the PKGBUILD.

use std::path::Path;

/// Copies a file of the package into `$srcdir`; what is wrong, in words.
pub(super) async fn copy(from: &Path, to: &Path) -> Result<(), String> {
    match tokio::fs::symlink_metadata(from).await {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Err("it is no regular file".to_owned()),
        Err(_) => return Err("there is no such file beside the PKGBUILD".to_owned()),
    }
    match tokio::fs::copy(from, to).await {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("it can't be copied: {error}")),
    }
}
