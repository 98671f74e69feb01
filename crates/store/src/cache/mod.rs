//! A bounded cache of a store's blobs on this host's disk, for a store that is elsewhere.
//!
//! ```text
//! <folder>/lock              locked while a process uses the cache
//! <folder>/blobs/abcdef…     whole and verified, named by their SHA-256
//! <folder>/parts/            what is not finished, or not removed yet; emptied when the cache is opened
//! ```
//!
//! **Invariants.** A blob that is there was read from the store as a whole, and its bytes had the digest that it is
//! named by. All that is there or on its way takes no more than the limit. A blob is fetched once, however many ask
//! for it at once. One that is in use ([`CachedBlob`]) stays; the others go when room is needed, those used longest
//! ago first and no more than needed. When the process is killed at any instant, all of this holds for the next.

mod error;
mod flight;
mod folder;
mod ledger;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rbee_artifacts::Sha256;

pub use self::error::{FetchError, OpenCacheError};
use self::flight::{Flight, Progress, Wanted, receive};
use self::folder::CacheFolder;
use self::ledger::{Claim, Ledger, NoRoom};
use crate::blocking::blocking;
use crate::disk::Disk;
use crate::store::Store;

/// A bounded cache of blobs on this host's disk. Cheap to clone; clones share everything.
#[derive(Debug, Clone)]
pub struct BlobCache {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    folder: Arc<CacheFolder>,
    limit_bytes: u64,
    ledger: Mutex<Ledger>,
}

/// A blob as a file of this host, which stays for as long as this or a clone of it is held. The file must not be
/// changed.
#[derive(Debug, Clone)]
pub struct CachedBlob {
    path: PathBuf,
    // None for a blob of a store on this host, which is not the cache's to keep.
    _pin: Option<Arc<Pin>>,
}

impl CachedBlob {
    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// One user of a blob, from when it is asked for.
struct Pin {
    inner: Arc<Inner>,
    sha256: Sha256,
    number: u64,
}

impl fmt::Debug for Pin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Pin").field(&self.sha256).finish()
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let deserted = self.inner.ledger().release(&self.sha256, self.number);
        if let Some(flight) = deserted {
            flight.deserted.notify_one();
        }
    }
}

impl BlobCache {
    /// Opens the cache in a folder, which is made if there is none; of what is there already, what exceeds the limit
    /// goes.
    ///
    /// # Errors
    /// When another process uses the folder, or it can't be used.
    pub async fn open(folder: impl Into<PathBuf>, limit_bytes: u64) -> Result<Self, OpenCacheError> {
        Self::open_on(folder.into(), limit_bytes, Disk::default()).await
    }

    async fn open_on(folder: PathBuf, limit_bytes: u64, disk: Disk) -> Result<Self, OpenCacheError> {
        blocking(move || {
            let folder = CacheFolder::open(&folder, disk)?;
            let mut blobs = folder.blobs()?;
            let mut excess = blobs
                .iter()
                .map(|blob| blob.size_bytes)
                .sum::<u64>()
                .saturating_sub(limit_bytes);
            let mut ledger = Ledger::new(limit_bytes);
            for blob in blobs.drain(..) {
                if excess > 0 {
                    folder.remove(&folder.blob_path(&blob.sha256))?;
                    excess = excess.saturating_sub(blob.size_bytes);
                } else {
                    ledger.found(blob.sha256, blob.size_bytes);
                }
            }
            Ok(Self {
                inner: Arc::new(Inner {
                    folder: Arc::new(folder),
                    limit_bytes,
                    ledger: Mutex::new(ledger),
                }),
            })
        })
        .await
    }

