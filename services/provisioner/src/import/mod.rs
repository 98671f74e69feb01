//! How artifacts are brought in from files of this host.

mod error;
mod file;
mod inspect;
mod model;
mod program;
mod worker_binary;

use std::time::Duration;

use rbee_store::Store;
use tokio_util::sync::CancellationToken;

pub(crate) use error::ImportError;

use crate::domain::imported::Imported;
use crate::domain::request::JobRequest;
use crate::grpc::CatalogClient;
use crate::jobs::Reporter;

/// What importing needs. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Importer {
    pub(crate) store: Store,
    pub(crate) catalog: CatalogClient,
    /// How long a worker program may take to say its version.
    pub(crate) version_timeout: Duration,
}

impl Importer {
    /// Does what a job was asked to do, telling `reporter` how it goes. When it fails or is cancelled,
    /// nothing of it is in the catalog.
    pub(crate) async fn import(
        &self,
        request: JobRequest,
        request_id: &str,
        reporter: &Reporter,
        cancel: &CancellationToken,
    ) -> Result<Imported, ImportError> {
        match request {
            JobRequest::ImportModel {
                source,
                file_name,
                model_id,
                mode,
            } => {
                let import = model::ModelImport {
                    source,
                    file_name,
                    model_id,
                    mode,
                };
                import.run(self, request_id, reporter, cancel).await
            }
            JobRequest::ImportWorkerBinary {
                source,
                worker_type,
                origin,
            } => {
                let import = worker_binary::WorkerBinaryImport {
                    source,
                    worker_type,
                    origin,
                };
                import.run(self, request_id, reporter, cancel).await
            }
        }
    }
}

/// Runs `work` on a thread that may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ImportError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done),
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Only the end of the runtime cancels it.
            Err(_) => Err(ImportError::Cancelled),
        },
    }
}
