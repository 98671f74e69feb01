//! What callers do: download a file, and get it verified.

use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha1::{Digest as _, Sha1};
use tokio_util::sync::CancellationToken;

use super::bandwidth::Bandwidth;
use super::config::{AvailableBytes, DownloadConfig};
use super::error::DownloadError;
use super::expected::{Digest, Expected};
use super::meter::Progress;
use super::page::{SNIFFED_BYTES, looks_like_page};
use super::part::{Part, disk};
use super::session::Session;
use super::source::Source;
use crate::http::{HttpClient, HttpError};

/// One file to download.
#[derive(Clone)]
pub struct Download {
    /// Where its part lies. Created if it is not there.
    pub folder: PathBuf,
    /// The part is called `<name>.part`. Chosen by the caller, never by a server.
    pub name: String,
    /// Which file it is, in words that are the same only for the same content: hub, repository, commit, path. A
    /// part with another key is not resumed. No secrets: it is stored beside the part.
    pub key: String,
    /// Where it comes from.
    pub source: Arc<dyn Source>,
    /// What it is to be.
    pub expected: Expected,
}

/// Downloads files. Cheap to clone; bandwidth and connections are shared.
#[derive(Debug, Clone)]
pub struct Downloader {
    pub(super) client: HttpClient,
    pub(super) config: Arc<DownloadConfig>,
    pub(super) bandwidth: Arc<Bandwidth>,
    pub(super) available: AvailableBytes,
}

/// A whole file whose digest is right. It stays locked until this is dropped; then, if it was not moved away, the
/// same download finds it and only verifies it again.
#[derive(Debug)]
pub struct Downloaded {
    /// Where it lies.
    pub path: PathBuf,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// Its SHA-256.
    pub sha256: [u8; 32],
    /// How many bytes of it were there before, from an earlier try.
    pub resumed_bytes: u64,
    part: Arc<Part>,
}

impl Downloaded {
    /// Removes what is left of the part: the state, and the file unless it was moved away.
    ///
    /// # Errors
    /// [`DownloadError::Disk`]
    pub async fn finish(self) -> Result<(), DownloadError> {
        let part = Arc::clone(&self.part);
        blocking(move || part.remove()).await
    }
}

impl Downloader {
    /// Downloads with this client, which gives it its addresses' and tokens' rules.
    #[must_use]
    pub fn new(
        client: HttpClient,
        config: DownloadConfig,
        bandwidth: Arc<Bandwidth>,
        available: AvailableBytes,
    ) -> Self {
        Self {
            client,
            config: Arc::new(config),
            bandwidth,
            available,
        }
    }

    /// Brings the file in, from where an earlier try stopped. `on_progress` is called at most ten times a second,
    /// and once at the end.
    ///
    /// Cancelling leaves a part that can be resumed; so does dropping the future, but for the last seconds.
    ///
    /// # Errors
    /// [`DownloadError`]. If it is [`Corrupt`](DownloadError::Corrupt), or nothing came, no part is left.
    pub async fn download(
        &self,
        what: &Download,
        cancel: &CancellationToken,
        on_progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Downloaded, DownloadError> {
        if let Some(size_bytes) = what.expected.size_bytes
            && size_bytes > self.config.max_size_bytes
        {
            return Err(DownloadError::TooLarge {
                name: what.name.clone(),
                size_bytes,
                limit_bytes: self.config.max_size_bytes,
            });
        }
        let (folder, name) = (what.folder.clone(), what.name.clone());
        let part = Arc::new(blocking(move || Part::open(&folder, &name)).await?);
        // The first try may have built on a part that was damaged long ago; the second is wholly fresh.
        let mut last = false;
        loop {
            let session = Session::open(self, what, &part).await?;
            let resumed_bytes = session.resumed_bytes();
            let (size_bytes, sha256) = session.run(cancel, on_progress).await?;
            let wrong = self.verify(what, &part, size_bytes, sha256).await;
            let error = match wrong {
                Ok(()) => {
                    return Ok(Downloaded {
                        path: part.paths.part.clone(),
                        size_bytes,
                        sha256,
                        resumed_bytes,
                        part,
                    });
                }
                Err(error) => error,
            };
            let again = matches!(error, DownloadError::Corrupt { .. }) && !last;
            tracing::warn!(name = what.name, %error, again, "a download is not what it was to be");
            let void = Arc::clone(&part);
            match again {
                true => blocking(move || void.forget()).await?,
                false => {
                    blocking(move || void.remove()).await?;
                    return Err(error);
                }
            }
            last = true;
        }
    }

    /// Whether the file is the right one, as far as can be known.
    async fn verify(
        &self,
        what: &Download,
        part: &Arc<Part>,
        size_bytes: u64,
        sha256: [u8; 32],
    ) -> Result<(), DownloadError> {
        let found = match what.expected.digest {
            None | Some(Digest::Sha256(_)) => Digest::Sha256(sha256),
            Some(Digest::GitBlobSha1(_)) => {
                let part = Arc::clone(part);
                Digest::GitBlobSha1(blocking(move || git_blob_sha1(&part, size_bytes)).await?)
            }
        };
        if let Some(expected) = what.expected.digest
            && expected == found
        {
            return Ok(());
        }
        if !what.expected.text {
            let part = Arc::clone(part);
            let start = blocking(move || start_of(&part, size_bytes)).await?;
            if looks_like_page(&start) {
                return Err(HttpError::Page {
                    url: what.name.clone(),
                    content_type: "text that calls itself a file".to_owned(),
                    wanted: "the file",
                    excerpt: String::from_utf8_lossy(&start).chars().take(100).collect(),
                }
                .into());
            }
        }
        match what.expected.digest {
            None => Ok(()),
            Some(expected) => Err(DownloadError::Corrupt {
                name: what.name.clone(),
                expected,
                found,
            }),
        }
    }
}

/// Git's name of the file, in a pass of its own: only small files are known by it.
fn git_blob_sha1(part: &Part, size_bytes: u64) -> Result<[u8; 20], DownloadError> {
    let mut hasher = Sha1::new();
    hasher.update(format!("blob {size_bytes}\0"));
    let mut buffer = vec![0; 64 * 1024];
    let mut at = 0;
    while at < size_bytes {
        let most = (size_bytes - at).min(buffer.len() as u64) as usize;
        let read = part.file.read_exact_at(&mut buffer[..most], at);
        read.map_err(disk("read", &part.paths.part))?;
        hasher.update(&buffer[..most]);
        at += most as u64;
    }
    Ok(hasher.finalize().into())
}

fn start_of(part: &Part, size_bytes: u64) -> Result<Vec<u8>, DownloadError> {
    let mut start = vec![0; size_bytes.min(SNIFFED_BYTES as u64) as usize];
    let read = part.file.read_exact_at(&mut start, 0);
    read.map_err(disk("read", &part.paths.part))?;
    Ok(start)
}

/// Runs what blocks where it may.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DownloadError> + Send + 'static,
) -> Result<T, DownloadError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(disk("work on", Path::new("the part"))(io::Error::other(error))),
    }
}
