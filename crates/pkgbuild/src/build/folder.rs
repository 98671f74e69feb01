//! The folder that a build happens in, laid out as makepkg's is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::PackageError;
use crate::package::PackageName;

/// Begins the names of all build folders, so that those which an earlier life of this program left are found.
const PREFIX: &str = "build-";

const ATTEMPTS: u32 = 40;
const PAUSE: Duration = Duration::from_millis(50);

/// A build's own folder: `start/` with the PKGBUILD (`$startdir`) and in it `src/` (`$srcdir`) and `pkg/NAME/`
/// (`$pkgdir`); beside it a home and a folder for temporary files. Removed when it is dropped.
#[derive(Debug)]
pub(crate) struct BuildFolder {
    root: Option<PathBuf>,
    name: PackageName,
    made_at: u64,
}

impl BuildFolder {
    /// Makes the folder below `parent`, and writes the package's files into it.
    pub(crate) fn new(
        parent: &Path,
        name: &PackageName,
        files: &[(String, Vec<u8>)],
    ) -> Result<Self, PackageError> {
        let cannot = |path: &Path| PackageError::io("cannot make the folder of a build in", path.to_owned());
        fs::create_dir_all(parent).map_err(cannot(parent))?;
        // A link in the path would make it another path within the confinement.
        let parent = parent.canonicalize().map_err(cannot(parent))?;
        let root = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir_in(&parent)
            .map_err(cannot(&parent))?
            .keep();
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        // From here on it is removed whatever happens.
        let folder = Self {
            root: Some(root),
            name: name.clone(),
            made_at: since_epoch.map_or(0, |time| time.as_secs()),
        };
        for part in [
            folder.sources(),
            folder.package(),
            folder.home(),
            folder.temporary(),
        ] {
            fs::create_dir_all(&part).map_err(cannot(&part))?;
        }
        for (file, content) in files {
            if matches!(file.as_str(), "src" | "pkg") {
                return Err(PackageError::Invalid {
                    name: name.clone(),
                    problem: format!(
                        "a file beside it is called {file}, which is the name of a build's folder"
                    ),
                });
            }
            let path = folder.start().join(file);
            fs::write(&path, content).map_err(cannot(&path))?;
        }
        Ok(folder)
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.as_deref().unwrap_or(Path::new("/nonexistent"))
    }

    /// `$startdir`.
    pub(crate) fn start(&self) -> PathBuf {
        self.root().join("start")
    }

    /// `$srcdir`.
    pub(crate) fn sources(&self) -> PathBuf {
        self.start().join("src")
    }

    /// `$pkgdir`.
    pub(crate) fn package(&self) -> PathBuf {
        self.start().join("pkg").join(self.name.as_str())
    }

    /// `$HOME`. On the disk, since compilers keep much there.
    pub(crate) fn home(&self) -> PathBuf {
        self.root().join("home")
    }

    /// `$TMPDIR`.
    pub(crate) fn temporary(&self) -> PathBuf {
        self.root().join("tmp")
    }

    /// Seconds since 1970 when it was made: the one time that all of the build's files may have.
    pub(crate) fn made_at(&self) -> u64 {
        self.made_at
    }

    /// Removes it without holding up the runtime: a build leaves gigabytes.
    pub(crate) async fn remove(mut self) {
        if let Some(root) = self.root.take() {
            // An error says that the runtime ends, and with it the program; the next start removes it.
            let _ = tokio::task::spawn_blocking(move || remove(&root)).await;
        }
    }
}

impl Drop for BuildFolder {
    fn drop(&mut self) {
        let Some(root) = self.root.take() else {
            return;
        };
        // A dropped future can't wait, and a runtime's thread must not.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || remove(&root))),
            Err(_) => remove(&root),
        }
    }
}

/// Removes the folders that builds left when this program was killed.
pub(crate) fn remove_left_behind(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            remove(&entry.path());
        }
    }
}

/// Tries again while something that was killed a moment ago may still be writing.
fn remove(root: &Path) {
    for _ in 0..ATTEMPTS {
        match fs::remove_dir_all(root) {
            Ok(()) => return,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => make_writable(root),
            Err(_) => {}
        }
        std::thread::sleep(PAUSE);
    }
    tracing::warn!(folder = %root.display(), "the folder of a build can't be removed");
}

/// Some tools write-protect the folders that they make; files in such can't be removed.
fn make_writable(folder: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o700));
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_writable(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_goes_with_all_that_is_in_it() {
        let parent = tempfile::tempdir().unwrap();
        let name: PackageName = "tool".parse().unwrap();
        let files = [("PKGBUILD".to_owned(), b"pkgname=tool".to_vec())];
        let folder = BuildFolder::new(parent.path(), &name, &files).unwrap();
        assert_eq!(
            fs::read(folder.start().join("PKGBUILD")).unwrap(),
            b"pkgname=tool"
        );
        assert!(folder.package().ends_with("start/pkg/tool"));
        let deep = folder.sources().join("a/b");
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("c"), "x").unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            for path in [&deep, &folder.sources().join("a")] {
                fs::set_permissions(path, fs::Permissions::from_mode(0o500)).unwrap();
            }
        }
        folder.remove().await;
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_was_left_behind_is_removed_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        fs::create_dir_all(parent.path().join("build-x/start")).unwrap();
        fs::create_dir_all(parent.path().join("other")).unwrap();
        remove_left_behind(parent.path());
        assert!(!parent.path().join("build-x").exists() && parent.path().join("other").exists());
    }
}
