//! Downloading a model: resolve, receive, look at what came, store, register; the blobs first, the entry last.
//!
//! What the hub said decides what is received, and nothing else: what the model is, its files say.

mod download;
mod locks;
mod shown;
mod whole;

use std::path::PathBuf;

use rbee_artifacts::detect::{Contradiction, Summary};
use rbee_artifacts::{ModelFile, ModelId, ModelStatus};
use rbee_download::Downloader;
use rbee_service_kit::fault::Chain;
use rbee_service_kit::{narrate, narrate_warn};

use crate::domain::imported::{CatalogModel, Imported};
use crate::domain::job::JobPhase;
use crate::domain::plan::Plan;
use crate::entry;
use crate::error::JobError;
use crate::grpc::Retry;
use crate::hub::Hubs;
use crate::import::{Importer, blocking};
use crate::jobs::JobContext;
use download::Received;
use locks::ModelLocks;
use shown::Shown;

/// What a model's metadata says of the commit that its files are of.
pub(crate) const REVISION: &str = "revision";

/// What downloading needs. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Provisioning {
    pub(crate) importer: Importer,
    pub(crate) hubs: Hubs,
    pub(crate) downloader: Downloader,
    /// Where parts lie: a folder for each model.
    pub(crate) parts: PathBuf,
    /// What is left free on the disk, in bytes.
    pub(crate) keep_free_bytes: u64,
    locks: ModelLocks,
}

impl Provisioning {
    pub(crate) fn new(
        importer: Importer,
        hubs: Hubs,
        downloader: Downloader,
        parts: PathBuf,
        keep_free_bytes: u64,
    ) -> Self {
        Self {
            importer,
            hubs,
            downloader,
            parts,
            keep_free_bytes,
            locks: ModelLocks::default(),
        }
    }

    /// The folder of a model's parts.
    pub(crate) fn parts_of(&self, model_id: &ModelId) -> PathBuf {
        self.parts.join(model_id.storage_key())
    }

    /// Brings a model in.
    pub(crate) async fn run(&self, model_id: &ModelId, context: &JobContext) -> Result<Imported, JobError> {
        context.reporter.enter(JobPhase::Resolving);
        let plan = match self.plan(model_id, context).await {
            Ok(plan) => plan,
            Err(error) => return self.without_hub(model_id, error, context).await,
        };
        if !plan.choice.is_empty() {
            context.reporter.note(plan.choice.clone());
        }
        // Two jobs whose ids turn out to be one model take turns: the second finds it here.
        let _alone = self.locks.lock(&plan.model_id, context).await?;
        let existing = self
            .importer
            .catalog
            .model(&plan.model_id, Retry::Patiently(&context.cancel))
            .await?;
        if let Some(existing) = &existing
            && self.is_here(existing, &plan).await?
        {
            return Ok(Imported::Model(Box::new(existing.clone())));
        }
        let mut shown = Shown::new(&self.importer.catalog, existing, context);
        let brought = self.bring(&plan, &mut shown, context).await;
        if let Err(error) = &brought {
            shown.give_up(&plan, error).await;
        }
        brought.map(|model| Imported::Model(Box::new(model)))
    }

    /// What is fetched: as it was decided before, as long as something of it is there; else as the hub has it now.
    async fn plan(&self, model_id: &ModelId, context: &JobContext) -> Result<Plan, JobError> {
        if let Some(plan) = context.handle.plan().await {
            let folder = self.parts_of(&plan.model_id);
            if blocking(move || folder.is_dir()).await? {
                return Ok(plan);
            }
        }
        // Cancel safe: a question that is dropped is not asked any more.
        let plan = tokio::select! {
            plan = self.hubs.plan(model_id) => plan?,
            () = context.cancel.cancelled() => return Err(JobError::Cancelled),
        };
        context
            .handle
            .set_plan(Some(plan.clone()))
            .await
            .map_err(|source| JobError::WorkDir {
                doing: "writing a job below",
                path: self.parts.clone(),
                source,
            })?;
        Ok(plan)
    }

    /// A model that is here is here, also while its hub can't be asked.
    async fn without_hub(
        &self,
        model_id: &ModelId,
        error: JobError,
        context: &JobContext,
    ) -> Result<Imported, JobError> {
        if !error.is_passing() {
            return Err(error);
        }
        let existing = self
            .importer
            .catalog
            .model(model_id, Retry::Patiently(&context.cancel))
            .await?;
        match existing {
            Some(model) if self.is_whole(&model).await? => {
                context.reporter.note(format!(
                    "it is here; whether the hub has a newer one is not known: {}",
                    Chain(&error)
                ));
                Ok(Imported::Model(Box::new(model)))
            }
            _ => Err(error),
        }
    }

