//! The folder in which the window keeps what is its own: settings, tokens, how it looked last.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A folder that only this user can look into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder at a path. It is made with the first file.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// `$XDG_CONFIG_HOME/rbee/keeper` or `~/.config/rbee/keeper`; `None` where the system names no home.
    #[must_use]
    pub fn of_user(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Option<Self> {
        let absolute = |name| {
            variable(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let base = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
        Some(Self(base.join("rbee").join("keeper")))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What a file of it holds; `None` if it is not there, or makes no sense: a window opens all the same.
    #[must_use]
    pub fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let bytes = fs_err::read(self.0.join(name)).ok()?;
        match serde_json::from_slice(&bytes) {
            Ok(value) => Some(value),
            Err(error) => {
                tracing::warn!(%error, "{name} makes no sense and is left aside");
                None
            }
        }
    }

    /// Replaces a file whole, readable by this user alone: a window that is killed leaves the old one or the new one.
    ///
    /// # Errors
    /// If the folder or the file can't be written.
    pub fn write<T: Serialize>(&self, name: &str, value: &T) -> io::Result<()> {
        self.create()?;
        let bytes = serde_json::to_vec_pretty(value).map_err(io::Error::other)?;
        let part = self.0.join(format!(".{name}.part"));
        let mut options = fs_err::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        {
            use fs_err::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        let mut file = options.open(&part)?;
        file.write_all(&bytes)?;
        file.sync_data()?;
        fs_err::rename(&part, self.0.join(name))
    }

    fn create(&self) -> io::Result<()> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::DirBuilderExt as _;
            builder.mode(0o700);
        }
        builder.create(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_nobody_else_can() {
        let folder = tempfile::tempdir().unwrap();
        let own = Folder::at(folder.path().join("deep/keeper"));
        assert_eq!(own.read::<Vec<u8>>("a.json"), None);
        own.write("a.json", &vec![1_u8, 2]).unwrap();
        own.write("a.json", &vec![3_u8]).unwrap();
        assert_eq!(own.read::<Vec<u8>>("a.json"), Some(vec![3]));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(
                (mode(&own.path().join("a.json")), mode(own.path())),
                (0o600, 0o700)
            );
        }
        assert_eq!(
            std::fs::read_dir(own.path()).unwrap().count(),
            1,
            "no part is left behind"
        );
    }

    #[test]
    fn a_file_that_makes_no_sense_is_no_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.json"), "{").unwrap();
        assert_eq!(
            Folder::at(folder.path().to_path_buf()).read::<Vec<u8>>("a.json"),
            None
        );
    }
}