    /// Bytes that are in the cache or on their way into it.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.inner.ledger().used_bytes()
    }

    /// Whether a blob is there, so that nothing has to be fetched for it.
    #[must_use]
    pub fn contains(&self, sha256: &Sha256) -> bool {
        let ledger = self.inner.ledger();
        ledger.entry(sha256).is_some_and(|entry| entry.flight.is_none())
    }

    /// A blob of the store as a file of this host. One of a store on this host is used in place; of any other it is
    /// fetched, unless it is there.
    ///
    /// `progress` is called with the bytes done, where some have to be fetched, first with what is here already;
    /// [`ControlFlow::Break`] cancels, as does dropping the future. Others who wait for the same blob get it
    /// nevertheless.
    ///
    /// # Errors
    /// When the store lacks the blob, has something else under its name or can't be read; when it does not fit; when
    /// this was cancelled, or the disk fails. Nothing of the blob is left then.
    pub async fn fetch(
        &self,
        store: &Store,
        sha256: Sha256,
        size_bytes: u64,
        mut progress: impl FnMut(u64) -> ControlFlow<()>,
    ) -> Result<CachedBlob, FetchError> {
        if let Some(path) = store.local_path(&sha256) {
            return match store.blob_size_bytes(&sha256).await? {
                Some(found) if found == size_bytes => Ok(CachedBlob { path, _pin: None }),
                _ => Err(FetchError::Missing { sha256 }),
            };
        }
        let wanted = Wanted { sha256, size_bytes };
        let pin = loop {
            let (pin, flight) = self.inner.claim(store, wanted)?;
            match flight {
                None => break pin,
                Some(flight) if arrival(&flight, sha256, &mut progress).await? => break pin,
                // It was given up just before this one came.
                Some(_) => {}
            }
        };
        let folder = self.inner.folder.clone();
        blocking(move || folder.note_use(&sha256)).await;
        Ok(CachedBlob {
            path: self.inner.folder.blob_path(&sha256),
            _pin: Some(Arc::new(pin)),
        })
    }
}

/// Waits until a blob is there; false if the others who wanted it gave it up.
async fn arrival(
    flight: &Flight,
    sha256: Sha256,
    progress: &mut impl FnMut(u64) -> ControlFlow<()>,
) -> Result<bool, FetchError> {
    let mut seen = flight.progress.subscribe();
    loop {
        let now = seen.borrow_and_update().clone();
        match now {
            Progress::Arrived => return Ok(true),
            Progress::Deserted => return Ok(false),
            Progress::Failed(error) => return Err(error),
            Progress::Going(bytes) => {
                if progress(bytes).is_break() {
                    return Err(FetchError::Cancelled { sha256 });
                }
            }
        }
        // The sender is held here.
        let _ = seen.changed().await;
    }
}

impl Inner {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // Nothing is done under the lock that could panic half-way.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nobody wants a blob any more that is on its way. Cancel safe.
    async fn deserted(&self, sha256: Sha256, flight: &Flight) {
        loop {
            flight.deserted.notified().await;
            // Somebody may have come since.
            if self.ledger().entry(&sha256).is_none_or(|entry| entry.users == 0) {
                return;
            }
        }
    }

    /// Counts the caller as a user of a blob, and begins to fetch it if nobody has. Answers the flight of one that is
    /// not there yet.
    fn claim(
        self: &Arc<Self>,
        store: &Store,
        wanted: Wanted,
    ) -> Result<(Pin, Option<Arc<Flight>>), FetchError> {
        let Wanted { sha256, size_bytes } = wanted;
        let pin = |number| Pin {
            inner: self.clone(),
            sha256,
            number,
        };
        let mut ledger = self.ledger();
        match ledger.claim(&sha256, size_bytes) {
            // It may have been removed by hand.
            Some(Claim::Present { number }) if !self.folder.has(&sha256, size_bytes) => {
                ledger.release(&sha256, number);
                ledger.remove(&sha256);
            }
            Some(Claim::Present { number }) => return Ok((pin(number), None)),
            Some(Claim::Coming { number, flight }) => return Ok((pin(number), Some(flight))),
            // Of another size than the caller knows, so one of them is wrong; the bytes will tell.
            None => match ledger.entry(&sha256) {
                Some(entry) if entry.users > 0 || entry.flight.is_some() => {
                    return Err(FetchError::Damaged { sha256, found: None });
                }
                Some(_) => {
                    let aside = self.folder.take_out(&sha256)?;
                    ledger.remove(&sha256);
                    self.folder.remove(&aside)?;
                }
                None => {}
            },
        }
        let doomed = self.make_room(&mut ledger, size_bytes)?;
        let flight = Flight::new();
        let number = ledger.begin(sha256, size_bytes, flight.clone());
        tokio::spawn(fly(self.clone(), store.clone(), wanted, flight.clone(), doomed));
        Ok((pin(number), Some(flight)))
    }

