//! `rbee worker set`.

use rbee_proto::hive::v1::UpdateWorkerRequest;
use rbee_proto::hive::v1::hive_service_client::HiveServiceClient;

use super::Session;
use crate::args::{SetArgs, to_proto};
use crate::connect::Cluster;
use crate::failure::{Doing, Failure};
use crate::render::{plain_text, views, workers};

/// Changes how long workers are kept, and says how long that is now.
pub(super) async fn run(arguments: &SetArgs, cluster: &Cluster, session: &Session) -> Result<(), Failure> {
    for worker in cluster.workers_named(&arguments.ids).await? {
        let mut hive = HiveServiceClient::new(cluster.hive_channel(&worker.hive_address).await?);
        let request = UpdateWorkerRequest {
            worker_id: worker.id.clone(),
            pinned: arguments.pinned(),
            idle_ttl: arguments.idle_ttl.map(to_proto),
        };
        let answer = hive.update_worker(request).await;
        let changed = answer
            .doing(|| format!("can't change worker {}", worker.id))?
            .into_inner()
            .worker
            .unwrap_or_default();
        if session.output.json {
            session.output.json_line(&views::Worker::from(&changed))?;
        } else {
            let id = plain_text::one_line(&changed.id);
            session
                .output
                .line(&format!("{id} is kept: {}", workers::kept_words(&changed)))?;
        }
    }
    Ok(())
}
