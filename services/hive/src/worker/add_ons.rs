//! The add-ons of a worker, where it finds them.
//!
//! ```text
//! <worker's folder>/add-ons/<key>/id        the id in the catalog
//! <worker's folder>/add-ons/<key>/files/    its files, as links to their blobs
//! ```
//!
//! One is made aside and renamed, so that a worker that looks meanwhile finds it whole or not at all. Keys are made from
//! ids ([`ModelId::storage_key`]), so that no id is a path.

use std::io;
use std::path::{Path, PathBuf};

use rbee_artifacts::ModelId;

use super::folder::FolderError;

/// Where the add-ons are in a worker's folder.
#[must_use]
pub(crate) fn folder_in(worker: &Path) -> PathBuf {
    worker.join("add-ons")
}

/// Makes an add-on's files usable by the worker with this folder. One that is there already stays as it is.
///
/// # Errors
/// If a link can't be created.
pub(crate) fn attach(worker: &Path, id: &ModelId, files: &[(String, PathBuf)]) -> Result<(), FolderError> {
    let (folder, key) = (folder_in(worker), id.storage_key());
    let place = folder.join(&key);
    make(&folder, &place, id, files).map_err(|source| FolderError { path: place, source })
}

fn make(folder: &Path, place: &Path, id: &ModelId, files: &[(String, PathBuf)]) -> io::Result<()> {
    if place.exists() {
        return Ok(());
    }
    std::fs::create_dir_all(folder)?;
    // Its name is no key, and it holds no id yet, so that the worker passes it over.
    let aside = tempfile::Builder::new().prefix(".new-").tempdir_in(folder)?;
    for (name, blob) in files {
        let link = aside.path().join("files").join(name);
        std::fs::create_dir_all(link.parent().unwrap_or(folder))?;
        std::os::unix::fs::symlink(blob, &link)?;
    }
    std::fs::write(aside.path().join("id"), format!("{id}\n"))?;
    match std::fs::rename(aside.path(), place) {
        // Somebody else attached it meanwhile.
        Err(_) if place.exists() => Ok(()),
        renamed => renamed.map(|()| {
            // Nothing is left to be removed.
            let _ = aside.keep();
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_add_on_is_whole_and_stays_when_it_is_attached_again() {
        let worker = tempfile::tempdir().unwrap();
        let blob = worker.path().join("blob");
        std::fs::write(&blob, "weights").unwrap();
        let id: ModelId = "civitai:7".parse().unwrap();
        for _ in 0..2 {
            attach(worker.path(), &id, &[("honey.safetensors".into(), blob.clone())]).unwrap();
        }
        let folder = folder_in(worker.path());
        assert_eq!(
            std::fs::read_dir(&folder).unwrap().count(),
            1,
            "nothing else is left"
        );
        let place = folder.join(id.storage_key());
        assert_eq!(std::fs::read_to_string(place.join("id")).unwrap(), "civitai:7\n");
        let file = place.join("files/honey.safetensors");
        assert_eq!(std::fs::read_to_string(file).unwrap(), "weights");
    }
}
