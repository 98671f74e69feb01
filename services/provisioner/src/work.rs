//! What each kind of job does.

use crate::domain::imported::Imported;
use crate::domain::request::JobRequest;
use crate::error::JobError;
use crate::import::{Importer, WorkerBinaryImport};
use crate::install::Install;
use crate::jobs::{JobContext, JobHandle};
use crate::provision::Provisioning;
use crate::verify;

/// All that jobs need. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    pub(crate) importer: Importer,
    pub(crate) provisioning: Provisioning,
    pub(crate) install: Install,
}

impl Work {
    /// Does what a job was asked to do. When it fails or is cancelled, nothing of it can be used.
    pub(crate) async fn run(&self, request: JobRequest, context: &JobContext) -> Result<Imported, JobError> {
        match request {
            JobRequest::ImportModel {
                source,
                file_name,
                model_id,
                mode,
            } => {
                self.importer
                    .import_model(source, file_name, model_id, mode, context)
                    .await
            }
            JobRequest::ImportWorkerBinary {
                source,
                worker_type,
                origin,
            } => {
                let import = WorkerBinaryImport {
                    source,
                    worker_type,
                    origin,
                };
                import.run(&self.importer, context).await
            }
            JobRequest::ProvisionModel { model_id } => self.provisioning.run(&model_id, context).await,
            JobRequest::InstallWorker { package, .. } => {
                let built = self
                    .install
                    .run(&package, &context.reporter, &context.cancel)
                    .await?;
                let import = WorkerBinaryImport {
                    source: built.program().into(),
                    worker_type: built.worker_type,
                    origin: built.source(),
                };
                let imported = import.run(&self.importer, context).await;
                built.discard().await;
                imported
            }
            JobRequest::VerifyModels { model_ids } => verify::run(&self.importer, &model_ids, context).await,
        }
    }

    /// Removes what a job that has ended left to go on from.
    pub(crate) async fn discard(&self, request: &JobRequest, job: &JobHandle) {
        if let JobRequest::ProvisionModel { model_id } = request {
            let model_id = match job.plan().await {
                Some(plan) => plan.model_id,
                None => model_id.clone(),
            };
            self.provisioning.discard(&model_id).await;
        }
    }
}
