//! A store to test, and files to put into it.

use std::any::Any;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use futures_util::TryStreamExt;
use rbee_artifacts::Sha256;
use rbee_store::{Ingest, PutFileError, Store, StoreOptions, StoredBlob};
use tempfile::TempDir;

pub(crate) struct Fixture {
    pub(crate) folder: TempDir,
    pub(crate) store: Store,
    /// How the store is opened again.
    pub(crate) options: StoreOptions,
    /// What must live as long as the store.
    _server: Option<Box<dyn Any>>,
}

impl Fixture {
    pub(crate) async fn on_a_folder() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let location = folder.path().join("store").display().to_string();
        Self::open(folder, &location, StoreOptions::default(), None).await
    }

    pub(crate) async fn open(
        folder: TempDir,
        location: &str,
        options: StoreOptions,
        server: Option<Box<dyn Any>>,
    ) -> Self {
        let store = options.clone().open(location).await.unwrap();
        Self {
            folder,
            store,
            options,
            _server: server,
        }
    }

    pub(crate) fn source(&self, content: &[u8]) -> PathBuf {
        let path = self.folder.path().join("source.gguf");
        fs::write(&path, content).unwrap();
        path
    }

    pub(crate) async fn put(&self, path: &Path, ingest: Ingest) -> Result<StoredBlob, PutFileError> {
        self.store.put_file(path, ingest, None, go_on).await
    }

    pub(crate) async fn read(&self, sha256: &Sha256) -> Option<Vec<u8>> {
        let stream = self.store.read_blob(sha256).await.unwrap()?;
        let pieces: Vec<_> = stream.try_collect().await.unwrap();
        Some(pieces.concat())
    }

    pub(crate) async fn has_no_blobs(&self) -> bool {
        self.store.list_blobs().await.unwrap().is_empty()
    }
}

pub(crate) fn go_on(_: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Bytes of which no two pieces are alike.
pub(crate) fn varied(size: usize) -> Vec<u8> {
    (0_u64..)
        .flat_map(|number| (number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_le_bytes())
        .take(size)
        .collect()
}
