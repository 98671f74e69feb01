//! One blob on its way into a cache, for all who want it.

use std::io::Read as _;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _};
use rbee_artifacts::Sha256;
use sha2::Digest as _;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::error::FetchError;
use super::folder::CacheFolder;
use super::options::CacheOptions;
use crate::blocking::blocking;
use crate::error::StoreError;
use crate::store::Store;

/// How much is written at once.
const WRITE_BYTES: usize = 1 << 20;

/// The wait after the first failure in a row; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// How far a blob is.
#[derive(Debug, Clone)]
pub(super) enum Progress {
    /// So many bytes are here.
    Going(u64),
    /// It is there, whole and verified.
    Arrived,
    /// It does not come.
    Failed(FetchError),
    /// Nobody wanted it any more.
    Deserted,
}

/// A blob on its way.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) progress: watch::Sender<Progress>,
    /// Woken when its last user has left.
    pub(super) deserted: Notify,
}

impl Flight {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            progress: watch::Sender::new(Progress::Going(0)),
            deserted: Notify::new(),
        })
    }
}

/// What is fetched, and how it must be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) sha256: Sha256,
    pub(super) size_bytes: u64,
}

impl Wanted {
    fn damaged(self, found: Option<Sha256>) -> FetchError {
        FetchError::Damaged {
            sha256: self.sha256,
            found,
        }
    }
}

/// Receives a blob into a part, verifies it and renames it into place. A part that is there is gone on from. If this
/// fails, the part is left for the caller to keep or remove. It must not be dropped before it ends: work on the disk
/// goes on then. When `deserted` is ready it ends by itself, also while the store is silent.
pub(super) async fn receive(
    folder: &Arc<CacheFolder>,
    store: &Store,
    wanted: Wanted,
    options: CacheOptions,
    flight: &Flight,
    deserted: impl Future<Output = ()>,
) -> Result<(), FetchError> {
    let mut deserted = std::pin::pin!(deserted);
    let Wanted { sha256, size_bytes } = wanted;
    loop {
        let writer = Writer::go_on(folder.clone(), wanted).await?;
        let begun_bytes = writer.done_bytes;
        folder.expect_space(size_bytes - begun_bytes, 0).await?;
        flight.progress.send_replace(Progress::Going(begun_bytes));
        let mut transfer = Transfer {
            store,
            wanted,
            options,
            flight,
            deserted: deserted.as_mut(),
            writer: Some(writer),
        };
        let found = transfer.run().await?;
        if found == sha256 {
            let folder = folder.clone();
            blocking(move || folder.put_in_place(&sha256)).await?;
            return Ok(());
        }
        if begun_bytes == 0 {
            return Err(wanted.damaged(Some(found)));
        }
        // What was there before may be what is wrong: of a part nothing is known once the power failed.
        tracing::warn!(%sha256, "a part of a file was damaged, and is fetched anew");
        let folder = folder.clone();
        blocking(move || folder.remove(&folder.part_path(&sha256))).await?;
    }
}

type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, StoreError>> + Send>>;

/// The bytes of a blob on their way from the store to the disk.
struct Transfer<'a, D> {
    store: &'a Store,
    wanted: Wanted,
    options: CacheOptions,
    flight: &'a Flight,
    deserted: Pin<&'a mut D>,
    // None only while it writes.
    writer: Option<Writer>,
}