    /// Takes out what has to go, and answers the files to remove.
    fn make_room(&self, ledger: &mut Ledger, size_bytes: u64) -> Result<Vec<PathBuf>, FetchError> {
        let limit_bytes = self.limit_bytes;
        let evicted = ledger.to_evict(size_bytes).map_err(|no_room| match no_room {
            NoRoom::TooLarge => FetchError::TooLarge {
                size_bytes,
                limit_bytes,
            },
            NoRoom::InUse(in_use_bytes) => FetchError::InUse {
                size_bytes,
                in_use_bytes,
                limit_bytes,
            },
        })?;
        let mut doomed = Vec::new();
        for sha256 in evicted {
            match self.folder.take_out(&sha256) {
                Ok(path) => doomed.push(path),
                Err(error) => {
                    // Those before it have left the ledger.
                    let _ = doomed.iter().try_for_each(|path| self.folder.remove(path));
                    return Err(error.into());
                }
            }
            ledger.remove(&sha256);
            tracing::info!(%sha256, "a cached file makes room for another");
        }
        Ok(doomed)
    }
}

/// Fetches a blob for all who want it, until it is there or nobody does any more.
async fn fly(inner: Arc<Inner>, store: Store, wanted: Wanted, flight: Arc<Flight>, doomed: Vec<PathBuf>) {
    let sha256 = wanted.sha256;
    let landing = Landing {
        inner: inner.clone(),
        sha256,
        flight: flight.clone(),
        end: None,
    };
    let folder = inner.folder.clone();
    // Before a byte is written, so that the limit holds at every moment.
    let cleared = blocking(move || doomed.iter().try_for_each(|path| folder.remove(path))).await;
    let fetched = match cleared {
        Ok(()) => {
            let deserted = inner.deserted(sha256, &flight);
            receive(&inner.folder, &store, wanted, &flight, deserted).await
        }
        Err(error) => Err(error.into()),
    };
    // Removing a part may take its time, so it is no work for this thread.
    blocking(move || landing.land(fetched)).await;
}

/// The end of a flight, whichever it is: also if its task panics or is dropped.
struct Landing {
    inner: Arc<Inner>,
    sha256: Sha256,
    flight: Arc<Flight>,
    end: Option<Progress>,
}

impl Landing {
    fn land(mut self, fetched: Result<(), FetchError>) {
        self.end = Some(match fetched {
            Ok(()) => Progress::Arrived,
            Err(FetchError::Cancelled { .. }) => Progress::Deserted,
            Err(error) => Progress::Failed(error),
        });
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        let sha256 = self.sha256;
        let end = self
            .end
            .take()
            .unwrap_or(Progress::Failed(FetchError::Interrupted { sha256 }));
        if let Progress::Arrived = end {
            self.inner.ledger().arrived(&sha256);
        } else {
            if let Err(error) = self.inner.folder.remove(&self.inner.folder.part_path(&sha256)) {
                tracing::warn!(%sha256, %error, "a part stays behind until the cache is opened next");
            }
            // Not before its part is gone: the next flight writes there.
            self.inner.ledger().remove(&sha256);
        }
        self.flight.progress.send_replace(end);
    }
}
