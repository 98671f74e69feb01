//! Reading models anew: whether each file still has the content that it is named by.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use rbee_artifacts::{ModelFile, ModelId, ModelStatus, Sha256};
use rbee_service_kit::narrate_warn;
use rbee_store::{BlobCheck, StoreError};

use crate::domain::imported::{CatalogModel, FileProblem, FileProblemKind, Imported, Verification};
use crate::domain::job::JobPhase;
use crate::domain::progress::ProgressMeter;
use crate::entry;
use crate::error::JobError;
use crate::grpc::Retry;
use crate::import::Importer;
use crate::jobs::JobContext;

/// Reads the models of these ids, or all if there are none, and has the catalog say what came of it.
pub(crate) async fn run(
    importer: &Importer,
    model_ids: &[ModelId],
    context: &JobContext,
) -> Result<Imported, JobError> {
    context.reporter.enter(JobPhase::Verifying);
    let models = models(importer, model_ids, context).await?;
    let total_bytes = models
        .iter()
        .flat_map(|model| &model.entry.files)
        .map(|file| file.size_bytes)
        .sum();
    let mut verifier = Verifier {
        importer,
        context,
        meter: Arc::new(Mutex::new(ProgressMeter::new(Some(total_bytes), Instant::now()))),
        before_bytes: 0,
        checked: HashMap::new(),
        found: Verification::default(),
    };
    for model in models {
        verifier.model(model).await?;
    }
    Ok(Imported::Verification(verifier.found))
}

async fn models(
    importer: &Importer,
    model_ids: &[ModelId],
    context: &JobContext,
) -> Result<Vec<CatalogModel>, JobError> {
    let retry = Retry::Patiently(&context.cancel);
    let mut models = Vec::new();
    if model_ids.is_empty() {
        models = importer.catalog.models(retry).await?;
    }
    for model_id in model_ids {
        let model = importer.catalog.model(model_id, retry).await?;
        models.push(model.ok_or_else(|| JobError::NoSuchModel {
            model_id: model_id.clone(),
        })?);
    }
    // What is being brought in has no files yet, and what never came has none to look at.
    models.retain(|model| !model.entry.files.is_empty());
    Ok(models)
}

/// What is wrong with a blob, if anything is.
type Outcome = Option<(FileProblemKind, String)>;

struct Verifier<'a> {
    importer: &'a Importer,
    context: &'a JobContext,
    meter: Arc<Mutex<ProgressMeter>>,
    before_bytes: u64,
    /// A blob that several models have is read once.
    checked: HashMap<Sha256, Outcome>,
    found: Verification,
}

impl Verifier<'_> {
    async fn model(&mut self, model: CatalogModel) -> Result<(), JobError> {
        let mut problems = Vec::new();
        for file in &model.entry.files {
            self.context
                .reporter
                .file(format!("{} {}", model.entry.id, file.name));
            if let Some((kind, message)) = self.blob(file).await? {
                problems.push(FileProblem {
                    model_id: model.entry.id.clone(),
                    file_name: file.name.clone(),
                    kind,
                    message,
                });
            }
            self.found.file_count += 1;
            self.found.size_bytes += file.size_bytes;
        }
        self.found.model_count += 1;
        self.mark(model, &problems).await?;
        self.found.problems.extend(problems);
        Ok(())
    }

    /// Has the catalog say whether the model can be used.
    async fn mark(&self, model: CatalogModel, problems: &[FileProblem]) -> Result<(), JobError> {
        let status = match problems {
            [] => ModelStatus::Available,
            [first, ..] => ModelStatus::Failed {
                error: entry::shortened(format!("{}: {}", first.file_name, first.message)),
            },
        };
        if model.entry.status == status {
            return Ok(());
        }
        if let Some(first) = problems.first() {
            narrate_warn!(
                "{} can't be used: {}: {}",
                model.entry.id,
                first.file_name,
                first.message
            );
        }
        let mut entry = model.entry;
        entry.status = status;
        // Who changed it meanwhile knows more of it than this.
        self.importer
            .catalog
            .update_model(&entry, model.revision, Retry::Patiently(&self.context.cancel))
            .await?;
        Ok(())
    }

    async fn blob(&mut self, file: &ModelFile) -> Result<Outcome, JobError> {
        if let Some(outcome) = self.checked.get(&file.sha256) {
            let outcome = outcome.clone();
            self.advance(file.size_bytes);
            return Ok(outcome);
        }
        let progress = self.context.metered(&self.meter, self.before_bytes);
        let checked = self.importer.store.verify_blob(&file.sha256, progress).await;
        let outcome = match checked {
            Ok(BlobCheck::Good { size_bytes }) if size_bytes == file.size_bytes => None,
            Ok(BlobCheck::Good { size_bytes }) => Some((
                FileProblemKind::Damaged,
                format!("it has {size_bytes} bytes instead of {}", file.size_bytes),
            )),
            Ok(BlobCheck::Missing) => Some((
                FileProblemKind::Missing,
                "its content is not in the store any more".to_owned(),
            )),
            Ok(BlobCheck::Damaged { actual, .. }) => {
                Some((FileProblemKind::Damaged, self.set_aside(file, &actual).await))
            }
            Ok(BlobCheck::Changed { path, change }) => {
                Some((FileProblemKind::Damaged, format!("{} {change}", path.display())))
            }
            Err(StoreError::Cancelled { .. }) => return Err(JobError::Cancelled),
            Err(error) => Some((
                FileProblemKind::Unreadable,
                rbee_service_kit::fault::Chain(&error).to_string(),
            )),
        };
        self.checked.insert(file.sha256, outcome.clone());
        self.advance(file.size_bytes);
        Ok(outcome)
    }

    /// Moves a damaged blob out of the way, so that its content can be brought in again; says what came of it.
    async fn set_aside(&self, file: &ModelFile, actual: &Sha256) -> String {
        let damaged = format!("its content has the SHA-256 {actual} instead of {}", file.sha256);
        match self.importer.store.set_blob_aside(&file.sha256).await {
            Ok(_) => format!("{damaged}; it was set aside: bring the model in again"),
            Err(error) => {
                tracing::warn!(%error, "a damaged blob cannot be set aside");
                damaged
            }
        }
    }

    fn advance(&mut self, size_bytes: u64) {
        self.before_bytes += size_bytes;
        if let Some(progress) = self.meter.lock().advance(self.before_bytes, Instant::now()) {
            self.context.reporter.advance(progress);
        }
    }
}
