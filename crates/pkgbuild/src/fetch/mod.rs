//! Brings a package's sources into `$srcdir`, and checks each before any of them is unpacked or used.

mod git;
mod local;
mod web;

use std::path::Path;

pub use web::{FetchError, FetchFile, FetchRequest};

use crate::PackageError;
use crate::archive::{self, UnpackLimits, Used};
use crate::build::BuildFolder;
use crate::options::Options;
use crate::package::{Checksums, Mismatch, Origin, Package, Source, check_allowed};
use crate::run::{Patience, Tools};
use crate::step::BuildEvent;

/// Whatever is needed to fetch sources.
pub(crate) struct Fetcher<'a> {
    pub(crate) options: &'a Options,
    pub(crate) tools: &'a Tools,
    pub(crate) files: &'a dyn FetchFile,
    pub(crate) patience: &'a Patience,
    pub(crate) tell: &'a (dyn Fn(BuildEvent) + Send + Sync),
}

impl Fetcher<'_> {
    /// Fetches, checks and unpacks all sources of a package.
    pub(crate) async fn fetch_all(
        &self,
        package: &Package,
        folder: &BuildFolder,
    ) -> Result<(), PackageError> {
        for source in &package.sources {
            self.fetch(package, source, folder).await?;
        }
        self.unpack_all(package, folder).await
    }

    async fn fetch(
        &self,
        package: &Package,
        source: &Source,
        folder: &BuildFolder,
    ) -> Result<(), PackageError> {
        let unavailable = |problem: String| PackageError::SourceUnavailable {
            name: package.name.clone(),
            source_name: source.name.clone(),
            problem,
        };
        let tell = |done_bytes, total_bytes| {
            (self.tell)(BuildEvent::Fetching {
                name: source.name.clone(),
                done_bytes,
                total_bytes,
            });
        };
        tell(0, None);
        let path = folder.sources().join(&source.name);
        match &source.origin {
            Origin::Local { checksums } => {
                local::copy(&folder.start().join(&source.name), &path)
                    .await
                    .map_err(unavailable)?;
                check(package, source, &path, checksums).await
            }
            Origin::Web { url, checksums } => {
                self.check_allowed(package, url)?;
                let request = FetchRequest {
                    url,
                    to: &path,
                    max_bytes: self.options.limits.source_bytes,
                    on_progress: &tell,
                    cancel: &self.patience.cancel,
                };
                // Cancel safe: the file that was begun goes with the build's folder.
                let fetched = tokio::time::timeout_at(self.patience.until, self.files.fetch(request)).await;
                match fetched {
                    Ok(Ok(())) => check(package, source, &path, checksums).await,
                    Ok(Err(FetchError::Cancelled)) => Err(PackageError::Cancelled),
                    Ok(Err(FetchError::Unavailable(problem))) => Err(unavailable(problem)),
                    Err(_) => Err(unavailable(self.too_long())),
                }
            }
            Origin::Git { url, reference } => {
                self.check_allowed(package, url)?;
                let git = self
                    .tools
                    .program("git")
                    .ok_or_else(|| unavailable("git is not installed".to_owned()))?;
                let clone = git::Clone {
                    git: &git,
                    tools: self.tools,
                    url,
                    reference,
                    folder,
                    into: &path,
                };
                clone.run(self.patience).await.map_err(|error| match error {
                    git::GitError::Cancelled => PackageError::Cancelled,
                    git::GitError::DiskFull => self.options.disk_full(),
                    git::GitError::TimedOut => unavailable(self.too_long()),
                    git::GitError::Failed(problem) => unavailable(problem),
                })
            }
        }
    }

    fn too_long(&self) -> String {
        let most = humantime::format_duration(self.options.fetch_timeout);
        format!("the sources were not there within {most}")
    }

    fn check_allowed(&self, package: &Package, url: &url::Url) -> Result<(), PackageError> {
        check_allowed(url, &self.options.named_addresses()).map_err(|problem| PackageError::Invalid {
            name: package.name.clone(),
            problem,
        })
    }

    async fn unpack_all(&self, package: &Package, folder: &BuildFolder) -> Result<(), PackageError> {
        let limits = UnpackLimits {
            bytes: self.options.limits.unpacked_bytes,
            entries: self.options.limits.unpacked_entries,
        };
        let mut used = Used::default();
        let archives = package
            .sources
            .iter()
            .filter(|source| !matches!(source.origin, Origin::Git { .. }))
            .filter(|source| !package.no_extract.contains(&source.name));
        for source in archives {
            let invalid = |problem: String| PackageError::Archive {
                name: package.name.clone(),
                source_name: source.name.clone(),
                problem,
            };
            let Some(format) = archive::format_of(&source.name).map_err(invalid)? else {
                continue;
            };
            let (archive, into) = (folder.sources().join(&source.name), folder.sources());
            // Ends the thread also when this future is dropped, or it would go on writing.
            let cancel = self.patience.cancel.child_token();
            let _guard = cancel.clone().drop_guard();
            let until = self.patience.until;
            let unpacking = tokio::task::spawn_blocking(move || {
                let is_over = || cancel.is_cancelled() || until <= tokio::time::Instant::now();
                let result = archive::unpack(&archive, format, &into, limits, &mut used, &is_over);
                result.map(|()| used)
            });
            let unpacked = unpacking
                .await
                .unwrap_or_else(|_| Err("unpacking it failed".to_owned()));
            if self.patience.cancel.is_cancelled() {
                return Err(PackageError::Cancelled);
            }
            used = unpacked.map_err(invalid)?;
        }
        Ok(())
    }
}

async fn check(
    package: &Package,
    source: &Source,
    path: &Path,
    checksums: &Checksums,
) -> Result<(), PackageError> {
    let (file, mut checker) = (path.to_owned(), checksums.checker());
    let checking = tokio::task::spawn_blocking(move || {
        let mut content = std::fs::File::open(&file)?;
        let mut buffer = vec![0; 256 << 10];
        loop {
            match std::io::Read::read(&mut content, &mut buffer)? {
                0 => return Ok(checker.finish()),
                bytes => checker.update(&buffer[..bytes]),
            }
        }
    });
    let checked = checking
        .await
        .unwrap_or_else(|error| Err(std::io::Error::other(error)));
    match checked.map_err(PackageError::io("cannot read", path))? {
        Ok(()) => Ok(()),
        Err(Mismatch {
            algorithm,
            expected,
            found,
        }) => Err(PackageError::ChecksumMismatch {
            name: package.name.clone(),
            source_name: source.name.clone(),
            algorithm,
            expected,
            found,
        }),
    }
}
