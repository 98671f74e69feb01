//! The hive's own folder.
//!
//! ```text
//! <folder>/id                      the hive's id
//! <folder>/ledger.json             the workers that are wanted
//! <folder>/lock                    locked while a hive uses the folder
//! <folder>/workers/<id>/           one for each worker, gone when it is gone
//! <folder>/sockets/<id>.sock       or elsewhere, see Sockets
//! <folder>/binaries/<SHA-256>/     worker programs
//! <folder>/logs/<id>/              workers' logs, see Logs
//! ```

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rbee_artifacts::{HiveId, IdError};
use rbee_service_kit::narrate_warn;
use uuid::Uuid;

use crate::log::Logs;
use crate::process::kill_leftovers;
use crate::worker::{Sockets, SocketsError};

/// Why the hive's folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum FoldersError {
    /// Another hive uses it.
    #[error("another hive uses the folder {}; stop it, or give this one a folder of its own", folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// Something in it can't be created, read or removed.
    #[error("cannot use {}", path.display())]
    Use {
        /// What.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The id that is kept in it is none.
    #[error("{} does not hold a hive's id; remove it to get a new one", path.display())]
    Id {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: IdError,
    },
    /// There is no place for sockets.
    #[error(transparent)]
    Sockets(#[from] SocketsError),
}

/// The hive's own folder, in use by this hive alone.
#[derive(Debug)]
pub(crate) struct Folders {
    hive_id: HiveId,
    path: PathBuf,
    workers: PathBuf,
    binaries: PathBuf,
    logs: PathBuf,
    sockets: Sockets,
    _lock: File,
}

impl Folders {
    /// Takes the folder for this hive, and clears away what an earlier one left: processes first,
    /// then their folders and sockets.
    ///
    /// # Errors
    /// If another hive uses it, or it can't be used.
    pub(crate) fn open(folder: &Path) -> Result<Self, FoldersError> {
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            move |source| FoldersError::Use { path, source }
        };
        create_private(folder).map_err(failed(folder))?;
        // Workers don't share the hive's working folder.
        let folder = &folder.canonicalize().map_err(failed(folder))?;
        let lock = lock(folder)?;
        let hive_id = hive_id(&folder.join("id"))?;
        let workers = folder.join("workers");
        let killed = kill_leftovers(&workers);
        if killed > 0 {
            narrate_warn!("ended {killed} processes that an earlier hive left running");
        }
        if workers.exists() {
            std::fs::remove_dir_all(&workers).map_err(failed(&workers))?;
        }
        create_private(&workers).map_err(failed(&workers))?;
        let sockets = Sockets::prepare(folder, &hive_id)?;
        Ok(Self {
            hive_id,
            path: folder.clone(),
            workers,
            binaries: folder.join("binaries"),
            logs: folder.join("logs"),
            sockets,
            _lock: lock,
        })
    }

    /// The folder itself.
    #[must_use]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The hive's id.
    #[must_use]
    pub(crate) fn hive_id(&self) -> &HiveId {
        &self.hive_id
    }

    /// Where workers have their folders.
    #[must_use]
    pub(crate) fn workers(&self) -> &Path {
        &self.workers
    }

    /// Where worker programs lie.
    #[must_use]
    pub(crate) fn binaries(&self) -> &Path {
        &self.binaries
    }

    /// Workers' logs, each of at most this size in bytes. They outlive the hive, other than what else is workers'.
    ///
    /// # Errors
    /// If their folder can't be created.
    pub(crate) fn open_logs(&self, limit_bytes: u64) -> Result<Logs, FoldersError> {
        Logs::open(self.logs.clone(), limit_bytes).map_err(|source| FoldersError::Use {
            path: self.logs.clone(),
            source,
        })
    }

    /// Where workers listen.
    #[must_use]
    pub(crate) fn sockets(&self) -> &Sockets {
        &self.sockets
    }
}

fn create_private(folder: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

fn lock(folder: &Path) -> Result<File, FoldersError> {
    let path = folder.join("lock");
    let failed = |source| FoldersError::Use {
        path: path.clone(),
        source,
    };
    let file = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(FoldersError::InUse {
            folder: folder.to_path_buf(),
        }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// The id that is kept in a file, or a new one.
fn hive_id(path: &Path) -> Result<HiveId, FoldersError> {
    let failed = |source| FoldersError::Use {
        path: path.to_path_buf(),
        source,
    };
    match std::fs::read_to_string(path) {
        Ok(text) => text.trim().parse().map_err(|source| FoldersError::Id {
            path: path.to_path_buf(),
            source,
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let id = HiveId::from(Uuid::now_v7());
            // Renamed into place: a hive that is killed meanwhile leaves no half of an id.
            let unfinished = path.with_extension("new");
            std::fs::write(&unfinished, format!("{id}\n")).map_err(failed)?;
            std::fs::rename(&unfinished, path).map_err(failed)?;
            Ok(id)
        }
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_stays_and_what_was_left_goes() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("deep/hive");
        let first = Folders::open(&folder).unwrap();
        let id = first.hive_id().clone();
        let left = first.workers().join("qwen-1/model");
        std::fs::create_dir_all(&left).unwrap();
        assert!(matches!(Folders::open(&folder), Err(FoldersError::InUse { .. })));
        drop(first);

        let second = Folders::open(&folder).unwrap();
        assert_eq!(*second.hive_id(), id);
        assert!(!left.exists());
        assert!(second.workers().exists());
    }

    #[test]
    fn a_damaged_id_is_not_replaced_in_silence() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("id"), "Not An Id").unwrap();
        let error = Folders::open(folder.path()).unwrap_err();
        assert!(matches!(error, FoldersError::Id { .. }), "{error:?}");
    }
}
