//! How artifacts are brought in from files of this host.

mod file;
mod folder;
mod model;
mod program;
mod worker_binary;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rbee_artifacts::ModelId;
use rbee_store::Store;
use tokio::sync::RwLock;

pub(crate) use worker_binary::WorkerBinaryImport;

use crate::domain::imported::Imported;
use crate::domain::request::ImportMode;
use crate::error::JobError;
use crate::grpc::CatalogClient;
use crate::jobs::JobContext;

/// What importing needs. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Importer {
    pub(crate) store: Store,
    pub(crate) catalog: CatalogClient,
    /// Held for reading from the first blob that a job stores until the catalog refers to it, and for writing
    /// while garbage is collected.
    pub(crate) collection: Arc<RwLock<()>>,
    /// How long a worker program may take to say its version.
    pub(crate) version_timeout: Duration,
}

impl Importer {
    /// Imports a model. When it fails or is cancelled, nothing of it is in the catalog.
    pub(crate) async fn import_model(
        &self,
        source: PathBuf,
        file_name: String,
        model_id: ModelId,
        mode: ImportMode,
        context: &JobContext,
    ) -> Result<Imported, JobError> {
        let import = model::ModelImport {
            source,
            file_name,
            model_id,
            mode,
        };
        import.run(self, context).await
    }
}

/// Runs `work` on a thread that may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JobError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done),
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Only the end of the runtime cancels it.
            Err(_) => Err(JobError::Cancelled),
        },
    }
}
