//! Verification and garbage: what is asked, checked.

use std::time::Duration;

use rbee_artifacts::ModelId;
use rbee_proto::provisioner::v1::{CollectGarbageRequest, CollectGarbageResponse};
use rbee_service_kit::Fault;

use super::ProvisionerRpc;
use crate::collect::Collection;
use crate::grpc::{Retry, status};

/// What changed within this time stays, unless the client says otherwise.
const MINIMUM_AGE: Duration = Duration::from_secs(3600);

impl ProvisionerRpc {
    /// Refuses models that the catalog does not have. While it is away, the job finds out.
    pub(super) async fn expect_models(&self, model_ids: &[ModelId]) -> Result<(), Fault> {
        for model_id in model_ids {
            if let Ok(None) = self.work.importer.catalog.model(model_id, Retry::Never).await {
                return Err(status::model_not_found(model_id));
            }
        }
        Ok(())
    }

    pub(super) async fn collect(
        &self,
        request: CollectGarbageRequest,
    ) -> Result<CollectGarbageResponse, Fault> {
        let minimum_age = match request.minimum_age {
            None => MINIMUM_AGE,
            Some(age) => {
                Duration::try_from(age).map_err(|_| Fault::invalid("minimum_age", "must not be negative"))?
            }
        };
        let collection = Collection {
            dry_run: request.dry_run,
            minimum_age,
        };
        let parts = &self.work.provisioning.parts;
        let collected = collection
            .run(&self.work.importer, &self.jobs, parts, &self.shutdown)
            .await
            .map_err(|error| status::job_error(&error))?;
        Ok(CollectGarbageResponse {
            blob_count: collected.blob_count,
            blob_bytes: collected.blob_bytes,
            part_count: collected.part_count,
            part_bytes: collected.part_bytes,
        })
    }
}
