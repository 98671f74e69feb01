//! A spawn that is only asked about.

use std::collections::BTreeMap;

use rbee_artifacts::{DeviceId, WorkerId};

use super::error::SpawnError;
use super::files::Located;
use super::needs;
use super::parts::Parts;
use crate::domain::{Fit, Reservation, SpawnRequest, eviction, placing, plan};

/// How a worker would fit.
#[derive(Debug)]
pub(crate) struct Check {
    /// On each device that it may go to, best first; at least one.
    pub(crate) fits: Vec<Fit>,
    /// What is reserved on this host.
    pub(crate) reservations: Vec<Reservation>,
    /// Whether the model's files are on this host.
    pub(crate) files_present: bool,
    /// For each device where it does not fit: the idle workers that would have to leave, if that would do.
    pub(crate) evictable: BTreeMap<DeviceId, Vec<WorkerId>>,
}

impl Parts {
    /// Says how a worker would fit, without starting anything.
    ///
    /// # Errors
    /// If the model can't be served as asked, or its files do not tell what it needs.
    pub(super) async fn check(&self, request: &SpawnRequest) -> Result<Check, SpawnError> {
        let model = self.model(request, None).await?;
        plan::check_compatible(&model, request.worker_type)?;
        let files = self.files.locate(&model).await?;
        let needs = needs::of(&model, &files, request.llm, request.sd).await?;
        let view = self.host.view().await;
        let fits = placing::fits(&view.devices, &view.reservations, request, &needs)?;
        let idle = self.workers.idle();
        let tight = fits.iter().filter(|fit| fit.fits() == Some(false));
        let evictable = tight.filter_map(|fit| {
            let leaving = eviction::make_room(&fit.device, &view.reservations, &idle, request, &needs)?;
            Some((fit.device.id, leaving))
        });
        Ok(Check {
            evictable: evictable.collect(),
            fits,
            reservations: view.reservations,
            files_present: files.iter().all(Located::is_here),
        })
    }
}
