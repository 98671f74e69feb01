//! The store as its users see it: asynchronous, with the blocking work on threads of its own.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt};
use rbee_artifacts::Sha256;
use url::Url;

use crate::error::{PutFileError, StoreError};
use crate::files::{Files, blob_key};
use crate::ingest::{Ingest, Ingestion, StoredBlob};
use crate::location;

/// The name of a document's file in its folder.
const DOCUMENT_NAME: &str = "metadata.json";

/// A store of blobs and documents. Cheap to clone; clones share everything.
#[derive(Debug, Clone)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    url: String,
    objects: LocalFileSystem,
    files: Files,
}

impl Store {
    /// Opens the store at `location`: a `file://` URL or a path. Makes it where there is none, and
    /// removes what killed processes left unfinished.
    ///
    /// # Errors
    /// When the location is none, or its folder cannot be made or read.
    pub async fn open(location: &str) -> Result<Self, StoreError> {
        let root = location::parse(location)?;
        blocking(move || {
            let files = Files::open(&root)?;
            let key = files.root().display().to_string();
            let objects = LocalFileSystem::new_with_prefix(files.root())
                .map_err(StoreError::object("opening", &key))?
                .with_automatic_cleanup(true);
            let url = Url::from_directory_path(files.root()).map_or(key, Url::into);
            Ok(Self(Arc::new(Inner { url, objects, files })))
        })
        .await
    }

    /// Where the store lies, as a URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// Bytes that can still be written; `None` where that is not known.
    ///
    /// # Errors
    /// When the system cannot be asked.
    pub async fn available_bytes(&self) -> Result<Option<u64>, StoreError> {
        let inner = Arc::clone(&self.0);
        blocking(move || inner.files.available_bytes()).await
    }

    /// Makes the file at `path` a blob. Its digest is computed while it is read, and compared with
    /// `expected`; a blob that is there already is kept, and the file not stored a second time.
    ///
    /// `progress` is called with the bytes done, first with 0, then for each piece of up to 1 MiB;
    /// [`ControlFlow::Break`] cancels. So does dropping the future, within one piece.
    ///
    /// # Errors
    /// When the source cannot be read, changes meanwhile or has another digest, when it was cancelled,
    /// or when the store fails. Nothing of the file is in the store then; but for a source that was to be
    /// moved and cannot be removed, which is then in both places.
    pub async fn put_file(
        &self,
        path: impl Into<PathBuf>,
        ingest: Ingest,
        expected: Option<Sha256>,
        progress: impl FnMut(u64) -> ControlFlow<()> + Send + 'static,
    ) -> Result<StoredBlob, PutFileError> {
        let (inner, path) = (Arc::clone(&self.0), path.into());
        let abandoned = Abandoned::default();
        let flag = Arc::clone(&abandoned.0);
        blocking(move || {
            let files = &inner.files;
            Ingestion {
                files,
                path: &path,
                ingest,
                expected,
                progress,
                abandoned: &flag,
            }
            .run()
        })
        .await
    }

