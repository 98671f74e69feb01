//! Every change that a store makes to its disk, one step at a time, so that a test can stop the world
//! before any of them. Blocking.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

/// One change to the disk that is about to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step<'a> {
    /// A folder is made.
    CreateFolder(&'a Path),
    /// A file is made, empty.
    CreateFile(&'a Path),
    /// Bytes are added to the end of a file.
    Append(&'a Path, &'a [u8]),
    /// A file's content is made to last.
    SyncFile(&'a Path),
    /// A file (`from`, `to`) gets another name, in place of what had it.
    Rename(&'a Path, &'a Path),
    /// A file (`original`, `link`) gets a second name.
    HardLink(&'a Path, &'a Path),
    /// A link (`target`, `link`) to a file is made.
    SymbolicLink(&'a Path, &'a Path),
    /// A file or link is removed.
    RemoveFile(&'a Path),
    /// An empty folder is removed.
    RemoveFolder(&'a Path),
    /// A folder is removed with all that is in it.
    RemoveTree(&'a Path),
    /// A folder's entries are made to last.
    SyncFolder(&'a Path),
}

/// What a test puts beneath a store: it sees each step before it is made, and can refuse it.
pub trait Faults: fmt::Debug + Send + Sync {
    /// Called before each step.
    ///
    /// # Errors
    /// The step is not made then, and fails with this error.
    fn before(&self, step: Step<'_>) -> io::Result<()>;
}

/// The disk of a store.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk {
    faults: Option<Arc<dyn Faults>>,
}

impl Disk {
    pub(crate) fn with_faults(faults: Option<Arc<dyn Faults>>) -> Self {
        Self { faults }
    }

    fn before(&self, step: Step<'_>) -> io::Result<()> {
        self.faults.as_ref().map_or(Ok(()), |faults| faults.before(step))
    }

    /// Makes a folder and those above it, and makes their names last.
    pub(crate) fn create_folders(&self, folder: &Path) -> io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        let Some(parent) = folder.parent() else {
            return Ok(());
        };
        self.create_folders(parent)?;
        self.before(Step::CreateFolder(folder))?;
        match fs::create_dir(folder) {
            // Somebody else was quicker.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
            made => made?,
        }
        self.sync_folder(parent)
    }

    /// A new file, for writing.
    pub(crate) fn create_file(&self, path: &Path) -> io::Result<File> {
        self.before(Step::CreateFile(path))?;
        File::create_new(path)
    }

    /// Writes on at the end of `file`, which is the one at `path`.
    pub(crate) fn append(&self, file: &mut File, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.before(Step::Append(path, bytes))?;
        file.write_all(bytes)
    }

    /// Makes the content of `file`, which is the one at `path`, last.
    pub(crate) fn sync_file(&self, file: &File, path: &Path) -> io::Result<()> {
        self.before(Step::SyncFile(path))?;
        file.sync_all()
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.before(Step::Rename(from, to))?;
        fs::rename(from, to)
    }

    pub(crate) fn hard_link(&self, original: &Path, link: &Path) -> io::Result<()> {
        self.before(Step::HardLink(original, link))?;
        fs::hard_link(original, link)
    }

    pub(crate) fn symbolic_link(&self, target: &Path, link: &Path) -> io::Result<()> {
        self.before(Step::SymbolicLink(target, link))?;
        #[cfg(unix)]
        return std::os::unix::fs::symlink(target, link);
        #[cfg(windows)]
        return std::os::windows::fs::symlink_file(target, link);
        #[cfg(not(any(unix, windows)))]
        return Err(io::ErrorKind::Unsupported.into());
    }

    pub(crate) fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.before(Step::RemoveFile(path))?;
        fs::remove_file(path)
    }

    pub(crate) fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.before(Step::RemoveFolder(path))?;
        fs::remove_dir(path)
    }

    pub(crate) fn remove_tree(&self, path: &Path) -> io::Result<()> {
        self.before(Step::RemoveTree(path))?;
        fs::remove_dir_all(path)
    }

    /// Writes a folder's entries to the disk. Where folders cannot be synced (Windows) the system does it.
    /// A folder that is gone meanwhile has nothing to write.
    pub(crate) fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        if !cfg!(unix) {
            return Ok(());
        }
        self.before(Step::SyncFolder(folder))?;
        match File::open(folder) {
            Ok(folder) => folder.sync_all(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}
