//! The store as its users see it: asynchronous, with the blocking work on threads of its own.

use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt};
use rbee_artifacts::Sha256;
use url::Url;

use crate::blob::{BlobState, StoredBlob};
use crate::blocking::{Abandoned, blocking};
use crate::disk::{Disk, Faults};
use crate::error::{PutFileError, StoreError};
use crate::files::Files;
use crate::in_place;
use crate::ingest::{self, Ingest, Ingestion};
use crate::keys::{DOCUMENT_NAME, blob_key, document_key, expect_key, is_key};
use crate::location::{self, Location};
#[cfg(feature = "s3")]
use crate::s3::{self, S3Options};
use crate::source::Source;
use crate::upload::{self, Upload};

/// A store of blobs and documents. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    url: String,
    objects: Arc<dyn ObjectStore>,
    /// `None` where the store is not on this host's disk.
    files: Option<Files>,
}

impl fmt::Debug for Store {
    // Nothing but the place: what lies behind it holds keys.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Store").field(&self.0.url).finish()
    }
}

/// How to open a store, where its location does not say everything.
#[derive(Debug, Clone, Default)]
pub struct StoreOptions {
    #[cfg(feature = "s3")]
    s3: Option<S3Options>,
    #[cfg_attr(not(feature = "s3"), allow(dead_code, reason = "only a bucket can be away"))]
    for_reader: bool,
    faults: Option<Arc<dyn Faults>>,
}

impl StoreOptions {
    /// For one who only reads, is of use while the store is away, and asks again himself: the server of a store on
    /// `s3://` is not asked when it is opened, and what fails is told soon. What is wrong with its address or its keys
    /// shows with the first use then.
    #[must_use]
    pub fn for_reader(mut self) -> Self {
        self.for_reader = true;
        self
    }

    /// Server and keys of a store on `s3://`, in place of what the environment says.
    #[cfg(feature = "s3")]
    #[must_use]
    pub fn with_s3(mut self, options: S3Options) -> Self {
        self.s3 = Some(options);
        self
    }

    /// For tests of crashes: `faults` sees every change to the disk of a store on `file://` before it is
    /// made, and can refuse it.
    #[must_use]
    pub fn with_faults(mut self, faults: Arc<dyn Faults>) -> Self {
        self.faults = Some(faults);
        self
    }

    /// As [`Store::open`].
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open(self, location: &str) -> Result<Store, StoreError> {
        match location::parse(location)? {
            Location::Folder(root) => {
                let disk = Disk::with_faults(self.faults);
                blocking(move || open_folder(&root, disk)).await
            }
            #[cfg(feature = "s3")]
            Location::Bucket { bucket, prefix } => {
                let options = self.s3.unwrap_or_else(S3Options::from_environment);
                let objects = s3::open(&bucket, &prefix, &options, self.for_reader).await?;
                let separator = if prefix.is_empty() { "" } else { "/" };
                Ok(Store::on(format!("s3://{bucket}{separator}{prefix}"), objects))
            }
            #[cfg(not(feature = "s3"))]
            Location::Bucket { .. } => Err(StoreError::Location {
                location: location.to_owned(),
                problem: "this program was built without support for s3:// (the feature `s3`)".to_owned(),
            }),
        }
    }
}

fn open_folder(root: &std::path::Path, disk: Disk) -> Result<Store, StoreError> {
    let files = Files::open(root, disk)?;
    let key = files.root().display().to_string();
    let objects =
        LocalFileSystem::new_with_prefix(files.root()).map_err(StoreError::object("opening", &key))?;
    let url = Url::from_directory_path(files.root()).map_or(key, Url::into);
    Ok(Store(Arc::new(Inner {
        url,
        objects: Arc::new(objects),
        files: Some(files),
    })))
}

impl Store {
    /// Opens the store at `location`: a `file://` URL or a path, which is made where there is none and
    /// rid of what killed processes left unfinished; or `s3://bucket/prefix` with what the environment
    /// says of server and keys (`S3Options::from_environment`).
    ///
    /// # Errors
    /// When the location is none, its folder cannot be made or read, or its bucket cannot be listed.
    pub async fn open(location: &str) -> Result<Self, StoreError> {
        StoreOptions::default().open(location).await
    }

