//! How a file becomes a blob. Blocking.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rbee_artifacts::Sha256;
use sha2::Digest;

use crate::error::{PutFileError, StoreError};
use crate::files::{Files, blob_key};
use crate::staging::StagedFile;

/// How much is read at once: cancelling takes no longer than this much.
const CHUNK_BYTES: usize = 1 << 20;

/// How a file gets into the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ingest {
    /// The bytes are copied; the source stays and may change later.
    Copy,
    /// The file gets a second name in the store: no copy, no space. Whoever changes the source later in
    /// place damages the blob, so the source must be left as it is (replacing or deleting it is fine).
    HardLink,
    /// A hard link where that is possible, else a copy.
    HardLinkOrCopy,
    /// The source is gone afterwards; not before the blob is safe.
    Move,
}

/// A blob that is in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredBlob {
    /// Its name.
    pub sha256: Sha256,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// Whether it had been there already.
    pub existed: bool,
}

/// One file on its way into the store.
pub(crate) struct Ingestion<'a, P> {
    pub(crate) files: &'a Files,
    pub(crate) path: &'a Path,
    pub(crate) ingest: Ingest,
    pub(crate) expected: Option<Sha256>,
    /// Called with the bytes done; `Break` cancels.
    pub(crate) progress: P,
    /// Cancels from outside.
    pub(crate) abandoned: &'a AtomicBool,
}