impl<D: Future<Output = ()>> Transfer<'_, D> {
    /// Receives all that lacks, over as many attempts as it takes while some of them get further. Answers the digest of
    /// all.
    async fn run(&mut self) -> Result<Sha256, FetchError> {
        let mut wait = FIRST_WAIT;
        let mut last_progress = Instant::now();
        while self.lacking_bytes() > 0 {
            let before = self.lacking_bytes();
            let attempt = self.attempt().await;
            if self.lacking_bytes() < before {
                (wait, last_progress) = (FIRST_WAIT, Instant::now());
            }
            match attempt {
                Ok(()) => {}
                Err(error) if !may_pass(&error) || last_progress.elapsed() >= self.options.patience => {
                    return Err(error);
                }
                Err(error) => {
                    tracing::debug!(sha256 = %self.wanted.sha256, %error, "the store is asked again in {wait:?}");
                    self.unless_deserted(tokio::time::sleep(wait)).await?;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
        }
        let writer = self.take_writer()?;
        Ok(writer.finish().await?)
    }

    /// Asks the store for what lacks, and writes what comes. What came before it failed is written, too.
    async fn attempt(&mut self) -> Result<(), FetchError> {
        let Wanted { sha256, size_bytes } = self.wanted;
        let offset = size_bytes - self.lacking_bytes();
        let opening = open(self.store, self.wanted, self.options, offset);
        let mut blob = self.unless_deserted(opening).await??;
        let mut pieces = Vec::new();
        let mut waiting_bytes = 0;
        loop {
            let piece = tokio::time::timeout(self.options.stall, blob.try_next());
            let end = match self.unless_deserted(piece).await {
                Ok(Ok(Ok(Some(piece)))) => {
                    waiting_bytes += piece.len();
                    pieces.push(piece);
                    if waiting_bytes as u64 > self.lacking_bytes() {
                        return Err(self.wanted.damaged(None));
                    }
                    None
                }
                Ok(Ok(Ok(None))) => Some(Ok(())),
                Ok(Ok(Err(error))) => Some(Err(error.into())),
                Ok(Err(_)) => Some(Err(FetchError::Silent {
                    sha256,
                    waited: self.options.stall,
                })),
                Err(cancelled) => Some(Err(cancelled)),
            };
            if end.is_some() || waiting_bytes >= WRITE_BYTES {
                waiting_bytes = 0;
                self.write(std::mem::take(&mut pieces)).await?;
            }
            match end {
                None => {}
                // In good order, and yet too short.
                Some(Ok(())) if self.lacking_bytes() > 0 => return Err(self.wanted.damaged(None)),
                Some(end) => return end,
            }
        }
    }

    /// Waits for something, unless nobody wants the blob any more. Nothing may be waited for that must not be dropped.
    async fn unless_deserted<T>(&mut self, wait: impl Future<Output = T>) -> Result<T, FetchError> {
        // Cancel safe: who loses by desertion is not asked again.
        tokio::select! {
            done = wait => Ok(done),
            () = self.deserted.as_mut() => Err(FetchError::Cancelled { sha256: self.wanted.sha256 }),
        }
    }

    fn lacking_bytes(&self) -> u64 {
        let done = self.writer.as_ref().map_or(0, |writer| writer.done_bytes);
        self.wanted.size_bytes - done
    }

    async fn write(&mut self, pieces: Vec<Bytes>) -> Result<(), FetchError> {
        let writer = self.take_writer()?.write(pieces).await?;
        self.flight
            .progress
            .send_replace(Progress::Going(writer.done_bytes));
        self.writer = Some(writer);
        Ok(())
    }

    /// It is there again but after a failure of the disk, which ends all.
    fn take_writer(&mut self) -> Result<Writer, FetchError> {
        self.writer.take().ok_or(FetchError::Interrupted {
            sha256: self.wanted.sha256,
        })
    }
}

/// Asks the store for a blob from an offset on.
async fn open(
    store: &Store,
    wanted: Wanted,
    options: CacheOptions,
    offset: u64,
) -> Result<Pieces, FetchError> {
    let Wanted { sha256, size_bytes } = wanted;
    let silent = |_| FetchError::Silent {
        sha256,
        waited: options.stall,
    };
    let opened = tokio::time::timeout(options.stall, store.read_blob_from(&sha256, offset)).await;
    let error = match opened.map_err(silent)? {
        Ok(Some(blob)) => return Ok(Box::pin(blob)),
        Ok(None) => return Err(FetchError::Missing { sha256 }),
        Err(error) => error,
    };
    // What begins behind the end can't be read.
    if offset > 0 {
        let size = tokio::time::timeout(options.stall, store.blob_size_bytes(&sha256)).await;
        if matches!(size, Ok(Ok(Some(size))) if size != size_bytes) {
            return Err(wanted.damaged(None));
        }
    }
    Err(error.into())
}

/// Whether another attempt is of use.
fn may_pass(error: &FetchError) -> bool {
    match error {
        FetchError::Silent { .. } => true,
        FetchError::Store(error) => matches!(**error, StoreError::Object { .. }),
        _ => false,
    }
}

/// A part that is being written, and its digest so far.
struct Writer {
    folder: Arc<CacheFolder>,
    path: PathBuf,
    file: std::fs::File,
    digest: sha2::Sha256,
    done_bytes: u64,
}

impl Writer {
    /// Goes on with the part that is there, whose bytes are read for the digest, or begins one.
    async fn go_on(folder: Arc<CacheFolder>, wanted: Wanted) -> Result<Self, StoreError> {
        blocking(move || {
            let path = folder.part_path(&wanted.sha256);
            let there = folder.part_bytes(&wanted.sha256);
            if there > 0 && there <= wanted.size_bytes {
                return Self::reopen(folder, path);
            }
            folder.remove(&path)?;
            let file = folder
                .disk
                .create_file(&path)
                .map_err(StoreError::file("creating", &path))?;
            Ok(Self {
                folder,
                path,
                file,
                digest: sha2::Sha256::new(),
                done_bytes: 0,
            })
        })
        .await
    }

    fn reopen(folder: Arc<CacheFolder>, path: PathBuf) -> Result<Self, StoreError> {
        let mut file = std::fs::File::options()
            .read(true)
            .append(true)
            .open(&path)
            .map_err(StoreError::file("opening", &path))?;
        let mut digest = sha2::Sha256::new();
        let mut done_bytes = 0;
        let mut buffer = vec![0; WRITE_BYTES];
        loop {
            match file
                .read(&mut buffer)
                .map_err(StoreError::file("reading", &path))?
            {
                0 => break,
                count => {
                    digest.update(&buffer[..count]);
                    done_bytes += count as u64;
                }
            }
        }
        Ok(Self {
            folder,
            path,
            file,
            digest,
            done_bytes,
        })
    }

    async fn write(mut self, pieces: Vec<Bytes>) -> Result<Self, StoreError> {
        blocking(move || {
            for piece in &pieces {
                self.digest.update(piece);
                self.done_bytes += piece.len() as u64;
                self.folder
                    .disk
                    .append(&mut self.file, &self.path, piece)
                    .map_err(StoreError::file("writing", &self.path))?;
            }
            Ok(self)
        })
        .await
    }

    async fn finish(self) -> Result<Sha256, StoreError> {
        blocking(move || {
            self.folder
                .disk
                .sync_file(&self.file, &self.path)
                .map_err(StoreError::file("syncing", &self.path))?;
            Ok(Sha256::from(<[u8; 32]>::from(self.digest.finalize())))
        })
        .await
    }
}
