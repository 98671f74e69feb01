//! Receiving a model's files.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use rbee_artifacts::{ModelFile, RelativePath, Sha256};
use rbee_download::{Digest, Download, DownloadError, Downloaded, Expected, begun};
use rbee_store::Store;
use tokio_util::sync::CancellationToken;

use super::Provisioning;
use crate::domain::plan::{Plan, PlannedFile};
use crate::domain::progress::Progress;
use crate::error::JobError;
use crate::import::blocking;
use crate::jobs::JobContext;

/// Longest piece of a file's own name in its part's, in bytes.
const MAX_NAME_BYTES: usize = 120;
/// A file of the model that is on this host now.
#[derive(Debug)]
pub(super) struct Received {
    /// Its name within the model.
    pub(super) name: RelativePath,
    pub(super) size_bytes: u64,
    pub(super) sha256: Sha256,
    /// The part, whole and verified; absent for a file whose blob the store had already.
    pub(super) part: Option<Downloaded>,
}

impl Received {
    /// Makes it a blob, without reading it again where the store is on the same file system.
    pub(super) async fn store(
        self,
        store: &Store,
        cancel: &CancellationToken,
    ) -> Result<ModelFile, JobError> {
        if let Some(part) = self.part {
            let cancel = cancel.clone();
            let progress = move |_| match cancel.is_cancelled() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            };
            store
                .put_verified(part.path.clone(), self.sha256, self.size_bytes, progress)
                .await?;
            part.finish().await?;
        }
        Ok(ModelFile {
            name: self.name,
            size_bytes: self.size_bytes,
            sha256: self.sha256,
        })
    }
}

/// What a file's part is called: the same at each try, and distinct for distinct files.
fn part_name(name: &RelativePath) -> String {
    let own = name.file_name();
    let own = &own[..own.floor_char_boundary(MAX_NAME_BYTES)];
    let digest = Sha256::digest(name.as_str().as_bytes()).to_string();
    format!("{}-{own}", &digest[..16])
}

impl Provisioning {
    /// Refuses what plainly does not fit, before anything is written.
    pub(super) async fn expect_space(&self, plan: &Plan, folder: &Path) -> Result<(), JobError> {
        let needed_bytes = self.missing_bytes(plan, folder).await?;
        let parts = self.parts.clone();
        let keep_free_bytes = self.keep_free_bytes;
        let available = blocking(move || crate::disk::available_bytes(&parts)).await?;
        // Where it is not known, the download itself will tell.
        let Ok(Some(available_bytes)) = available else {
            return Ok(());
        };
        if needed_bytes > available_bytes.saturating_sub(keep_free_bytes) {
            return Err(JobError::NoSpace {
                path: self.parts.clone(),
                needed_bytes: needed_bytes.saturating_add(keep_free_bytes),
                available_bytes,
            });
        }
        Ok(())
    }

    /// Bytes that are still to be received, as far as their number is known.
    pub(crate) async fn missing_bytes(&self, plan: &Plan, folder: &Path) -> Result<u64, JobError> {
        let mut missing_bytes = 0_u64;
        for file in &plan.files {
            let Some(size_bytes) = file.size_bytes else {
                continue;
            };
            if self.stored(file).await?.is_some() {
                continue;
            }
            let (folder, name) = (folder.to_owned(), part_name(&file.name));
            let begun_bytes = blocking(move || begun(&folder, &name)).await?;
            let begun_bytes = begun_bytes.ok().flatten().map_or(0, |(bytes, _)| bytes);
            missing_bytes = missing_bytes.saturating_add(size_bytes.saturating_sub(begun_bytes));
        }
        Ok(missing_bytes)
    }

    /// The size of a planned file's blob, if the store has it.
    async fn stored(&self, file: &PlannedFile) -> Result<Option<(Sha256, u64)>, JobError> {
        let Some(sha256) = file.sha256 else {
            return Ok(None);
        };
        let size_bytes = self.importer.store.blob_state(&sha256).await?.size_bytes();
        Ok(size_bytes
            .filter(|size_bytes| file.size_bytes.is_none_or(|planned| planned == *size_bytes))
            .map(|size_bytes| (sha256, size_bytes)))
    }

