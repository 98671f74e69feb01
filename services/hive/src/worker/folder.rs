//! The folder that a worker works in.

use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rbee_artifacts::WorkerId;

use super::add_ons;

/// Why a worker's folder could not be made ready.
#[derive(Debug, thiserror::Error)]
#[error("cannot prepare the worker's folder {}", path.display())]
pub(crate) struct FolderError {
    /// The folder or what is in it.
    pub(crate) path: PathBuf,
    /// What the system says.
    #[source]
    pub(crate) source: io::Error,
}

/// A worker's own folder and its socket, both gone when this is dropped.
///
/// ```text
/// <workers>/<id>/            mode 0700, the process's working folder
/// <workers>/<id>/model/      the model's files, as links to their blobs
/// <workers>/<id>/add-ons/    of an image worker: what its requests can use beside the model ([`super::add_ons`])
/// ```
#[derive(Debug)]
pub(crate) struct WorkerFolder {
    path: PathBuf,
    socket: PathBuf,
}

impl WorkerFolder {
    /// Creates the folder of a worker below `workers`.
    ///
    /// # Errors
    /// If it can't be created, also because it is there already.
    pub(crate) fn create(workers: &Path, id: &WorkerId, socket: PathBuf) -> Result<Self, FolderError> {
        let path = workers.join(id.as_str());
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(|source| FolderError {
                path: path.clone(),
                source,
            })?;
        Ok(Self { path, socket })
    }

    /// The folder.
    #[must_use]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where its add-ons are.
    #[must_use]
    pub(crate) fn add_ons(&self) -> PathBuf {
        add_ons::folder_in(&self.path)
    }

    /// Where the worker listens.
    #[must_use]
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Puts a link to each blob into `model/`, under the file's own name, and answers what to hand
    /// to the worker: the file, or the folder if there are several. Names must have been checked
    /// ([`domain::plan`](crate::domain::plan)).
    ///
    /// # Errors
    /// If a link can't be created.
    pub(crate) fn link_model(&self, files: &[(String, PathBuf)]) -> Result<PathBuf, FolderError> {
        let folder = self.path.join("model");
        for (name, blob) in files {
            let link = folder.join(name);
            let parent = link.parent().unwrap_or(&folder);
            std::fs::create_dir_all(parent)
                .and_then(|()| std::os::unix::fs::symlink(blob, &link))
                .map_err(|source| FolderError {
                    path: link.clone(),
                    source,
                })?;
        }
        Ok(match files {
            [(name, _)] => folder.join(name),
            _ => folder,
        })
    }
}

impl Drop for WorkerFolder {
    fn drop(&mut self) {
        for result in [
            std::fs::remove_file(&self.socket),
            std::fs::remove_dir_all(&self.path),
        ] {
            match result {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(folder = %self.path.display(), %error, "a worker's folder stays behind");
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_folder_is_private_holds_the_model_and_goes_whole() {
        let workers = tempfile::tempdir().unwrap();
        let blob = workers.path().join("blob");
        std::fs::write(&blob, "weights").unwrap();
        let id: WorkerId = "qwen-1".parse().unwrap();
        let folder = WorkerFolder::create(workers.path(), &id, workers.path().join("socket")).unwrap();
        let mode = std::fs::metadata(folder.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);

        let one = folder.link_model(&[("qwen.gguf".into(), blob.clone())]).unwrap();
        assert_eq!(one.file_name().unwrap(), "qwen.gguf");
        assert_eq!(std::fs::read_to_string(&one).unwrap(), "weights");
        let several = [
            ("unet/a.safetensors".into(), blob.clone()),
            ("vae.safetensors".into(), blob.clone()),
        ];
        let several = folder.link_model(&several).unwrap();
        assert!(several.join("unet/a.safetensors").exists());

        std::fs::write(folder.socket(), "").unwrap();
        let path = folder.path().to_path_buf();
        drop(folder);
        assert!(!path.exists());
        assert!(!workers.path().join("socket").exists());
        assert!(blob.exists(), "links are removed, not what they name");
    }

    #[test]
    fn a_taken_folder_is_not_shared() {
        let workers = tempfile::tempdir().unwrap();
        let id: WorkerId = "qwen-1".parse().unwrap();
        let _first = WorkerFolder::create(workers.path(), &id, workers.path().join("s")).unwrap();
        assert!(WorkerFolder::create(workers.path(), &id, workers.path().join("s")).is_err());
    }
}
