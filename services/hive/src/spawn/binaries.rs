//! Worker programs, ready to run.

use std::collections::HashMap;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use futures_util::TryStreamExt as _;
use rbee_artifacts::{Sha256, WorkerBinary};
use rbee_store::{FetchError, StoreError};
use sha2::Digest as _;

use super::files::{Files, Meter};

/// Why a worker program can't be made ready to run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BinaryError {
    /// The catalog lists it, and the store doesn't have it.
    #[error("the catalog lists the worker program {id}, but the store lacks its file; install it again")]
    Missing {
        /// The program.
        id: String,
    },
    /// Its bytes are not what the catalog says.
    #[error("the file of the worker program {id} is damaged; install it again")]
    Damaged {
        /// The program.
        id: String,
    },
    /// It can't be read from the store.
    #[error("cannot read the worker program {id} from the store")]
    Store {
        /// The program.
        id: String,
        /// What the store says.
        #[source]
        source: StoreError,
    },
    /// It can't be fetched from the store.
    #[error("cannot fetch the worker program {id} from the store")]
    Fetch {
        /// The program.
        id: String,
        /// What the cache says.
        #[source]
        source: FetchError,
    },
    /// It can't be written.
    #[error("cannot put the worker program into {}", path.display())]
    Write {
        /// Where to.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// Worker programs as executable files:
///
/// ```text
/// <folder>/<SHA-256>/llm-worker-rbee-cpu    mode 0755
/// ```
///
/// They are copies: a blob is nobody's to make executable.
#[derive(Debug)]
pub(crate) struct Binaries {
    folder: PathBuf,
    files: Files,
    // Held while a program is made ready, so that two spawns don't write the same file.
    verified: tokio::sync::Mutex<HashMap<PathBuf, Stamp>>,
}

/// What a file looked like when its content was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    size_bytes: u64,
    modified: SystemTime,
}

impl Binaries {
    /// Programs below `folder`, out of these files.
    #[must_use]
    pub(crate) fn new(folder: PathBuf, files: Files) -> Self {
        Self {
            folder,
            files,
            verified: tokio::sync::Mutex::default(),
        }
    }

    /// The executable file of a program, if it is there, its content verified.
    pub(super) async fn ready(&self, binary: &WorkerBinary) -> Option<PathBuf> {
        let mut verified = self.verified.lock().await;
        let path = self.path(binary);
        let known = stamp(&path);
        if known.is_some() && known == verified.get(&path).copied() {
            return Some(path);
        }
        if !is_intact(&path, binary.sha256).await {
            return None;
        }
        verified.insert(path.clone(), stamp(&path)?);
        Some(path)
    }

    /// The executable file of a program, its content verified. `told` hears of what is fetched for it.
    ///
    /// # Errors
    /// If the store lacks it or has something else, or it can't be written.
    pub(super) async fn make_ready(
        &self,
        binary: &WorkerBinary,
        told: &Meter,
    ) -> Result<PathBuf, BinaryError> {
        if let Some(path) = self.ready(binary).await {
            return Ok(path);
        }
        let id = || binary.id.to_string();
        let unfetched = |error| match error {
            FetchError::Missing { .. } => BinaryError::Missing { id: id() },
            FetchError::Damaged { .. } => BinaryError::Damaged { id: id() },
            source => BinaryError::Fetch { id: id(), source },
        };
        // Not under the lock: others have their programs already, and this may take its time.
        let fetched = self.files.program(binary, told).await.map_err(unfetched)?;
        let mut verified = self.verified.lock().await;
        let path = self.path(binary);
        if !is_intact(&path, binary.sha256).await {
            match fetched {
                Some(blob) => self.copy_file(binary, blob.path(), &path).await?,
                None => self.copy(binary, &path).await?,
            }
        }
        if let Some(stamp) = stamp(&path) {
            verified.insert(path.clone(), stamp);
        }
        Ok(path)
    }

    fn path(&self, binary: &WorkerBinary) -> PathBuf {
        let folder = self.folder.join(binary.sha256.to_string());
        folder.join(binary.worker_type.binary_name())
    }

    /// Makes a file of the cache, which was verified when it came, a program.
    async fn copy_file(&self, binary: &WorkerBinary, from: &Path, path: &Path) -> Result<(), BinaryError> {
        let (id, sha256) = (binary.id.to_string(), binary.sha256);
        let (from, path) = (from.to_path_buf(), path.to_path_buf());
        let unwritable = {
            let path = path.clone();
            move |source| BinaryError::Write { path, source }
        };
        let copied = tokio::task::spawn_blocking(move || copy_program(&from, &path, sha256)).await;
        match copied.unwrap_or_else(|error| Err(error.into())) {
            Ok(true) => Ok(()),
            Ok(false) => Err(BinaryError::Damaged { id }),
            Err(error) => Err(unwritable(error)),
        }
    }

    async fn copy(&self, binary: &WorkerBinary, path: &Path) -> Result<(), BinaryError> {
        let id = || binary.id.to_string();
        let unreadable = |source| BinaryError::Store { id: id(), source };
        let unwritable = |source| BinaryError::Write {
            path: path.to_path_buf(),
            source,
        };
        let folder = path.parent().unwrap_or(&self.folder);
        let blob = self.files.store().read_blob(&binary.sha256).await;
        let blob = blob.map_err(unreadable)?;
        let mut blob = std::pin::pin!(blob.ok_or_else(|| BinaryError::Missing { id: id() })?);

        std::fs::create_dir_all(folder).map_err(unwritable)?;
        // Gone again unless it is kept at the end.
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(unwritable)?;
        let mut digest = sha2::Sha256::new();
        while let Some(piece) = blob.try_next().await.map_err(unreadable)? {
            digest.update(&piece);
            file.write_all(&piece).map_err(unwritable)?;
        }
        if Sha256::from(<[u8; 32]>::from(digest.finalize())) != binary.sha256 {
            return Err(BinaryError::Damaged { id: id() });
        }
        file.as_file()
            .set_permissions(std::fs::Permissions::from_mode(0o755))
            .map_err(unwritable)?;
        file.persist(path).map_err(|error| unwritable(error.error))?;
        Ok(())
    }
}