    /// Receives what the store does not have.
    pub(super) async fn receive(
        &self,
        plan: &Plan,
        folder: &Path,
        context: &JobContext,
    ) -> Result<Vec<Received>, JobError> {
        make_folder(folder).await?;
        let mut received = Vec::new();
        let mut before_bytes = 0;
        for file in &plan.files {
            context.reporter.file(file.name.as_str());
            let one = match self.stored(file).await? {
                Some((sha256, size_bytes)) => Received {
                    name: file.name.clone(),
                    size_bytes,
                    sha256,
                    part: None,
                },
                None => {
                    self.receive_one(plan, file, folder, before_bytes, context)
                        .await?
                }
            };
            before_bytes += one.size_bytes;
            received.push(one);
            context.reporter.advance(Progress {
                done_bytes: before_bytes,
                total_bytes: plan.size_bytes(),
                bytes_per_second: context.handle.job().progress.bytes_per_second,
            });
        }
        Ok(received)
    }

    async fn receive_one(
        &self,
        plan: &Plan,
        file: &PlannedFile,
        folder: &Path,
        before_bytes: u64,
        context: &JobContext,
    ) -> Result<Received, JobError> {
        let digest = file.sha256.as_ref().map(ToString::to_string);
        let download = Download {
            folder: folder.to_owned(),
            name: part_name(&file.name),
            key: part_key(plan, file),
            source: self.hubs.source(&plan.model_id, file)?,
            expected: Expected {
                size_bytes: file.size_bytes,
                digest: digest
                    .as_deref()
                    .and_then(Digest::sha256)
                    .or_else(|| file.git_sha1.as_deref().and_then(Digest::git_blob_sha1)),
                text: file.is_text,
            },
        };
        let total_bytes = plan.size_bytes();
        let only = plan.files.len() == 1;
        let reporter = context.reporter.clone();
        let on_progress = move |progress: rbee_download::Progress| {
            reporter.advance(Progress {
                done_bytes: before_bytes + progress.bytes,
                // A hub that tells no sizes tells that of a file with its answer.
                total_bytes: total_bytes.or_else(|| progress.total_bytes.filter(|_| only)),
                bytes_per_second: progress.bytes_per_second,
            });
        };
        let downloaded = self
            .downloader
            .download(&download, &context.cancel, &on_progress)
            .await;
        let part = match downloaded {
            Ok(part) => part,
            Err(error) => return Err(self.explained(plan, error).await),
        };
        Ok(Received {
            name: file.name.clone(),
            size_bytes: part.size_bytes,
            sha256: part.sha256.into(),
            part: Some(part),
        })
    }
}

impl Provisioning {
    /// A refusal in its hub's own words: what keeps the files from us is seen best where they are listed.
    async fn explained(&self, plan: &Plan, error: DownloadError) -> JobError {
        let is_refusal = match &error {
            DownloadError::Http(error) => error
                .status()
                .is_some_and(|status| matches!(status.as_u16(), 401 | 403 | 404 | 410)),
            _ => false,
        };
        if !is_refusal {
            return error.into();
        }
        match self.hubs.plan(&plan.model_id).await {
            Err(explained @ JobError::Hub(_)) => explained,
            _ => error.into(),
        }
    }
}

/// Words that are the same only for the same content.
fn part_key(plan: &Plan, file: &PlannedFile) -> String {
    let content = match (&file.sha256, &file.git_sha1) {
        (Some(sha256), _) => format!("sha256:{sha256}"),
        (None, Some(sha1)) => format!("git:{sha1}"),
        (None, None) => format!("size:{:?}", file.size_bytes),
    };
    let revision = plan.revision.as_deref().unwrap_or("-");
    format!("{} {revision} {} {content}", plan.model_id, file.name)
}

async fn make_folder(folder: &Path) -> Result<(), JobError> {
    let path: PathBuf = folder.to_owned();
    let made: io::Result<()> = blocking(move || std::fs::create_dir_all(path)).await?;
    made.map_err(|source| JobError::WorkDir {
        doing: "creating",
        path: folder.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_names_of_their_own() {
        let name = |text: &str| part_name(&text.parse().unwrap());
        assert_ne!(name("unet/config.json"), name("vae/config.json"));
        assert_eq!(name("m.gguf"), name("m.gguf"));
        assert!(name("unet/config.json").ends_with("-config.json"));
        let long = format!("{}.gguf", "é".repeat(120));
        assert!(name(&long).len() <= 200);
        assert!(!name("a/b").contains('/'));
    }
}
