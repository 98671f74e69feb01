//! Installing a worker program: hash, ask its version, store, register.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rbee_artifacts::{Platform, Sha256, WorkerBinary, WorkerBinaryId, WorkerType};
use rbee_store::{Ingest, PutFileError};
use tokio_util::sync::CancellationToken;

use super::{Importer, blocking, file, program};
use crate::domain::imported::Imported;
use crate::domain::job::JobPhase;
use crate::domain::progress::ProgressMeter;
use crate::error::JobError;
use crate::grpc::Retry;
use crate::jobs::{JobContext, Reporter};

pub(crate) struct WorkerBinaryImport {
    pub(crate) source: PathBuf,
    pub(crate) worker_type: WorkerType,
    pub(crate) origin: String,
}

impl WorkerBinaryImport {
    pub(crate) async fn run(self, importer: &Importer, context: &JobContext) -> Result<Imported, JobError> {
        let JobContext { reporter, cancel, .. } = context;
        reporter.enter(JobPhase::Inspecting);
        let (path, token) = (self.source.clone(), cancel.clone());
        let (sha256, size_bytes) = blocking(move || file::hash(&path, &token)).await??;
        let version = self
            .ask_version(&self.source, importer.version_timeout, cancel)
            .await?;

        // What is stored here is not collected before the catalog refers to it.
        let _kept = importer.collection.read().await;
        reporter.enter(JobPhase::Storing);
        self.store(importer, sha256, size_bytes, reporter, cancel).await?;

        reporter.enter(JobPhase::Registering);
        let platform = Platform::current();
        let binary = WorkerBinary {
            id: WorkerBinaryId::derive(self.worker_type, &version, &platform, &sha256),
            worker_type: self.worker_type,
            version,
            platform,
            size_bytes,
            sha256,
            // The catalog sets it.
            added_at: Timestamp::UNIX_EPOCH,
            source: self.origin,
        };
        let binary = importer
            .catalog
            .create_worker_binary(&binary, &context.id, Retry::Patiently(cancel))
            .await?;
        Ok(Imported::WorkerBinary(Box::new(binary)))
    }

    async fn ask_version(
        &self,
        path: &Path,
        timeout: Duration,
        cancel: &CancellationToken,
    ) -> Result<String, JobError> {
        // Cancel safe: dropping the question kills the program that was asked.
        let asked = tokio::select! {
            asked = program::version(path, self.worker_type, timeout) => asked,
            () = cancel.cancelled() => return Err(JobError::Cancelled),
        };
        asked.map_err(|problem| JobError::NotTheWorker {
            path: path.to_owned(),
            worker_type: self.worker_type,
            problem,
        })
    }

    /// Always a copy: programs are replaced in place, by builds and by package managers.
    async fn store(
        &self,
        importer: &Importer,
        sha256: Sha256,
        size_bytes: u64,
        reporter: &Reporter,
        cancel: &CancellationToken,
    ) -> Result<(), JobError> {
        let mut meter = ProgressMeter::new(Some(size_bytes), Instant::now());
        // With every start of `rbee up`, the same programs come again.
        if importer.store.blob_size_bytes(&sha256).await? == Some(size_bytes) {
            if let Some(progress) = meter.advance(size_bytes, Instant::now()) {
                reporter.advance(progress);
            }
            return Ok(());
        }
        let (reporter, cancel) = (reporter.clone(), cancel.clone());
        let progress = move |done_bytes| {
            if cancel.is_cancelled() {
                return ControlFlow::Break(());
            }
            if let Some(progress) = meter.advance(done_bytes, Instant::now()) {
                reporter.advance(progress);
            }
            ControlFlow::Continue(())
        };
        match importer
            .store
            .put_file(&self.source, Ingest::Copy, Some(sha256), progress)
            .await
        {
            // Not the program that was asked for its version.
            Err(PutFileError::DigestMismatch { path, .. }) => {
                Err(JobError::Put(PutFileError::SourceChanged { path }))
            }
            stored => {
                stored?;
                Ok(())
            }
        }
    }
}
