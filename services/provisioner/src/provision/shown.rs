//! What the catalog shows of a model while it is brought in.

use jiff::Timestamp;
use rbee_artifacts::{ModelEntry, ModelStatus};
use rbee_service_kit::fault::Chain;

use crate::domain::imported::CatalogModel;
use crate::domain::plan::Plan;
use crate::entry;
use crate::error::JobError;
use crate::grpc::{CatalogClient, CatalogError, Retry};
use crate::jobs::JobContext;

/// Others may change an entry meanwhile, but not for ever.
const UPDATE_ATTEMPTS: u32 = 5;

/// The entry of one model.
pub(super) struct Shown<'a> {
    catalog: &'a CatalogClient,
    context: &'a JobContext,
    /// As it was before the job.
    before: Option<CatalogModel>,
    /// Whether the job has put its own in place of that.
    begun: bool,
}

impl<'a> Shown<'a> {
    pub(super) fn new(
        catalog: &'a CatalogClient,
        existing: Option<CatalogModel>,
        context: &'a JobContext,
    ) -> Self {
        Self {
            catalog,
            context,
            before: existing,
            begun: false,
        }
    }

    fn retry(&self) -> Retry<'a> {
        Retry::Patiently(&self.context.cancel)
    }

    /// Shows that the model is on its way, if the hub says what kind it is. One that can be used stays as it is
    /// until the new one is whole.
    pub(super) async fn begin(&mut self, plan: &Plan) -> Result<(), JobError> {
        let entry = match (&self.before, &plan.model_type) {
            (Some(model), _) if model.entry.status == ModelStatus::Available => return Ok(()),
            (Some(model), _) => ModelEntry {
                status: ModelStatus::Downloading,
                ..model.entry.clone()
            },
            (None, Some(model_type)) => ModelEntry {
                id: plan.model_id.clone(),
                name: entry::shortened(plan.name.clone()),
                size_bytes: plan.size_bytes().unwrap_or(0),
                status: ModelStatus::Downloading,
                added_at: Timestamp::UNIX_EPOCH,
                model_type: model_type.clone(),
                quantization: plan.quantization.clone().map(entry::shortened),
                context_length: None,
                parameter_count: None,
                metadata: entry::bounded(plan.metadata.clone()),
                files: Vec::new(),
            },
            (None, None) => return Ok(()),
        };
        self.put(entry).await?;
        self.begun = true;
        Ok(())
    }

    /// Shows the model as it is now; answers with it as stored.
    pub(super) async fn finish(&self, entry: ModelEntry) -> Result<CatalogModel, JobError> {
        self.put(entry).await
    }

    /// Shows that it came to nothing: why, or, if it was cancelled, what there was before. If the program ends, the
    /// next start goes on, and nothing changes.
    pub(super) async fn give_up(&self, plan: &Plan, error: &JobError) {
        if !self.begun {
            return;
        }
        let outcome = match error {
            JobError::Cancelled if !self.context.handle.was_cancelled().await => return,
            JobError::Cancelled => match &self.before {
                Some(model) => self.put(before(model)).await.map(drop),
                None => self
                    .catalog
                    .delete_model(&plan.model_id, Retry::Never)
                    .await
                    .map_err(JobError::from),
            },
            error => {
                let error = entry::shortened(Chain(error).to_string());
                self.fail(plan, error).await
            }
        };
        if let Err(error) = outcome {
            tracing::warn!(%error, model_id = %plan.model_id, "the catalog still shows a download that has ended");
        }
    }

    async fn fail(&self, plan: &Plan, error: String) -> Result<(), JobError> {
        let Some(model) = self.catalog.model(&plan.model_id, Retry::Never).await? else {
            return Ok(());
        };
        self.put(ModelEntry {
            status: ModelStatus::Failed { error },
            ..model.entry
        })
        .await
        .map(drop)
    }

    /// Creates the entry, or replaces what is there.
    async fn put(&self, mut entry: ModelEntry) -> Result<CatalogModel, JobError> {
        let retry = match self.context.cancel.is_cancelled() {
            true => Retry::Never,
            false => self.retry(),
        };
        for _ in 0..UPDATE_ATTEMPTS {
            let Some(current) = self.catalog.model(&entry.id, retry).await? else {
                match self
                    .catalog
                    .create_model(&entry, &self.request_id(&entry), retry)
                    .await
                {
                    Err(CatalogError::Exists) => continue,
                    created => return Ok(created?),
                }
            };
            entry.added_at = current.entry.added_at;
            if let Some(updated) = self.catalog.update_model(&entry, current.revision, retry).await? {
                return Ok(updated);
            }
        }
        Err(JobError::Contended {
            model_id: entry.id.clone(),
        })
    }

    /// A request for each thing that the job says of the model.
    fn request_id(&self, entry: &ModelEntry) -> String {
        let state = match entry.status {
            ModelStatus::Available => "available",
            ModelStatus::Downloading => "downloading",
            ModelStatus::Failed { .. } => "failed",
        };
        format!("{}-{state}", self.context.id)
    }
}

/// What is shown again after a download was cancelled. An earlier life of the job may have left its own mark.
fn before(model: &CatalogModel) -> ModelEntry {
    let mut entry = model.entry.clone();
    if entry.status == ModelStatus::Downloading {
        entry.status = ModelStatus::Failed {
            error: "the download was cancelled".to_owned(),
        };
    }
    entry
}
