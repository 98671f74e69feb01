//! `rbee worker stop`.

use futures_util::{StreamExt as _, stream};
use rbee_proto::hive::v1::StopWorkerRequest;
use rbee_proto::hive::v1::hive_service_client::HiveServiceClient;
use rbee_proto::types::v1::Worker;

use super::Session;
use crate::args::StopArgs;
use crate::connect::Cluster;
use crate::failure::{Doing, Failure};
use crate::render::{plain_text, views};

/// Workers that are stopped at the same time: a long grace of one must not hold up the others.
const AT_ONCE: usize = 16;

/// Stops workers and tells of each when it is gone. One that can't be stopped keeps none of the others.
pub(super) async fn run(arguments: &StopArgs, cluster: &Cluster, session: &Session) -> Result<(), Failure> {
    let workers = cluster.workers_named(&arguments.ids).await?;
    let mut stopped =
        stream::iter(workers.iter().map(|worker| stop(cluster, worker, arguments))).buffer_unordered(AT_ONCE);
    let mut first_failure = Ok(());
    while let Some(result) = stopped.next().await {
        match result {
            Ok(worker) if session.output.json => session.output.json_line(&views::Worker::from(&worker))?,
            Ok(worker) => session
                .output
                .line(&format!("stopped {}", plain_text::one_line(&worker.id)))?,
            Err(failure) => first_failure = first_failure.and(Err(failure)),
        }
    }
    first_failure
}

async fn stop(cluster: &Cluster, worker: &Worker, arguments: &StopArgs) -> Result<Worker, Failure> {
    let mut hive = HiveServiceClient::new(cluster.hive_channel(&worker.hive_address).await?);
    let request = StopWorkerRequest {
        worker_id: worker.id.clone(),
        drain_grace: arguments.grace.to_proto(),
    };
    let answer = hive.stop_worker(request).await;
    let stopped = answer.doing(|| format!("can't stop worker {}", worker.id))?;
    Ok(stopped.into_inner().worker.unwrap_or_default())
}