    /// A store over objects elsewhere.
    #[cfg(any(feature = "s3", test))]
    pub(crate) fn on(url: String, objects: Arc<dyn ObjectStore>) -> Self {
        let files = None;
        Self(Arc::new(Inner { url, objects, files }))
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
        self.on_files(Files::available_bytes).await.unwrap_or(Ok(None))
    }

    /// Makes the file at `path` a blob. Its digest is computed while it is read, and compared with
    /// `expected`; a blob that is there already is kept, and the file not stored a second time.
    ///
    /// `progress` is called with the bytes done, first with 0, then for each piece (of up to 1 MiB on a
    /// file system, of 8 MiB and more on the way to a bucket, where the file is hashed before the first);
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
        let path = path.into();
        let Some(inner) = self.0.files.is_some().then(|| Arc::clone(&self.0)) else {
            return self.upload_file(path, ingest, expected, progress).await;
        };
        let abandoned = Abandoned::default();
        let flag = Arc::clone(&abandoned.0);
        blocking(move || {
            let source = Source {
                path: &path,
                progress,
                abandoned: &flag,
            };
            let files = inner.files.as_ref().expect("it was there when this began");
            Ingestion {
                files,
                source,
                ingest,
                expected,
            }
            .run()
        })
        .await
    }

    /// Makes a file a blob whose digest and size the caller has just computed and compared, without
    /// reading it again where that can be avoided: on the store's own file system it is synced and
    /// renamed, elsewhere copied or uploaded, and its digest compared once more on the way. A blob that is
    /// there already is kept. The source is gone afterwards; not before the blob is safe.
    ///
    /// Nobody may write to the file from the moment its digest was computed.
    ///
    /// `progress` is as for [`put_file`](Self::put_file), and not called where nothing is read.
    ///
    /// # Errors
    /// When the source is no file of this size (or, where it is read, of this digest), when it was
    /// cancelled, or when the store fails. The source is still there then.
    pub async fn put_verified(
        &self,
        path: impl Into<PathBuf>,
        sha256: Sha256,
        size_bytes: u64,
        progress: impl FnMut(u64) -> ControlFlow<()> + Send + 'static,
    ) -> Result<StoredBlob, PutFileError> {
        let path = path.into();
        let renamed = {
            let path = path.clone();
            self.on_files(move |files| ingest::rename_into_store(files, &path, &sha256, size_bytes))
                .await
        };
        match renamed {
            Some(Ok(Some(stored))) => Ok(stored),
            Some(Err(error)) => Err(error),
            // On another file system.
            Some(Ok(None)) => self.put_file(path, Ingest::Move, Some(sha256), progress).await,
            None => self.upload_verified(path, sha256, size_bytes, progress).await,
        }
    }

    /// [`put_file`](Self::put_file) where the store is not on this host.
    async fn upload_file<P>(
        &self,
        path: PathBuf,
        ingest: Ingest,
        expected: Option<Sha256>,
        mut progress: P,
    ) -> Result<StoredBlob, PutFileError>
    where
        P: FnMut(u64) -> ControlFlow<()> + Send + 'static,
    {
        match ingest {
            Ingest::Copy | Ingest::HardLinkOrCopy | Ingest::Move => {}
            Ingest::HardLink => {
                let source = std::io::ErrorKind::CrossesDevices.into();
                return Err(PutFileError::HardLink { path, source });
            }
            Ingest::InPlace => {
                let store = self.url().to_owned();
                return Err(PutFileError::NotInPlace { path, store });
            }
        }
        let abandoned = Abandoned::default();
        let flag = Arc::clone(&abandoned.0);
        let source = path.clone();
        // The digest is the blob's name, so it comes first.
        let (content, progress) = blocking(move || {
            let mut reader = Source {
                path: &source,
                progress: |_| progress(0),
                abandoned: &flag,
            };
            let content = reader
                .open()
                .and_then(|(file, _)| reader.read(&file, |_| Ok(())))?;
            Ok::<_, PutFileError>((content, progress))
        })
        .await?;
        if let Some(expected) = expected.filter(|expected| *expected != content.sha256) {
            let found = content.sha256;
            return Err(PutFileError::DigestMismatch {
                path,
                expected,
                found,
            });
        }
        let uploaded = self
            .upload(path.clone(), content.sha256, content.size_bytes, progress)
            .await;
        let stored = match uploaded {
            // It had the digest when it was read first.
            Err(PutFileError::DigestMismatch { path, .. }) => {
                return Err(PutFileError::SourceChanged { path });
            }
            uploaded => uploaded?,
        };
        if ingest == Ingest::Move {
            blocking(move || upload::remove_source(&path)).await?;
        }
        Ok(stored)
    }

    /// [`put_verified`](Self::put_verified) where the store is not on this host.
    async fn upload_verified(
        &self,
        path: PathBuf,
        sha256: Sha256,
        size_bytes: u64,
        progress: impl FnMut(u64) -> ControlFlow<()> + Send + 'static,
    ) -> Result<StoredBlob, PutFileError> {
        let source = path.clone();
        blocking(move || {
            let metadata = std::fs::symlink_metadata(&source).map_err(crate::source::unreadable(&source))?;
            ingest::expect_file_of_size(&source, &metadata, size_bytes)
        })
        .await?;
        let stored = self.upload(path.clone(), sha256, size_bytes, progress).await?;
        blocking(move || upload::remove_source(&path)).await?;
        Ok(stored)
    }

    /// Uploads a file of this digest and size, unless it is there.
    async fn upload(
        &self,
        path: PathBuf,
        sha256: Sha256,
        size_bytes: u64,
        progress: impl FnMut(u64) -> ControlFlow<()> + Send + 'static,
    ) -> Result<StoredBlob, PutFileError> {
        let existed = self.blob_size_bytes(&sha256).await? == Some(size_bytes);
        if !existed {
            let objects = Arc::clone(&self.0.objects);
            let upload = Upload {
                objects,
                path,
                sha256,
                progress,
            };
            upload.run().await?;
        }
        Ok(StoredBlob {
            sha256,
            size_bytes,
            existed,
        })
    }

    /// How a blob stands, as far as can be told without reading its bytes.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn blob_state(&self, sha256: &Sha256) -> Result<BlobState, StoreError> {
        let sha256 = *sha256;
        if let Some(state) = self.on_files(move |files| in_place::state(files, &sha256)).await {
            return state;
        }
        let key = blob_key(&sha256);
        let found = absent_is_none(self.0.objects.head(&object_path(&key)).await);
        Ok(match found.map_err(StoreError::object("looking for", &key))? {
            Some(object) => BlobState::Stored {
                size_bytes: object.size,
            },
            None => BlobState::Missing,
        })
    }

    /// The size of a blob in bytes; `None` if it is not there, or a user's file that is not as it was.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn blob_size_bytes(&self, sha256: &Sha256) -> Result<Option<u64>, StoreError> {
        Ok(self.blob_state(sha256).await?.size_bytes())
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
        let files = self.0.files.as_ref()?;
        Some(files.path(&blob_key(sha256)))
    }

    /// The bytes of a blob, piece by piece; `None` if it is not there.
    ///
    /// # Errors
    /// When the store cannot be read, then or later in the stream, or when the blob is a user's file
    /// that is not as it was.
    pub async fn read_blob(
        &self,
        sha256: &Sha256,
    ) -> Result<Option<impl Stream<Item = Result<Bytes, StoreError>> + Send + use<>>, StoreError> {
        if self.0.files.is_some()
            && let BlobState::Changed { path, change } = self.blob_state(sha256).await?
        {
            return Err(StoreError::Changed { path, change });
        }
        let key = blob_key(sha256);
        let found = absent_is_none(self.0.objects.get(&object_path(&key)).await);
        let found = found.map_err(StoreError::object("reading", &key))?;
        Ok(found.map(|object| {
            object
                .into_stream()
                .map(move |piece| piece.map_err(StoreError::object("reading", &key)))
        }))
    }

    /// Removes a blob; tells whether it was there. Whoever has its file open can go on reading it. A
    /// user's file that is used in place stays.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn delete_blob(&self, sha256: &Sha256) -> Result<bool, StoreError> {
        let key = *sha256;
        let removed = self.on_files(move |files| {
            let removed = files.remove(&blob_key(&key))?;
            in_place::remove_note(files, &key)?;
            Ok(removed)
        });
        match removed.await {
            Some(removed) => removed,
            None => self.delete_object(&blob_key(sha256)).await,
        }
    }

    /// Writes the document `key` of `collection` in place of what was there. When this returns it lasts;
    /// before that, and if it fails, readers see what was there.
    ///
    /// Once begun it is finished, even if the future is dropped (in a store on this host's disk; in a
    /// bucket it is there as a whole or not at all).
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
        let content = content.into();
        let written = {
            let (path, content) = (path.clone(), content.clone());
            self.on_files(move |files| files.write(&path, &content)).await
        };
        match written {
            Some(written) => written,
            // S3 puts an object as a whole or not at all, and whoever reads afterwards sees it ("Amazon S3
            // data consistency model" in its User Guide).
            None => match self.0.objects.put(&object_path(&path), content.into()).await {
                Ok(_) => Ok(()),
                Err(error) => Err(StoreError::object("writing", &path)(error)),
            },
        }
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
        let path = document_key(collection, key)?;
        let object = path.clone();
        match self.on_files(move |files| files.remove(&path)).await {
            Some(removed) => removed,
            None => self.delete_object(&object).await,
        }
    }

    /// Moves the document `key` of `collection` aside, to a name in its folder that nobody reads and that
    /// no other has; gives that name's path in the store, or `None` if there is no such document. Nothing
    /// is lost: whoever looks finds it there.
    ///
    /// # Errors
    /// When `collection` or `key` is no safe part of a path, or the store cannot be written.
    pub async fn set_document_aside(
        &self,
        collection: &str,
        key: &str,
    ) -> Result<Option<String>, StoreError> {
        self.set_aside(document_key(collection, key)?).await
    }

    /// Moves a blob aside whose bytes are damaged, so that it can be brought in anew; tells whether it was
    /// there.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn set_blob_aside(&self, sha256: &Sha256) -> Result<bool, StoreError> {
        Ok(self.set_aside(blob_key(sha256)).await?.is_some())
    }

    async fn set_aside(&self, key: String) -> Result<Option<String>, StoreError> {
        let object = key.clone();
        if let Some(done) = self.on_files(move |files| files.set_aside(&object)).await {
            return done;
        }
        let (objects, from) = (&self.0.objects, object_path(&key));
        for name in aside_names(&key) {
            let to = object_path(&name);
            let taken = absent_is_none(objects.head(&to).await);
            if taken.map_err(StoreError::object("looking for", &name))?.is_some() {
                continue;
            }
            // Copied before it is removed: killed between, it is in both places.
            let copied = absent_is_none(objects.copy(&from, &to).await);
            if copied
                .map_err(StoreError::object("setting aside", &key))?
                .is_none()
            {
                return Ok(None);
            }
            self.delete_object(&key).await?;
            return Ok(Some(name));
        }
        Ok(None)
    }

    async fn delete_object(&self, key: &str) -> Result<bool, StoreError> {
        let path = object_path(key);
        // S3 does not tell whether there was anything to remove.
        let found = absent_is_none(self.0.objects.head(&path).await);
        if found.map_err(StoreError::object("looking for", key))?.is_none() {
            return Ok(false);
        }
        let deleted = absent_is_none(self.0.objects.delete(&path).await);
        Ok(deleted.map_err(StoreError::object("removing", key))?.is_some())
    }

    /// Whether blobs are files of this host.
    #[must_use]
    pub fn is_on_this_host(&self) -> bool {
        self.0.files.is_some()
    }

    pub(crate) fn objects(&self) -> &Arc<dyn ObjectStore> {
        &self.0.objects
    }

    /// Runs `work` on the folder of a store on this host; `None` if it is elsewhere.
    pub(crate) async fn on_files<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Files) -> T + Send + 'static,
    ) -> Option<T> {
        self.0.files.as_ref()?;
        let inner = Arc::clone(&self.0);
        blocking(move || inner.files.as_ref().map(work)).await
    }
}

/// The names for what is set aside, best first.
pub(crate) fn aside_names(key: &str) -> impl Iterator<Item = String> {
    let first = format!("{key}.damaged");
    let others = (2_u32..).map({
        let first = first.clone();
        move |number| format!("{first}-{number}")
    });
    std::iter::once(first).chain(others)
}

pub(crate) fn absent_is_none<T>(result: object_store::Result<T>) -> object_store::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Keys are made of parts that need no escaping: see [`is_key`].
pub(crate) fn object_path(key: &str) -> ObjectPath {
    ObjectPath::from(key)
}
