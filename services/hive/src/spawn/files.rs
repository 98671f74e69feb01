//! The store's files on this host: in place where the store is on it, else out of a cache.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use parking_lot::Mutex;
use rbee_artifacts::{ModelEntry, ModelFile, Sha256, WorkerBinary, WorkerId};
use rbee_store::{BlobCache, BlobReader, CacheUse, CachedBlob, FetchError, Found, Store};
use tokio::sync::watch;

use super::error::SpawnError;
use crate::domain::{Refusal, plan};

/// Files that are fetched at the same time.
const AT_ONCE: usize = 3;

/// How long the store may take to give a piece of a file's header.
const HEADER_PATIENCE: Duration = Duration::from_secs(20);

/// Progress is told when it is this share further.
const TOLD_SHARE: u64 = 100;

/// The store's files on this host. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    store: Store,
    /// None where the store is on this host.
    cache: Option<BlobCache>,
    held: Arc<Mutex<HashMap<WorkerId, Vec<CachedBlob>>>>,
}

/// One of a model's files, where it is now.
#[derive(Debug, Clone)]
pub(crate) struct Located {
    /// Its name within the model.
    pub(crate) name: String,
    /// Its size.
    pub(crate) size_bytes: u64,
    sha256: Sha256,
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    /// In a store on this host.
    Local(PathBuf),
    /// In the cache, where it stays while this is held.
    Cached(CachedBlob),
    /// Only in the store.
    Away(Store),
}

impl Located {
    /// A file of this host.
    #[cfg(test)]
    pub(super) fn here(name: &str, path: PathBuf) -> Self {
        Self {
            name: name.to_owned(),
            size_bytes: std::fs::metadata(&path).map_or(0, |metadata| metadata.len()),
            sha256: Sha256::digest(name.as_bytes()),
            place: Place::Local(path),
        }
    }

    /// Whether nothing has to be fetched for it.
    pub(crate) fn is_here(&self) -> bool {
        !matches!(self.place, Place::Away(_))
    }

    /// For one who reads its beginning, on a thread that may block.
    ///
    /// # Errors
    /// If it can't be opened.
    pub(super) fn open(&self) -> io::Result<Opened> {
        match &self.place {
            Place::Local(path) => File::open(path).map(Opened::File),
            Place::Cached(blob) => File::open(blob.path()).map(Opened::File),
            Place::Away(store) => {
                let reader = store.blob_reader(self.sha256, self.size_bytes, HEADER_PATIENCE);
                Ok(Opened::Away(Box::new(reader)))
            }
        }
    }
}

/// A file that is read from its beginning.
pub(super) enum Opened {
    /// One of this host.
    File(File),
    /// One that is only in the store.
    Away(Box<BlobReader>),
}

impl io::Read for Opened {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Away(reader) => reader.read(buffer),
        }
    }
}

/// Files as a worker gets them: by name, on this host.
pub(crate) type Placed = Vec<(String, PathBuf)>;

/// The files that a worker uses, which stay on this host until this is dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    held: Arc<Mutex<HashMap<WorkerId, Vec<CachedBlob>>>>,
    worker_id: WorkerId,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let held = self.held.lock().remove(&self.worker_id);
        // Not under the lock.
        drop(held);
    }
}

impl Files {
    /// Those of a store, by way of a cache if it is not on this host.
    pub(crate) fn new(store: Store, cache: Option<BlobCache>) -> Self {
        Self {
            store,
            cache,
            held: Arc::default(),
        }
    }

    /// The store.
    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// How the cache is used; `None` where there is none.
    pub(crate) fn cache_use(&self) -> Option<CacheUse> {
        self.cache.as_ref().map(BlobCache::usage)
    }

    /// Finds each of a model's files, without fetching any.
    ///
    /// # Errors
    /// If some are not in the store, or not whole, or it can't be asked.
    pub(super) async fn locate(&self, model: &ModelEntry) -> Result<Vec<Located>, SpawnError> {
        let mut found = Vec::new();
        let mut missing = Vec::new();
        for file in &model.files {
            match self.locate_file(file).await? {
                Some(place) => found.push(Located {
                    name: file.name.to_string(),
                    size_bytes: file.size_bytes,
                    sha256: file.sha256,
                    place,
                }),
                None => missing.push(file),
            }
        }
        plan::check_files(model, &missing)?;
        Ok(found)
    }

    async fn locate_file(&self, file: &ModelFile) -> Result<Option<Place>, SpawnError> {
        let Some(cache) = &self.cache else {
            let size = self.store.blob_size_bytes(&file.sha256).await?;
            let path = self.store.local_path(&file.sha256);
            return Ok(path.filter(|_| size == Some(file.size_bytes)).map(Place::Local));
        };
        let found = cache.find(&self.store, file.sha256, file.size_bytes).await?;
        Ok(match found {
            Found::Here(blob) => Some(Place::Cached(blob)),
            Found::InStore => Some(Place::Away(self.store.clone())),
            Found::Missing => None,
        })
    }

    /// Has files stay on this host for a worker, until what this answers is dropped.
    pub(super) fn hold(&self, worker_id: &WorkerId) -> Hold {
        self.held.lock().insert(worker_id.clone(), Vec::new());
        Hold {
            held: self.held.clone(),
            worker_id: worker_id.clone(),
        }
    }

