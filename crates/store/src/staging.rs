//! The folder where what is not finished lies, and the rule by which leftovers are known.
//!
//! Each process that writes has a session: a folder `staging/<session>/` beside a file
//! `staging/<session>.lock`, on which it holds a lock for as long as it lives. The system drops the lock
//! when the process ends, however it ends; so a session whose lock can be taken is a leftover.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::NamedTempFile;

use crate::disk::Disk;

const LOCK_SUFFIX: &str = ".lock";

/// The staging folder of a store.
#[derive(Debug)]
pub(crate) struct Staging {
    root: PathBuf,
    disk: Disk,
    /// Opened with the first write, so that readers leave no trace.
    session: Mutex<Option<Session>>,
    next: AtomicU64,
}

/// A session of this process; removed when dropped.
#[derive(Debug)]
struct Session {
    folder: PathBuf,
    disk: Disk,
    /// Locked; unlinked when dropped.
    _lock: NamedTempFile,
}

/// A file in the making; removed when dropped, unless it was renamed into place before.
#[derive(Debug)]
pub(crate) struct StagedFile {
    path: PathBuf,
    disk: Disk,
}

impl Staging {
    pub(crate) fn new(root: PathBuf, disk: Disk) -> Self {
        Self {
            root,
            disk,
            session: Mutex::new(None),
            next: AtomicU64::new(0),
        }
    }

    /// A path where nothing is and nobody else writes.
    pub(crate) fn reserve(&self) -> io::Result<StagedFile> {
        // Nothing is done under the lock that could panic and poison it.
        let mut session = self
            .session
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let folder = match &mut *session {
            Some(session) => session.folder.clone(),
            empty => empty
                .insert(Session::open(&self.root, &self.disk)?)
                .folder
                .clone(),
        };
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Ok(StagedFile {
            path: folder.join(number.to_string()),
            disk: self.disk.clone(),
        })
    }

    /// Removes what killed processes left; gives the number of their sessions.
    pub(crate) fn remove_leftovers(&self) -> io::Result<usize> {
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(error),
        };
        let mut removed = 0;
        for entry in entries {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let session = name.strip_suffix(LOCK_SUFFIX).unwrap_or(&name);
            removed += usize::from(self.remove_if_left(session)?);
        }
        Ok(removed)
    }

    fn remove_if_left(&self, session: &str) -> io::Result<bool> {
        let lock_path = self.root.join(format!("{session}{LOCK_SUFFIX}"));
        // Held while the session is removed, so that two processes do not remove it at once.
        let _lock = match File::open(&lock_path) {
            Ok(lock) => match lock.try_lock() {
                Ok(()) => Some(lock),
                Err(TryLockError::WouldBlock) => return Ok(false),
                // A file system without locks: it cannot be known who lives, so nothing is removed.
                Err(TryLockError::Error(_)) => return Ok(false),
            },
            // The lock is there before the folder and goes after it: a folder without one is nobody's.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let found = unless_absent(self.disk.remove_tree(&self.root.join(session)))?;
        Ok(unless_absent(self.disk.remove_file(&lock_path))? || found)
    }
}

/// Whether there was something to remove.
fn unless_absent(removed: io::Result<()>) -> io::Result<bool> {
    match removed {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

impl Session {
    fn open(root: &Path, disk: &Disk) -> io::Result<Self> {
        disk.create_folders(root)?;
        loop {
            let lock = tempfile::Builder::new()
                .prefix("session-")
                .suffix(LOCK_SUFFIX)
                .tempfile_in(root)?;
            match lock.as_file().try_lock() {
                Ok(()) => {}
                // Somebody who looks for leftovers was quicker, and removes the file.
                Err(TryLockError::WouldBlock) => continue,
                // A file system without locks: nobody removes anything there.
                Err(TryLockError::Error(error)) => {
                    tracing::debug!(%error, folder = %root.display(), "the staging folder cannot be locked");
                }
            }
            // Between its creation and the lock the file may have been taken for a leftover.
            if lock.path().exists() {
                let folder = lock.path().with_extension("");
                fs::create_dir(&folder)?;
                let disk = disk.clone();
                return Ok(Self {
                    folder,
                    disk,
                    _lock: lock,
                });
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // What cannot be removed now is a leftover for the next to remove.
        let _ = self.disk.remove_tree(&self.folder);
    }
}

impl StagedFile {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        // Nothing is there where it was renamed.
        if fs::symlink_metadata(&self.path).is_ok() {
            let _ = self.disk.remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_living_session_is_left_alone_and_a_dead_one_removed() {
        let folder = tempfile::tempdir().unwrap();
        let alive = Staging::new(folder.path().to_owned(), Disk::default());
        let staged = alive.reserve().unwrap();
        fs::write(staged.path(), b"half").unwrap();
        // What a killed process leaves: nobody holds the lock.
        fs::create_dir(folder.path().join("session-dead")).unwrap();
        fs::write(folder.path().join("session-dead/0"), b"half").unwrap();
        fs::write(folder.path().join("session-dead.lock"), b"").unwrap();
        // Killed before the folder was made, and after the lock was removed.
        fs::write(folder.path().join("session-early.lock"), b"").unwrap();
        fs::create_dir(folder.path().join("session-late")).unwrap();

        let other = Staging::new(folder.path().to_owned(), Disk::default());
        assert_eq!(other.remove_leftovers().unwrap(), 3);
        assert_eq!(fs::read(staged.path()).unwrap(), b"half");
        drop(staged);
        drop(alive);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn no_two_files_have_one_path() {
        let folder = tempfile::tempdir().unwrap();
        let staging = Staging::new(folder.path().join("deep/staging"), Disk::default());
        let other = Staging::new(folder.path().join("deep/staging"), Disk::default());
        let paths: std::collections::HashSet<PathBuf> = (0..10)
            .flat_map(|_| [staging.reserve().unwrap(), other.reserve().unwrap()])
            .map(|staged| staged.path().to_owned())
            .collect();
        assert_eq!(paths.len(), 20);
    }

    #[test]
    fn many_openers_and_cleaners_at_once_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let staging = Staging::new(folder.path().to_owned(), Disk::default());
                        staging.remove_leftovers().unwrap();
                        let staged = staging.reserve().unwrap();
                        fs::write(staged.path(), b"x").unwrap();
                        Staging::new(folder.path().to_owned(), Disk::default())
                            .remove_leftovers()
                            .unwrap();
                        assert_eq!(fs::read(staged.path()).unwrap(), b"x");
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
