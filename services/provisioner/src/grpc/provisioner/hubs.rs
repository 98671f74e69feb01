//! What the hubs have, and what of it is here.

use rbee_artifacts::{ModelId, ModelStatus, Vendor};
use rbee_proto::provisioner::v1 as wire;
use rbee_service_kit::Fault;
use rbee_vendors::Resolution;

use super::ProvisionerRpc;
use super::credentials::hub_vendor;
use crate::grpc::convert::hub::{query_from_wire, resolution_to_wire, search_page_to_wire};
use crate::grpc::{Retry, status};
use crate::hub;

impl ProvisionerRpc {
    /// What a download of a model would be.
    pub(super) async fn resolution(&self, model_id: &ModelId) -> Result<wire::Resolution, Fault> {
        if model_id.vendor() == Vendor::Local {
            return Err(status::not_of_a_hub(model_id));
        }
        let provisioning = &self.work.provisioning;
        let resolution = provisioning
            .hubs
            .resolve(model_id)
            .await
            .map_err(|error| status::vendor(&error))?;
        let mut answer = resolution_to_wire(&resolution);
        self.add_what_is_here(resolution, &mut answer).await?;
        Ok(answer)
    }

    /// Adds what this cluster has of it, and whether the rest fits.
    async fn add_what_is_here(
        &self,
        resolution: Resolution,
        answer: &mut wire::Resolution,
    ) -> Result<(), Fault> {
        let provisioning = &self.work.provisioning;
        let is_size_known = resolution.size_bytes().is_some();
        let plan = hub::plan(resolution);
        let folder = provisioning.parts_of(&plan.model_id);
        let missing_bytes = provisioning
            .missing_bytes(&plan, &folder)
            .await
            .map_err(|error| status::job_error(&error))?;
        let parts = provisioning.parts.clone();
        let available = tokio::task::spawn_blocking(move || crate::disk::available_bytes(&parts)).await;
        let available_bytes = available.ok().and_then(Result::ok).flatten();
        answer.download_bytes = is_size_known.then_some(missing_bytes);
        answer.disk_available_bytes = available_bytes;
        answer.fits_disk = available_bytes
            .filter(|_| is_size_known)
            .map(|available| missing_bytes <= available.saturating_sub(provisioning.keep_free_bytes));
        // While the catalog is away, nothing is known to be here.
        let existing = self
            .work
            .importer
            .catalog
            .model(&plan.model_id, Retry::Never)
            .await;
        answer.already_here =
            matches!(existing, Ok(Some(model)) if model.entry.status == ModelStatus::Available);
        Ok(())
    }

    /// The id of a model that a job can be about.
    pub(super) async fn provisionable(&self, model_id: &ModelId) -> Result<ModelId, Fault> {
        if model_id.vendor() == Vendor::Local {
            return Err(status::not_of_a_hub(model_id));
        }
        Ok(self.work.provisioning.hubs.canonical(model_id).await)
    }

    /// A page of what a hub has.
    pub(super) async fn search(
        &self,
        request: wire::SearchModelsRequest,
    ) -> Result<wire::SearchModelsResponse, Fault> {
        let vendor = hub_vendor(request.vendor)?;
        let query = query_from_wire(request)?;
        let page = self
            .work
            .provisioning
            .hubs
            .search(vendor, &query)
            .await
            .map_err(|error| status::vendor(&error))?;
        let here = self.work.importer.catalog.here().await;
        Ok(search_page_to_wire(page, &here))
    }
}
