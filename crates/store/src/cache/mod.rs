//! A bounded cache of a store's blobs on this host's disk, for a store that is elsewhere.
//!
//! ```text
//! <folder>/lock              locked while a process uses the cache
//! <folder>/blobs/abcdef…     whole and verified, named by their SHA-256
//! <folder>/parts/            beginnings of blobs to go on from, and what is not removed yet
//! ```
//!
//! **Invariants.** A blob that is there was read from the store as a whole, and its bytes had the digest that it is
//! named by. All that is there or on its way takes no more than the limit. A blob is fetched once, however many ask
//! for it at once. One that is in use ([`CachedBlob`]) stays; the others go when room is needed, those used longest
//! ago first and no more than needed. When the process is killed at any instant, all of this holds for the next.
//!
//! What came of a fetch that was broken off, by whom or what ever, is kept for the next and counts as what is there. A
//! store that is away or silent is asked again for a while, from where it stopped.

mod error;
mod flight;
mod folder;
mod landing;
mod ledger;
mod options;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rbee_artifacts::Sha256;

pub use self::error::{FetchError, OpenCacheError};
use self::flight::{Flight, Progress, Wanted};
use self::folder::CacheFolder;
use self::landing::fly;
use self::ledger::{Claim, Ledger, NoRoom};
use self::options::Counts;
pub use self::options::{CacheOptions, CacheUse};
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
    options: CacheOptions,
    ledger: Mutex<Ledger>,
    counts: Mutex<Counts>,
}

/// A blob as a file of this host, which stays for as long as this or a clone of it is held. The file must not be
/// changed.
#[derive(Debug, Clone)]
pub struct CachedBlob {
    path: PathBuf,
    // None for a blob of a store on this host, which is not the cache's to keep.
    _pin: Option<Arc<Pin>>,
}

/// Where a blob is.
#[derive(Debug, Clone)]
pub enum Found {
    /// On this host.
    Here(CachedBlob),
    /// In the store, from where it would have to be fetched.
    InStore,
    /// Nowhere, or with another size.
    Missing,
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
    pub async fn open(folder: impl Into<PathBuf>, options: CacheOptions) -> Result<Self, OpenCacheError> {
        Self::open_on(folder.into(), options, Disk::default()).await
    }