    /// Brings files to this host that are not there yet, and has all stay for the worker. `told` hears of the bytes of all
    /// files, these and those of the worker program, if some lack. Cancel safe: what came is gone on from the next time.
    ///
    /// # Errors
    /// If they don't fit, the store lacks them or has something else, or can't be read.
    pub(super) async fn fetch(
        &self,
        model: &ModelEntry,
        files: &[Located],
        worker_id: &WorkerId,
        told: &Meter,
    ) -> Result<Placed, SpawnError> {
        let blobs: Vec<_> = files.iter().map(|file| (file.sha256, file.size_bytes)).collect();
        if let Some(cache) = self
            .cache
            .as_ref()
            .filter(|_| !files.iter().all(Located::is_here))
        {
            cache
                .expect_room(&blobs)
                .await
                .map_err(|error| no_room(model, error))?;
        }
        let each = files.iter().enumerate();
        let fetches: Vec<_> = each
            .map(|(number, file)| self.fetch_one(number, file, told))
            .collect();
        let fetched: Vec<_> = stream::iter(fetches)
            .buffered(AT_ONCE)
            .try_collect()
            .await
            .map_err(|error| no_room(model, error))?;
        let mut placed = Vec::new();
        let mut blobs = Vec::new();
        for (file, (path, blob)) in files.iter().zip(fetched) {
            placed.push((file.name.clone(), path));
            blobs.extend(blob);
        }
        // Of a worker that left meanwhile nothing has to stay.
        if let Some(held) = self.held.lock().get_mut(worker_id) {
            held.append(&mut blobs);
        }
        Ok(placed)
    }

    async fn fetch_one(
        &self,
        number: usize,
        file: &Located,
        told: &Meter,
    ) -> Result<(PathBuf, Option<CachedBlob>), FetchError> {
        match (&file.place, &self.cache) {
            (Place::Local(path), _) => {
                told.at(number, file.size_bytes);
                Ok((path.clone(), None))
            }
            (Place::Cached(blob), _) => {
                told.at(number, file.size_bytes);
                Ok((blob.path().to_owned(), Some(blob.clone())))
            }
            (Place::Away(_), None) => Err(FetchError::Missing { sha256: file.sha256 }),
            (Place::Away(store), Some(cache)) => {
                let progress = |bytes| {
                    told.at(number, bytes);
                    ControlFlow::Continue(())
                };
                let blob = cache.fetch(store, file.sha256, file.size_bytes, progress).await?;
                told.at(number, file.size_bytes);
                Ok((blob.path().to_owned(), Some(blob)))
            }
        }
    }

    /// The file of a worker program on this host, for as long as the answer is held; `None` where the store is read
    /// itself.
    ///
    /// # Errors
    /// As for a model's files.
    pub(super) async fn program(
        &self,
        binary: &WorkerBinary,
        told: &Meter,
    ) -> Result<Option<CachedBlob>, FetchError> {
        let Some(cache) = &self.cache else {
            return Ok(None);
        };
        let progress = |bytes| {
            told.at(Meter::PROGRAM, bytes);
            ControlFlow::Continue(())
        };
        let blob = cache.fetch(&self.store, binary.sha256, binary.size_bytes, progress);
        blob.await.map(Some)
    }
}

/// For a model that can't have room, how much it takes is what all its files take.
fn no_room(model: &ModelEntry, error: FetchError) -> SpawnError {
    let refusal = |in_use_bytes, limit_bytes| Refusal::CacheTooSmall {
        model_id: model.id.clone(),
        size_bytes: model.files.iter().map(|file| file.size_bytes).sum(),
        in_use_bytes,
        limit_bytes,
    };
    match error {
        FetchError::TooLarge { limit_bytes, .. } => refusal(0, limit_bytes).into(),
        FetchError::InUse {
            in_use_bytes,
            limit_bytes,
            ..
        } => refusal(in_use_bytes, limit_bytes).into(),
        error => error.into(),
    }
}

/// Adds up how much of all files is here, and tells it when it is noticeably more.
#[derive(Debug)]
pub(super) struct Meter {
    total_bytes: u64,
    done: Mutex<(HashMap<usize, u64>, Option<u64>)>,
    told: Option<watch::Sender<(u64, u64)>>,
}

impl Meter {
    /// The number of the worker program among the files.
    pub(super) const PROGRAM: usize = usize::MAX;

    /// One that tells how much of so many bytes is here.
    pub(super) fn new(total_bytes: u64, told: &watch::Sender<(u64, u64)>) -> Self {
        Self {
            total_bytes,
            done: Mutex::default(),
            told: Some(told.clone()),
        }
    }

    /// One that tells nobody.
    pub(super) fn silent() -> Self {
        Self {
            total_bytes: 0,
            done: Mutex::default(),
            told: None,
        }
    }

    /// So many bytes of a file are here.
    pub(super) fn at(&self, number: usize, bytes: u64) {
        let Some(told) = &self.told else { return };
        let mut done = self.done.lock();
        done.0.insert(number, bytes);
        let sum: u64 = done.0.values().sum();
        let is_news = done
            .1
            .is_none_or(|last| sum.saturating_sub(last) >= (self.total_bytes / TOLD_SHARE).max(1));
        if is_news || sum >= self.total_bytes {
            done.1 = Some(sum);
            told.send_replace((sum.min(self.total_bytes), self.total_bytes));
        }
    }
}
