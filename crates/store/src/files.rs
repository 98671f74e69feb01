//! A store's folder on a file system: names, and writing so that it lasts. Blocking.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::disk::Disk;
use crate::error::StoreError;
use crate::staging::{StagedFile, Staging};
use crate::store::aside_names;

/// The folder of a store.
#[derive(Debug)]
pub(crate) struct Files {
    root: PathBuf,
    staging: Staging,
    disk: Disk,
}

impl Files {
    /// Opens the folder, makes it where it is not there yet, and removes what killed processes left.
    pub(crate) fn open(root: &Path, disk: Disk) -> Result<Self, StoreError> {
        disk.create_folders(root)
            .map_err(StoreError::file("making the folder", root))?;
        let root = fs::canonicalize(root).map_err(StoreError::file("opening", root))?;
        let staging_root = root.join("staging");
        let staging = Staging::new(staging_root.clone(), disk.clone());
        let removed = staging
            .remove_leftovers()
            .map_err(StoreError::file("cleaning up", &staging_root))?;
        if removed > 0 {
            tracing::info!(folder = %staging_root.display(), removed, "removed what a killed process left unfinished");
        }
        Ok(Self { root, staging, disk })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Where an object lies.
    pub(crate) fn path(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }

    /// A place for a file in the making.
    pub(crate) fn stage(&self) -> Result<StagedFile, StoreError> {
        let staging = self.path("staging");
        self.staging
            .reserve()
            .map_err(StoreError::file("preparing", &staging))
    }

    /// Gives a finished and synced file its name, in place of what had that name. It lasts when this
    /// returns.
    pub(crate) fn publish(&self, finished: &Path, key: &str) -> Result<(), StoreError> {
        let path = self.path(key);
        let folder = path.parent().unwrap_or(&self.root);
        let place = || {
            self.disk.create_folders(folder)?;
            self.disk.rename(finished, &path)
        };
        // Whoever removes the last object of a folder removes the folder as well, which may be between
        // its creation and the renaming. Others make progress each time, so this ends.
        while let Err(error) = place() {
            let is_there = fs::symlink_metadata(finished).is_ok();
            if error.kind() != io::ErrorKind::NotFound || !is_there {
                return Err(StoreError::file("writing", &path)(error));
            }
        }
        self.disk
            .sync_folder(folder)
            .map_err(StoreError::file("syncing", folder))
    }

    /// Writes a small object as a whole.
    pub(crate) fn write(&self, key: &str, content: &[u8]) -> Result<(), StoreError> {
        let staged = self.stage()?;
        let write = || {
            let mut file = self.disk.create_file(staged.path())?;
            self.disk.append(&mut file, staged.path(), content)?;
            self.disk.sync_file(&file, staged.path())
        };
        write().map_err(StoreError::file("writing", &self.path(key)))?;
        self.publish(staged.path(), key)
    }

    /// Removes an object, and the folders that are empty then; tells whether it was there. The removal
    /// lasts when this returns.
    pub(crate) fn remove(&self, key: &str) -> Result<bool, StoreError> {
        let path = self.path(key);
        match self.disk.remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            removed => removed.map_err(StoreError::file("removing", &path))?,
        }
        self.removed(&path)?;
        Ok(true)
    }

    /// Moves an object aside; see [`Store::set_document_aside`](crate::Store::set_document_aside).
    pub(crate) fn set_aside(&self, key: &str) -> Result<Option<String>, StoreError> {
        let path = self.path(key);
        if fs::symlink_metadata(&path).is_err() {
            return Ok(None);
        }
        let is_free = |name: &String| fs::symlink_metadata(self.path(name)).is_err();
        let Some(name) = aside_names(key).find(is_free) else {
            return Ok(None);
        };
        self.disk
            .rename(&path, &self.path(&name))
            .map_err(StoreError::file("setting aside", &path))?;
        let folder = path.parent().unwrap_or(&self.root);
        self.disk
            .sync_folder(folder)
            .map_err(StoreError::file("syncing", folder))?;
        Ok(Some(name))
    }

    /// Ends the removal of what had this path.
    fn removed(&self, path: &Path) -> Result<(), StoreError> {
        let above = || path.ancestors().skip(1).take_while(|folder| *folder != self.root);
        for folder in above() {
            // It is not empty, or somebody else removed it: either way nothing depends on it.
            if self.disk.remove_folder(folder).is_err() {
                break;
            }
        }
        // The folders that became empty are gone too: the first that is left has lost an entry.
        let left = above().find(|folder| folder.is_dir()).unwrap_or(&self.root);
        self.disk
            .sync_folder(left)
            .map_err(StoreError::file("syncing", left))
    }

    /// Bytes that can still be written; `None` where the system does not tell.
    pub(crate) fn available_bytes(&self) -> Result<Option<u64>, StoreError> {
        available_bytes(&self.root).map_err(StoreError::file("asking for the free space of", &self.root))
    }
}

/// Bytes that can still be written below a folder; `None` where the system does not tell.
#[cfg(unix)]
pub(crate) fn available_bytes(folder: &Path) -> io::Result<Option<u64>> {
    let space = nix::sys::statvfs::statvfs(folder).map_err(io::Error::from)?;
    // Their types differ between systems.
    #[allow(clippy::useless_conversion)]
    let (blocks, block_bytes) = (
        u64::from(space.blocks_available()),
        u64::from(space.fragment_size()),
    );
    Ok(Some(blocks.saturating_mul(block_bytes)))
}

/// Bytes that can still be written below a folder; `None` where the system does not tell.
#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps, reason = "as where the system tells")]
pub(crate) fn available_bytes(_: &Path) -> io::Result<Option<u64>> {
    Ok(None)
}
