//! A catalog of one kind of artifact over the documents of a store.
//!
//! All entries are in memory; reads and watches never touch the disk. Writes are made one at a time,
//! each in a task of its own that a client which goes away can't interrupt: the document is committed
//! to the store first, then the entry becomes visible, then the client is told. So what a client was
//! told is there survives `kill -9`, and what isn't on disk was never seen.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::RwLock;
use rbee_artifacts::{ArtifactId as _, document};
use rbee_service_kit::Lifecycle;
use rbee_store::{Store, StoreError};
use tracing::Instrument as _;

use super::entry::{CatalogEntry, Recorded};
use super::index::{Change, Index, Page, Watch};
use super::opening::{Found, read_all};
use crate::domain::limits::InvalidField;

/// How much a catalog remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CatalogLimits {
    /// Changes that a watcher can resume over.
    pub history: usize,
    /// Changes that a watcher may fall behind.
    pub watch_queue: usize,
    /// Creating requests that are recognised when they are repeated.
    pub requests: usize,
}

/// Why a catalog can't be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot list the {collection} in the store")]
pub struct OpenError {
    pub(super) collection: &'static str,
    #[source]
    pub(super) source: StoreError,
}

/// Why an entry could not be written. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// The document at its place was set aside when the catalog was opened.
    #[error(
        "{id} has a document in the store that this version of rbee cannot read, so it is left alone: {why}"
    )]
    SetAside {
        /// The entry's id.
        id: String,
        /// Why the document was set aside.
        why: String,
    },
    /// The process is ending.
    #[error("the catalog is shutting down")]
    ShuttingDown,
}

/// Why an entry could not be created.
#[derive(Debug, thiserror::Error)]
pub enum CreateError<T: CatalogEntry> {
    /// Another entry has the id.
    #[error("{} is in the catalog already, with other content", existing.entry.id())]
    Exists {
        /// The other entry.
        existing: Arc<Recorded<T>>,
    },
    /// The request's id was used for something else.
    #[error("the request id was used for another {}", T::NOUN)]
    RequestIdReused,
    /// A blob that the entry names is not in the store.
    #[error(transparent)]
    Blob(InvalidField),
    /// It could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Why an entry could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// There is no such entry.
    #[error("there is no such entry")]
    NotFound,
    /// The entry has changed since the client saw it.
    #[error("the entry is at revision {current}, not {expected}: it changed meanwhile")]
    Conflict {
        /// The revision that the client expected.
        expected: u64,
        /// The revision that the entry has.
        current: u64,
    },
    /// A blob that the entry names is not in the store.
    #[error(transparent)]
    Blob(InvalidField),
    /// It could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Why an entry could not be removed.
pub type DeleteError = WriteError;

/// An entry that a create ended in.
#[derive(Debug)]
pub struct Created<T> {
    /// The entry as stored.
    pub entry: Arc<Recorded<T>>,
    /// Whether this call made it; else it was there.
    pub new: bool,
}

/// The catalog of one kind of artifact. Cheap to clone; all clones are the same catalog.
#[derive(Debug)]
pub struct FilesystemCatalog<T: CatalogEntry> {
    shared: Arc<Shared<T>>,
    lifecycle: Lifecycle,
}

impl<T: CatalogEntry> Clone for FilesystemCatalog<T> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            lifecycle: self.lifecycle.clone(),
        }
    }
}

#[derive(Debug)]
struct Shared<T: CatalogEntry> {
    store: Store,
    index: RwLock<Index<T>>,
    /// Held from before a decision until its outcome is visible: one writer at a time.
    writing: tokio::sync::Mutex<()>,
    /// Storage keys whose documents can't be used and must stay, and why.
    kept: HashMap<String, String>,
}

impl<T: CatalogEntry> FilesystemCatalog<T> {
    /// Reads all documents of the collection. Those that can't be used are set aside with a warning, and
    /// the rest works.
    ///
    /// # Errors
    /// If the store can't be listed.
    pub async fn open(store: Store, limits: CatalogLimits, lifecycle: &Lifecycle) -> Result<Self, OpenError> {
        let Found { entries, kept } = read_all::<T>(&store).await?;
        // Time as the floor: the revisions of removals are not on disk, and clocks go on.
        let now = u64::try_from(Timestamp::now().as_microsecond()).unwrap_or_default();
        let revision = entries
            .values()
            .map(|recorded| recorded.revision)
            .max()
            .unwrap_or_default()
            .max(now)
            + 1;
        let index = Index::new(
            entries,
            revision,
            limits.history,
            limits.requests,
            limits.watch_queue,
        );
        let shared = Shared {
            store,
            index: RwLock::new(index),
            writing: Default::default(),
            kept,
        };
        Ok(Self {
            shared: Arc::new(shared),
            lifecycle: lifecycle.clone(),
        })
    }

    /// The entry with this id.
    #[must_use]
    pub fn get(&self, id: &T::Id) -> Option<Arc<Recorded<T>>> {
        self.shared.index.read().get(id).cloned()
    }

    /// Up to `limit` entries in the order of their ids, from the one after `id` on.
    #[must_use]
    pub fn after(&self, id: Option<&T::Id>, limit: usize) -> Vec<Arc<Recorded<T>>> {
        self.shared.index.read().after(id).take(limit).cloned().collect()
    }

    /// Up to `limit` of the wanted entries in the order of their ids, from the one after `id` on, and how
    /// many are wanted in all; `None` wants every entry.
    #[must_use]
    pub fn page(&self, id: Option<&T::Id>, limit: usize, wanted: Option<&dyn Fn(&T) -> bool>) -> Page<T> {
        self.shared.index.read().page(id, limit, wanted)
    }

