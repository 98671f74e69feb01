//! The folder that one cluster owns.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// Name of the file that is locked while a process owns the folder.
const LOCK_FILE: &str = "rbee.lock";

/// Why a data folder can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataDirError {
    /// Neither the command line nor the environment says where it is.
    #[error("there is no place for the data: name a folder with --data-dir (or set HOME)")]
    Nowhere,
    /// Another process owns it.
    #[error("{} belongs to another `rbee up`{}", path.display(), described(holder))]
    Held {
        /// The folder.
        path: PathBuf,
        /// What the other process says of itself; may be empty.
        holder: String,
    },
    /// It can't be created or locked.
    #[error("can't use the folder {}", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

fn described(holder: &str) -> String {
    if holder.is_empty() {
        String::new()
    } else {
        format!(": {holder}")
    }
}

/// A data folder that this process owns. Dropping it, or the end of the process however it comes,
/// gives it back.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    lock: File,
}

impl DataDir {
    /// Creates the folder if need be and makes it this process's own.
    pub(crate) fn lock(path: &Path) -> Result<Self, DataDirError> {
        let failed = |source| DataDirError::Io {
            path: path.to_path_buf(),
            source,
        };
        create_private(path).map_err(failed)?;
        let path = path.canonicalize().map_err(failed)?;
        // The content is kept: it says who holds the lock, if somebody does.
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join(LOCK_FILE))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, lock }),
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Without its words the error still says what is wrong.
                let _ = lock.read_to_string(&mut holder);
                Err(DataDirError::Held {
                    path,
                    holder: holder.trim().to_owned(),
                })
            }
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// Tells whoever finds the folder locked who holds it.
    pub(crate) fn describe_holder(&mut self, address: &str) -> io::Result<()> {
        self.lock.set_len(0)?;
        self.lock.rewind()?;
        writeln!(self.lock, "process {}, at {address}", std::process::id())?;
        self.lock.flush()
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Creates a folder that only this user can look into. One that is there stays as it is.
fn create_private(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(path)
}

/// Where the data is unless said otherwise: `$XDG_DATA_HOME/rbee` or `~/.local/share/rbee`.
pub(crate) fn default_path(
    variable: impl Fn(&str) -> Option<std::ffi::OsString>,
) -> Result<PathBuf, DataDirError> {
    let absolute = |name| {
        variable(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_DATA_HOME")
        .or_else(|| Some(absolute("HOME")?.join(".local/share")))
        .map(|base| base.join("rbee"))
        .ok_or(DataDirError::Nowhere)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_owns_a_folder_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/data");
        let mut first = DataDir::lock(&path).unwrap();
        first.describe_holder("http://127.0.0.1:7220").unwrap();

        let words = DataDir::lock(&path).unwrap_err().to_string();
        assert!(
            words.contains(&format!("process {}", std::process::id())),
            "{words}"
        );
        assert!(words.contains("http://127.0.0.1:7220"), "{words}");

        drop(first);
        DataDir::lock(&path).unwrap();
    }

    #[test]
    fn a_shorter_description_leaves_nothing_of_the_longer_one() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = DataDir::lock(folder.path()).unwrap();
        first
            .describe_holder("http://a-very-long-address.example:7220")
            .unwrap();
        first.describe_holder("http://b").unwrap();
        let words = DataDir::lock(folder.path()).unwrap_err().to_string();
        assert!(words.ends_with("at http://b"), "{words}");
    }

    #[test]
    fn the_default_follows_the_xdg_directories() {
        let with = |pairs: &'static [(&str, &str)]| {
            default_path(move |wanted| {
                pairs
                    .iter()
                    .find(|(name, _)| *name == wanted)
                    .map(|(_, value)| value.into())
            })
        };
        assert_eq!(
            with(&[("XDG_DATA_HOME", "/data"), ("HOME", "/home/u")]).unwrap(),
            Path::new("/data/rbee")
        );
        assert_eq!(
            with(&[("HOME", "/home/u")]).unwrap(),
            Path::new("/home/u/.local/share/rbee")
        );
        // The specification says that relative paths there are to be ignored.
        assert_eq!(
            with(&[("XDG_DATA_HOME", "x"), ("HOME", "/home/u")]).unwrap(),
            Path::new("/home/u/.local/share/rbee")
        );
        assert!(matches!(with(&[]), Err(DataDirError::Nowhere)));
    }
}
