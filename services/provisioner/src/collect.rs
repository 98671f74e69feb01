//! Collecting garbage: blobs that nothing refers to, and parts of downloads that no job will go on with.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rbee_artifacts::{ModelEntry, Sha256};
use rbee_service_kit::narrate;
use tokio_util::sync::CancellationToken;

use crate::error::JobError;
use crate::grpc::Retry;
use crate::import::{Importer, blocking};
use crate::jobs::Jobs;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Collection {
    /// Only say what would go.
    pub(crate) dry_run: bool,
    /// What changed within this time stays.
    pub(crate) minimum_age: Duration,
}

/// What went, or would go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Collected {
    pub(crate) blob_count: u64,
    pub(crate) blob_bytes: u64,
    pub(crate) part_count: u64,
    pub(crate) part_bytes: u64,
}

impl Collection {
    pub(crate) async fn run(
        self,
        importer: &Importer,
        jobs: &Jobs,
        parts: &Path,
        cancel: &CancellationToken,
    ) -> Result<Collected, JobError> {
        // No job is between a blob that it stored and the entry that refers to it.
        let _alone = importer.collection.write().await;
        let before = SystemTime::now()
            .checked_sub(self.minimum_age)
            .unwrap_or(SystemTime::UNIX_EPOCH);
        let mut collected = Collected::default();
        let needed = self.needed_blobs(importer, cancel).await?;
        for blob in importer.store.list_blobs().await? {
            if needed.contains(&blob.sha256) || blob.modified > before {
                continue;
            }
            if !self.dry_run && !importer.store.delete_blob(&blob.sha256).await? {
                continue;
            }
            collected.blob_count += 1;
            // A user's own file stays where it is.
            collected.blob_bytes += if blob.in_place { 0 } else { blob.size_bytes };
        }
        let resumable = resumable_parts(jobs).await;
        let (folder, dry_run) = (parts.to_owned(), self.dry_run);
        let (count, bytes) = blocking(move || collect_parts(&folder, &resumable, before, dry_run))
            .await?
            .map_err(|source| JobError::WorkDir {
                doing: "removing parts in",
                path: parts.to_owned(),
                source,
            })?;
        (collected.part_count, collected.part_bytes) = (count, bytes);
        if !self.dry_run {
            narrate!(
                "collected {} blobs of {} bytes and {} parts of {} bytes",
                collected.blob_count,
                collected.blob_bytes,
                collected.part_count,
                collected.part_bytes
            );
        }
        Ok(collected)
    }

    /// Blobs of any model, usable or not, and of any worker program.
    async fn needed_blobs(
        self,
        importer: &Importer,
        cancel: &CancellationToken,
    ) -> Result<HashSet<Sha256>, JobError> {
        let retry = Retry::Patiently(cancel);
        let models = importer.catalog.models(retry).await?;
        let binaries = importer.catalog.worker_binaries(retry).await?;
        let of_models = models.iter().flat_map(|model| blobs(&model.entry));
        Ok(of_models
            .chain(binaries.iter().map(|binary| binary.sha256))
            .collect())
    }
}

fn blobs(entry: &ModelEntry) -> impl Iterator<Item = Sha256> {
    entry.files.iter().map(|file| file.sha256)
}

/// The folders of parts that jobs go on with.
async fn resumable_parts(jobs: &Jobs) -> HashSet<String> {
    let mut keys = HashSet::new();
    for job in jobs.active() {
        if let Some(plan) = job.plan().await {
            keys.insert(plan.model_id.storage_key());
        }
    }
    keys
}

/// Removes the folders in `parts` that are old and that no job needs; answers with how many files went, and their
/// size in bytes.
fn collect_parts(
    parts: &Path,
    resumable: &HashSet<String>,
    before: SystemTime,
    dry_run: bool,
) -> io::Result<(u64, u64)> {
    let (mut count, mut bytes) = (0, 0);
    let entries = match std::fs::read_dir(parts) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((0, 0)),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let is_needed = entry
            .file_name()
            .to_str()
            .is_some_and(|key| resumable.contains(key));
        if is_needed || !entry.file_type()?.is_dir() {
            continue;
        }
        let (newest, files) = files_below(&entry.path())?;
        if newest > before {
            continue;
        }
        for (path, size_bytes) in &files {
            if path.extension().is_some_and(|extension| extension == "part") {
                count += 1;
            }
            bytes += size_bytes;
        }
        if !dry_run {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok((count, bytes))
}

/// All files below a folder with their sizes in bytes, and when one of them or the folder last changed.
fn files_below(folder: &Path) -> io::Result<(SystemTime, Vec<(PathBuf, u64)>)> {
    let mut newest = std::fs::metadata(folder)?.modified()?;
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            let (newest_below, below) = files_below(&entry.path())?;
            newest = newest.max(newest_below);
            files.extend(below);
        } else {
            newest = newest.max(metadata.modified()?);
            files.push((entry.path(), metadata.len()));
        }
    }
    Ok((newest, files))
}
