//! What can be done to a worker as a whole.

use rbee_proto::hive::v1::{RestartWorkerRequest, StopWorkerRequest};

use super::cluster::Cluster;
use super::failure::Failure;
use crate::model::cluster::Worker;

/// Starts a worker anew; answers when that has begun.
///
/// # Errors
/// What the hive says.
pub async fn restart(cluster: &Cluster, worker: &Worker) -> Result<(), Failure> {
    let request = RestartWorkerRequest {
        worker_id: worker.id.to_string(),
        drain_grace: None,
    };
    cluster
        .hive(&worker.hive_address)?
        .restart_worker(request)
        .await?;
    Ok(())
}

/// Stops a worker; answers when it is gone.
///
/// # Errors
/// What the hive says.
pub async fn stop(cluster: &Cluster, worker: &Worker) -> Result<(), Failure> {
    let request = StopWorkerRequest {
        worker_id: worker.id.to_string(),
        drain_grace: None,
    };
    cluster.hive(&worker.hive_address)?.stop_worker(request).await?;
    Ok(())
}