    /// Whether the model is here, from the same commit or with the same files.
    async fn is_here(&self, model: &CatalogModel, plan: &Plan) -> Result<bool, JobError> {
        let commit = model.entry.metadata.get(REVISION);
        let same_commit = plan.revision.is_some() && plan.revision.as_ref() == commit;
        let same_files = plan.files.len() == model.entry.files.len()
            && plan.files.iter().all(|planned| {
                let is_it = |file: &ModelFile| Some(file.sha256) == planned.sha256;
                model.entry.files.iter().any(is_it)
            });
        Ok((same_commit || same_files) && self.is_whole(model).await?)
    }

    /// Whether the model can be used, as far as can be told without reading it.
    async fn is_whole(&self, model: &CatalogModel) -> Result<bool, JobError> {
        if model.entry.status != ModelStatus::Available {
            return Ok(false);
        }
        for file in &model.entry.files {
            let size_bytes = self.importer.store.blob_state(&file.sha256).await?.size_bytes();
            if size_bytes != Some(file.size_bytes) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn bring(
        &self,
        plan: &Plan,
        shown: &mut Shown<'_>,
        context: &JobContext,
    ) -> Result<CatalogModel, JobError> {
        let folder = self.parts_of(&plan.model_id);
        self.expect_space(plan, &folder).await?;
        shown.begin(plan).await?;
        context.reporter.enter(JobPhase::Downloading);
        let received = self.receive(plan, &folder, context).await?;
        if context.cancel.is_cancelled() {
            return Err(JobError::Cancelled);
        }

        context.reporter.enter(JobPhase::Inspecting);
        let inspected = whole::inspect(&self.importer.store, plan, &received, &folder).await;
        let (summary, contradictions) = match inspected {
            // What will never be taken need not be kept.
            Err(error @ JobError::Detect(_)) => {
                drop(received);
                self.remove_parts(&plan.model_id).await;
                return Err(error);
            }
            inspected => inspected?,
        };
        let mut facts = plan.metadata.clone();
        facts.extend(
            plan.revision
                .clone()
                .map(|revision| (REVISION.to_owned(), revision)),
        );
        self.flag(plan, &contradictions, &mut facts, context);

        // What is stored here is not collected before the catalog refers to it.
        let _kept = self.importer.collection.read().await;
        context.reporter.enter(JobPhase::Storing);
        let files = self.store(received, context).await?;
        context.reporter.enter(JobPhase::Registering);
        let summary = Summary {
            quantization: summary.quantization.or_else(|| plan.quantization.clone()),
            ..summary
        };
        let entry = entry::available(&plan.model_id, &plan.name, summary, facts, files);
        let model = shown.finish(entry).await?;
        self.remove_parts(&plan.model_id).await;
        Ok(model)
    }

    /// Tells what the hub says and the files deny, wherever somebody may look for it.
    fn flag(
        &self,
        plan: &Plan,
        contradictions: &[Contradiction],
        facts: &mut std::collections::BTreeMap<String, String>,
        context: &JobContext,
    ) {
        if contradictions.is_empty() {
            return;
        }
        for contradiction in contradictions {
            narrate_warn!(job_id = context.id, "{}: {contradiction}", plan.model_id);
            let name = format!("contradiction.{}", contradiction.subject.replace(' ', "_"));
            facts.insert(name, contradiction.to_string());
        }
        let words: Vec<_> = contradictions.iter().map(ToString::to_string).collect();
        context.reporter.note(words.join("; "));
    }

    async fn store(&self, received: Vec<Received>, context: &JobContext) -> Result<Vec<ModelFile>, JobError> {
        let mut files = Vec::new();
        for file in received {
            context.reporter.file(file.name.as_str());
            files.push(file.store(&self.importer.store, &context.cancel).await?);
        }
        Ok(files)
    }

    /// Removes what there is of a model's parts.
    pub(crate) async fn remove_parts(&self, model_id: &ModelId) {
        let folder = self.parts_of(model_id);
        let path = folder.clone();
        let removed = blocking(move || match std::fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
        .await;
        if let Ok(Err(error)) = removed {
            narrate_warn!(folder = %folder.display(), "parts of a download cannot be removed: {error}");
        }
    }

    /// Removes the part of a download that was cancelled or has failed, unless another job is at it.
    pub(crate) async fn discard(&self, model_id: &ModelId) {
        let Some(_alone) = self.locks.try_lock(model_id) else {
            return;
        };
        self.remove_parts(model_id).await;
        narrate!("the part of {model_id} was discarded");
    }
}
