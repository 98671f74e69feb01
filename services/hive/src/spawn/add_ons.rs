//! What a worker's requests can use beside its model.

use rbee_artifacts::{ModelCategory, ModelEntry, ModelId, WorkerId, WorkerType};
use rbee_service_kit::fault::Chain;
use rbee_service_kit::narrate_warn;

use super::error::SpawnError;
use super::files::Meter;
use super::parts::Parts;
use super::spawner::Spawner;
use crate::domain::{Refusal, plan};
use crate::worker::{FolderError, WorkerFolder, add_ons};

impl Spawner {
    /// Makes add-ons of the catalog usable by a worker, now and after each restart. Answers the ids of all that it has.
    ///
    /// # Errors
    /// If one is not there or is no add-on, or the worker makes no pictures.
    pub(crate) async fn attach(
        &self,
        worker_id: &WorkerId,
        worker_type: WorkerType,
        ids: &[ModelId],
    ) -> Result<Vec<ModelId>, SpawnError> {
        if worker_type.model_type_category() != ModelCategory::StableDiffusion {
            return Err(Refusal::NoPictures { worker_type }.into());
        }
        let parts = self.parts();
        let mut entries = Vec::new();
        for id in ids {
            entries.push(parts.add_on(id).await?);
        }
        // First the ledger, then the links: a process that is being prepared reads the ledger after its folder is there,
        // so that either it or this makes the link.
        let all = parts
            .orders
            .attach(worker_id, entries)
            .await
            .map_err(SpawnError::Order)?;
        let folder = parts.folders.workers().join(worker_id.as_str());
        if folder.is_dir() {
            for entry in all.iter().filter(|entry| ids.contains(&entry.id)) {
                parts.link(worker_id, &folder, entry).await?;
            }
        }
        Ok(all.into_iter().map(|entry| entry.id).collect())
    }
}

impl Parts {
    /// An add-on of the catalog that can be used.
    async fn add_on(&self, id: &ModelId) -> Result<ModelEntry, SpawnError> {
        let model = self.catalog.model(id).await?;
        let model = model.ok_or_else(|| Refusal::ModelNotFound { model_id: id.clone() })?;
        plan::check_available(&model)?;
        plan::check_add_on(&model)?;
        // So that files that are missing are told before anything is changed.
        self.files.locate(&model).await?;
        Ok(model)
    }

    async fn link(
        &self,
        worker_id: &WorkerId,
        folder: &std::path::Path,
        entry: &ModelEntry,
    ) -> Result<(), SpawnError> {
        let files = self.files.locate(entry).await?;
        let files = self
            .files
            .fetch(entry, &files, worker_id, &Meter::silent())
            .await?;
        let (folder, id) = (folder.to_path_buf(), entry.id.clone());
        let path = folder.clone();
        tokio::task::spawn_blocking(move || add_ons::attach(&folder, &id, &files))
            .await
            .map_err(|error| FolderError {
                path,
                source: error.into(),
            })??;
        Ok(())
    }

    /// Puts everything that was attached to a worker into its new folder. What has left the store meanwhile is told of
    /// and left out: the worker serves without it.
    pub(super) async fn attach_what_is_wanted(
        &self,
        id: &WorkerId,
        folder: &WorkerFolder,
    ) -> Result<(), SpawnError> {
        let wanted = self.orders.attach(id, Vec::new()).await;
        // One that is not wanted any more is about to be told so.
        for entry in wanted.unwrap_or_default() {
            match self.link(id, folder.path(), &entry).await {
                Err(error @ SpawnError::Refused(_)) => {
                    narrate_warn!(worker_id = %id, "{} is not attached to {id}: {}", entry.id, Chain(&error));
                }
                linked => linked?,
            }
        }
        Ok(())
    }
}
