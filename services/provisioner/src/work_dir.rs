//! The provisioner's own folder, which belongs to one provisioner alone.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why the folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum WorkDirError {
    /// Another provisioner has it.
    #[error(
        "{} is in use by another provisioner; end that one, or name another folder with `provisioner.work_dir`",
        path.display()
    )]
    Held {
        /// The folder.
        path: PathBuf,
    },
    /// It can't be made or locked.
    #[error("cannot use the folder {}", path.display())]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The folder, locked as long as this or a clone of it lives. The system gives the lock back however the
/// process ends.
#[derive(Debug, Clone)]
pub(crate) struct WorkDir {
    path: PathBuf,
    _lock: Arc<File>,
}

impl WorkDir {
    /// Makes the folder if it is not there, and locks it. Blocking.
    pub(crate) fn lock(path: &Path) -> Result<Self, WorkDirError> {
        let unusable = |source| WorkDirError::Unusable {
            path: path.to_owned(),
            source,
        };
        std::fs::create_dir_all(path).map_err(unusable)?;
        std::fs::create_dir_all(path.join("parts")).map_err(unusable)?;
        let lock = File::create(path.join("lock")).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: Arc::new(lock),
            }),
            Err(TryLockError::WouldBlock) => Err(WorkDirError::Held {
                path: path.to_owned(),
            }),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }

    pub(crate) fn jobs(&self) -> PathBuf {
        self.path.join("jobs")
    }

    pub(crate) fn parts(&self) -> PathBuf {
        self.path.join("parts")
    }

    pub(crate) fn credentials(&self) -> PathBuf {
        self.path.join("credentials")
    }

    pub(crate) fn builds(&self) -> PathBuf {
        self.path.join("builds")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_provisioners_share_no_folder() {
        let folder = tempfile::tempdir().unwrap();
        let first = WorkDir::lock(folder.path()).unwrap();
        let refused = WorkDir::lock(folder.path()).unwrap_err();
        assert!(matches!(refused, WorkDirError::Held { .. }), "{refused}");
        drop(first);
        WorkDir::lock(folder.path()).unwrap();
    }
}
