//! A store's folder on a file system: names, and writing so that it lasts. Blocking.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rbee_artifacts::Sha256;

use crate::error::StoreError;
use crate::staging::{StagedFile, Staging};

/// The folder of a store.
#[derive(Debug)]
pub(crate) struct Files {
    root: PathBuf,
    staging: Staging,
}

/// Where a blob lies, from the root of the store, with `/` between the parts.
pub(crate) fn blob_key(sha256: &Sha256) -> String {
    let digest = sha256.to_string();
    format!("blobs/sha256/{}/{digest}", &digest[..2])
}

impl Files {
    /// Opens the folder, makes it where it is not there yet, and removes what killed processes left.
    pub(crate) fn open(root: &Path) -> Result<Self, StoreError> {
        create_folder(root).map_err(StoreError::file("making the folder", root))?;
        let root = fs::canonicalize(root).map_err(StoreError::file("opening", root))?;
        let staging_root = root.join("staging");
        let staging = Staging::new(staging_root.clone());
        let removed = staging
            .remove_leftovers()
            .map_err(StoreError::file("cleaning up", &staging_root))?;
        if removed > 0 {
            tracing::info!(folder = %staging_root.display(), removed, "removed what a killed process left unfinished");
        }
        Ok(Self { root, staging })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
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
    pub(crate) fn publish(&self, staged: &StagedFile, key: &str) -> Result<(), StoreError> {
        let path = self.path(key);
        let folder = path.parent().unwrap_or(&self.root);
        let place = || {
            create_folder(folder)?;
            fs::rename(staged.path(), &path)
        };
        // Whoever removes the last object of a folder removes the folder as well, which may be between
        // its creation and the renaming. Others make progress each time, so this ends.
        while let Err(error) = place() {
            if error.kind() != io::ErrorKind::NotFound || !staged.path().exists() {
                return Err(StoreError::file("writing", &path)(error));
            }
        }
        sync_folder(folder).map_err(StoreError::file("syncing", folder))
    }

    /// Writes a small object as a whole.
    pub(crate) fn write(&self, key: &str, content: &[u8]) -> Result<(), StoreError> {
        let staged = self.stage()?;
        let write = || {
            let mut file = File::create_new(staged.path())?;
            file.write_all(content)?;
            file.sync_all()
        };
        write().map_err(StoreError::file("writing", &self.path(key)))?;
        self.publish(&staged, key)
    }

    /// Makes the removal of an object last.
    pub(crate) fn sync_removal(&self, key: &str) -> Result<(), StoreError> {
        let path = self.path(key);
        // The folders that became empty are gone too: the first that is left has lost an entry.
        let left = path
            .ancestors()
            .skip(1)
            .find(|folder| folder.is_dir())
            .unwrap_or(&self.root);
        sync_folder(left).map_err(StoreError::file("syncing", left))
    }

    /// Bytes that can still be written; `None` where the system does not tell.
    #[cfg(unix)]
    pub(crate) fn available_bytes(&self) -> Result<Option<u64>, StoreError> {
        let space = nix::sys::statvfs::statvfs(&self.root)
            .map_err(io::Error::from)
            .map_err(StoreError::file("asking for the free space of", &self.root))?;
        // Their types differ between systems.
        #[allow(clippy::useless_conversion)]
        let (blocks, block_bytes) = (
            u64::from(space.blocks_available()),
            u64::from(space.fragment_size()),
        );
        Ok(Some(blocks.saturating_mul(block_bytes)))
    }

    /// Bytes that can still be written; `None` where the system does not tell.
    #[cfg(not(unix))]
    pub(crate) fn available_bytes(&self) -> Result<Option<u64>, StoreError> {
        Ok(None)
    }
}

/// Makes a folder and those above it, and makes their names last.
fn create_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let Some(parent) = folder.parent() else {
        return Ok(());
    };
    create_folder(parent)?;
    match fs::create_dir(folder) {
        // Somebody else was quicker.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
        made => made?,
    }
    sync_folder(parent)
}

/// Writes a folder's entries to the disk. Where folders cannot be synced (Windows) the system does it.
/// A folder that is gone meanwhile has nothing to write.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(folder) {
        Ok(folder) => folder.sync_all(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
