//! The files of a part: `<name>.part` with the bytes, `<name>.part.json` with the state.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::error::DownloadError;
use super::ranges::RangeSet;
use super::state::PartState;

/// Longest name, in bytes: with our endings it stays below the 255 that file systems take.
const LONGEST_NAME_BYTES: usize = 200;

/// What a part on a full disk gives up, so that what it claims can be written, in bytes.
const ROOM_BYTES: u64 = 256 * 1024;

/// Where the files of a part lie.
#[derive(Debug, Clone)]
pub(super) struct PartPaths {
    pub(super) part: PathBuf,
    pub(super) state: PathBuf,
    scratch: PathBuf,
}

impl PartPaths {
    pub(super) fn new(folder: &Path, name: &str) -> Result<Self, DownloadError> {
        let bad = name.is_empty()
            || name.len() > LONGEST_NAME_BYTES
            || matches!(name, "." | "..")
            || name.contains(['/', '\\', ':'])
            || name.chars().any(char::is_control);
        if bad {
            return Err(DownloadError::BadName {
                name: name.chars().take(LONGEST_NAME_BYTES).collect(),
            });
        }
        Ok(Self {
            part: folder.join(format!("{name}.part")),
            state: folder.join(format!("{name}.part.json")),
            scratch: folder.join(format!("{name}.part.json.new")),
        })
    }

    fn folder(&self) -> &Path {
        self.part.parent().unwrap_or(Path::new("."))
    }
}

/// A part that this process alone may write. The lock goes with the last handle on the file.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) paths: PartPaths,
    pub(super) file: File,
}

impl Part {
    /// Opens the part, creating folder and file, and locks it. Blocking.
    pub(super) fn open(folder: &Path, name: &str) -> Result<Self, DownloadError> {
        let paths = PartPaths::new(folder, name)?;
        fs::create_dir_all(folder).map_err(disk("create", folder))?;
        loop {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            let file = options.open(&paths.part).map_err(disk("open", &paths.part))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(DownloadError::Locked { path: paths.part }),
                Err(TryLockError::Error(error)) => return Err(disk("lock", &paths.part)(error)),
            }
            // Who had it before may have removed it or moved it away between our opening and our locking.
            let opened = file.metadata().map_err(disk("read", &paths.part))?;
            match fs::metadata(&paths.part) {
                Ok(named) if (named.dev(), named.ino()) == (opened.dev(), opened.ino()) => {
                    return Ok(Self { paths, file });
                }
                _ => {}
            }
        }
    }

    /// What is there of this file: state and ranges. What cannot be used is removed. Blocking.
    pub(super) fn load(
        &self,
        key: &str,
        digest: Option<String>,
        size_bytes: Option<u64>,
    ) -> Result<(PartState, RangeSet), DownloadError> {
        let state = PartState::load(&self.paths.state).map_err(disk("read", &self.paths.state))?;
        let file_bytes = self
            .file
            .metadata()
            .map_err(disk("read", &self.paths.part))?
            .len();
        let usable = state
            .filter(|state| state.is_for(key, digest.as_deref(), size_bytes))
            .and_then(|state| state.done(file_bytes).map(|done| (state, done)));
        if let Some(usable) = usable {
            return Ok(usable);
        }
        self.forget()?;
        self.file.set_len(0).map_err(disk("truncate", &self.paths.part))?;
        Ok((PartState::new(key, digest), RangeSet::default()))
    }

    /// Puts the bytes on the disk, then claims them. Blocking.
    pub(super) fn save(&self, state: &PartState) -> Result<(), DownloadError> {
        self.file.sync_data().map_err(disk("write", &self.paths.part))?;
        state
            .save(&self.paths.state, &self.paths.scratch)
            .map_err(disk("write", &self.paths.state))
    }

    /// Leaves the part as it is to be found: claimed, or gone if nothing is in it. On a full disk the last of it makes room
    /// for the claim. Blocking.
    pub(super) fn close(&self, state: &PartState, mut done: RangeSet) -> Result<(), DownloadError> {
        if done.is_empty() {
            return self.remove();
        }
        match self.save(&state.clone().with_done(&done)) {
            Err(DownloadError::Disk { source, .. }) if source.kind() == io::ErrorKind::StorageFull => {
                done.cut(done.end().saturating_sub(ROOM_BYTES));
                let cut = self.file.set_len(done.end());
                cut.map_err(disk("truncate", &self.paths.part))?;
                match done.is_empty() {
                    true => self.remove(),
                    false => self.save(&state.clone().with_done(&done)),
                }
            }
            saved => saved,
        }
    }

    /// Takes back what was claimed, before other bytes are written over it; for good, power failing or not.
    pub(super) fn forget(&self) -> Result<(), DownloadError> {
        let removed = remove(&self.paths.state)? | remove(&self.paths.scratch)?;
        if removed {
            let folder = self.paths.folder();
            let sync = File::open(folder).and_then(|folder| folder.sync_all());
            sync.map_err(disk("write", folder))?;
        }
        Ok(())
    }

    /// Removes everything of the part. Blocking.
    pub(super) fn remove(&self) -> Result<(), DownloadError> {
        self.forget()?;
        remove(&self.paths.part)?;
        Ok(())
    }
}

