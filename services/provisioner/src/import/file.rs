//! The file that is to be imported. Blocking.

use std::fs::{File, FileType, Metadata};
use std::io::{self, Read as _};
use std::path::Path;

use rbee_artifacts::Sha256;
use sha2::Digest as _;
use tokio_util::sync::CancellationToken;

use crate::error::JobError;

/// How much is hashed between two looks at whether it was cancelled.
const CHUNK_BYTES: usize = 1 << 20;

/// Opens a file that must be an ordinary one.
pub(super) fn open(path: &Path) -> Result<(File, Metadata), JobError> {
    let unreadable = |error| JobError::reading(path, error);
    // Before it is opened: opening a pipe waits for a writer, and some devices do things when opened.
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(JobError::NotAFile {
            path: path.to_owned(),
            what: describe(metadata.file_type()),
        });
    }
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    Ok((file, metadata))
}

fn describe(file_type: FileType) -> &'static str {
    if file_type.is_dir() {
        "a folder"
    } else {
        "a device, pipe or socket"
    }
}

/// Hashes a file. Answers with its size as well.
pub(super) fn hash(path: &Path, cancel: &CancellationToken) -> Result<(Sha256, u64), JobError> {
    let (mut file, _) = open(path)?;
    let mut hasher = sha2::Sha256::new();
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut size_bytes = 0;
    loop {
        if cancel.is_cancelled() {
            return Err(JobError::Cancelled);
        }
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                hasher.update(&buffer[..count]);
                size_bytes += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(JobError::reading(path, error)),
        }
    }
    let digest: [u8; 32] = hasher.finalize().into();
    Ok((digest.into(), size_bytes))
}