/// Copies a program, if it has this content; tells whether it had. Blocking.
fn copy_program(from: &Path, path: &Path, sha256: Sha256) -> io::Result<bool> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder)?;
    // Gone again unless it is kept at the end.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    io::copy(&mut std::fs::File::open(from)?, &mut file)?;
    if digest_of(file.path())? != sha256 {
        return Ok(false);
    }
    file.as_file()
        .set_permissions(std::fs::Permissions::from_mode(0o755))?;
    file.persist(path)?;
    Ok(true)
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    Some(Stamp {
        size_bytes: metadata.len(),
        modified: metadata.modified().ok()?,
    })
}

/// Whether a file has this content. It was written by an earlier hive.
async fn is_intact(path: &Path, sha256: Sha256) -> bool {
    let path = path.to_path_buf();
    let read = tokio::task::spawn_blocking(move || digest_of(&path)).await;
    matches!(read, Ok(Ok(found)) if found == sha256)
}

fn digest_of(path: &Path) -> io::Result<Sha256> {
    let mut file = std::fs::File::open(path)?;
    let mut digest = sha2::Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Sha256::from(<[u8; 32]>::from(digest.finalize()))),
            count => digest.update(&buffer[..count]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use rbee_artifacts::{Platform, WorkerBinaryId, WorkerType};
    use rbee_store::{Ingest, Store};

    use super::*;

    struct Scene {
        folder: tempfile::TempDir,
        store: Store,
        binaries: Binaries,
    }

    async fn scene() -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("store").to_str().unwrap())
            .await
            .unwrap();
        let binaries = Binaries::new(folder.path().join("binaries"), Files::new(store.clone(), None));
        Scene {
            folder,
            store,
            binaries,
        }
    }

    fn binary(content: &[u8]) -> WorkerBinary {
        let sha256 = Sha256::digest(content);
        let platform = Platform::current();
        WorkerBinary {
            id: WorkerBinaryId::derive(WorkerType::CpuLlm, "1", &platform, &sha256),
            worker_type: WorkerType::CpuLlm,
            version: "1".into(),
            platform,
            size_bytes: content.len() as u64,
            sha256,
            added_at: jiff::Timestamp::UNIX_EPOCH,
            source: "bundled".into(),
        }
    }

    impl Scene {
        async fn put(&self, content: &[u8]) {
            let source = self.folder.path().join("source");
            std::fs::write(&source, content).unwrap();
            self.store
                .put_file(source, Ingest::Copy, None, |_| ControlFlow::Continue(()))
                .await
                .unwrap();
        }
    }

    #[tokio::test]
    async fn a_program_becomes_executable_and_its_blob_does_not() {
        let scene = scene().await;
        let content = b"#!/bin/sh\nexit 0\n";
        scene.put(content).await;
        let path = scene
            .binaries
            .make_ready(&binary(content), &Meter::silent())
            .await
            .unwrap();
        assert_eq!(path.file_name().unwrap(), "llm-worker-rbee-cpu");
        assert!(std::process::Command::new(&path).status().unwrap().success());
        let blob = scene.store.local_path(&Sha256::digest(content)).unwrap();
        assert_eq!(std::fs::metadata(blob).unwrap().permissions().mode() & 0o111, 0);
        assert_eq!(
            scene
                .binaries
                .make_ready(&binary(content), &Meter::silent())
                .await
                .unwrap(),
            path
        );
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1,
            "nothing else is left"
        );
    }

    #[tokio::test]
    async fn a_program_that_was_changed_is_replaced() {
        let scene = scene().await;
        scene.put(b"good").await;
        let path = scene
            .binaries
            .make_ready(&binary(b"good"), &Meter::silent())
            .await
            .unwrap();
        std::fs::write(&path, b"evil, and longer").unwrap();
        assert_eq!(
            scene
                .binaries
                .make_ready(&binary(b"good"), &Meter::silent())
                .await
                .unwrap(),
            path
        );
        assert_eq!(std::fs::read(&path).unwrap(), b"good");
    }

    #[tokio::test]
    async fn what_the_store_lacks_or_has_wrong_is_not_run() {
        let scene = scene().await;
        let error = scene
            .binaries
            .make_ready(&binary(b"never stored"), &Meter::silent())
            .await
            .unwrap_err();
        assert!(matches!(error, BinaryError::Missing { .. }), "{error:?}");

        scene.put(b"good").await;
        let blob = scene.store.local_path(&Sha256::digest(b"good")).unwrap();
        std::fs::set_permissions(&blob, std::fs::Permissions::from_mode(0o644)).unwrap();
        std::fs::write(&blob, b"evil").unwrap();
        let error = scene
            .binaries
            .make_ready(&binary(b"good"), &Meter::silent())
            .await
            .unwrap_err();
        assert!(matches!(error, BinaryError::Damaged { .. }), "{error:?}");
        let folder = scene
            .folder
            .path()
            .join("binaries")
            .join(Sha256::digest(b"good").to_string());
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
    }
}
