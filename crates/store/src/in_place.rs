//! Blobs that are users' own files, used where they are. Blocking.
//!
//! Such a blob is a symbolic link to the file. Beside it lies a note of the file's size and time, by which
//! a file that was changed afterwards is noticed. The note is written first and removed last: a note
//! without a link is a leftover that says nothing.

use std::fmt;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rbee_artifacts::Sha256;
use serde::{Deserialize, Serialize};

use crate::blob::BlobState;
use crate::error::{PutFileError, StoreError};
use crate::files::Files;
use crate::keys::{blob_key, in_place_note_key};

/// How a file looked when its digest was computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Note {
    size_bytes: u64,
    /// Since 1970; `None` for a file from before, or on a system without such times.
    modified_seconds: Option<u64>,
    modified_nanoseconds: Option<u32>,
}

/// What became of a file that is used in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InPlaceChange {
    /// It is not there any more, or cannot be looked at.
    Gone,
    /// It was changed after it was brought in.
    Modified,
}

impl fmt::Display for InPlaceChange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Gone => "is gone or cannot be read",
            Self::Modified => "was changed since it was brought in",
        })
    }
}

impl Note {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let modified = metadata
            .modified()
            .ok()
            .and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        Self {
            size_bytes: metadata.len(),
            modified_seconds: modified.map(|since| since.as_secs()),
            modified_nanoseconds: modified.map(|since| since.subsec_nanos()),
        }
    }
}

/// Makes `file` the blob `sha256`, by a link to it. It lasts when this returns.
pub(crate) fn publish(files: &Files, file: &Path, note: &Note, sha256: &Sha256) -> Result<(), PutFileError> {
    write_note(files, note, sha256)?;
    let staged = files.stage()?;
    files
        .disk()
        .symbolic_link(file, staged.path())
        .map_err(StoreError::file("linking", staged.path()))?;
    Ok(files.publish(staged.path(), &blob_key(sha256))?)
}

/// Notes how the file behind the blob looks now.
pub(crate) fn write_note(files: &Files, note: &Note, sha256: &Sha256) -> Result<(), StoreError> {
    let content = serde_json::to_vec(note).unwrap_or_default();
    files.write(&in_place_note_key(sha256), &content)
}

/// Removes the note of a blob that is no link any more.
pub(crate) fn remove_note(files: &Files, sha256: &Sha256) -> Result<bool, StoreError> {
    files.remove(&in_place_note_key(sha256))
}

/// How the blob stands.
pub(crate) fn state(files: &Files, sha256: &Sha256) -> Result<BlobState, StoreError> {
    let blob = files.path(&blob_key(sha256));
    let metadata = match fs::symlink_metadata(&blob) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BlobState::Missing),
        Err(error) => return Err(StoreError::file("looking for", &blob)(error)),
    };
    if metadata.is_file() {
        return Ok(BlobState::Stored {
            size_bytes: metadata.len(),
        });
    }
    if !metadata.is_symlink() {
        return Ok(BlobState::Missing);
    }
    let path = target(&blob)?;
    let Ok(found) = fs::metadata(&blob) else {
        let change = InPlaceChange::Gone;
        return Ok(BlobState::Changed { path, change });
    };
    // A note that cannot be read cannot speak for the file.
    let noted = fs::read(files.path(&in_place_note_key(sha256)))
        .ok()
        .and_then(|content| serde_json::from_slice::<Note>(&content).ok());
    if found.is_file() && noted == Some(Note::of(&found)) {
        let size_bytes = found.len();
        return Ok(BlobState::InPlace { size_bytes, path });
    }
    let change = InPlaceChange::Modified;
    Ok(BlobState::Changed { path, change })
}

/// The user's file behind a link.
pub(crate) fn target(blob: &Path) -> Result<PathBuf, StoreError> {
    fs::read_link(blob).map_err(StoreError::file("reading the link", blob))
}