    /// What is there, or what changed since `resume_revision`, and what comes after.
    #[must_use]
    pub fn watch(&self, resume_revision: Option<u64>) -> Watch<T> {
        // Committing takes the lock as a writer, so no change is missed or seen twice.
        self.shared.index.read().watch(resume_revision)
    }

    /// Creates an entry. Succeeds with what is there if it says the same, or if a request with this
    /// id made it. An empty request id is not remembered.
    ///
    /// # Errors
    /// If another entry has the id, the request id was used for another one, a blob is missing, or the
    /// store fails.
    pub async fn create(&self, entry: T, request_id: String) -> Result<Created<T>, CreateError<T>> {
        let shared = self.shared.clone();
        self.uninterrupted(async move { shared.create(entry, request_id).await })
            .await?
    }

    /// Replaces an entry; `added_at` stays as it was. Changes nothing if it says the same already.
    ///
    /// # Errors
    /// If there is none, it is not at `expected_revision`, a blob is missing, or the store fails.
    pub async fn update(
        &self,
        entry: T,
        expected_revision: Option<u64>,
    ) -> Result<Arc<Recorded<T>>, UpdateError> {
        let shared = self.shared.clone();
        self.uninterrupted(async move { shared.update(entry, expected_revision).await })
            .await?
    }

    /// Removes an entry. Answers whether there was one.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn delete(&self, id: T::Id) -> Result<bool, DeleteError> {
        let shared = self.shared.clone();
        self.uninterrupted(async move { shared.delete(id).await }).await?
    }

    /// Runs a write to its end even if the client goes away: document and index must not part.
    async fn uninterrupted<F>(&self, write: F) -> Result<F::Output, WriteError>
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        match self.lifecycle.spawn(write.in_current_span()).await {
            Ok(outcome) => Ok(outcome),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Only the end of the runtime cancels it.
                Err(_) => Err(WriteError::ShuttingDown),
            },
        }
    }
}

impl<T: CatalogEntry> Shared<T> {
    async fn create(&self, entry: T, request_id: String) -> Result<Created<T>, CreateError<T>> {
        let _turn = self.writing.lock().await;
        let known = {
            let index = self.index.read();
            if let Some(made) = index.requests.outcome(&request_id) {
                return if made.entry.id() == entry.id() && made.entry.says_the_same(&entry) {
                    Ok(Created {
                        entry: made.clone(),
                        new: false,
                    })
                } else {
                    Err(CreateError::RequestIdReused)
                };
            }
            index.get(entry.id()).cloned()
        };
        let (entry, new) = match known {
            Some(existing) if existing.entry.says_the_same(&entry) => (existing, false),
            Some(existing) => return Err(CreateError::Exists { existing }),
            None => {
                self.check_blobs(&entry).await?.map_err(CreateError::Blob)?;
                (self.put(entry.with_added_at(Timestamp::now())).await?, true)
            }
        };
        self.index.write().requests.remember(request_id, entry.clone());
        Ok(Created { entry, new })
    }

    async fn update(
        &self,
        entry: T,
        expected_revision: Option<u64>,
    ) -> Result<Arc<Recorded<T>>, UpdateError> {
        let _turn = self.writing.lock().await;
        let existing = self
            .index
            .read()
            .get(entry.id())
            .cloned()
            .ok_or(UpdateError::NotFound)?;
        if let Some(expected) = expected_revision.filter(|expected| *expected != existing.revision) {
            return Err(UpdateError::Conflict {
                expected,
                current: existing.revision,
            });
        }
        if existing.entry.says_the_same(&entry) {
            return Ok(existing);
        }
        self.check_blobs(&entry).await?.map_err(UpdateError::Blob)?;
        Ok(self.put(entry.with_added_at(existing.entry.added_at())).await?)
    }

    async fn delete(&self, id: T::Id) -> Result<bool, DeleteError> {
        let _turn = self.writing.lock().await;
        let key = self.writable_key(&id)?;
        if self.index.read().get(&id).is_none() {
            return Ok(false);
        }
        self.store.delete_document(T::COLLECTION, &key).await?;
        let mut index = self.index.write();
        let revision = index.revision() + 1;
        index.commit(revision, Change::Deleted(id));
        Ok(true)
    }

    /// Nothing enters the catalog unless its bytes are in the store.
    async fn check_blobs(&self, entry: &T) -> Result<Result<(), InvalidField>, WriteError> {
        for (sha256, size_bytes, field) in entry.claimed_blobs() {
            let problem = match self.store.blob_size_bytes(&sha256).await? {
                Some(stored) if stored == size_bytes => continue,
                Some(stored) => format!("the store has {stored} bytes of {sha256}, not {size_bytes}"),
                None => format!("the store has no blob {sha256}; bring its bytes in first"),
            };
            return Ok(Err(InvalidField { field, problem }));
        }
        Ok(Ok(()))
    }

    /// Commits an entry to the store, then makes it visible.
    async fn put(&self, entry: T) -> Result<Arc<Recorded<T>>, WriteError> {
        let key = self.writable_key(entry.id())?;
        // Nobody else moves it: this is the one writer.
        let revision = self.index.read().revision() + 1;
        let recorded = Recorded { revision, entry };
        self.store
            .put_document(T::COLLECTION, &key, document::encode(&recorded))
            .await?;
        let recorded = Arc::new(recorded);
        self.index
            .write()
            .commit(revision, Change::Upserted(recorded.clone()));
        Ok(recorded)
    }

    fn writable_key(&self, id: &T::Id) -> Result<String, WriteError> {
        let key = id.storage_key();
        match self.kept.get(&key) {
            Some(why) => Err(WriteError::SetAside {
                id: id.to_string(),
                why: why.clone(),
            }),
            None => Ok(key),
        }
    }
}

#[cfg(all(test, unix))]
mod crash_points;
#[cfg(test)]
mod tests;
