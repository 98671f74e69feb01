//! Reading a file to its end while computing its digest. Blocking.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rbee_artifacts::Sha256;
use sha2::Digest;

use crate::error::PutFileError;

/// How much is read at once: cancelling takes no longer than this much.
pub(crate) const CHUNK_BYTES: usize = 1 << 20;

/// A file on its way into the store, and who wants to know how far it is.
pub(crate) struct Source<'a, P> {
    pub(crate) path: &'a Path,
    /// Called with the bytes done; `Break` cancels.
    pub(crate) progress: P,
    /// Cancels from outside.
    pub(crate) abandoned: &'a AtomicBool,
}

/// What was read.
pub(crate) struct Content {
    pub(crate) sha256: Sha256,
    pub(crate) size_bytes: u64,
    /// How the file looked before and after.
    pub(crate) metadata: Metadata,
}

impl<P: FnMut(u64) -> ControlFlow<()>> Source<'_, P> {
    /// Opens the file.
    pub(crate) fn open(&self) -> Result<(File, Metadata), PutFileError> {
        open(self.path)
    }

    /// Reads `file` to its end, and gives `take` each piece.
    pub(crate) fn read(
        &mut self,
        mut file: &File,
        mut take: impl FnMut(&[u8]) -> Result<(), PutFileError>,
    ) -> Result<Content, PutFileError> {
        let before = file.metadata().map_err(unreadable(self.path))?;
        let mut hasher = sha2::Sha256::new();
        let mut buffer = vec![0; CHUNK_BYTES];
        let mut done_bytes = 0;
        loop {
            self.check(done_bytes)?;
            let count = match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(self.path)(error)),
            };
            hasher.update(&buffer[..count]);
            take(&buffer[..count])?;
            done_bytes += count as u64;
        }
        let after = file.metadata().map_err(unreadable(self.path))?;
        if done_bytes != before.len() || !is_same(&before, &after) {
            return Err(PutFileError::SourceChanged {
                path: self.path.to_owned(),
            });
        }
        let digest: [u8; 32] = hasher.finalize().into();
        Ok(Content {
            sha256: Sha256::from(digest),
            size_bytes: done_bytes,
            metadata: after,
        })
    }

    /// Says how far it is; an error if it is to stop.
    pub(crate) fn check(&mut self, done_bytes: u64) -> Result<(), PutFileError> {
        if self.abandoned.load(Ordering::Relaxed) || (self.progress)(done_bytes).is_break() {
            return Err(PutFileError::Cancelled {
                path: self.path.to_owned(),
            });
        }
        Ok(())
    }
}

/// Opens a file, but nothing else.
pub(crate) fn open(path: &Path) -> Result<(File, Metadata), PutFileError> {
    // A pipe would not even open before somebody writes to it.
    let metadata = std::fs::metadata(path).map_err(unreadable(path))?;
    if !metadata.is_file() {
        return Err(PutFileError::NotAFile {
            path: path.to_owned(),
        });
    }
    let file = File::open(path).map_err(unreadable(path))?;
    let metadata = file.metadata().map_err(unreadable(path))?;
    Ok((file, metadata))
}

pub(crate) fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> PutFileError {
    move |source| PutFileError::ReadSource {
        path: path.to_owned(),
        source,
    }
}

/// Whether a file was left alone between two looks at it.
pub(crate) fn is_same(before: &Metadata, after: &Metadata) -> bool {
    before.len() == after.len() && before.modified().ok() == after.modified().ok()
}
