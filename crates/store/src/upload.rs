//! How a file becomes a blob of a store that is not on this host: in parts, which become an object only
//! when all of them are there and the digest is right.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use object_store::path::Path as ObjectPath;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt as _};
use rbee_artifacts::Sha256;
use sha2::Digest as _;
use tokio::sync::oneshot;

use crate::blocking::blocking;
use crate::error::{PutFileError, StoreError};
use crate::keys::blob_key;
use crate::source::{is_same, open, unreadable};

/// Parts that are on their way at the same time.
const CONCURRENT_PARTS: usize = 3;

/// The least that is sent in a part; with the parts on their way it bounds the memory of an upload.
/// S3's own limits are 5 MiB to 5 GiB a part (Amazon S3 User Guide, "Multipart upload limits").
const PART_BYTES: u64 = 8 << 20;

/// Parts that an upload may have: 10,000 by the same page.
const MAX_PARTS: u64 = 10_000;

/// A file whose digest is known, on its way to a bucket.
pub(crate) struct Upload<P> {
    pub(crate) objects: Arc<dyn ObjectStore>,
    pub(crate) path: PathBuf,
    pub(crate) sha256: Sha256,
    /// Called with the bytes that the store has; `Break` cancels.
    pub(crate) progress: P,
}

impl<P: FnMut(u64) -> ControlFlow<()> + Send + 'static> Upload<P> {
    /// Stores the file as the blob. Dropping the future cancels, and takes the parts back that were sent.
    pub(crate) async fn run(self) -> Result<u64, PutFileError> {
        // In a task of its own, which lives to take the parts back. Its end of the channel tells it when
        // nobody waits any more.
        let (waiting, abandoned) = oneshot::channel::<()>();
        let task = tokio::spawn(self.run_until(abandoned));
        let done = task.await;
        drop(waiting);
        match done {
            Ok(done) => done,
            Err(failed) => match failed.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is being shut down, and this future with it.
                Err(_) => std::future::pending().await,
            },
        }
    }

    async fn run_until(mut self, abandoned: oneshot::Receiver<()>) -> Result<u64, PutFileError> {
        let key = blob_key(&self.sha256);
        let location = ObjectPath::from(key.as_str());
        let failed = |source| PutFileError::from(StoreError::object("writing", &key)(source));
        let parts = {
            let path = self.path.clone();
            blocking(move || Parts::open(&path)).await?
        };
        self.check(0)?;
        if parts.size_bytes() <= parts.part_bytes {
            let (whole, content) = parts.next().await?;
            whole.finish(&self.sha256)?;
            let size_bytes = content.len() as u64;
            let put = self.objects.put(&location, content.into());
            // Cancel safe: an object is put as a whole or not at all, and this one has the right digest.
            tokio::select! {
                put = put => put.map_err(failed)?,
                _ = abandoned => return Err(self.cancelled()),
            };
            self.check(size_bytes)?;
            return Ok(size_bytes);
        }
        let objects = Arc::clone(&self.objects);
        let mut upload = objects.put_multipart(&location).await.map_err(failed)?;
        // Cancel safe: what was sent is no object yet, and is taken back below.
        let sent = tokio::select! {
            sent = self.send(upload.as_mut(), parts, failed) => sent,
            _ = abandoned => Err(self.cancelled()),
        };
        let completed = match sent {
            Ok(size_bytes) => upload.complete().await.map(|_| size_bytes).map_err(failed),
            Err(error) => Err(error),
        };
        if completed.is_err()
            && let Err(error) = upload.abort().await
        {
            // Such parts cost space until the store's own rules remove them.
            tracing::warn!(%key, %error, "the parts of an upload that failed could not be removed");
        }
        completed
    }

    /// Sends all parts; an error if the digest is not the right one.
    async fn send(
        &mut self,
        upload: &mut dyn MultipartUpload,
        mut parts: Parts,
        failed: impl Fn(object_store::Error) -> PutFileError,
    ) -> Result<u64, PutFileError> {
        let mut on_their_way = FuturesUnordered::new();
        let (mut sent_bytes, mut at_end) = (0, false);
        loop {
            while !at_end && on_their_way.len() < CONCURRENT_PARTS {
                let (rest, part) = parts.next().await?;
                parts = rest;
                at_end = part.is_empty();
                if !at_end {
                    let size_bytes = part.len() as u64;
                    let sent = upload.put_part(part.into());
                    on_their_way.push(sent.map(move |sent| sent.map(|()| size_bytes)));
                }
            }
            match on_their_way.next().await {
                Some(sent) => sent_bytes += sent.map_err(&failed)?,
                None => break,
            }
            self.check(sent_bytes)?;
        }
        parts.finish(&self.sha256)?;
        Ok(sent_bytes)
    }

    fn check(&mut self, done_bytes: u64) -> Result<(), PutFileError> {
        match (self.progress)(done_bytes) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(self.cancelled()),
        }
    }

    fn cancelled(&self) -> PutFileError {
        PutFileError::Cancelled {
            path: self.path.clone(),
        }
    }
}

/// A file that is read in parts, and hashed again on the way.
struct Parts {
    path: PathBuf,
    file: File,
    before: Metadata,
    hasher: sha2::Sha256,
    part_bytes: u64,
}

impl Parts {
    fn open(path: &Path) -> Result<Self, PutFileError> {
        let (file, before) = open(path)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            part_bytes: part_bytes(before.len()),
            before,
            hasher: sha2::Sha256::new(),
        })
    }

    fn size_bytes(&self) -> u64 {
        self.before.len()
    }

    /// The next part; empty at the end of the file.
    async fn next(mut self) -> Result<(Self, Bytes), PutFileError> {
        blocking(move || {
            let mut part = Vec::with_capacity(self.part_bytes.min(self.size_bytes()) as usize);
            (&self.file)
                .take(self.part_bytes)
                .read_to_end(&mut part)
                .map_err(unreadable(&self.path))?;
            self.hasher.update(&part);
            Ok((self, Bytes::from(part)))
        })
        .await
    }

    /// Nothing becomes a blob under a digest that it does not have.
    fn finish(self, expected: &Sha256) -> Result<(), PutFileError> {
        let after = self.file.metadata().map_err(unreadable(&self.path))?;
        if !is_same(&self.before, &after) {
            return Err(PutFileError::SourceChanged { path: self.path });
        }
        let found: [u8; 32] = self.hasher.finalize().into();
        let found = Sha256::from(found);
        if found != *expected {
            return Err(PutFileError::DigestMismatch {
                path: self.path,
                expected: *expected,
                found,
            });
        }
        Ok(())
    }
}

/// How large the parts of a file are: all are equal but the last.
fn part_bytes(size_bytes: u64) -> u64 {
    PART_BYTES.max(size_bytes.div_ceil(MAX_PARTS))
}

/// The end of a move.
pub(crate) fn remove_source(path: &Path) -> Result<(), PutFileError> {
    let removed: io::Result<()> = fs::remove_file(path);
    Ok(removed.map_err(StoreError::file("removing", path))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_has_more_parts_than_s3_takes() {
        assert_eq!(part_bytes(0), PART_BYTES);
        assert_eq!(part_bytes(PART_BYTES * MAX_PARTS), PART_BYTES);
        // The largest object of S3: 5 TiB; its parts stay below 5 GiB.
        for size_bytes in [PART_BYTES * MAX_PARTS + 1, 5 << 40] {
            let part = part_bytes(size_bytes);
            assert!(size_bytes.div_ceil(part) <= MAX_PARTS && part < 5 << 30);
        }
    }
}