/// Whether there was something to remove.
fn remove(path: &Path) -> Result<bool, DownloadError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(disk("remove", path)(error)),
    }
}

pub(super) fn disk(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DownloadError {
    let path = path.to_owned();
    move |source| DownloadError::Disk { action, path, source }
}

/// What is there of a file that was begun: bytes on the disk, and the whole length if it is known. `None`
/// if nothing usable is there. Blocking.
///
/// # Errors
/// [`DownloadError::BadName`], [`DownloadError::Disk`]
pub fn begun(folder: &Path, name: &str) -> Result<Option<(u64, Option<u64>)>, DownloadError> {
    let paths = PartPaths::new(folder, name)?;
    let Some(state) = PartState::load(&paths.state).map_err(disk("read", &paths.state))? else {
        return Ok(None);
    };
    let file_bytes = fs::metadata(&paths.part).map_or(0, |about| about.len());
    let done = state.done(file_bytes);
    Ok(done.map(|done| (done.covered(), state.size_bytes)))
}

/// Removes what is there of a file that was begun; whether anything was. Blocking.
///
/// # Errors
/// [`DownloadError::Locked`] while it is being downloaded, [`DownloadError::BadName`], [`DownloadError::Disk`]
pub fn discard(folder: &Path, name: &str) -> Result<bool, DownloadError> {
    let paths = PartPaths::new(folder, name)?;
    if !paths.part.exists() && !paths.state.exists() && !paths.scratch.exists() {
        return Ok(false);
    }
    Part::open(folder, name)?.remove()?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_leave_the_folder_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "",
            ".",
            "..",
            "a/b",
            "../a",
            "/a",
            "C:a",
            "a\\b",
            "a\0",
            "a\nb",
            &"x".repeat(201),
        ] {
            let refused = Part::open(folder.path(), name);
            assert!(matches!(refused, Err(DownloadError::BadName { .. })), "{name:?}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        Part::open(folder.path(), "…#?%+ .gguf").unwrap();
    }

    #[test]
    fn one_owner_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = Part::open(folder.path(), "f").unwrap();
        assert!(matches!(
            Part::open(folder.path(), "f"),
            Err(DownloadError::Locked { .. })
        ));
        assert!(matches!(
            discard(folder.path(), "f"),
            Err(DownloadError::Locked { .. })
        ));
        drop(first);
        assert!(discard(folder.path(), "f").unwrap());
        assert!(!discard(folder.path(), "f").unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_part_without_a_true_state_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let part = Part::open(folder.path(), "f").unwrap();
        let (state, done) = part.load("k", None, None).unwrap();
        assert!(done.is_empty());
        fs::write(&part.paths.part, b"12345").unwrap();
        let five = RangeSet::from_pairs(&[(0, 5)]).unwrap();
        part.save(&state.clone().with_done(&five)).unwrap();
        assert_eq!(begun(folder.path(), "f").unwrap(), Some((5, None)));
        assert_eq!(part.load("k", None, None).unwrap().1, five);
        // It claims more than there is.
        part.save(&state.with_done(&RangeSet::from_pairs(&[(0, 6)]).unwrap()))
            .unwrap();
        assert_eq!(begun(folder.path(), "f").unwrap(), None);
        assert!(part.load("k", None, None).unwrap().1.is_empty());
        assert_eq!(fs::metadata(&part.paths.part).unwrap().len(), 0);
        assert!(!part.paths.state.exists());
    }
}
