//! The folder of a cache.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use rbee_artifacts::Sha256;

use super::error::OpenCacheError;
use crate::blocking::blocking;
use crate::disk::Disk;
use crate::error::StoreError;
use crate::files;
use crate::keys::blob_of_name;

/// The folder of a cache, locked for this process. Blocking.
#[derive(Debug)]
pub(super) struct CacheFolder {
    root: PathBuf,
    pub(super) disk: Disk,
    next_eviction: AtomicU64,
    _lock: File,
}

/// A blob, or a part of one, that an earlier process left.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) sha256: Sha256,
    pub(super) size_bytes: u64,
    /// Whether it is only the beginning of one.
    pub(super) is_part: bool,
    last_use: SystemTime,
}

impl CacheFolder {
    /// Locks the folder, which is made if there is none, and removes what nobody can go on with.
    pub(super) fn open(root: &Path, disk: Disk) -> Result<Self, OpenCacheError> {
        let failed = StoreError::file;
        for folder in [root.to_owned(), root.join("blobs"), root.join("parts")] {
            disk.create_folders(&folder)
                .map_err(failed("creating", &folder))?;
        }
        let root = root.canonicalize().map_err(failed("opening", root))?;
        let lock_path = root.join("lock");
        let lock = File::options()
            .create(true)
            .append(true)
            .open(&lock_path)
            .map_err(failed("opening", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenCacheError::InUse { folder: root }),
            Err(TryLockError::Error(error)) => return Err(failed("locking", &lock_path)(error).into()),
        }
        let this = Self {
            root,
            disk,
            next_eviction: AtomicU64::new(0),
            _lock: lock,
        };
        let parts = this.root.join("parts");
        for path in entries(&parts).map_err(failed("listing", &parts))? {
            if name_of(&path).is_none() {
                this.remove(&path)?;
            }
        }
        Ok(this)
    }

    /// The blobs and parts that are there, those used longest ago first. Of a blob that is there there is no part.
    pub(super) fn found(&self) -> Result<Vec<Found>, StoreError> {
        let mut found = self.found_in("blobs", false)?;
        for part in self.found_in("parts", true)? {
            if found.iter().any(|blob| blob.sha256 == part.sha256) {
                self.remove(&self.part_path(&part.sha256))?;
            } else {
                found.push(part);
            }
        }
        found.sort_by_key(|found| found.last_use);
        Ok(found)
    }

    fn found_in(&self, folder: &str, is_part: bool) -> Result<Vec<Found>, StoreError> {
        let folder = self.root.join(folder);
        let mut found = Vec::new();
        for path in entries(&folder).map_err(StoreError::file("listing", &folder))? {
            let Some(sha256) = name_of(&path) else {
                continue;
            };
            let metadata = fs::metadata(&path).map_err(StoreError::file("reading", &path))?;
            found.push(Found {
                sha256,
                size_bytes: metadata.len(),
                is_part,
                last_use: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            });
        }
        Ok(found)
    }

    /// The size of a part in bytes; 0 if there is none.
    pub(super) fn part_bytes(&self, sha256: &Sha256) -> u64 {
        fs::metadata(self.part_path(sha256)).map_or(0, |metadata| metadata.len())
    }

    /// Where a blob or its part lies.
    pub(super) fn path(&self, sha256: &Sha256, is_part: bool) -> PathBuf {
        if is_part {
            self.part_path(sha256)
        } else {
            self.blob_path(sha256)
        }
    }

    /// Where a blob lies.
    pub(super) fn blob_path(&self, sha256: &Sha256) -> PathBuf {
        self.root.join("blobs").join(sha256.to_string())
    }

    /// Where a blob lies while it is being fetched. At most one flight is for it.
    pub(super) fn part_path(&self, sha256: &Sha256) -> PathBuf {
        self.root.join("parts").join(sha256.to_string())
    }

    /// Makes a part that was synced a blob.
    pub(super) fn put_in_place(&self, sha256: &Sha256) -> Result<(), StoreError> {
        let (part, blob) = (self.part_path(sha256), self.blob_path(sha256));
        let mut permissions = fs::metadata(&part)
            .map_err(StoreError::file("reading", &part))?
            .permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&part, permissions).map_err(StoreError::file("protecting", &part))?;
        self.disk
            .rename(&part, &blob)
            .map_err(StoreError::file("renaming", &part))?;
        let folder = self.root.join("blobs");
        self.disk.sync_folder(&folder).map_err(|error| {
            // Nothing is left of what failed.
            let _ = self.remove(&blob);
            StoreError::file("syncing", &folder)(error)
        })
    }

    /// Takes a blob or a part out of its place, and answers what to remove then: a rename is quick, and a new one of the
    /// same name can't be mistaken for the old.
    pub(super) fn take_out(&self, sha256: &Sha256, is_part: bool) -> Result<PathBuf, StoreError> {
        let blob = self.path(sha256, is_part);
        let number = self.next_eviction.fetch_add(1, Ordering::Relaxed);
        let aside = self.root.join("parts").join(format!("{number}.evicted"));
        match self.disk.rename(&blob, &aside) {
            // Somebody removed it by hand.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(aside),
            renamed => renamed
                .map(|()| aside)
                .map_err(StoreError::file("renaming", &blob)),
        }
    }

    /// Removes a file, if it is there.
    pub(super) fn remove(&self, path: &Path) -> Result<(), StoreError> {
        match self.disk.remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::file("removing", path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Whether a blob's file is there and of this size.
    pub(super) fn has(&self, sha256: &Sha256, size_bytes: u64) -> bool {
        fs::metadata(self.blob_path(sha256)).is_ok_and(|metadata| metadata.len() == size_bytes)
    }

    /// Notes for later processes that a blob was used now. If that fails, it goes earlier than it should.
    pub(super) fn note_use(&self, sha256: &Sha256) {
        let path = self.blob_path(sha256);
        let noted = File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        if let Err(error) = noted {
            tracing::debug!(path = %path.display(), %error, "the use of a cached file can't be noted");
        }
    }

    /// An error if the disk has too little room, where that is known, also with `freed_bytes` more than it has now.
    pub(super) async fn expect_space(&self, size_bytes: u64, freed_bytes: u64) -> Result<(), StoreError> {
        let root = self.root.clone();
        blocking(move || match files::available_bytes(&root) {
            Ok(Some(available)) if available.saturating_add(freed_bytes) < size_bytes => {
                Err(StoreError::NoSpace {
                    path: root,
                    needed_and_available: Some((size_bytes, available.saturating_add(freed_bytes))),
                })
            }
            // Where the system does not tell, writing will.
            _ => Ok(()),
        })
        .await
    }
}

fn name_of(path: &Path) -> Option<Sha256> {
    blob_of_name(&path.file_name()?.to_string_lossy())
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
}
