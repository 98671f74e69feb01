//! One blob on its way into a cache, for all who want it.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use rbee_artifacts::Sha256;
use sha2::Digest as _;
use tokio::sync::{Notify, watch};

use super::error::FetchError;
use super::folder::CacheFolder;
use crate::blocking::blocking;
use crate::error::StoreError;
use crate::store::Store;

/// How much is written at once.
const WRITE_BYTES: usize = 1 << 20;

/// How far a blob is.
#[derive(Debug, Clone)]
pub(super) enum Progress {
    /// So many bytes are here.
    Going(u64),
    /// It is there, whole and verified.
    Arrived,
    /// It does not come.
    Failed(FetchError),
    /// Nobody wanted it any more.
    Deserted,
}

/// A blob on its way.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) progress: watch::Sender<Progress>,
    /// Woken when its last user has left.
    pub(super) deserted: Notify,
}

impl Flight {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            progress: watch::Sender::new(Progress::Going(0)),
            deserted: Notify::new(),
        })
    }
}

/// What is fetched, and how it must be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) sha256: Sha256,
    pub(super) size_bytes: u64,
}

/// Receives a blob into a part, verifies it and renames it into place. If this fails, the part is left for the caller
/// to remove. It must not be dropped before it ends: work on the disk goes on then. When `deserted` is ready it ends by
/// itself, also while the store is silent.
pub(super) async fn receive(
    folder: &Arc<CacheFolder>,
    store: &Store,
    wanted: Wanted,
    flight: &Flight,
    deserted: impl Future<Output = ()>,
) -> Result<(), FetchError> {
    let mut deserted = std::pin::pin!(deserted);
    let cancelled = || FetchError::Cancelled {
        sha256: wanted.sha256,
    };
    let part = folder.part_path(&wanted.sha256);
    folder.expect_space(wanted.size_bytes).await?;
    // Cancel safe: who loses either `select!` by desertion is not asked again.
    let blob = tokio::select! {
        blob = store.read_blob(&wanted.sha256) => blob?,
        () = &mut deserted => return Err(cancelled()),
    };
    let mut blob = std::pin::pin!(blob.ok_or(FetchError::Missing {
        sha256: wanted.sha256
    })?);
    let mut writer = Writer::create(folder.clone(), &part).await?;
    let mut pieces = Vec::new();
    let mut waiting_bytes = 0;
    let mut done_bytes = 0;
    loop {
        let piece = tokio::select! {
            piece = blob.try_next() => piece?,
            () = &mut deserted => return Err(cancelled()),
        };
        let Some(piece) = piece else { break };
        done_bytes += piece.len() as u64;
        if done_bytes > wanted.size_bytes {
            return Err(damaged(wanted, None));
        }
        waiting_bytes += piece.len();
        pieces.push(piece);
        if waiting_bytes >= WRITE_BYTES {
            writer = writer.write(std::mem::take(&mut pieces)).await?;
            waiting_bytes = 0;
            flight.progress.send_replace(Progress::Going(done_bytes));
        }
    }
    let found = writer.write(pieces).await?.finish().await?;
    flight.progress.send_replace(Progress::Going(done_bytes));
    if done_bytes != wanted.size_bytes || found != wanted.sha256 {
        return Err(damaged(wanted, Some(found)));
    }
    let folder = folder.clone();
    blocking(move || folder.put_in_place(&wanted.sha256)).await?;
    Ok(())
}

fn damaged(wanted: Wanted, found: Option<Sha256>) -> FetchError {
    FetchError::Damaged {
        sha256: wanted.sha256,
        found,
    }
}

/// A part that is being written, and its digest so far.
struct Writer {
    folder: Arc<CacheFolder>,
    path: std::path::PathBuf,
    file: std::fs::File,
    digest: sha2::Sha256,
}

impl Writer {
    async fn create(folder: Arc<CacheFolder>, path: &Path) -> Result<Self, StoreError> {
        let path = path.to_owned();
        blocking(move || {
            let file = folder
                .disk
                .create_file(&path)
                .map_err(StoreError::file("creating", &path))?;
            Ok(Self {
                folder,
                path,
                file,
                digest: sha2::Sha256::new(),
            })
        })
        .await
    }

    async fn write(mut self, pieces: Vec<Bytes>) -> Result<Self, StoreError> {
        blocking(move || {
            for piece in &pieces {
                self.digest.update(piece);
                self.folder
                    .disk
                    .append(&mut self.file, &self.path, piece)
                    .map_err(StoreError::file("writing", &self.path))?;
            }
            Ok(self)
        })
        .await
    }

    async fn finish(self) -> Result<Sha256, StoreError> {
        blocking(move || {
            self.folder
                .disk
                .sync_file(&self.file, &self.path)
                .map_err(StoreError::file("syncing", &self.path))?;
            Ok(Sha256::from(<[u8; 32]>::from(self.digest.finalize())))
        })
        .await
    }
}
