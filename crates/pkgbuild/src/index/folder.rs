//! An index that is a folder of this host.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::{Files, MAX_FILE_BYTES, MAX_FILES, MAX_PACKAGES, PKGBUILD};
use crate::PackageError;
use crate::package::PackageName;

pub(super) async fn names(folder: &Path) -> Result<Vec<String>, PackageError> {
    let path = folder.to_owned();
    blocking(folder, move || {
        let mut names = Vec::new();
        for entry in fs::read_dir(&path).map_err(|error| error.to_string())? {
            let entry = entry.map_err(|error| error.to_string())?;
            if entry.path().join(PKGBUILD).is_file()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
            if names.len() > MAX_PACKAGES {
                return Err(format!("it has more than {MAX_PACKAGES} packages"));
            }
        }
        Ok(names)
    })
    .await
}

/// All files of the package's folder; its folders, and a build's leavings of makepkg in them, are left out.
pub(super) async fn read(folder: &Path, name: &PackageName) -> Result<Option<Files>, PackageError> {
    let path = folder.join(name.as_str());
    blocking(folder, move || {
        if !path.join(PKGBUILD).is_file() {
            return Ok(None);
        }
        let mut files = Files::new();
        for entry in fs::read_dir(&path).map_err(|error| error.to_string())? {
            let entry = entry.map_err(|error| error.to_string())?;
            // Not a link: an index may be shared, and is not to name other files of this host.
            if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
                continue;
            }
            let Ok(file_name) = entry.file_name().into_string() else {
                continue;
            };
            let content = read_file(&entry.path())?;
            files.push((file_name, content));
            if files.len() > MAX_FILES {
                return Err(format!("{} has more than {MAX_FILES} files", path.display()));
            }
        }
        Ok(Some(files))
    })
    .await
}

fn read_file(path: &PathBuf) -> Result<Vec<u8>, String> {
    let cannot = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut content = Vec::new();
    fs::File::open(path)
        .map_err(cannot)?
        .take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut content)
        .map_err(cannot)?;
    if content.len() as u64 > MAX_FILE_BYTES {
        return Err(format!(
            "{} is longer than {MAX_FILE_BYTES} bytes",
            path.display()
        ));
    }
    Ok(content)
}

async fn blocking<T: Send + 'static>(
    folder: &Path,
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, PackageError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(error.to_string()))
        .map_err(|problem| PackageError::IndexUnavailable {
            index: folder.display().to_string(),
            problem,
        })
}
