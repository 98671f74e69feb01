//! A spawn that is only asked about.

use super::error::SpawnError;
use super::spawner::Parts;
use super::{model_files, needs};
use crate::domain::{Fit, Reservation, SpawnRequest, placing, plan};

/// How a worker would fit.
#[derive(Debug)]
pub(crate) struct Check {
    /// On each device that it may go to, best first; at least one.
    pub(crate) fits: Vec<Fit>,
    /// What is reserved on this host.
    pub(crate) reservations: Vec<Reservation>,
    /// Whether the model's files are on this host.
    pub(crate) files_present: bool,
}

impl Parts {
    /// Says how a worker would fit, without starting anything.
    ///
    /// # Errors
    /// If the model can't be served as asked, or its files do not tell what it needs.
    pub(super) async fn check(&self, request: &SpawnRequest) -> Result<Check, SpawnError> {
        let model = self.model(request).await?;
        plan::check_compatible(&model, request.worker_type)?;
        let files = model_files::locate(&self.store, &model).await?;
        let needs = needs::of(&model, &files, request.llm).await?;
        let view = self.host.view().await;
        Ok(Check {
            fits: placing::fits(&view.devices, &view.reservations, request, &needs)?,
            reservations: view.reservations,
            files_present: files.len() == model.files.len(),
        })
    }
}