    async fn open_on(folder: PathBuf, options: CacheOptions, disk: Disk) -> Result<Self, OpenCacheError> {
        blocking(move || {
            let folder = CacheFolder::open(&folder, disk)?;
            let found = folder.found()?;
            let there: u64 = found.iter().map(|found| found.size_bytes).sum();
            let mut excess = there.saturating_sub(options.limit_bytes);
            let mut ledger = Ledger::new(options.limit_bytes);
            for blob in found {
                if excess > 0 {
                    folder.remove(&folder.path(&blob.sha256, blob.is_part))?;
                    excess = excess.saturating_sub(blob.size_bytes);
                } else if blob.is_part {
                    ledger.found_part(blob.sha256, blob.size_bytes);
                } else {
                    ledger.found(blob.sha256, blob.size_bytes);
                }
            }
            Ok(Self {
                inner: Arc::new(Inner {
                    folder: Arc::new(folder),
                    options,
                    ledger: Mutex::new(ledger),
                    counts: Mutex::default(),
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

    /// How the cache is used.
    #[must_use]
    pub fn usage(&self) -> CacheUse {
        let counts = *self.inner.counts();
        let ledger = self.inner.ledger();
        CacheUse {
            limit_bytes: self.inner.options.limit_bytes,
            used_bytes: ledger.used_bytes(),
            in_use_bytes: ledger.in_use_bytes(),
            fetched_bytes: counts.fetched_bytes,
            hits: counts.hits,
            misses: counts.misses,
            failures: counts.failures,
            evicted_bytes: counts.evicted_bytes,
        }
    }

    /// Whether a blob is there, so that nothing has to be fetched for it.
    #[must_use]
    pub fn contains(&self, sha256: &Sha256) -> bool {
        let ledger = self.inner.ledger();
        let entry = ledger.entry(sha256);
        entry.is_some_and(|entry| entry.flight.is_none() && !entry.is_part)
    }

    /// Where a blob is, without fetching it. One that is in the cache stays there while the answer is held; the store is
    /// asked for any other, and may take its time for that.
    ///
    /// # Errors
    /// When the store can't be asked.
    pub async fn find(&self, store: &Store, sha256: Sha256, size_bytes: u64) -> Result<Found, FetchError> {
        if let Some(path) = store.local_path(&sha256) {
            return Ok(match store.blob_size_bytes(&sha256).await? {
                Some(found) if found == size_bytes => Found::Here(CachedBlob { path, _pin: None }),
                _ => Found::Missing,
            });
        }
        if let Some(pin) = self.inner.pin_present(sha256, size_bytes) {
            return Ok(Found::Here(self.inner.cached(pin)));
        }
        let patience = self.inner.options.stall;
        let size = tokio::time::timeout(patience, store.blob_size_bytes(&sha256)).await;
        let size = size.map_err(|_| FetchError::Silent {
            sha256,
            waited: patience,
        })?;
        Ok(if size? == Some(size_bytes) {
            Found::InStore
        } else {
            Found::Missing
        })
    }

    /// Whether all of these blobs, by name and size, could be in the cache at once, now and beside what others use.
    ///
    /// # Errors
    /// When they don't fit into the cache or on its disk; says how much is wanted in all.
    pub async fn expect_room(&self, blobs: &[(Sha256, u64)]) -> Result<(), FetchError> {
        let limit_bytes = self.inner.options.limit_bytes;
        let (size_bytes, lacking_bytes, in_use_bytes, idle_bytes) = {
            let ledger = self.inner.ledger();
            let there = |sha256| ledger.entry(sha256).filter(|entry| !entry.is_part);
            let sum = |present: bool| -> u64 {
                let those = blobs.iter().filter(|(name, _)| there(name).is_some() == present);
                those.map(|(_, size)| *size).sum()
            };
            let own = blobs.iter().filter_map(|(name, _)| there(name));
            let own_in_use: u64 = own
                .filter(|entry| entry.users > 0)
                .map(|entry| entry.size_bytes)
                .sum();
            let in_use = ledger.in_use_bytes();
            (
                sum(true) + sum(false),
                sum(false),
                in_use - own_in_use,
                ledger.used_bytes() - in_use,
            )
        };
        if size_bytes > limit_bytes {
            return Err(FetchError::TooLarge {
                size_bytes,
                limit_bytes,
            });
        }
        if size_bytes > limit_bytes - in_use_bytes.min(limit_bytes) {
            return Err(FetchError::InUse {
                size_bytes,
                in_use_bytes,
                limit_bytes,
            });
        }
        Ok(self.inner.folder.expect_space(lacking_bytes, idle_bytes).await?)
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
    /// this was cancelled, or the disk fails. Where another attempt may do better, what came is kept for it.
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
                None => {
                    self.inner.counts().hits += 1;
                    break pin;
                }
                Some(flight) if arrival(&flight, sha256, &mut progress).await? => break pin,
                // It was given up just before this one came.
                Some(_) => {}
            }
        };
        let folder = self.inner.folder.clone();
        blocking(move || folder.note_use(&sha256)).await;
        Ok(self.inner.cached(pin))
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

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cached(&self, pin: Pin) -> CachedBlob {
        CachedBlob {
            path: self.folder.blob_path(&pin.sha256),
            _pin: Some(Arc::new(pin)),
        }
    }

    /// Counts the caller as a user of a blob that is there.
    fn pin_present(self: &Arc<Self>, sha256: Sha256, size_bytes: u64) -> Option<Pin> {
        let mut ledger = self.ledger();
        if ledger.entry(&sha256)?.flight.is_some() || !self.folder.has(&sha256, size_bytes) {
            return None;
        }
        match ledger.claim(&sha256, size_bytes)? {
            Claim::Present { number } => Some(Pin {
                inner: self.clone(),
                sha256,
                number,
            }),
            Claim::Coming { .. } => None,
        }
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
                // Gone on from, or begun anew, by the flight.
                Some(entry) if entry.is_part => {
                    let part_bytes = entry.size_bytes;
                    ledger.remove(&sha256);
                    return match self.make_room(&mut ledger, size_bytes) {
                        Ok(doomed) => Ok(self.take_off(&mut ledger, store, wanted, doomed)),
                        Err(error) => {
                            ledger.found_part(sha256, part_bytes);
                            Err(error)
                        }
                    };
                }
                Some(_) => {
                    let aside = self.folder.take_out(&sha256, false)?;
                    ledger.remove(&sha256);
                    self.folder.remove(&aside)?;
                }
                None => {}
            },
        }
        let doomed = self.make_room(&mut ledger, size_bytes)?;
        Ok(self.take_off(&mut ledger, store, wanted, doomed))
    }

    fn take_off(
        self: &Arc<Self>,
        ledger: &mut Ledger,
        store: &Store,
        wanted: Wanted,
        doomed: Vec<PathBuf>,
    ) -> (Pin, Option<Arc<Flight>>) {
        self.counts().misses += 1;
        let flight = Flight::new();
        let number = ledger.begin(wanted.sha256, wanted.size_bytes, flight.clone());
        tokio::spawn(fly(self.clone(), store.clone(), wanted, flight.clone(), doomed));
        let pin = Pin {
            inner: self.clone(),
            sha256: wanted.sha256,
            number,
        };
        (pin, Some(flight))
    }

    /// Takes out what has to go, and answers the files to remove.
    fn make_room(&self, ledger: &mut Ledger, size_bytes: u64) -> Result<Vec<PathBuf>, FetchError> {
        let limit_bytes = self.options.limit_bytes;
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
            let (size_bytes, is_part) = ledger
                .entry(&sha256)
                .map_or((0, false), |entry| (entry.size_bytes, entry.is_part));
            match self.folder.take_out(&sha256, is_part) {
                Ok(path) => doomed.push(path),
                Err(error) => {
                    // Those before it have left the ledger.
                    let _ = doomed.iter().try_for_each(|path| self.folder.remove(path));
                    return Err(error.into());
                }
            }
            ledger.remove(&sha256);
            self.counts().evicted_bytes += size_bytes;
            tracing::info!(%sha256, "a cached file makes room for another");
        }
        Ok(doomed)
    }
}