    /// The size of a blob in bytes; `None` if it is not there.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn blob_size_bytes(&self, sha256: &Sha256) -> Result<Option<u64>, StoreError> {
        let key = blob_key(sha256);
        let found = absent_is_none(self.0.objects.head(&object_path(&key)).await);
        Ok(found
            .map_err(StoreError::object("looking for", &key))?
            .map(|object| object.size))
    }

    /// Whether a blob is there.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn blob_exists(&self, sha256: &Sha256) -> Result<bool, StoreError> {
        Ok(self.blob_size_bytes(sha256).await?.is_some())
    }

    /// The file of a blob, if it is there or not; `None` in a store whose blobs are no files of this
    /// host. The file must not be changed.
    #[must_use]
    pub fn local_path(&self, sha256: &Sha256) -> Option<PathBuf> {
        Some(self.0.files.path(&blob_key(sha256)))
    }

    /// The bytes of a blob, piece by piece; `None` if it is not there.
    ///
    /// # Errors
    /// When the store cannot be read; then, or later in the stream.
    pub async fn read_blob(
        &self,
        sha256: &Sha256,
    ) -> Result<Option<impl Stream<Item = Result<Bytes, StoreError>> + Send + use<>>, StoreError> {
        let key = blob_key(sha256);
        let found = absent_is_none(self.0.objects.get(&object_path(&key)).await);
        let found = found.map_err(StoreError::object("reading", &key))?;
        Ok(found.map(|object| {
            object
                .into_stream()
                .map(move |piece| piece.map_err(StoreError::object("reading", &key)))
        }))
    }

    /// Removes a blob; tells whether it was there. Whoever has its file open can go on reading it.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn delete_blob(&self, sha256: &Sha256) -> Result<bool, StoreError> {
        self.delete(blob_key(sha256)).await
    }

    /// Writes the document `key` of `collection` in place of what was there. When this returns it lasts;
    /// before that, and if it fails, readers see what was there.
    ///
    /// Once begun it is finished, even if the future is dropped.
    ///
    /// # Errors
    /// When `collection` or `key` is no safe part of a path, or the store cannot be written.
    pub async fn put_document(
        &self,
        collection: &str,
        key: &str,
        content: impl Into<Bytes>,
    ) -> Result<(), StoreError> {
        let path = document_key(collection, key)?;
        let (inner, content) = (Arc::clone(&self.0), content.into());
        blocking(move || inner.files.write(&path, &content)).await
    }

    /// The document `key` of `collection`; `None` if it is not there.
    ///
    /// # Errors
    /// When `collection` or `key` is no safe part of a path, or the store cannot be read.
    pub async fn get_document(&self, collection: &str, key: &str) -> Result<Option<Bytes>, StoreError> {
        let path = document_key(collection, key)?;
        let read = async { self.0.objects.get(&object_path(&path)).await?.bytes().await };
        absent_is_none(read.await).map_err(StoreError::object("reading", &path))
    }

    /// The keys of the documents in `collection`, in order. Anything else that lies there is passed over.
    ///
    /// # Errors
    /// When `collection` is no safe part of a path, or the store cannot be read.
    pub async fn list_documents(&self, collection: &str) -> Result<Vec<String>, StoreError> {
        expect_key(collection)?;
        let prefix = object_path(collection);
        let mut keys: Vec<String> = self
            .0
            .objects
            .list(Some(&prefix))
            .try_filter_map(async |object| {
                let parts: Vec<_> = object.location.parts().collect();
                Ok(match parts.as_slice() {
                    [_, key, name] if name.as_ref() == DOCUMENT_NAME && is_key(key.as_ref()) => {
                        Some(key.as_ref().to_owned())
                    }
                    _ => None,
                })
            })
            .try_collect()
            .await
            .map_err(StoreError::object("listing", collection))?;
        keys.sort_unstable();
        Ok(keys)
    }

    /// Removes the document `key` of `collection`; tells whether it was there. When this returns, the
    /// removal lasts.
    ///
    /// # Errors
    /// When `collection` or `key` is no safe part of a path, or the store cannot be written.
    pub async fn delete_document(&self, collection: &str, key: &str) -> Result<bool, StoreError> {
        self.delete(document_key(collection, key)?).await
    }

    async fn delete(&self, key: String) -> Result<bool, StoreError> {
        let deleted = absent_is_none(self.0.objects.delete(&object_path(&key)).await);
        if deleted.map_err(StoreError::object("removing", &key))?.is_none() {
            return Ok(false);
        }
        let inner = Arc::clone(&self.0);
        blocking(move || inner.files.sync_removal(&key)).await?;
        Ok(true)
    }
}

/// Tells the thread that does the work when nobody waits for it any more.
#[derive(Default)]
struct Abandoned(Arc<AtomicBool>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `work` on a thread that may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is being shut down, and this future with it: it is never polled again.
            Err(_) => std::future::pending().await,
        },
    }
}

fn absent_is_none<T>(result: object_store::Result<T>) -> object_store::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Keys are made of parts that need no escaping: see [`is_key`].
fn object_path(key: &str) -> ObjectPath {
    ObjectPath::from(key)
}

fn document_key(collection: &str, key: &str) -> Result<String, StoreError> {
    expect_key(collection)?;
    expect_key(key)?;
    Ok(format!("{collection}/{key}/{DOCUMENT_NAME}"))
}

fn expect_key(key: &str) -> Result<(), StoreError> {
    if is_key(key) {
        Ok(())
    } else {
        Err(StoreError::Key { key: key.to_owned() })
    }
}

/// One safe part of a path, the same on file systems that ignore case: at most 200 bytes out of a-z, 0-9,
/// "-", "_" and ".", beginning with a letter or a digit.
fn is_key(key: &str) -> bool {
    let bytes = key.as_bytes();
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    bytes.len() <= 200
        && bytes.first().is_some_and(|&first| is_plain(first))
        && bytes
            .iter()
            .all(|&byte| is_plain(byte) || matches!(byte, b'-' | b'_' | b'.'))
}
