//! `rbee worker attach`, and what `rbee image` attaches by itself.

use rbee_proto::hive::v1::AttachAddOnsRequest;
use rbee_proto::hive::v1::hive_service_client::HiveServiceClient;
use rbee_proto::types::v1::Worker;

use super::Session;
use crate::connect::Cluster;
use crate::failure::{Doing, Failure};
use crate::render::plain_text;

/// Makes add-ons usable by a worker, and lists what it has now.
pub(super) async fn run(
    id: &str,
    models: Vec<String>,
    cluster: &Cluster,
    session: &Session,
) -> Result<(), Failure> {
    let worker = cluster.worker(id).await?;
    let attached = attach(cluster, &worker, models).await?;
    if session.output.json {
        session.output.document(&attached)?;
    } else {
        for id in attached {
            session.output.line(&plain_text::one_line(&id))?;
        }
    }
    Ok(())
}

/// Makes add-ons usable by a worker; answers the ids of all that it has.
pub(super) async fn attach(
    cluster: &Cluster,
    worker: &Worker,
    model_ids: Vec<String>,
) -> Result<Vec<String>, Failure> {
    let mut hive = HiveServiceClient::new(cluster.hive_channel(&worker.hive_address).await?);
    let request = AttachAddOnsRequest {
        worker_id: worker.id.clone(),
        model_ids,
    };
    let answer = hive.attach_add_ons(request).await;
    Ok(answer
        .doing(|| format!("can't attach to worker {}", worker.id))?
        .into_inner()
        .model_ids)
}