impl<P: FnMut(u64) -> ControlFlow<()>> Ingestion<'_, P> {
    pub(crate) fn run(mut self) -> Result<StoredBlob, PutFileError> {
        let staged = self.files.stage()?;
        let linked = self.link(&staged)?;
        let (sha256, size_bytes) = if linked {
            self.hash(&staged)?
        } else {
            self.copy(&staged)?
        };
        if let Some(expected) = self.expected.filter(|expected| *expected != sha256) {
            return Err(PutFileError::DigestMismatch {
                path: self.path.to_owned(),
                expected,
                found: sha256,
            });
        }
        let existed = self.publish(&staged, &sha256, size_bytes)?;
        if self.ingest == Ingest::Move {
            self.remove_source(linked, &sha256)?;
        }
        Ok(StoredBlob {
            sha256,
            size_bytes,
            existed,
        })
    }

    /// Whether the source could be linked; then the staged path is the source's second name.
    fn link(&self, staged: &StagedFile) -> Result<bool, PutFileError> {
        if self.ingest == Ingest::Copy {
            return Ok(false);
        }
        // Links to links would name the link: only the file itself will do.
        let path = fs::canonicalize(self.path).map_err(|source| self.unreadable(source))?;
        if !path.is_file() {
            return Err(PutFileError::NotAFile {
                path: self.path.to_owned(),
            });
        }
        match (fs::hard_link(&path, staged.path()), self.ingest) {
            (Ok(()), _) => Ok(true),
            (Err(source), Ingest::HardLink) => Err(PutFileError::HardLink {
                path: self.path.to_owned(),
                source,
            }),
            (Err(_), _) => Ok(false),
        }
    }

    /// Hashes a linked file, which stays where it is.
    fn hash(&mut self, staged: &StagedFile) -> Result<(Sha256, u64), PutFileError> {
        let mut source = File::open(staged.path()).map_err(|source| self.unreadable(source))?;
        let digest = self.read(&mut source, &mut io::sink(), staged.path())?;
        // Its writer may have left it to the system when it reaches the disk.
        source
            .sync_all()
            .map_err(StoreError::file("syncing", self.path))?;
        Ok(digest)
    }

    /// Hashes the bytes that are written, so that whatever the source does, the blob is what its name
    /// says.
    fn copy(&mut self, staged: &StagedFile) -> Result<(Sha256, u64), PutFileError> {
        let mut source = File::open(self.path).map_err(|source| self.unreadable(source))?;
        let metadata = source.metadata().map_err(|source| self.unreadable(source))?;
        if !metadata.is_file() {
            return Err(PutFileError::NotAFile {
                path: self.path.to_owned(),
            });
        }
        if let Some(available) = self
            .files
            .available_bytes()?
            .filter(|&available| available < metadata.len())
        {
            let needed_and_available = Some((metadata.len(), available));
            return Err(StoreError::NoSpace {
                path: self.path.to_owned(),
                needed_and_available,
            }
            .into());
        }
        let mut copy =
            File::create_new(staged.path()).map_err(StoreError::file("creating", staged.path()))?;
        let digest = self.read(&mut source, &mut copy, staged.path())?;
        make_read_only(&copy).map_err(StoreError::file("protecting", staged.path()))?;
        copy.sync_all()
            .map_err(StoreError::file("writing", staged.path()))?;
        Ok(digest)
    }

    /// Reads the source to its end into `target`, at `target_path`.
    fn read(
        &mut self,
        source: &mut File,
        target: &mut dyn Write,
        target_path: &Path,
    ) -> Result<(Sha256, u64), PutFileError> {
        let before = source.metadata().map_err(|source| self.unreadable(source))?;
        let mut hasher = sha2::Sha256::new();
        let mut buffer = vec![0; CHUNK_BYTES];
        let mut done_bytes = 0;
        loop {
            if self.abandoned.load(Ordering::Relaxed) || (self.progress)(done_bytes).is_break() {
                return Err(PutFileError::Cancelled {
                    path: self.path.to_owned(),
                });
            }
            let count = match source.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(self.unreadable(source)),
            };
            hasher.update(&buffer[..count]);
            target
                .write_all(&buffer[..count])
                .map_err(StoreError::file("writing", target_path))?;
            done_bytes += count as u64;
        }
        let after = source.metadata().map_err(|source| self.unreadable(source))?;
        if done_bytes != before.len() || !is_same(&before, &after) {
            return Err(PutFileError::SourceChanged {
                path: self.path.to_owned(),
            });
        }
        let digest: [u8; 32] = hasher.finalize().into();
        Ok((Sha256::from(digest), done_bytes))
    }

    /// Gives the staged file its name, unless the blob is there already.
    fn publish(&self, staged: &StagedFile, sha256: &Sha256, size_bytes: u64) -> Result<bool, PutFileError> {
        let key = blob_key(sha256);
        // Another size is a blob that the disk damaged: the good one takes its place.
        let existed = fs::metadata(self.files.path(&key))
            .is_ok_and(|existing| existing.is_file() && existing.len() == size_bytes);
        if !existed {
            self.files.publish(staged, &key)?;
        }
        Ok(existed)
    }

    /// The end of a move: the blob is safe, and the source's own name can go.
    fn remove_source(&self, linked: bool, sha256: &Sha256) -> Result<(), PutFileError> {
        fs::remove_file(self.path).map_err(StoreError::file("removing", self.path))?;
        if linked {
            let blob = self.files.path(&blob_key(sha256));
            // Not possible where the file belongs to somebody else, and nothing depends on it.
            if let Err(error) = File::open(&blob).and_then(|file| make_read_only(&file)) {
                tracing::debug!(%error, blob = %blob.display(), "a moved blob stays writable");
            }
        }
        Ok(())
    }

    fn unreadable(&self, source: io::Error) -> PutFileError {
        PutFileError::ReadSource {
            path: PathBuf::from(self.path),
            source,
        }
    }
}

/// Nobody writes a blob again; this keeps hands and programs from doing so by mistake.
fn make_read_only(file: &File) -> io::Result<()> {
    let mut permissions = file.metadata()?.permissions();
    permissions.set_readonly(true);
    file.set_permissions(permissions)
}

fn is_same(before: &Metadata, after: &Metadata) -> bool {
    before.len() == after.len() && before.modified().ok() == after.modified().ok()
}
