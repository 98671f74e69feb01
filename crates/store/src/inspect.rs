//! Looking at all blobs, and into one: for `verify` and `gc`.

use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use futures_util::TryStreamExt as _;
use rbee_artifacts::Sha256;
use sha2::Digest as _;

use crate::blob::{BlobCheck, BlobInfo, BlobState};
use crate::blocking::Abandoned;
use crate::error::{PutFileError, StoreError};
use crate::files::Files;
use crate::in_place::{self, InPlaceChange, Note};
use crate::keys::{BLOBS, blob_key, blob_of_name};
use crate::source::{Content, Source};
use crate::store::{Store, object_path};

impl Store {
    /// All blobs, in the order of their digests, those included that are users' own files. Anything else
    /// that lies among them is passed over.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn list_blobs(&self) -> Result<Vec<BlobInfo>, StoreError> {
        let mut blobs = match self.on_files(list_files).await {
            Some(listed) => listed?,
            None => self.list_objects().await?,
        };
        blobs.sort_unstable_by_key(|blob| blob.sha256);
        Ok(blobs)
    }

    /// Reads a blob and compares its digest with its name. The store is left as it is, but for the note of
    /// a user's file that has another time and the same bytes, which is brought up to date.
    ///
    /// `progress` is called with the bytes done; [`ControlFlow::Break`] cancels. So does dropping the
    /// future, within one piece.
    ///
    /// # Errors
    /// When the blob cannot be read to its end (a disk that fails is no damage that is known), or
    /// [`StoreError::Cancelled`].
    pub async fn verify_blob(
        &self,
        sha256: &Sha256,
        mut progress: impl FnMut(u64) -> ControlFlow<()> + Send + 'static,
    ) -> Result<BlobCheck, StoreError> {
        let sha256 = *sha256;
        if self.is_on_this_host() {
            let abandoned = Abandoned::default();
            let flag = Arc::clone(&abandoned.0);
            let check = move |files: &Files| check_file(files, &sha256, progress, &flag);
            return self.on_files(check).await.unwrap_or(Ok(BlobCheck::Missing));
        }
        let Some(mut bytes) = self.read_blob(&sha256).await? else {
            return Ok(BlobCheck::Missing);
        };
        let mut hasher = sha2::Sha256::new();
        let mut size_bytes = 0;
        loop {
            if progress(size_bytes).is_break() {
                return Err(cancelled(&sha256));
            }
            let Some(piece) = bytes.try_next().await? else {
                break;
            };
            hasher.update(&piece);
            size_bytes += piece.len() as u64;
        }
        let actual: [u8; 32] = hasher.finalize().into();
        let actual = Sha256::from(actual);
        Ok(if actual == sha256 {
            BlobCheck::Good { size_bytes }
        } else {
            BlobCheck::Damaged { actual, size_bytes }
        })
    }

    async fn list_objects(&self) -> Result<Vec<BlobInfo>, StoreError> {
        let listed = self.objects().list(Some(&object_path(BLOBS)));
        let blobs = listed.try_filter_map(async |object| {
            let sha256 = object.location.filename().and_then(blob_of_name);
            Ok(sha256.map(|sha256| BlobInfo {
                sha256,
                size_bytes: object.size,
                modified: object.last_modified.into(),
                in_place: false,
            }))
        });
        blobs
            .try_collect()
            .await
            .map_err(StoreError::object("listing", BLOBS))
    }
}

fn cancelled(sha256: &Sha256) -> StoreError {
    StoreError::Cancelled {
        operation: "checking",
        key: blob_key(sha256),
    }
}

fn list_files(files: &Files) -> Result<Vec<BlobInfo>, StoreError> {
    let root = files.path(BLOBS);
    let mut blobs = Vec::new();
    for folder in entries(&root)? {
        if !folder.path().is_dir() {
            continue;
        }
        for entry in entries(&folder.path())? {
            let Some(sha256) = entry.file_name().to_str().and_then(blob_of_name) else {
                continue;
            };
            if files.path(&blob_key(&sha256)) != entry.path() {
                continue;
            }
            // Of the link itself: the file behind it may be gone.
            let Ok(own) = entry.metadata() else {
                // Removed since it was listed.
                continue;
            };
            let in_place = own.is_symlink();
            let metadata = if in_place {
                fs::metadata(entry.path()).ok()
            } else {
                Some(own.clone())
            };
            let modified = metadata.as_ref().unwrap_or(&own).modified();
            blobs.push(BlobInfo {
                sha256,
                size_bytes: metadata.map_or(0, |metadata| metadata.len()),
                modified: modified.unwrap_or(SystemTime::UNIX_EPOCH),
                in_place,
            });
        }
    }
    Ok(blobs)
}

/// What is in a folder; nothing if there is none.
fn entries(folder: &Path) -> Result<Vec<fs::DirEntry>, StoreError> {
    let read = fs::read_dir(folder).and_then(Iterator::collect);
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read.map_err(StoreError::file("listing", folder)),
    }
}

fn check_file(
    files: &Files,
    sha256: &Sha256,
    progress: impl FnMut(u64) -> ControlFlow<()>,
    abandoned: &AtomicBool,
) -> Result<BlobCheck, StoreError> {
    let state = in_place::state(files, sha256)?;
    let gone = |path| BlobCheck::Changed {
        path,
        change: InPlaceChange::Gone,
    };
    let modified = |path| BlobCheck::Changed {
        path,
        change: InPlaceChange::Modified,
    };
    match &state {
        BlobState::Missing => return Ok(BlobCheck::Missing),
        BlobState::Changed { path, change } if *change == InPlaceChange::Gone => {
            return Ok(gone(path.clone()));
        }
        _ => {}
    }
    let blob = files.path(&blob_key(sha256));
    let mut source = Source {
        path: &blob,
        progress,
        abandoned,
    };
    let read = source.open().and_then(|(file, _)| source.read(&file, |_| Ok(())));
    match (read, state) {
        (Err(PutFileError::Cancelled { .. }), _) => Err(cancelled(sha256)),
        (Err(PutFileError::ReadSource { source, .. }), state) if source.kind() == io::ErrorKind::NotFound => {
            // Removed meanwhile.
            Ok(match state {
                BlobState::InPlace { path, .. } | BlobState::Changed { path, .. } => gone(path),
                BlobState::Missing | BlobState::Stored { .. } => BlobCheck::Missing,
            })
        }
        (Err(PutFileError::ReadSource { source, .. }), _) => Err(StoreError::file("reading", &blob)(source)),
        // It is being written, or is a folder now.
        (Err(_), BlobState::InPlace { path, .. } | BlobState::Changed { path, .. }) => Ok(modified(path)),
        (Err(error), _) => Err(StoreError::file("reading", &blob)(io::Error::other(error))),
        (Ok(content), state) if content.sha256 == *sha256 => {
            if let BlobState::Changed { .. } = state {
                // Another time and the same bytes: somebody copied it back, or touched it.
                in_place::write_note(files, &Note::of(&content.metadata), sha256)?;
            }
            let size_bytes = content.size_bytes;
            Ok(BlobCheck::Good { size_bytes })
        }
        (Ok(_), BlobState::Changed { path, .. }) => Ok(modified(path)),
        (
            Ok(Content {
                sha256: actual,
                size_bytes,
                ..
            }),
            _,
        ) => Ok(BlobCheck::Damaged { actual, size_bytes }),
    }
}
